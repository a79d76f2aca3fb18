"""As `fgbgnet.synth.perturb.optics`, for one picture on the CPU."""

import math
from functools import lru_cache
from typing import Generic, TypeVar

import cv2
import numpy as np

from fgbgnet.data.arrays import ByteArray, FloatArray
from fgbgnet.synth.perturb.eightbit.geometry import Window
from fgbgnet.synth.perturb.eightbit.shapes import Row
from fgbgnet.synth.perturb.optics import CELLS, gaussian_taps, line

_Picture = TypeVar("_Picture", ByteArray, FloatArray)


def blur(picture: _Picture, row: Row) -> _Picture:
    """A lens out of focus; (H, W) or (H, W, C) with up to four channels."""
    return Coarse(picture, row[0]).enlarged()


class Coarse(Generic[_Picture]):
    """A blurred picture, at the lowest resolution that it needs.

    Args:
        picture: (H, W) or (H, W, C) with up to four channels.
        sigma: As a fraction of the shorter side.

    Attributes:
        small: The blurred picture at that resolution.
        step: Pixels of the picture per pixel of that, in each direction.
    """

    def __init__(self, picture: _Picture, sigma: float) -> None:
        self.size = height, width = picture.shape[:2]
        pixels = sigma * min(height, width)
        self.step = step = max(int(pixels // CELLS), 1)
        if step > 1:
            whole = cv2.copyMakeBorder(picture, 0, -height % step, 0, -width % step, cv2.BORDER_REPLICATE)
            columns, rows = whole.shape[1] // step, whole.shape[0] // step
            picture = np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), picture.dtype)
            # The mean and the interpolation blur, too.
            pixels = math.sqrt(pixels**2 - (step**2 - 1) / 4) / step
        self.small: _Picture = _convolved(picture, pixels)

    def enlarged(self, window: Window | None = None) -> _Picture:
        """The blurred picture at its size, or a part of it."""
        top, left, height, width = window or (0, 0, *self.size)
        if self.step == 1:
            return self.small[top : top + height, left : left + width]
        # The cells that are seen, and one more on each side for the interpolation.
        rows, y = _cells(top, height, self.step, self.small.shape[0])
        columns, x = _cells(left, width, self.step, self.small.shape[1])
        part = self.small[rows, columns]
        size = part.shape[1] * self.step, part.shape[0] * self.step
        large = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR), part.dtype)
        return large[y : y + height, x : x + width]


def _cells(start: int, length: int, step: int, count: int) -> tuple[slice, int]:
    first = max(start // step - 1, 0)
    return slice(first, min((start + length - 1) // step + 2, count)), start - first * step


def _convolved(picture: _Picture, sigma: float) -> _Picture:
    down, right = (_kernel(sigma, size) for size in picture.shape[:2])
    return np.asarray(cv2.sepFilter2D(picture, -1, right, down, borderType=cv2.BORDER_REFLECT_101), picture.dtype)


@lru_cache(maxsize=8)
def _kernel(sigma: float, size: int) -> FloatArray:
    half = gaussian_taps(np.array([sigma]), size)[0]
    return np.concatenate([half[:0:-1], half])


def motion_blur(picture: ByteArray, row: Row) -> ByteArray:
    """A camera that moved while the shutter was open."""
    side = min(picture.shape[:2])
    length = row[0] * side
    reach = min(math.ceil(length / 2), side - 1)
    if reach < 1:
        return picture
    kernel = line(length, row[1], row[2], reach)
    return np.asarray(cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REFLECT_101), np.uint8)


__all__ = ["Coarse", "blur", "motion_blur"]
