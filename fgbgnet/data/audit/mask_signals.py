"""Whether a mask lies on what differs between frame and background."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fgbgnet.data.arrays import BoolArray, ByteArray, FloatArray
from fgbgnet.data.audit.change import Change
from fgbgnet.data.audit.findings import Edit
from fgbgnet.data.audit.views import disc, mean_within

_CLEAR = 0.25  # by how much one side of the contour must differ more than the other
_BAND = 11  # pixels: side of the square in which the two sides of the contour are averaged
_LEAST_CONTOUR = 8  # pixels of contour that say something
SOLID = 0.6
"""From here on a change is solid."""
_GREY = (32, 223)
_FEW_ALONE = 20  # pixels: fewer stand alone in small or ragged masks, too


@dataclass(frozen=True)
class Fit:
    """How well a mask explains a change."""

    support: float
    """Share of the contour along which the inside differs and the outside does not; NaN if there is no contour."""
    against: float
    """Share along which it is the other way round, or both sides differ."""
    precision: float
    """Share of the change that lies on the mask; 1 if nothing changed."""
    recall: float
    """Share of the mask that changed."""
    stray: int
    """Pixels of the largest solid piece of the change beside the mask."""


def fit_of(mask: BoolArray, change: Change) -> Fit:
    """Compares a mask (H, W) with a change.

    >>> amount = np.zeros((64, 64), np.float32)
    >>> amount[20:40, 20:40] = 1
    >>> fit = fit_of(amount > 0, Change(amount, amount, amount))
    >>> fit.support, fit.precision, fit.recall, fit.stray
    (1.0, 1.0, 1.0, 0)
    """
    m = mask.astype(np.uint8)
    near = cv2.dilate(m, disc(3))
    total = float(change.solid.sum())
    precision = float((change.solid * near).sum()) / total if total > 0 else 1.0
    spread: Any = cv2.dilate(change.certain, np.ones((3, 3), np.uint8))
    recall = float((spread * m).sum() / max(1, m.sum()))
    support, against = _along_the_contour(m, change.certain)
    return Fit(support, against, precision, recall, largest_piece((change.solid > SOLID) & (near == 0)))


def _along_the_contour(mask: npt.NDArray[np.uint8], certain: FloatArray) -> tuple[float, float]:
    inside = (mask > 0) & (cv2.erode(mask, disc(3), borderValue=1) == 0)
    # A gap of two pixels: soft edges, blur and compression carry a change a little way out.
    outside = (cv2.dilate(mask, disc(5)) > 0) & (cv2.dilate(mask, disc(2)) == 0)
    line = inside & (cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=1) == 0)
    line &= cv2.blur(outside.astype(np.float32), (_BAND, _BAND)) > 0.04
    if np.count_nonzero(line) < _LEAST_CONTOUR:
        return float("nan"), float("nan")
    within, beyond = (mean_within(certain, side, _BAND)[0][line] for side in (inside, outside))
    supported = within > beyond + _CLEAR
    opposed = (beyond > within + _CLEAR) | (~supported & (within > 0.5))
    return float(supported.mean()), float(opposed.mean())


def largest_piece(where: BoolArray) -> int:
    """Pixels of the largest connected piece, thin ones left out."""
    opened = cv2.morphologyEx(where.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, _, statistics, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    return int(statistics[1:, cv2.CC_STAT_AREA].max()) if count > 1 else 0


def edited(layer: npt.NDArray[Any], edit: Edit) -> npt.NDArray[Any]:
    """A mask or a picture (H, W, ...) after an edit; binary masks are inverted as such.

    >>> levels = np.array([[0, 255]], np.uint8)
    >>> edited(levels, "mirror").tolist(), edited(levels, "invert").tolist()
    ([[255, 0]], [[255, 0]])
    """
    if edit == "invert":
        return ~layer if layer.dtype == np.bool_ else np.iinfo(layer.dtype).max - layer
    changed = {"mirror": layer[:, ::-1], "flip": layer[::-1], "turn": layer[::-1, ::-1]}[edit]
    return np.ascontiguousarray(changed)


def best_shift(mask: BoolArray, change: Change) -> tuple[int, int]:
    """Rows and columns by which the mask must move to cover most of the change, by cross-correlation."""
    height, width = mask.shape
    # Twice the size, so that nothing wraps around.
    shape = (2 * height, 2 * width)
    product = np.fft.rfft2(change.solid, shape) * np.conj(np.fft.rfft2(mask.astype(np.float32), shape))
    score = np.roll(np.fft.irfft2(product, shape), (height // 2, width // 2), (0, 1))[: height + 1, : width + 1]
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    return int(row) - height // 2, int(column) - width // 2


def moved(mask: BoolArray, rows: int, columns: int) -> BoolArray:
    """The mask moved by whole pixels; what leaves the picture is gone."""
    matrix = np.array([[1, 0, columns], [0, 1, rows]], np.float32)
    return np.asarray(cv2.warpAffine(mask.astype(np.uint8), matrix, mask.shape[::-1], flags=cv2.INTER_NEAREST)) > 0


def grey_share(levels: ByteArray) -> float:
    """Share of pixels (H, W) that are neither dark nor bright."""
    return float(np.count_nonzero((levels >= _GREY[0]) & (levels <= _GREY[1])) / levels.size)


def dither_share(mask: npt.NDArray[np.uint8]) -> float:
    """Share of the contour's pixels that stand alone, as grey does that was made a pattern of black and white.

    Pixels whose eight neighbours are of the other kind count; and of those whose four nearest are, twice the rarer
    kind: a thin line has such pixels of one kind, error diffusion leaves them of both.
    """
    inner = mask[1:-1, 1:-1]
    if not inner.size:
        return 0.0
    nearest = mask[:-2, 1:-1] + mask[2:, 1:-1] + mask[1:-1, :-2] + mask[1:-1, 2:]
    diagonal = mask[:-2, :-2] + mask[:-2, 2:] + mask[2:, :-2] + mask[2:, 2:]
    white, black = (inner == 1) & (nearest == 0), (inner == 0) & (nearest == 4)
    pattern = 2 * min(np.count_nonzero(white), np.count_nonzero(black))
    specks = np.count_nonzero(white & (diagonal == 0)) + np.count_nonzero(black & (diagonal == 4))
    if max(pattern, specks) < _FEW_ALONE:
        return 0.0
    contour = np.count_nonzero(np.where(inner == 1, nearest < 4, nearest > 0))
    return float(max(pattern, specks) / contour)


__all__ = ["SOLID", "Fit", "best_shift", "dither_share", "edited", "fit_of", "grey_share", "largest_piece", "moved"]
