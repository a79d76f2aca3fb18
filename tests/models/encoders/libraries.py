"""Encoders beside the module of the library that they were made of, which is the reference for what they compute."""

from unittest import mock

import torch

from fgbgnet.models import build_encoder
from fgbgnet.models.encoders import adapter


def built(name, in_channels=6, **options):
    """The encoder, and a function that runs the library's own forward and picks the same features."""
    seen = []

    def spy(library, levels, channels_last=False):
        seen.append((library, levels, channels_last))
        return adapter.adapted(library, levels, channels_last)

    with (
        mock.patch("fgbgnet.models.encoders.timm.adapted", spy),
        mock.patch("fgbgnet.models.encoders.smp.adapted", spy),
    ):
        encoder = build_encoder(name, in_channels, **options)
    if not seen:  # known to be no chain: nobody tried
        return encoder, None
    library, levels, channels_last = seen[0]

    def original(picture):
        library.train(encoder.training)
        everything = library(picture)
        features = [everything[level.place] for level in levels]
        return [feature.permute(0, 3, 1, 2) for feature in features] if channels_last else features

    return encoder, original


def in_parts(encoder, *stages):
    """A function that runs the encoder split behind each of these stages."""
    parts, rest, done = [], encoder, 0
    for stage in stages:
        part, rest = rest.split(stage - done)
        parts.append(part)
        done = stage
    parts.append(rest)

    def forward(x):
        features = []
        for part in parts:
            features += part(x)
            x = features[-1]
        return features

    return forward


def values_of(encoder, forward, picture):
    """Features, and the gradients of a weighted sum of them, with fixed random numbers."""
    torch.manual_seed(0)
    features = forward(picture)
    values = {f"feature {number}": feature.detach().clone() for number, feature in enumerate(features)}
    if encoder.training:
        generator = torch.Generator().manual_seed(1)
        total = sum((feature * torch.rand(feature.shape, generator=generator)).sum() for feature in features)
        names, parameters = zip(*encoder.named_parameters(), strict=True)
        gradients = torch.autograd.grad(total, parameters, allow_unused=True)
        values.update({name: g for name, g in zip(names, gradients, strict=True) if g is not None})
    return values


def assert_same_bits(one, other):
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert not different
