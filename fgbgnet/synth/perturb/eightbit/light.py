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
    gains = cv2.transform(cover, np.array([[factor - 1, 1] for factor in factors]))
    return _multiply(picture, np.asarray(gains, np.float32))


def _multiply(picture: ByteArray, gains: FloatArray) -> ByteArray:
    return np.asarray(cv2.multiply(picture, gains, dtype=cv2.CV_8U), np.uint8)


def shadow(picture: ByteArray, row: Row) -> ByteArray:
    """One shadow."""
    return shade(picture, blob(row[3:], *picture.shape[:2]), row[:3])


def cast_shadow(picture: ByteArray, row: Row) -> ByteArray:
    """Long shadows of upright things."""
    cosine, sine, near, growth = row[3:7]
    lit: FloatArray = np.ones(picture.shape[:2], np.float32)
    for start in range(7, 7 + OCCLUDERS * (4 + OUTLINE), 4 + OUTLINE):
        place_x, place_y, foot, length, *widths = row[start : start + 4 + OUTLINE]
        if not any(widths):
            continue  # nothing stands there
        x, y = offsets(picture.shape, place_x, place_y)
        along = x * np.float32(cosine) + (y * np.float32(sine) + np.float32(foot))
        across = y * np.float32(cosine) - x * np.float32(sine)
        behind = np.maximum(along, 0)
        sharpness: FloatArray = np.float32(1) / (behind * np.float32(growth) + np.float32(near))
        at = cv2.convertScaleAbs(behind, alpha=_STEPS / length)
        half = cv2.LUT(
            at, np.interp(np.linspace(0, OUTLINE - 1, 256), np.arange(OUTLINE), widths).astype(np.float32) / 2
        )
        cover = smooth((across + half) * sharpness + np.float32(0.5))
        cover -= smooth((across - half) * sharpness + np.float32(0.5))
        ends = smooth(along * sharpness + np.float32(0.5))
        ends -= smooth((along - np.float32(length)) * sharpness + np.float32(0.5))
        lit *= 1 - cover * ends
    return shade(picture, 1 - lit, row[:3])


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
    gains = np.asarray(cv2.transform(gain, np.array([[1 / 8, 1 + part / 8] for part in row[:3]])), np.float32)
    for _ in range(3):
        gains *= gains
    return _multiply(picture, gains)


def _add_light(picture: ByteArray, light: FloatArray) -> ByteArray:
    """Adds light (H, W, 3): what is dark is lifted most."""
    return 255 - _multiply(255 - picture, 1 - light)


def reflection(picture: ByteArray, row: Row) -> ByteArray:
    """A pane of glass before the camera."""
    mirrored = blur(np.asarray(cv2.flip(picture, 1), np.uint8), row[1:2]).astype(np.float32)
    part = blob(row[2:], *picture.shape[:2]) * np.float32(row[0] / 255)
    return _add_light(picture, mirrored * part[..., None])


def glare(picture: ByteArray, row: Row) -> ByteArray:
    """A streak of light across the lens."""
    x, y = offsets(picture.shape, row[3], row[4])
    cosine, sine, long, wide = row[5:9]
    along = x * np.float32(cosine / long) + y * np.float32(sine / long)
    across = y * np.float32(cosine / wide) - x * np.float32(sine / wide)
    streak = 1 / ((1 + along * along) * (1 + across * across))
    return _add_light(picture, streak[..., None] * np.array(row[:3], np.float32))


__all__ = ["cast_shadow", "dappled_shadow", "glare", "reflection", "relight", "shade", "shadow"]
