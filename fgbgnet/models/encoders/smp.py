"""Encoders of segmentation-models-pytorch."""

from functools import cache
from typing import Any

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.models.encoders.adapter import PyramidAdapter, set_statistics
from fgbgnet.models.encoders.protocol import Encoder


@cache
def smp_names() -> tuple[str, ...]:
    from segmentation_models_pytorch.encoders import get_encoder_names

    return tuple(get_encoder_names())


def smp_encoder(name: str, in_channels: int, depth: int, weights: str | bool | None) -> Encoder:
    from segmentation_models_pytorch.encoders import encoders, get_encoder, get_preprocessing_params

    settings = encoders[name].get("pretrained_settings", {})
    if weights is True:
        weights = "imagenet" if "imagenet" in settings else next(iter(settings), None)
    if weights and weights not in settings:
        raise UnknownNameError(f"encoder_weights for {name!r}", str(weights), settings, "None starts at random.")
    try:
        encoder = get_encoder(name, in_channels=in_channels, depth=depth, weights=weights or None)
    except (ValueError, AssertionError, NotImplementedError) as error:
        raise InvalidArgumentError(f"encoder {name!r} cannot be built with encoder_depth={depth}: {error}") from error
    levels = [(i, c, 2**i) for i, c in enumerate(encoder.out_channels) if i > 0 and c > 0]
    adapter = PyramidAdapter(encoder, levels)
    params: dict[str, Any] = get_preprocessing_params(name, weights) if weights else {}
    set_statistics(adapter, params.get("mean"), params.get("std"))
    return adapter


__all__ = ["smp_encoder", "smp_names"]
