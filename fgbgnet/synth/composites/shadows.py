"""Shadows of a thing on the ground it stands on."""

from typing import Any, NamedTuple

import cv2
import numpy as np

from fgbgnet.synth.composites.linear import Floats
from fgbgnet.synth.composites.placement import Placement

_REDUCED = 2  # shadows are soft: half the pixels in each direction are enough
_CAST = 0.8  # of the light that the contact shadow takes


class Patch(NamedTuple):
    """Values on a rectangle of a picture."""

    values: Floats
    left: int
    top: int


def shadow_of(alpha: Floats, left: int, top: int, placement: Placement) -> Patch:
    """The share of light that a shadow takes, in [0, 1].

    Two parts: a soft band at the foot, as wide as the lower part of the thing, which darkens the ground that it stands
    on (between the wheels of a car, too); and the silhouette laid onto the ground, sheared by ``shear`` and flattened
    to ``squash``, softer the farther it leans. Where both fall, the darker counts. What is in the air has only the
    second.

    Args:
        alpha: float32 (h, w) of the thing.
        left: Column of its left side on the picture.
        top: Its upper row.
        placement: For ``shadow``, ``shear``, ``squash`` and ``grounded``.

    Returns:
        The patch, larger than the thing.
    """
    rows, columns = alpha.shape
    height, width = max(1, rows // _REDUCED), max(1, columns // _REDUCED)
    small: Any = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_AREA)
    cast_blur = 0.025 * height * (1 + abs(placement.shear)) + 0.5
    pad = int(max(3 * cast_blur, width / 20)) + 2
    lean = placement.shear * height
    x0, x1 = int(min(lean, 0)) - pad, width + int(max(lean, 0)) + pad
    y0 = height - int(max(placement.squash, 0.35) * height) - pad
    y1 = height + int(max(-placement.squash, 0.15) * height) + pad
    size = (x1 - x0, y1 - y0)
    # A point t above the foot falls squash * t above it, and shear * t to the right.
    laid = np.array(
        [[1, -placement.shear, lean - x0], [0, placement.squash, height * (1 - placement.squash) - y0]], np.float32
    )
    cast: Any = cv2.warpAffine(small, laid, size, flags=cv2.INTER_LINEAR)
    cast = cv2.GaussianBlur(cast, (0, 0), cast_blur)
    both: Any = _CAST * cast
    if placement.grounded:
        touching: Any = np.zeros((1, size[0]), np.float32)
        touching[0, -x0 : -x0 + width] = small[-max(1, int(0.3 * height)) :].max(0)
        touching = cv2.blur(touching, (max(3, width // 10) | 1, 1))
        thick = 0.06 * min(height, width) + 0.7
        below = (np.arange(y0, y1, dtype=np.float32)[:, None] + 0.5 - height + 0.4 * thick) / thick
        both = np.maximum(both, np.exp(-0.5 * below**2) * touching)
    both *= np.float32(placement.shadow)
    full: Any = cv2.resize(both, (size[0] * _REDUCED, size[1] * _REDUCED), interpolation=cv2.INTER_LINEAR)
    return Patch(full, left + x0 * _REDUCED, top + y0 * _REDUCED)


__all__ = ["Patch", "shadow_of"]
