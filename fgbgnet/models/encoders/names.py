"""What encoders are called."""

from fgbgnet.models.encoders.plain import PLAIN_ENCODERS
from fgbgnet.models.encoders.smp import smp_names
from fgbgnet.models.encoders.timm import TIMM_PREFIX, timm_names


def known_names() -> tuple[str, ...]:
    """All names, in the order of the sources."""
    return (*PLAIN_ENCODERS, *smp_names(), *timm_names())


def canonical_name(name: str) -> str:
    """The name with timm's prefix, if only timm knows it.

    >>> canonical_name("convnext_atto"), canonical_name("resnet18")
    ('tu-convnext_atto', 'resnet18')
    """
    if name in PLAIN_ENCODERS or name in smp_names():
        return name
    return TIMM_PREFIX + name if TIMM_PREFIX + name in timm_names() else name


__all__ = ["canonical_name", "known_names"]
