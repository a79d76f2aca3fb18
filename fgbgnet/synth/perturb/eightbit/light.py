"""As `fgbgnet.synth.perturb.light`, for one picture of 8 bits on the CPU."""

from collections.abc import Sequence

import cv2
import numpy as np

from fgbgnet.data.arrays import ByteArray, FloatArray
from fgbgnet.synth.perturb.eightbit.optics import blur
from fgbgnet.synth.perturb.eightbit.shapes import Row, blob, field, offsets, smooth
from fgbgnet.synth.perturb.light import LEAVES, OCCLUDERS, OUTLINE, RELIGHT_GRID
from fgbgnet.synth.perturb.shapes import CONTOUR_PARAMETERS

_STEPS = 255
"""Places along an outline at which its width is looked up."""


def shade(picture: ByteArray, cover: FloatArray, factors: Sequence[float]) -> ByteArray:
    """Multiplies by ``factors`` where ``cover`` (H, W) is 1."""
    return _multiply(picture, [cover * np.float32(factor - 1) + 1 for factor in factors])


def _multiply(picture: ByteArray, gains: Sequence[FloatArray]) -> ByteArray:
    """Multiplies R, G and B by a gain (H, W) each."""
    return np.asarray(cv2.multiply(picture, cv2.merge(gains), dtype=cv2.CV_8U), np.uint8)


def shadow(picture: ByteArray, row: Row) -> ByteArray:
    """One shadow."""
    return shade(picture, blob(row[3:], *picture.shape[:2]), row[:3])


def cast_shadow(picture: ByteArray, row: Row) -> ByteArray:
    """Long shadows of upright things."""
    lit: FloatArray = np.ones(picture.shape[:2], np.float32)
    for start in range(7, 7 + OCCLUDERS * (4 + OUTLINE), 4 + OUTLINE):
        if any(row[start + 4 : start + 4 + OUTLINE]):  # else nothing stands there
            _cast(lit, row[3:7], row[start : start + 4 + OUTLINE])
    return shade(picture, 1 - lit, row[:3])


def _cast(lit: FloatArray, sun: Row, thing: Row) -> None:
    """Takes the light that one thing intercepts, in place."""
    cosine, sine, near, growth = map(np.float32, sun)
    place_x, place_y, foot, length, *widths = thing
    x, y = offsets(lit.shape, place_x, place_y)
    # Nothing of it lies further from its middle line than this, nor further than half a penumbra before or behind it.
    margin = max(widths) / 2 + (sun[2] + sun[3] * length) / 2
    columns, rows = (_span(axis.ravel(), part, foot, length, margin) for axis, part in ((x, sun[0]), (y, sun[1])))
    x, y = x[:, columns], y[rows]
    along = x * cosine + (y * sine + np.float32(foot))
    across = y * cosine - x * sine
    behind = np.clip(along, 0, None)
    sharpness = 1 / (behind * growth + near)
    at = np.asarray(cv2.convertScaleAbs(behind, alpha=_STEPS / length))
    halves = np.interp(np.linspace(0, OUTLINE - 1, _STEPS + 1), np.arange(OUTLINE), widths) / 2
    half = np.asarray(cv2.LUT(at, halves.astype(np.float32)), np.float32)
    cover = smooth((across + half) * sharpness + np.float32(0.5))
    cover -= smooth((across - half) * sharpness + np.float32(0.5))
    ends = smooth(along * sharpness + np.float32(0.5))
    ends -= smooth((along - np.float32(length)) * sharpness + np.float32(0.5))
    lit[rows, columns] *= 1 - cover * ends


def _span(places: FloatArray, part: float, foot: float, length: float, margin: float) -> slice:
    """Which of the rows or columns a thing can darken, of which ``part`` is the component of its direction."""
    ends = sorted((-foot * part, (length - foot) * part))
    # Where the direction is oblique, the penumbra behind the head still grows.
    reach = 1.5 * margin
    first, last = np.searchsorted(places, [ends[0] - reach, ends[1] + reach])
    return slice(int(first), int(last))


def dappled_shadow(picture: ByteArray, row: Row) -> ByteArray:
    """The shadow of leaves."""
    size = picture.shape[:2]
    start = 5 + CONTOUR_PARAMETERS
    middle = start + (LEAVES // 2) ** 2
    leaves = field(row[start:middle], LEAVES // 2, *size) + field(row[middle : middle + LEAVES**2], LEAVES, *size)
    cover = smooth(leaves * np.float32(1 / row[4]) + np.float32(row[3] / row[4] + 0.5))
    return shade(picture, cover * blob(row[5:start], *size), row[:3])


def relight(picture: ByteArray, row: Row) -> ByteArray:
    """Another time of day."""
    gain = field(row[3:], RELIGHT_GRID, *picture.shape[:2])
    gain *= np.float32(1 / 8)
    gains = []
    for part in row[:3]:
        value = gain + np.float32(1 + part / 8)
        for _ in range(3):
            value *= value
        gains.append(value)
    return _multiply(picture, gains)


def _add_light(picture: ByteArray, light: Sequence[FloatArray]) -> ByteArray:
    """Adds light, (H, W) for R, G and B each: what is dark is lifted most."""
    return 255 - _multiply(255 - picture, [1 - part for part in light])


def reflection(picture: ByteArray, row: Row) -> ByteArray:
    """A pane of glass before the camera."""
    mirrored = blur(np.asarray(cv2.flip(picture, 1), np.uint8), row[1:2]).astype(np.float32)
    part = blob(row[2:], *picture.shape[:2]) * np.float32(row[0] / 255)
    return _add_light(picture, [channel * part for channel in np.moveaxis(mirrored, 2, 0)])


def glare(picture: ByteArray, row: Row) -> ByteArray:
    """A streak of light across the lens."""
    x, y = offsets(picture.shape, row[3], row[4])
    cosine, sine, long, wide = row[5:9]
    along = x * np.float32(cosine / long) + y * np.float32(sine / long)
    across = y * np.float32(cosine / wide) - x * np.float32(sine / wide)
    streak = 1 / ((1 + along * along) * (1 + across * across))
    return _add_light(picture, [streak * np.float32(part) for part in row[:3]])


__all__ = ["cast_shadow", "dappled_shadow", "glare", "reflection", "relight", "shade", "shadow"]
