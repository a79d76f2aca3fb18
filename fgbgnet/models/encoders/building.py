"""Builds encoders by their names."""

from typing import Any

from fgbgnet.errors import InvalidArgumentError, UnknownNameError, WeightsError
from fgbgnet.models.encoders.names import canonical_name, known_names
from fgbgnet.models.encoders.plain import PLAIN_ENCODERS, PlainEncoder
from fgbgnet.models.encoders.protocol import Encoder
from fgbgnet.models.encoders.smp import smp_encoder, smp_names
from fgbgnet.models.encoders.timm import timm_encoder, timm_names


def build_encoder(
    name: str,
    in_channels: int,
    depth: int = 5,
    weights: str | bool | None = None,
    **options: Any,  # noqa: ANN401 - timm's own
) -> Encoder:
    """Builds a named encoder.

    Args:
        name: One of `fgbgnet.list_encoders`.
        in_channels: Channels of the input.
        depth: The deepest feature has a stride of at most ``2 ** depth``; 1 to 5.
        weights: Pretrained weights: a name that the source knows, True for its default, None for random weights.
        **options: For encoders of timm further arguments of ``timm.create_model``, e.g. ``drop_path_rate=0.1``, or
            ``img_size=256`` for one that takes pictures of a fixed size.

    Returns:
        The encoder; a `StagedEncoder` if its features are each made from the one before.

    Raises:
        UnknownNameError: If the name or the weights are unknown.
        InvalidArgumentError: If the depth is out of range, the encoder has no pyramid, or takes no such options.
        WeightsError: If pretrained weights cannot be fetched or read.

    >>> encoder = build_encoder("resnet18", in_channels=6)
    >>> encoder.strides, encoder.out_channels
    ((2, 4, 8, 16, 32), (64, 64, 128, 256, 512))
    """
    if not 1 <= depth <= 5:
        raise InvalidArgumentError(f"encoder_depth={depth}; expected 1 to 5 (5: a deepest stride of 32)")
    name = canonical_name(name)
    try:
        if name in timm_names():
            return timm_encoder(name, in_channels, depth, weights, options)
        if options:
            raise InvalidArgumentError(
                f"encoder {name!r} takes no {', '.join(options)}; only encoders of timm have options"
            )
        if name in PLAIN_ENCODERS:
            return _plain_encoder(name, in_channels, depth, weights)
        if name in smp_names():
            return smp_encoder(name, in_channels, depth, weights)
    except (OSError, ConnectionError) as error:
        if not weights:
            raise
        raise WeightsError(
            f"pretrained weights {weights!r} of encoder {name!r} could not be fetched ({error}); "
            "check the network, or start from random weights with encoder_weights=None"
        ) from error
    raise UnknownNameError("encoder", name, known_names(), "fgbgnet.list_encoders(pattern) lists all.")


def _plain_encoder(name: str, in_channels: int, depth: int, weights: str | bool | None) -> Encoder:
    if weights:
        raise InvalidArgumentError(f"encoder {name!r} has no pretrained weights; use encoder_weights=None")
    return PlainEncoder(in_channels, PLAIN_ENCODERS[name][: depth + 1])


__all__ = ["build_encoder"]
