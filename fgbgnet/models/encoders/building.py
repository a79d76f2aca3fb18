"""Builds encoders by their names."""

from fgbgnet.errors import InvalidArgumentError, UnknownNameError, WeightsError
from fgbgnet.models.encoders.catalogue import known_names
from fgbgnet.models.encoders.plain import PLAIN_ENCODERS, PlainEncoder
from fgbgnet.models.encoders.protocol import Encoder
from fgbgnet.models.encoders.smp import smp_encoder, smp_names
from fgbgnet.models.encoders.timm import TIMM_PREFIX, timm_encoder, timm_names


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
        if name in timm_names():
            return timm_encoder(name.removeprefix(TIMM_PREFIX), in_channels, depth, weights)
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


__all__ = ["build_encoder"]
