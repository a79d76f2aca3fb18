"""From the pixels of a picture to those of another size: linear maps, alike for pictures and the planes of labels."""

from collections.abc import Sequence
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from fgbgnet.data.arrays import ByteArray, FloatArray

Size = tuple[int, int]
"""(height, width)"""
Array = npt.NDArray[Any]


class Resampling(Protocol):
    """Averages of the pixels of layers of one size, with non-negative weights of sum 1."""

    def picture(self, picture: ByteArray) -> ByteArray:
        """Of a picture, uint8 (H, W, 3) -> (H', W', 3)."""
        ...

    def planes(self, planes: Sequence[FloatArray]) -> list[FloatArray]:
        """Of planes, float32 (H, W) -> (H', W')."""
        ...


class Scaling:
    """To another size, and perhaps mirrored.

    Args:
        size: (height, width) of the result.
        flip: Whether left and right change places.

    >>> Scaling((1, 2)).planes([np.arange(8, dtype=np.float32).reshape(2, 4)])[0].tolist()
    [[2.5, 4.5]]
    """

    def __init__(self, size: Size, flip: bool = False) -> None:
        self.size = size
        self.flip = flip

    def picture(self, picture: ByteArray) -> ByteArray:
        """See `Resampling`."""
        return self._map(picture)

    def planes(self, planes: Sequence[FloatArray]) -> list[FloatArray]:
        """See `Resampling`."""
        return [self._map(plane) for plane in planes]

    def _map(self, layer: Array) -> Array:
        resized = resize(layer, self.size)
        return np.asarray(cv2.flip(resized, 1)) if self.flip else resized


class Warp:
    """To where an affine matrix says, after shrinking if that makes it smaller.

    Args:
        matrix: (2, 3), position in pixels of the result -> position in pixels of the layer, both counted between the
            centres of pixels.
        size: (height, width) of the result. All that it shows, and the pixels around that, must lie in the layer.
        shrunk: (height, width) that the layer is shrunk to before; the matrix is about the shrunken layer.

    >>> half_a_pixel_right = np.array([[1, 0, 0.5], [0, 1, 0]])
    >>> Warp(half_a_pixel_right, (1, 2)).planes([np.array([[1, 3, 5]], np.float32)])[0].tolist()
    [[2.0, 4.0]]
    """

    def __init__(self, matrix: npt.NDArray[np.float64], size: Size, shrunk: Size | None = None) -> None:
        self.matrix = matrix
        self.size = size
        self.shrunk = shrunk

    def picture(self, picture: ByteArray) -> ByteArray:
        """See `Resampling`."""
        # Four channels take half the time of three.
        four = cv2.cvtColor(self._shrink(picture), cv2.COLOR_RGB2RGBA)
        return np.asarray(cv2.cvtColor(self._warp(np.asarray(four)), cv2.COLOR_RGBA2RGB), np.uint8)

    def planes(self, planes: Sequence[FloatArray]) -> list[FloatArray]:
        """See `Resampling`."""
        return [self._warp(self._shrink(plane)) for plane in planes]

    def _shrink(self, layer: Array) -> Array:
        return layer if self.shrunk is None else resize(layer, self.shrunk)

    def _warp(self, layer: Array) -> Array:
        # No border is ever seen, and the constant one takes the least time.
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(layer, self.matrix, self.size[::-1], flags=flags))


def resize(layer: Array, size: Size) -> Array:
    """Resizes (H, W) or (H, W, C): by area where it gets smaller, bilinear where it gets larger."""
    height, width = layer.shape[:2]
    small = min(size[0], height), min(size[1], width)
    # Halving takes a tenth of the time of other ratios, and averages of averages are averages by area.
    while small[0] <= height // 2 and small[1] <= width // 2 and not (height % 2 or width % 2):
        height, width = height // 2, width // 2
        layer = np.asarray(cv2.resize(layer, (width, height), interpolation=cv2.INTER_AREA))
    if small != (height, width):
        layer = np.asarray(cv2.resize(layer, small[::-1], interpolation=cv2.INTER_AREA))
    return layer if small == size else np.asarray(cv2.resize(layer, size[::-1], interpolation=cv2.INTER_LINEAR))


def cut(layer: Array, top: int, left: int, height: int, width: int) -> Array:
    """A part of a layer (H, W) or (H, W, C), mirrored about the border pixel where it leaves it."""
    bottom, right = top + height - layer.shape[0], left + width - layer.shape[1]
    inside = layer[max(top, 0) : top + height, max(left, 0) : left + width]
    if top >= 0 and left >= 0 and bottom <= 0 and right <= 0:
        return inside
    if min(inside.shape[:2]) > max(-top, -left, bottom, right):
        layer, top, left = inside, min(top, 0), min(left, 0)  # less to copy
    margins = max(-top, 0), max(bottom, 0), max(-left, 0), max(right, 0)
    whole = np.asarray(cv2.copyMakeBorder(layer, *margins, borderType=cv2.BORDER_REFLECT_101))
    top, left = max(top, 0), max(left, 0)
    return whole[top : top + height, left : left + width]


__all__ = ["Resampling", "Scaling", "Size", "Warp", "cut", "resize"]
