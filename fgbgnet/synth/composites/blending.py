"""A cut-out on a background: what the picture is then."""

from typing import Any, NamedTuple

import cv2
import numpy as np

from fgbgnet.synth.composites.cutouts import Cutout, Level
from fgbgnet.synth.composites.linear import TO_LINEAR, Bytes, Floats, to_srgb
from fgbgnet.synth.composites.placement import Placement
from fgbgnet.synth.composites.shadows import Patch, shadow_of

_MARGIN = 2  # empty pixels around a cut-out, into which its edge may blur
_INVERSE_LEVEL = np.float32(1 / 255)


def blend(picture: Bytes, cutout: Cutout, placement: Placement) -> Patch:
    """Lays a cut-out over a picture in place, in linear light.

    No pixel outside the cut-out and its shadow is touched.

    Args:
        picture: uint8 (H, W, 3), sRGB; changed.
        cutout: What to lay over it.
        placement: Where and how.

    Returns:
        The cut-out's alpha, the part within the frame; it may be empty.
    """
    height, width = picture.shape[:2]
    rows, columns = extent(cutout.shape, placement, height)
    left, top = round(placement.left * width), round(placement.top * height)
    table = TO_LINEAR
    if placement.colour_match:
        table = _matched(picture, cutout, placement.colour_match, (left, top, left + columns, top + rows))
    layer = _edge(_rendered(cutout.at(rows), (rows, columns), placement.mirrored, table), placement)
    left, top = left - _MARGIN, top - _MARGIN
    shadow = None
    if placement.shadow:
        shadow = shadow_of(layer.alpha, left, top, placement)
    _paste(picture, layer, left, top, shadow)
    x0, y0, x1, y1 = _clipped((left, top, left + layer.alpha.shape[1], top + layer.alpha.shape[0]), width, height)
    return Patch(layer.alpha[y0 - top : y1 - top, x0 - left : x1 - left], x0, y0)


def extent(shape: tuple[int, int], placement: Placement, height: int) -> tuple[int, int]:
    """Height and width in pixels of a cut-out of a shape on a background of a height."""
    rows = placement.scale * height
    return max(1, round(rows)), max(1, round(rows * shape[1] / shape[0]))


class _Layer(NamedTuple):
    """A cut-out at the size at which it is shown, with an empty margin around."""

    light: Floats
    """Linear RGB times alpha, float32 (h, w, 3)."""
    alpha: Floats
    """float32 (h, w)."""


def _rendered(level: Level, size: tuple[int, int], mirrored: bool, table: Floats) -> _Layer:
    """A level at a size, its colours through a table of light, (256,) or (256, 3)."""
    alpha = level.alpha * _INVERSE_LEVEL
    light: Any = cv2.LUT(level.colour, table if table.ndim == 1 else table[None])
    light = _times(light, alpha)
    if alpha.shape != size:
        light = cv2.resize(light, size[::-1], interpolation=cv2.INTER_LINEAR)
        alpha = np.asarray(cv2.resize(alpha, size[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    if mirrored:
        light, alpha = light[:, ::-1], alpha[:, ::-1]
    shape = size[0] + 2 * _MARGIN, size[1] + 2 * _MARGIN
    layer = _Layer(np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32))
    layer.light[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = light
    layer.alpha[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = alpha
    return layer


def _times(light: Floats, factor: Floats) -> Floats:
    """Every channel of (h, w, 3) times (h, w): much faster than NumPy, whose innermost loop would have three steps."""
    product: Floats = np.asarray(cv2.multiply(light, cv2.merge([factor, factor, factor])), dtype=np.float32)
    return product


def _edge(layer: _Layer, placement: Placement) -> _Layer:
    """Erodes, feathers and blurs."""
    light, alpha = layer
    kept: Any = alpha
    left = placement.erode
    while left > 0:
        smaller: Any = cv2.erode(kept, np.ones((3, 3), np.uint8))
        kept = kept + np.float32(min(left, 1.0)) * (smaller - kept)
        left -= 1
    if placement.feather:
        soft: Any = cv2.GaussianBlur(kept, (0, 0), placement.feather)
        kept = kept * np.clip(2 * soft - 1, 0, 1)
    if kept is not alpha:
        light, alpha = _times(light, kept / np.maximum(alpha, np.float32(1e-6))), kept
    if placement.blur:
        light, alpha = (_softer(values, placement.blur) for values in (light, alpha))
    return _Layer(light, alpha)


def _softer(values: Floats, strength: float) -> Floats:
    blurred: Any = cv2.GaussianBlur(values, (3, 3), 0)  # [1, 2, 1] / 4 both ways
    return np.asarray(cv2.addWeighted(values, 1 - strength, blurred, strength, 0), dtype=np.float32)


def _matched(picture: Bytes, cutout: Cutout, strength: float, box: tuple[int, int, int, int]) -> Floats:
    """Tables (256, 3) from the cut-out's levels to linear light, with the colours of the background around mixed in."""
    height, width = picture.shape[:2]
    reach = max(box[2] - box[0], box[3] - box[1]) // 4
    x0, y0, x1, y1 = _clipped((box[0] - reach, box[1] - reach, box[2] + reach, box[3] + reach), width, height)
    if x0 >= x1 or y0 >= y1:
        return TO_LINEAR
    mean, deviation = (values[:3, 0] for values in cv2.meanStdDev(picture[y0:y1, x0:x1]))
    # A gain moves the mean and leaves black black, where Reinhard's shift would lay a haze over dark things.
    gain = 1 + strength * (np.clip(mean / np.maximum(cutout.mean, 8), 0.5, 2) - 1)
    contrast = 1 + strength * (np.clip(deviation / np.maximum(cutout.deviation * gain, 8), 0.5, 1.5) - 1)
    centre = cutout.mean * gain
    moved = centre + (np.arange(256)[:, None] * gain - centre) * contrast
    table: Floats = TO_LINEAR.take(np.rint(moved.clip(0, 255)).astype(np.intp))
    return table


def _paste(picture: Bytes, layer: _Layer, left: int, top: int, shadow: Patch | None) -> None:
    height, width = picture.shape[:2]
    box = (left, top, left + layer.alpha.shape[1], top + layer.alpha.shape[0])
    if shadow is not None:
        box = (
            min(left, shadow.left), min(top, shadow.top),
            max(box[2], shadow.left + shadow.values.shape[1]), max(box[3], shadow.top + shadow.values.shape[0]),
        )  # fmt: skip
    window = _clipped(box, width, height)
    x0, y0, x1, y1 = window
    if x0 >= x1 or y0 >= y1:
        return
    light: Any = cv2.LUT(picture[y0:y1, x0:x1], TO_LINEAR)
    if shadow is not None:
        part, there = _overlap(shadow.values, shadow.left, shadow.top, window)
        if part.size:
            light[there] = _times(light[there], 1 - part)
    part, there = _overlap(layer.alpha, left, top, window)
    if part.size:
        light[there] = cv2.add(_times(light[there], 1 - part), _overlap(layer.light, left, top, window)[0])
    picture[y0:y1, x0:x1] = to_srgb(light)


def _clipped(box: tuple[int, int, int, int], width: int, height: int) -> tuple[int, int, int, int]:
    """The part of a box within the frame; without area if there is none."""
    x0, y0 = min(max(box[0], 0), width), min(max(box[1], 0), height)
    return x0, y0, max(x0, min(box[2], width)), max(y0, min(box[3], height))


def _overlap(
    values: Floats, left: int, top: int, window: tuple[int, int, int, int]
) -> tuple[Floats, tuple[slice, slice]]:
    """The part of a patch within a window, and where in the window it lies."""
    rows, columns = values.shape[:2]
    x0, y0 = max(left, window[0]), max(top, window[1])
    x1, y1 = max(x0, min(left + columns, window[2])), max(y0, min(top + rows, window[3]))
    there = slice(y0 - window[1], y1 - window[1]), slice(x0 - window[0], x1 - window[0])
    return values[y0 - top : y1 - top, x0 - left : x1 - left], there


__all__ = ["blend", "extent"]
