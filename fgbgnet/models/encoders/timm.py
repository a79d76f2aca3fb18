"""Encoders of timm."""

from functools import cache
from itertools import pairwise
from typing import Any

from fgbgnet.errors import InvalidArgumentError, WeightsError
from fgbgnet.models.encoders.adapter import PyramidAdapter, set_statistics
from fgbgnet.models.encoders.protocol import Encoder

TIMM_PREFIX = "tu-"


@cache
def timm_names() -> tuple[str, ...]:
    import timm

    return tuple(TIMM_PREFIX + name for name in timm.list_models())


def timm_encoder(name: str, in_channels: int, depth: int, weights: str | bool | None) -> Encoder:
    import timm

    architecture = name
    if isinstance(weights, str) and weights != "imagenet":
        architecture = f"{name}.{weights}"  # timm's own notation: model.tag
    fixed_size = None
    settings: Any = timm.get_pretrained_cfg(architecture)
    encoder: Any
    options: dict[str, Any] = {"features_only": True, "in_chans": in_channels, "pretrained": bool(weights)}
    try:
        try:  # window transformers refuse sizes other than their own unless told not to
            encoder = timm.create_model(architecture, strict_img_size=False, **options)
        except TypeError:
            encoder = timm.create_model(architecture, **options)
            if getattr(settings, "fixed_input_size", False):
                fixed_size = tuple(settings.input_size[1:])
    except (RuntimeError, AttributeError, TypeError) as error:
        if weights:
            raise WeightsError(f"timm cannot build {architecture!r} with pretrained weights: {error}") from error
        raise InvalidArgumentError(f"encoder 'tu-{name}' has no feature pyramid that timm can extract: {error}") from (
            error
        )
    strides, channels = encoder.feature_info.reduction(), encoder.feature_info.channels()
    levels = [(i, c, s) for i, (c, s) in enumerate(zip(channels, strides, strict=True)) if s <= 2**depth]
    ascending = all(a[2] < b[2] for a, b in pairwise(levels))
    if len(levels) < 2 or not ascending:
        raise InvalidArgumentError(
            f"encoder 'tu-{name}' has strides {tuple(strides)}, which is no pyramid up to {2**depth}; "
            "a U-Net needs one, as resnet, convnext or swin families have"
        )
    adapter = PyramidAdapter(encoder, levels, getattr(encoder, "output_fmt", None) == "NHWC", fixed_size)
    set_statistics(adapter, getattr(settings, "mean", None), getattr(settings, "std", None))
    return adapter


__all__ = ["TIMM_PREFIX", "timm_encoder", "timm_names"]
