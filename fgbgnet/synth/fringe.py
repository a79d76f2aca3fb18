"""White halos: edges of a cut-out that still hold the paper it was cut from."""

import cv2
import numpy as np

from fgbgnet.synth.linear import Bytes

_PAPER = 255.0
_INSIDE = 3  # pixels from the contour where colours are the thing's own
_MOST_CONTRAST = 70.0  # levels by which thing and paper must differ: white things on white have no halo
_HALO_SHARE = 0.3  # of paper in the colour of the contour's pixels


def has_halo(rgba: Bytes) -> bool:
    """Whether the contour of a cut-out is mixed with white paper.

    The colour ``C`` of a pixel on the contour is compared with the nearest colour ``F`` inside: ``C = F + t (255 - F)``
    gives the share ``t`` of paper by least squares over the channels. There is a halo where the median of ``t`` is
    above 0.3; pixels whose ``F`` is nearly white say nothing, and at least a quarter of the contour must say something.

    Args:
        rgba: uint8 (h, w, 4), sRGB, not multiplied by alpha.
    """
    contour, inner = _contour(rgba), _spread_inside(rgba)
    if inner is None or not contour.any():
        return False
    colour, own = rgba[..., :3][contour].astype(np.float32), inner[contour].astype(np.float32)
    paper = _PAPER - own
    telling = paper.mean(1) >= _MOST_CONTRAST
    if telling.mean() < 0.25:
        return False
    share = ((colour - own) * paper).sum(1)[telling] / (paper**2).sum(1)[telling]
    return bool(np.median(share) > _HALO_SHARE)


def without_halo(rgba: Bytes) -> Bytes:
    """The cut-out with the colours of its contour, and of what lies outside it, taken from inside; alpha stays."""
    inner = _spread_inside(rgba)
    if inner is None:
        return rgba
    result = rgba.copy()
    edge = _depth_inside(rgba) < _INSIDE
    result[edge, :3] = inner[edge]
    return result


def _contour(rgba: Bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Pixels that are neither empty nor a pixel and a half inside."""
    return (rgba[..., 3] > 32) & (_depth_inside(rgba) <= 1.5)


def _depth_inside(rgba: Bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Distance in pixels of every opaque pixel from the nearest that is not; 0 outside, (h, w)."""
    solid = np.pad((rgba[..., 3] >= 250).astype(np.uint8), 1)
    return np.asarray(cv2.distanceTransform(solid, cv2.DIST_L2, 3)[1:-1, 1:-1], dtype=np.float32)


def _spread_inside(rgba: Bytes) -> Bytes | None:
    """Every pixel's nearest colour of the inside, (h, w, 3); None where nothing is thick enough to have one."""
    outside = (_depth_inside(rgba) < _INSIDE).astype(np.uint8)
    if outside.all():
        return None
    _, labels = cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    inside = outside == 0
    colours = np.zeros((int(labels.max()) + 1, 3), np.uint8)
    colours[labels[inside]] = rgba[..., :3][inside]
    spread: Bytes = colours[labels]
    return spread


__all__ = ["has_halo", "without_halo"]
