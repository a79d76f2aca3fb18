"""Small copies of the layers of a sample, on which an audit measures."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fgbgnet.data.arrays import BoolArray, ByteArray, FloatArray

SIDE = 128
"""Longest side of the copies: enough for a foreground of a thousandth of the picture, and quick."""


def working_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of the copies of a picture (H, W, ...).

    >>> working_size((480, 640)), working_size((64, 64))
    ((96, 128), (64, 64))
    """
    factor = min(1.0, SIDE / max(shape[:2]))
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def small_picture(rgb: ByteArray, size: tuple[int, int]) -> ByteArray:
    """A picture (H, W, 3) at a size, averaged over what each pixel covers."""
    if rgb.shape[:2] == size:
        return rgb
    return np.asarray(cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def small_mask(mask: npt.NDArray[Any], size: tuple[int, int]) -> BoolArray:
    """A mask (H, W) of 0 and 1 at a size: true where at least half of what the pixel covers is."""
    if mask.shape == size:
        return mask.astype(np.bool_)
    return np.asarray(cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)) >= 0.5


def small_depth(depth: FloatArray, valid: BoolArray, size: tuple[int, int]) -> tuple[FloatArray, BoolArray]:
    """A depth map at a size by its nearest pixels, so that no contour is averaged."""
    if depth.shape == size:
        return depth, valid
    nearest = cv2.INTER_NEAREST_EXACT
    resized: Any = cv2.resize(depth, size[::-1], interpolation=nearest)
    kept: Any = cv2.resize(valid.view(np.uint8), size[::-1], interpolation=nearest)
    return resized, kept.view(np.bool_)


def disc(radius: int) -> npt.NDArray[np.uint8]:
    """Structuring element of morphology, (2 * radius + 1) ** 2."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def mean_within(values: FloatArray, where: BoolArray, side: int) -> tuple[FloatArray, FloatArray]:
    """Means in a square around every pixel.

    Args:
        values: (H, W).
        where: Pixels that count.
        side: Of the square.

    Returns:
        Mean of the values that count, 0 where there are none; and their share of the square.
    """
    share = np.asarray(cv2.blur(where.astype(np.float32), (side, side)), np.float32)
    total = np.asarray(cv2.blur(np.where(where, values, np.float32(0)), (side, side)), np.float32)
    mean: FloatArray = np.divide(total, np.maximum(share, 1e-6), dtype=np.float32)
    return mean, share


__all__ = [
    "SIDE",
    "disc",
    "mean_within",
    "small_depth",
    "small_mask",
    "small_picture",
    "working_size",
]
