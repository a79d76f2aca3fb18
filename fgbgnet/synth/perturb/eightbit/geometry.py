"""As `fgbgnet.synth.perturb.geometry`, for one picture on the CPU."""

from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from fgbgnet.data.arrays import ByteArray, FloatArray

Matrix = npt.NDArray[np.float64]
_Layer = TypeVar("_Layer", ByteArray, FloatArray)


def warp(picture: ByteArray, matrix: Matrix) -> ByteArray:
    """Moves a picture (H, W, 3), bilinear, mirrored beyond the border."""
    # Four channels take half the time of three.
    four = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA), np.uint8)
    moved = sample(four, matrix, cv2.BORDER_REFLECT)
    return np.asarray(cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB), np.uint8)


def sample(layer: _Layer, matrix: Matrix, border: int) -> _Layer:
    """The layer at the places that a matrix (3, 3) gives; what lies beyond the border as OpenCV's ``border`` says."""
    height, width = layer.shape[:2]
    # From pixels to [-1, 1] and back.
    scaled = np.array([[2 / width, 0, 1 / width - 1], [0, 2 / height, 1 / height - 1], [0, 0, 1]])
    pixels = np.linalg.solve(scaled, matrix @ scaled)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    if (matrix[2] == [0, 0, 1]).all():
        moved = cv2.warpAffine(layer, pixels[:2], (width, height), flags=flags, borderMode=border)
    else:
        moved = cv2.warpPerspective(layer, pixels, (width, height), flags=flags, borderMode=border)
    return np.asarray(moved, layer.dtype)


def shift(layer: _Layer, right: float, down: float) -> _Layer:
    """Moves a layer by whole pixels (fractions of the shorter side, rounded), mirrored beyond the border."""
    height, width = layer.shape[:2]
    dx, dy = round(right * min(height, width)), round(down * min(height, width))
    return layer[_mirrored(height, dy)][:, _mirrored(width, dx)]


def _mirrored(size: int, move: int) -> npt.NDArray[np.int64]:
    index = (np.arange(size) - move) % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)


__all__ = ["Matrix", "sample", "shift", "warp"]
