"""As `fgbgnet.synth.perturb.optics`, for one picture on the CPU."""

import math
from typing import TypeVar

import cv2
import numpy as np

from fgbgnet.data.arrays import ByteArray, FloatArray
from fgbgnet.synth.perturb.eightbit.shapes import Row
from fgbgnet.synth.perturb.optics import CELLS, gaussian_taps, line

_Picture = TypeVar("_Picture", ByteArray, FloatArray)


def blur(picture: _Picture, row: Row) -> _Picture:
    """A lens out of focus; (H, W) or (H, W, C) with up to four channels."""
    height, width = picture.shape[:2]
    sigma = row[0] * min(height, width)
    step = max(int(sigma // CELLS), 1)
    if step == 1:
        return _convolved(picture, sigma)
    whole = cv2.copyMakeBorder(picture, 0, -height % step, 0, -width % step, cv2.BORDER_REPLICATE)
    rows, columns = whole.shape[0] // step, whole.shape[1] // step
    small = np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), picture.dtype)
    # The mean and the interpolation blur, too.
    small = _convolved(small, math.sqrt(sigma**2 - (step**2 - 1) / 4) / step)
    large = cv2.resize(small, (columns * step, rows * step), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, picture.dtype)[:height, :width]


def _convolved(picture: _Picture, sigma: float) -> _Picture:
    down, right = (_kernel(sigma, size) for size in picture.shape[:2])
    return np.asarray(cv2.sepFilter2D(picture, -1, right, down, borderType=cv2.BORDER_REFLECT_101), picture.dtype)


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


__all__ = ["blur", "motion_blur"]
