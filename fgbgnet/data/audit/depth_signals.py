"""What a depth map says about its margins, its direction, and whose it is."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fgbgnet.data.arrays import BoolArray, ByteArray, FloatArray
from fgbgnet.data.audit.views import disc, mean_within

DEPTH_THUMB = 24
"""Side of the thumbnails by which depth maps of one background are compared."""

_STEP = 0.03  # of the range of depth: a step at the contour that counts
_BAND = 9
_LEAST_CONTOUR = 8
_LEAST_MARGIN = 0.008  # of the side
_RINGING = 0.04  # of the range: what compression makes of a constant
_LEAST_STEP = 0.08  # of the range


@dataclass(frozen=True)
class ContourSteps:
    """How depth changes across the contour of a mask."""

    nearer: float
    """Share of the contour along which the inside is nearer, less the share along which it is farther; NaN if none."""
    height: float
    """Mean height of the step, in shares of the range of depth; NaN if there is no contour."""


def spread_out(depth: FloatArray, valid: BoolArray) -> FloatArray | None:
    """Depth in shares of its own range (2nd to 98th percentile), in [0, 1]; None if hardly a pixel is valid."""
    values = depth[valid]
    if values.size < 16:
        return None
    low, high = np.quantile(values, (0.02, 0.98))
    if not high > low:
        low, high = float(values.min()), float(values.max())
    spread: FloatArray = np.clip((depth - low) / max(float(high - low), 1e-9), 0, 1).astype(np.float32)
    return spread


class Contour:
    """The two sides of the contour of a mask (H, W), along which depth maps are compared.

    What is new in a scene stands in front of what it hides, so depth is smaller inside than outside along most of the
    contour; near its feet both are the same.

    >>> depth = np.full((40, 40), 0.8, np.float32)
    >>> mask = np.zeros((40, 40), bool)
    >>> mask[10:30, 10:30] = True
    >>> depth[mask] = 0.3
    >>> steps = Contour(mask).steps(depth, np.ones_like(mask))
    >>> steps.nearer, round(steps.height, 2)
    (1.0, 0.5)
    """

    def __init__(self, mask: BoolArray) -> None:
        m = mask.astype(np.uint8)
        self._inside: BoolArray = (m > 0) & (cv2.erode(m, disc(3), borderValue=1) == 0)
        self._outside: BoolArray = (cv2.dilate(m, disc(4)) > 0) & (cv2.dilate(m, disc(1)) == 0)
        self._line: BoolArray = self._inside & (cv2.erode(m, np.ones((3, 3), np.uint8), borderValue=1) == 0)

    def steps(self, depth: FloatArray, valid: BoolArray) -> ContourSteps:
        """Steps of a depth map, near = small, in [0, 1], of the size of the mask."""
        line, means = self._line, []
        for side in (self._outside, self._inside):
            mean, share = mean_within(depth, side & valid, _BAND)
            line = line & (share > 0.03)
            means.append(mean)
        if np.count_nonzero(line) < _LEAST_CONTOUR:
            return ContourSteps(float("nan"), float("nan"))
        steps = means[0][line] - means[1][line]
        return ContourSteps(float(np.mean(steps > _STEP) - np.mean(steps < -_STEP)), float(np.abs(steps).mean()))


def nearer_below(depth: FloatArray, where: BoolArray) -> float:
    """Correlation of nearness with the row: ground is nearer at the bottom of most pictures; 0 if it cannot be told."""
    if np.count_nonzero(where) < 50:
        return 0.0
    rows = np.broadcast_to(np.arange(depth.shape[0], dtype=np.float32)[:, None], depth.shape)[where]
    values = depth[where]
    if not (values.std() > 0 and rows.std() > 0):
        return 0.0
    return -float(np.corrcoef(rows, values)[0, 1])


@dataclass(frozen=True)
class _Margin:
    width: int
    """Rows or columns of one value."""
    level: float
    step: float
    """Between that value and the first row or column inside."""


def _margin(lines: FloatArray, span: float) -> _Margin:
    """The margin at the first of some lines (N, M); a line in which a value is not known ends it."""
    level = float(np.median(lines[0]))
    # Compression rings at the inner edge of a margin.
    flat = (np.abs(lines - level) <= _RINGING * span).mean(1) >= 0.95
    width = len(flat) if flat.all() else int(flat.argmin())
    step = 0.0 if width in (0, len(flat)) else float(np.nan_to_num(np.quantile(np.abs(lines[width] - level), 0.75)))
    return _Margin(width, level, step)


def has_frame(levels: npt.NDArray[Any]) -> bool:
    """Whether a depth map (H, W) has the margins of a figure around it, or bars on two opposite sides.

    What is not known is NaN, and is no margin: sensors leave such borders.

    Margins have one level, the darkest or the brightest, on two opposite sides or on all four, and end in a step:
    depth that is constant along one side (a sky), or runs into it smoothly (a wall), is legal.

    >>> ramp = np.tile(np.linspace(60, 200, 80), (60, 1)).astype(np.uint8)
    >>> has_frame(ramp), has_frame(np.pad(ramp, 6, constant_values=255))
    (False, True)
    """
    values = levels.astype(np.float32)
    if np.isnan(values).all():
        return False
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    span = high - low
    if not span > 0:
        return False
    sides = [_margin(lines, span) for lines in (values, values[::-1], values.T, values.T[::-1])]
    pairs = [
        pair
        for pair, side in ((sides[:2], values.shape[0]), (sides[2:], values.shape[1]))
        if min(margin.width for margin in pair) >= max(2, round(_LEAST_MARGIN * side))
        and sum(margin.width for margin in pair) < side
    ]
    found = [margin for pair in pairs for margin in pair]
    if not found or np.ptp([margin.level for margin in found]) > _RINGING * span:
        return False
    extreme = min(abs(found[0].level - low), abs(found[0].level - high)) <= _RINGING * span
    # Beside four margins, depth itself may be as far as they are bright, on two sides at most.
    return extreme and sum(margin.step > _LEAST_STEP * span for margin in found) >= 2


@dataclass(frozen=True)
class DepthThumbs:
    """Small copies, uint8 (`DEPTH_THUMB`, `DEPTH_THUMB`): a large audit keeps many."""

    whole: ByteArray
    """Depth, of 254; 255 where it is not valid."""
    behind: ByteArray
    """The same; 255 where the foreground hides the background, too."""
    cover: ByteArray
    """Share that the foreground covers, of 254."""


def depth_thumbs(depth: FloatArray, valid: BoolArray, mask: BoolArray) -> DepthThumbs:
    """Shrinks depth (H, W) in [0, 1] and its mask."""
    apart = valid & (cv2.dilate(mask.astype(np.uint8), disc(2)) == 0)
    cover = np.rint(254 * _shrunk(mask.astype(np.float32))).astype(np.uint8)
    return DepthThumbs(_averaged(depth, valid), _averaged(depth, apart), cover)


def values_of(thumb: ByteArray) -> FloatArray:
    """A thumbnail as shares, float32, flat; NaN where it has none.

    >>> values_of(np.array([[0, 127], [254, 255]], np.uint8)).tolist()
    [0.0, 0.5, 1.0, nan]
    """
    return np.where(thumb == 255, np.float32(np.nan), thumb.astype(np.float32) / 254).ravel()


def _averaged(depth: FloatArray, use: BoolArray) -> ByteArray:
    share = _shrunk(use.astype(np.float32))
    total = _shrunk(np.where(use, depth, 0).astype(np.float32))
    return np.where(share > 0.5, np.rint(254 * total / np.maximum(share, 1e-6)), 255).astype(np.uint8)


def _shrunk(values: FloatArray) -> FloatArray:
    return np.asarray(cv2.resize(values, (DEPTH_THUMB, DEPTH_THUMB), interpolation=cv2.INTER_AREA), np.float32)


__all__ = [
    "DEPTH_THUMB",
    "Contour",
    "ContourSteps",
    "DepthThumbs",
    "depth_thumbs",
    "has_frame",
    "nearer_below",
    "spread_out",
    "values_of",
]
