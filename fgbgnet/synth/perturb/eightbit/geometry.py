"""As `fgbgnet.synth.perturb.geometry`, for one picture on the CPU."""

from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from fgbgnet.data.arrays import ByteArray, FloatArray

Window = tuple[int, int, int, int]
"""Top, left, height, width."""

Matrix = npt.NDArray[np.float64]
_Layer = TypeVar("_Layer", ByteArray, FloatArray)


def warp(picture: ByteArray, matrix: Matrix, border: int = cv2.BORDER_REFLECT) -> ByteArray:
    """Moves a picture (H, W, 3), bilinear, mirrored beyond the border or as OpenCV's ``border`` says."""
    # Four channels take half the time of three.
    four = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA), np.uint8)
    return np.asarray(cv2.cvtColor(sample(four, matrix, border), cv2.COLOR_RGBA2RGB), np.uint8)


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


def shift(layer: _Layer, right: float, down: float, window: Window | None = None) -> _Layer:
    """Moves a layer by whole pixels (fractions of the shorter side, rounded), mirrored beyond the border.

    Args:
        layer: (H, W) or (H, W, C).
        right: As a fraction of the shorter side.
        down: The same.
        window: The part of the result that is wanted; all of it by default.
    """
    top, left, rows, columns = window or (0, 0, *layer.shape[:2])
    side = min(layer.shape[:2])
    below = _mirrored(np.arange(top, top + rows) - round(down * side), layer.shape[0])
    beside = _mirrored(np.arange(left, left + columns) - round(right * side), layer.shape[1])
    return layer[below[:, None], beside]


def _mirrored(index: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    index = index % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)


__all__ = ["Matrix", "Window", "sample", "shift", "warp"]
