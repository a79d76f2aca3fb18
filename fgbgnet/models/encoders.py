"""Feature pyramids: our plain U-Net encoder, those of segmentation-models-pytorch, and those of timm.

Whatever its source, an encoder is an `nn.Module` that follows `Encoder`: this file is the only place that knows the
two libraries.
"""

import fnmatch
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from fgbgnet.errors import InvalidArgumentError, UnknownNameError, WeightsError
from fgbgnet.models.decoder import DoubleConv

PLAIN_ENCODERS = {"unet": (64, 128, 256, 512, 512), "unet_small": (16, 32, 64, 128, 128)}
"""Channels of the plain U-Net's stages; ``"unet"`` is the seed's network of 2020."""

TIMM_PREFIX = "tu-"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Encoder(nn.Module):
    """What `DualHeadUNet` needs of an encoder: derive from it, or offer the same attributes.

    ``forward(x)`` takes (B, in_channels, H, W), with H and W multiples of the deepest stride, and returns the list of
    features, shallow to deep. An encoder whose features are each made from the one before is a `StagedEncoder`, and
    can be split between the tasks.

    Attributes:
        out_channels: Channels of the features.
        strides: Strides of the features with respect to the picture, ascending.
        mean: RGB mean of the pictures that the weights expect, for pictures in [0, 1].
        std: RGB standard deviation, likewise.
    """

    out_channels: tuple[int, ...]
    strides: tuple[int, ...]
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD


class StagedEncoder(Encoder):
    """A chain of stages, each of which makes its feature from the one before; the kind that can be split.

    Args:
        stages: The chain.
        out_channels: Channels after each stage.
        strides: Stride of each stage's feature with respect to the picture.
    """

    def __init__(self, stages: Sequence[nn.Module], out_channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.out_channels = tuple(out_channels)
        self.strides = tuple(strides)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) -> one feature per stage, shallow to deep."""
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

    def split(self, stage: int) -> tuple["StagedEncoder", "StagedEncoder"]:
        """The first ``stage`` stages, and the rest; both keep the weights of this one."""
        head = StagedEncoder(list(self.stages[:stage]), self.out_channels[:stage], self.strides[:stage])
        tail = StagedEncoder(list(self.stages[stage:]), self.out_channels[stage:], self.strides[stage:])
        return head, tail


class PlainEncoder(StagedEncoder):
    """The contracting path of the classic U-Net: double convolutions and max pooling.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the stages; the strides are 1, 2, 4, ...
    """

    def __init__(self, in_channels: int, channels: Sequence[int]) -> None:
        stages: list[nn.Module] = [DoubleConv(in_channels, channels[0], bias=True)]
        for incoming, outgoing in pairwise(channels):
            stages.append(nn.Sequential(nn.MaxPool2d(2), DoubleConv(incoming, outgoing, bias=True)))
        super().__init__(stages, channels, [2**i for i in range(len(channels))])


class _PyramidAdapter(Encoder):
    """A library's encoder under our protocol: the input itself and empty levels are left out."""

    def __init__(
        self,
        encoder: nn.Module,
        levels: Sequence[tuple[int, int, int]],
        channels_last: bool = False,
        fixed_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.indices = tuple(index for index, _, _ in levels)
        self.out_channels = tuple(channels for _, channels, _ in levels)
        self.strides = tuple(stride for _, _, stride in levels)
        self.channels_last = channels_last
        self.fixed_size = fixed_size

    def forward(self, x: Tensor) -> list[Tensor]:
        if self.fixed_size is not None and tuple(x.shape[-2:]) != self.fixed_size:
            raise InvalidArgumentError(
                f"pictures of {tuple(x.shape[-2:])} pixels came; this encoder takes {self.fixed_size} only. "
                "Resize them, or choose an encoder of a convolutional, swin, pvt or mit family"
            )
        features = self.encoder(x)
        chosen = [features[index] for index in self.indices]
        return [f.permute(0, 3, 1, 2).contiguous() for f in chosen] if self.channels_last else chosen


@cache
def _smp_names() -> tuple[str, ...]:
    from segmentation_models_pytorch.encoders import get_encoder_names

    return tuple(get_encoder_names())


@cache
def _timm_names() -> tuple[str, ...]:
    import timm

    return tuple(TIMM_PREFIX + name for name in timm.list_models())


def _known_names() -> list[str]:
    return [*PLAIN_ENCODERS, *_smp_names(), *_timm_names()]


def list_encoders(pattern: str = "*") -> list[str]:
    """Names that `DualHeadUNet` takes as ``encoder_name``.

    Args:
        pattern: A shell pattern, e.g. ``"resnet*"``. Names of timm carry the prefix ``tu-``.

    Returns:
        The plain encoders, then those of segmentation-models-pytorch, then those of timm. Among the latter, the
        flat ones (plain vision transformers, without a pyramid) are refused when a model is built.

    >>> list_encoders("unet*")
    ['unet', 'unet_small']
    >>> "resnet34" in list_encoders("resnet*")
    True
    """
    return fnmatch.filter(_known_names(), pattern)


def build_encoder(name: str, in_channels: int, depth: int = 5, weights: str | bool | None = None) -> Encoder:
    """Builds a named encoder.

    Args:
        name: One of `list_encoders`.
        in_channels: Channels of the input.
        depth: The deepest feature has a stride of at most ``2 ** depth``; 1 to 5.
        weights: Pretrained weights: a name that the source knows, True for its default, None for random weights.

    Returns:
        The encoder.

    Raises:
        UnknownNameError: If the name or the weights are unknown.
        InvalidArgumentError: If the depth is out of range, or the encoder has no feature pyramid.
        WeightsError: If pretrained weights cannot be fetched.
    """
    if not 1 <= depth <= 5:
        raise InvalidArgumentError(f"encoder_depth={depth}; expected 1 to 5 (5: a deepest stride of 32)")
    if name in PLAIN_ENCODERS:
        if weights:
            raise InvalidArgumentError(f"encoder {name!r} has no pretrained weights; use encoder_weights=None")
        return PlainEncoder(in_channels, PLAIN_ENCODERS[name][: depth + 1])
    try:
        if name in _timm_names():
            return _timm_encoder(name.removeprefix(TIMM_PREFIX), in_channels, depth, weights)
        if name in _smp_names():
            return _smp_encoder(name, in_channels, depth, weights)
    except (OSError, ConnectionError) as error:
        if not weights:
            raise
        raise WeightsError(
            f"pretrained weights {weights!r} of encoder {name!r} could not be fetched ({error}); "
            "check the network, or start from random weights with encoder_weights=None"
        ) from error
    raise UnknownNameError("encoder", name, _known_names(), "fgbgnet.list_encoders(pattern) lists all.")


def _smp_encoder(name: str, in_channels: int, depth: int, weights: str | bool | None) -> Encoder:
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
    adapter = _PyramidAdapter(encoder, levels)
    params: dict[str, Any] = get_preprocessing_params(name, weights) if weights else {}
    _set_statistics(adapter, params.get("mean"), params.get("std"))
    return adapter


def _timm_encoder(name: str, in_channels: int, depth: int, weights: str | bool | None) -> Encoder:
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
    adapter = _PyramidAdapter(encoder, levels, getattr(encoder, "output_fmt", None) == "NHWC", fixed_size)
    _set_statistics(adapter, getattr(settings, "mean", None), getattr(settings, "std", None))
    return adapter


def _set_statistics(encoder: Encoder, mean: Sequence[float] | None, std: Sequence[float] | None) -> None:
    encoder.mean = tuple(mean or IMAGENET_MEAN)
    encoder.std = tuple(std or IMAGENET_STD)


__all__ = ["PLAIN_ENCODERS", "Encoder", "PlainEncoder", "StagedEncoder", "build_encoder", "list_encoders"]
