"""Which encoders there are."""

import fnmatch

from fgbgnet.models.encoders.plain import PLAIN_ENCODERS
from fgbgnet.models.encoders.smp import smp_names
from fgbgnet.models.encoders.timm import timm_names


def known_names() -> list[str]:
    """All names, in the order of the sources."""
    return [*PLAIN_ENCODERS, *smp_names(), *timm_names()]


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
    return fnmatch.filter(known_names(), pattern)


__all__ = ["known_names", "list_encoders"]
