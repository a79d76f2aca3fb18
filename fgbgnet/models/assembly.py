"""Builds the parts of a `DualHeadUNet` from its arguments: trunk, tails, decoder channels."""

import copy
from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.models.decoder import mirrored_channels, upsampling_strides
from fgbgnet.models.encoders import (
    PLAIN_ENCODERS,
    Encoder,
    InputSizes,
    StagedEncoder,
    build_encoder,
    canonical_name,
    near_splittable,
)
from fgbgnet.models.fusion import (
    EarlyFusion,
    FusionInit,
    SiameseFusion,
    SingleStream,
    fused_channels,
    init_first_convolution,
)

DEFAULT_DECODER_CHANNELS = (256, 128, 64, 32, 16)


class EncoderArguments(NamedTuple):
    """What of the model's arguments decides about its encoder."""

    name: str | Encoder
    weights: str | bool | None
    depth: int
    fusion: str
    fusion_init: FusionInit | None
    in_channels: int


class Backbone(NamedTuple):
    """The shared part, and what each task has of the encoder beyond it.

    Attributes:
        shared: Fusion over the shared stages.
        tails: The deeper stages, once per task, in the form of the fusion; None where all are shared.
        channels: Channels of all levels that a decoder reads, shallow to deep.
        strides: Their strides.
        input_sizes: Sizes of pictures that the encoder takes.
    """

    shared: EarlyFusion | SiameseFusion
    tails: tuple[SingleStream | SiameseFusion | None, SingleStream | SiameseFusion | None]
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    input_sizes: InputSizes


def build_backbone(arguments: EncoderArguments, shared_stages: int | None, merge: str) -> Backbone:
    """Builds the encoder, once for what is shared and once per task for the rest.

    Raises:
        UnknownNameError: If a name is unknown.
        InvalidArgumentError: If the encoder does not fit, or cannot be split.
    """
    encoder = _build(arguments)
    trunk, tails = encoder, None
    if shared_stages is not None:
        given = isinstance(arguments.name, nn.Module)
        other = copy.deepcopy(encoder) if given else _build(arguments)
        trunk, tails = _split(arguments.name, encoder, other, shared_stages)
    # An encoder of a user's own need not say it.
    sizes = getattr(encoder, "input_sizes", None) or InputSizes(encoder.strides[-1])
    shared: EarlyFusion | SiameseFusion
    if arguments.fusion == "siamese":
        shared = SiameseFusion(trunk, merge)
    else:
        shared = EarlyFusion(trunk, arguments.fusion == "early_diff")
    if tails is None:
        return Backbone(shared, (None, None), shared.out_channels, shared.strides, sizes)
    mask, depth = (
        SiameseFusion(tail, merge) if arguments.fusion == "siamese" else SingleStream(tail) for tail in tails
    )
    channels = (*shared.out_channels, *mask.out_channels)
    return Backbone(shared, (mask, depth), channels, (*shared.strides, *mask.strides), sizes)


def default_decoder_channels(encoder: str | Encoder, strides: Sequence[int], out_stride: int) -> tuple[int, ...]:
    """Channels of a decoder by its encoder: mirrored for the plain U-Nets, else those of SMP's U-Net.

    >>> default_decoder_channels("resnet18", (2, 4, 8, 16, 32), 1)
    (256, 128, 64, 32, 16)
    """
    steps = len(upsampling_strides(strides, out_stride))
    plain = PLAIN_ENCODERS.get(encoder) if isinstance(encoder, str) else None
    if plain:
        return mirrored_channels(plain, steps)
    deepest = len(DEFAULT_DECODER_CHANNELS) - len(upsampling_strides(strides))
    return DEFAULT_DECODER_CHANNELS[deepest : deepest + steps]


def _build(arguments: EncoderArguments) -> Encoder:
    name, fusion = arguments.name, arguments.fusion
    if isinstance(name, nn.Module):
        if not all(hasattr(name, attribute) for attribute in ("out_channels", "strides", "mean", "std")):
            raise InvalidArgumentError(
                f"encoder {type(name).__name__} has no out_channels, strides, mean and std; "
                "derive it from fgbgnet.models.Encoder"
            )
        return name
    built = build_encoder(name, fused_channels(fusion, arguments.in_channels), arguments.depth, arguments.weights)
    fusion_init = arguments.fusion_init or ("mean" if arguments.weights else None)
    if fusion_init and fusion != "siamese":
        init_first_convolution(built, fusion, fusion_init, arguments.in_channels, pretrained=bool(arguments.weights))
    return built


def _split(
    name: str | Encoder, encoder: Encoder, other: Encoder, shared_stages: int
) -> tuple[Encoder, tuple[Encoder, Encoder] | None]:
    """The trunk that both tasks share, and the deeper stages of each; None where all stages are shared."""
    stages = len(encoder.strides)
    if not isinstance(encoder, StagedEncoder) or not isinstance(other, StagedEncoder):
        if isinstance(name, str):
            why = f"encoder {name!r} cannot be split between the tasks: {getattr(encoder, 'why', 'it is no chain')}"
            others = f"one that can, such as {', '.join(map(repr, near_splittable(canonical_name(name))))}"
        else:
            why = f"encoder {type(encoder).__name__} cannot be split between the tasks"
            others = "derive it from fgbgnet.models.StagedEncoder"
        raise InvalidArgumentError(
            f"shared_stages={shared_stages}: {why}; use shared_stages=None (all stages shared), or {others}"
        )
    if not 1 <= shared_stages <= stages:
        raise InvalidArgumentError(
            f"shared_stages={shared_stages}; this encoder has {stages} stages: expected 1 to {stages}, or None for all"
        )
    if shared_stages == stages:
        return encoder, None
    trunk, tail = encoder.split(shared_stages)
    return trunk, (tail, other.split(shared_stages)[1])


__all__ = ["DEFAULT_DECODER_CHANNELS", "Backbone", "EncoderArguments", "build_backbone", "default_decoder_channels"]
