"""White halos: edges of a cut-out that still hold the paper it was cut from."""

from typing import Any

import cv2
import numpy as np

from fgbgnet.synth.composites.linear import Bytes, Floats

_PAPER = 255.0
_EMPTY = 32  # alpha up to which a pixel shows nothing
_SOLID = 240  # alpha from which a colour can be the thing's own
_INSIDE = 2.5  # pixels from what is empty, from which it is
_REACH = 8.0  # pixels from the inside within which its colours tell something
_MOST_CONTRAST = 70.0  # levels by which thing and paper must differ: white things on white have no halo
_HALO_SHARE = 0.3  # of paper in the colour of the contour's pixels
_MENDED_SHARE = 0.1


def has_halo(rgba: Bytes) -> bool:
    """Whether the contour of a cut-out is mixed with white paper.

    The colour ``C`` of a pixel is compared with the nearest colour ``F`` inside: ``C = F + t (255 - F)`` gives the
    share ``t`` of paper by least squares over the channels. There is a halo where the median of ``t`` over the contour
    is above 0.3; pixels whose ``F`` is nearly white say nothing, and at least a quarter must say something.

    Args:
        rgba: uint8 (h, w, 4), sRGB, not multiplied by alpha.
    """
    inner, distance = _spread_inside(rgba)
    seen = (rgba[..., 3] > _EMPTY) & (_from_empty(rgba) < 1.5) & (distance <= _REACH)
    if not seen.any():
        return False
    share, contrast = _paper(rgba[seen, :3], inner[seen])
    telling = contrast >= _MOST_CONTRAST
    return bool(telling.mean() >= 0.25 and np.median(share[telling]) > _HALO_SHARE)


def without_halo(rgba: Bytes) -> Bytes:
    """The cut-out with colours from inside where the edge is mixed with paper; alpha stays."""
    inner, distance = _spread_inside(rgba)
    share, _ = _paper(rgba[..., :3], inner)
    mixed = (distance > 0) & (distance <= _REACH) & ((share > _MENDED_SHARE) | (rgba[..., 3] <= _EMPTY))
    result = rgba.copy()
    result[mixed, :3] = inner[mixed]
    return result


def _paper(colour: Bytes, own: Bytes) -> tuple[Floats, Floats]:
    """Share of paper in colours (..., 3), and how far their own colours are from it on average in levels."""
    away = _PAPER - own.astype(np.float32)
    share = ((colour - own.astype(np.float32)) * away).sum(-1) / np.maximum((away**2).sum(-1), 1)
    return share, away.mean(-1)


def _from_empty(rgba: Bytes) -> Floats:
    """Distance in pixels from what is empty, also beyond the frame, (h, w)."""
    seen = np.pad((rgba[..., 3] > _EMPTY).astype(np.uint8), 1)
    return np.asarray(cv2.distanceTransform(seen, cv2.DIST_L2, 3)[1:-1, 1:-1], dtype=np.float32)


def _spread_inside(rgba: Bytes) -> tuple[Bytes, Floats]:
    """Every pixel's nearest colour of the inside, (h, w, 3), and how far away that is; infinite where there is none."""
    inside = (_from_empty(rgba) > _INSIDE) & (rgba[..., 3] >= _SOLID)
    if not inside.any():
        return rgba[..., :3], np.full(inside.shape, np.inf, np.float32)
    found: Any = cv2.distanceTransformWithLabels(
        (~inside).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    distance, labels = found
    colours = np.zeros((int(labels.max()) + 1, 3), np.uint8)
    colours[labels[inside]] = rgba[inside, :3]
    return colours[labels], distance


__all__ = ["has_halo", "without_halo"]
