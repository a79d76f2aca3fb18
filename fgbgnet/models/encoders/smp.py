"""Encoders of segmentation-models-pytorch."""

from functools import cache
from typing import Any

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.models.encoders.adapter import Level, adapted
from fgbgnet.models.encoders.protocol import Encoder


@cache
def smp_names() -> tuple[str, ...]:
    """Names of all encoders of the library itself; those that it takes from timm are ours from timm."""
    from segmentation_models_pytorch.encoders import get_encoder_names

    return tuple(get_encoder_names())


def smp_weights(name: str) -> tuple[str, ...]:
    """Names of an encoder's pretrained weights, the default first."""
    from segmentation_models_pytorch.encoders import encoders

    settings = encoders[name].get("pretrained_settings") or {}
    return tuple(sorted(settings, key=lambda weights: weights != "imagenet"))


def smp_family(name: str) -> str:
    """The library's module that an encoder stands in."""
    from segmentation_models_pytorch.encoders import encoders

    module: str = encoders[name]["encoder"].__module__
    return module.rpartition(".")[2]


def smp_license(name: str) -> str | None:
    """The licence of an encoder and its weights, where the library's own files name one."""
    # The head of mix_transformer.py. Of the others the files say nothing, or "see the accompanying LICENSE".
    return "nvidia-source-code-license" if smp_family(name) == "mix_transformer" else None


def smp_encoder(name: str, in_channels: int, depth: int, weights: str | bool | None) -> Encoder:
    """Builds an encoder of the library.

    Args:
        name: One of `smp_names`.
        in_channels: Channels of the input.
        depth: The deepest feature has a stride of at most ``2 ** depth``.
        weights: Pretrained weights: one of `smp_weights`, True for the first, None for random ones.

    Raises:
        UnknownNameError: If the weights are unknown.
        InvalidArgumentError: If the library cannot build it with this depth.
    """
    from segmentation_models_pytorch.encoders import get_encoder, get_preprocessing_params

    known = smp_weights(name)
    if weights is True:
        if not known:
            raise InvalidArgumentError(f"encoder {name!r} has no pretrained weights; use encoder_weights=None")
        weights = known[0]
    if weights and weights not in known:
        raise UnknownNameError(f"encoder_weights for {name!r}", str(weights), known, "None starts at random.")
    try:
        encoder = get_encoder(name, in_channels=in_channels, depth=depth, weights=weights or None)
    except (ValueError, AssertionError, NotImplementedError) as error:
        raise InvalidArgumentError(f"encoder {name!r} cannot be built with encoder_depth={depth}: {error}") from error
    levels = [Level(index, channels, 2**index) for index, channels in enumerate(encoder.out_channels)]
    # Most return the picture itself as their first feature, and an empty one where a level is missing.
    start = 1 if levels[0].channels == in_channels else 0
    levels = [level for level in levels[start:] if level.channels > 0]
    if not levels:
        raise InvalidArgumentError(
            f"encoder {name!r} has no feature of a stride up to {2**depth}; use a larger encoder_depth"
        )
    adapter = adapted(encoder, levels)
    if weights:
        settings: dict[str, Any] = get_preprocessing_params(name, weights)
        adapter.mean, adapter.std = tuple(settings["mean"]), tuple(settings["std"])
    return adapter


__all__ = ["smp_encoder", "smp_family", "smp_license", "smp_names", "smp_weights"]
