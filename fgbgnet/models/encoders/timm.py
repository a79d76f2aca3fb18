"""Encoders of timm."""

import fnmatch
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from torch import nn

from fgbgnet.errors import InvalidArgumentError, UnknownNameError, WeightsError
from fgbgnet.models.encoders.adapter import Level, WholeEncoder, adapted, ascending
from fgbgnet.models.encoders.protocol import Encoder, InputSizes

TIMM_PREFIX = "tu-"

# Attention in blocks of 7 × 7 or 8 × 8, at a stride of 32.
_MULTIPLES = {"haloregnet*": 224, "*halo*": 256, "bat_*": 256}
# What convolutions without padding leave something of.
_MINIMA = {"inception_*": 75}
# Described as of a fixed size, but only their classifiers are.
_ANY_SIZE = ("crossvit*", "efficientvit_m*", "mvitv2*", "resnet*_clip*", "sequencer*", "swiftformer*", "twins*")
# Their first layer takes RGB only.
_RGB_ONLY = ("csatv2*",)
# Their modules pass lists on, of which timm takes the first entry as the feature: more than one tensor between stages.
_LISTS = ("selecsls*",)


@cache
def timm_names() -> tuple[str, ...]:
    """Names of all models of the library, with our prefix; not all of them have a pyramid."""
    import timm

    return tuple(TIMM_PREFIX + name for name in timm.list_models())


@cache
def _tags() -> Mapping[str, tuple[str, ...]]:
    import timm

    found: dict[str, list[str]] = {}
    for name in timm.list_pretrained():
        architecture, _, tag = name.partition(".")
        found.setdefault(architecture, []).append(tag)
    return {name: tuple(tags) for name, tags in found.items()}


def timm_weights(name: str) -> tuple[str, ...]:
    """Tags of an encoder's pretrained weights, the default first."""
    import timm

    tags = _tags().get(name.removeprefix(TIMM_PREFIX), ())
    default = timm.get_pretrained_cfg(name.removeprefix(TIMM_PREFIX))
    return tuple(sorted(tags, key=lambda tag: tag != getattr(default, "tag", None)))


def timm_family(name: str) -> str:
    """The library's module that an encoder stands in."""
    import timm

    module: str = timm.model_entrypoint(name.removeprefix(TIMM_PREFIX)).__module__
    return module.rpartition(".")[2]


def timm_license(name: str, weights: str) -> str | None:
    """The licence of pretrained weights, where timm's own description names one."""
    import timm

    settings = timm.get_pretrained_cfg(_with_tag(name, weights))
    text = getattr(settings, "license", None)
    return None if text in (None, "", "unknown") else str(text)


def timm_encoder(
    name: str, in_channels: int, depth: int, weights: str | bool | None, options: Mapping[str, Any]
) -> Encoder:
    """Builds an encoder of timm.

    Args:
        name: One of `timm_names`.
        in_channels: Channels of the input.
        depth: The deepest feature has a stride of at most ``2 ** depth``.
        weights: Pretrained weights: one of `timm_weights`, True or ``"imagenet"`` for the first, None for random ones.
        options: Further arguments of ``timm.create_model``.

    Raises:
        UnknownNameError: If the weights are unknown.
        InvalidArgumentError: If the model has no pyramid, none of this depth, or takes no such arguments.
        WeightsError: If the model cannot be built with the weights.
    """
    import timm

    model = name.removeprefix(TIMM_PREFIX)
    if in_channels != 3 and _is_like(model, _RGB_ONLY):
        raise InvalidArgumentError(
            f"encoder {name!r} reads one RGB picture and no {in_channels} channels; use it with fusion='siamese'"
        )
    architecture = _with_tag(name, _checked_weights(name, weights))
    settings: Any = timm.get_pretrained_cfg(architecture)
    create: dict[str, Any] = {**options, "features_only": True, "in_chans": in_channels, "pretrained": bool(weights)}
    library, any_size = _created(architecture, create)
    levels = ascending(_levels(library), 2**depth)
    _check_pyramid(name, levels, _levels(library), depth)
    channels_last = str(getattr(library, "output_fmt", "")).endswith("NHWC")
    if _is_like(model, _LISTS):
        encoder: Encoder = WholeEncoder(library, levels, "its stages pass on more than one tensor", channels_last)
    else:
        encoder = adapted(library, levels, channels_last)
    if isinstance(encoder, WholeEncoder) and len(levels) < len(_levels(library)):
        # Not to carry along stages that are deeper than asked for.
        places = tuple(level.place for level in levels)
        encoder.encoder, _ = _created(architecture, {**create, "out_indices": places})
        encoder.indices = tuple(range(len(levels)))
    if settings is not None:
        encoder.mean, encoder.std = tuple(settings.mean), tuple(settings.std)
    any_size = any_size or _is_like(model, _ANY_SIZE) or not getattr(settings, "fixed_input_size", False)
    side = None if any_size else options.get("img_size", settings.input_size[1:])
    encoder.input_sizes = _input_sizes(model, encoder.strides[-1], (side, side) if isinstance(side, int) else side)
    return encoder


def _is_like(model: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatch(model, pattern) for pattern in patterns)


def _with_tag(name: str, weights: str | bool | None) -> str:
    model = name.removeprefix(TIMM_PREFIX)
    return f"{model}.{weights}" if isinstance(weights, str) else model


def _checked_weights(name: str, weights: str | bool | None) -> str | bool | None:
    known = timm_weights(name)
    if weights and not known:
        raise InvalidArgumentError(f"encoder {name!r} has no pretrained weights; use encoder_weights=None")
    if weights == "imagenet":  # the name that segmentation-models-pytorch gives to its default
        return True
    if isinstance(weights, str) and weights not in known:
        raise UnknownNameError(f"encoder_weights for {name!r}", weights, known, "True takes the default.")
    return weights


def _created(architecture: str, arguments: dict[str, Any]) -> tuple[nn.Module, bool]:
    """The library's encoder, and whether it was told to take any size."""
    import timm

    try:
        try:  # window transformers refuse sizes other than their own unless told not to
            return timm.create_model(architecture, strict_img_size=False, **arguments), True
        except TypeError:
            return timm.create_model(architecture, **arguments), False
    except (RuntimeError, AttributeError, TypeError) as error:
        if arguments["pretrained"]:
            raise WeightsError(f"timm cannot build {architecture!r} with pretrained weights: {error}") from error
        raise InvalidArgumentError(f"timm cannot build {architecture!r} as a feature extractor: {error}") from error


def _levels(library: Any) -> list[Level]:  # noqa: ANN401 - timm is untyped
    info = library.feature_info
    return [Level(*level) for level in zip(range(len(info.channels())), info.channels(), info.reduction(), strict=True)]


def _check_pyramid(name: str, levels: list[Level], everything: list[Level], depth: int) -> None:
    strides = tuple(level.stride for level in everything)
    if len(set(strides)) < 2:
        raise InvalidArgumentError(
            f"encoder {name!r} has strides {strides}, which is no pyramid; "
            "a U-Net needs one, as resnet, convnext or swin families have"
        )
    if not levels:
        raise InvalidArgumentError(
            f"encoder {name!r} has strides {strides}, none of which is up to {2**depth}; use a larger encoder_depth"
        )


def _input_sizes(model: str, stride: int, fixed: tuple[int, int] | None) -> InputSizes:
    if fixed is not None:
        return InputSizes(1, fixed=(int(fixed[0]), int(fixed[1])))
    multiple = next((m for pattern, m in _MULTIPLES.items() if fnmatch.fnmatch(model, pattern)), stride)
    minimum = next((m for pattern, m in _MINIMA.items() if fnmatch.fnmatch(model, pattern)), 1)
    return InputSizes(multiple, minimum)


__all__ = ["TIMM_PREFIX", "timm_encoder", "timm_family", "timm_license", "timm_names", "timm_weights"]
