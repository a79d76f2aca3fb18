"""sRGB levels and linear light, through tables."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]

_LEVELS = np.arange(256) / 255
TO_LINEAR: Floats = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)
"""Linear light of every sRGB level, (256,); IEC 61966-2-1."""

_STEPS = 8192
# The steps are uniform in the square root of the light: fine where the curve is steep. A few more than 1, for what
# rounding makes brighter.
_ROOTS = np.arange(_STEPS + 16) / _STEPS
_CURVE = np.where(_ROOTS**2 <= 0.0031308, 12.92 * _ROOTS**2, 1.055 * _ROOTS ** (2 / 2.4) - 0.055)
_TO_SRGB: Bytes = np.rint(255 * np.minimum(_CURVE, 1)).astype(np.uint8)


def to_linear(levels: Bytes) -> Floats:
    """Levels of sRGB -> linear light in [0, 1], same shape."""
    return TO_LINEAR.take(levels)


def to_srgb(linear: Floats) -> Bytes:
    """Linear light in [0, 1], up to rounding -> levels of sRGB, same shape.

    >>> levels = np.arange(256, dtype=np.uint8)
    >>> bool((to_srgb(to_linear(levels)) == levels).all())
    True
    """
    steps = np.sqrt(linear)
    steps *= _STEPS
    steps += 0.5
    return _TO_SRGB.take(steps.astype(np.intp))


__all__ = ["TO_LINEAR", "Bytes", "Floats", "to_linear", "to_srgb"]
