"""Masks and depth maps under interpolation: contours to a part of a pixel, and depth that never crosses them.

Everything that a label needs is split into planes that may be averaged like a picture, and put together again after
that. An average of depth counts only pixels that are valid and on the same side of the mask as the pixel it is for:
normalised convolution (Knutsson and Westin, "Normalized and differential convolution", CVPR 1993) for each side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from fgbgnet.data.arrays import BoolArray, ByteArray, FloatArray

_LEAST_WEIGHT = 0.01
"""Of the pixels of a side, for a value of that side to be taken from them."""


@dataclass(frozen=True)
class Labels:
    """Mask, depth and where they are known, at one size.

    Args:
        mask: uint8 (H, W), 0 or 1.
        depth: Distance, float32 (H, W), finite where valid.
        depth_valid: bool (H, W).
        mask_valid: bool (H, W), or None where all labels are known.

    >>> mask, depth = np.eye(2, dtype=np.uint8), np.array([[1, 9], [9, 1]], np.float32)
    >>> labels = Labels(mask, depth, np.ones((2, 2), bool))
    >>> large = labels.rebuilt([cv2.resize(plane, (6, 6)) for plane in labels.planes()])
    >>> np.unique(large.depth[large.mask == 1]).tolist(), np.unique(large.depth[large.mask == 0]).tolist()
    ([1.0], [9.0])
    """

    mask: ByteArray
    depth: FloatArray
    depth_valid: BoolArray
    mask_valid: BoolArray | None = None

    def planes(self, may_uncover: bool = False) -> list[FloatArray]:
        """What may be averaged, each float32 (H, W).

        Args:
            may_uncover: Whether the averages may show places outside the layers, as zeros.
        """
        mask = self.mask.astype(np.float32)
        planes = [mask]
        if self.mask_valid is not None:
            planes.append(self.mask_valid.astype(np.float32))
        if may_uncover or not self.depth_valid.all():
            if not self.depth_valid.any():
                return planes
            valid = self.depth_valid.astype(np.float32)
            # 0 elsewhere, whatever stands there
            depth = np.asarray(cv2.copyTo(self.depth, self.depth_valid.view(np.uint8)), np.float32)
            planes += _by_side(valid, mask)
        else:
            depth = self.depth
        return planes + _by_side(depth, mask)

    def rebuilt(self, planes: Sequence[FloatArray], mask: ByteArray | None = None) -> "Labels":
        """Labels of averaged planes.

        Depth is valid where at least half of what was averaged of its side is, and 0 elsewhere. Labels of the mask are
        known where all that was averaged are.

        Args:
            planes: What `planes` gave, averaged by the same non-negative weights of sum 1 each; they are changed.
            mask: uint8 (H', W'), if it is known better than from the planes. Where the planes show nothing of a side
                that this mask has, depth is that of the other side.
        """
        cover = planes[0]
        own = _at_least_half(cover)
        rest = list(planes[1:])
        known = None if self.mask_valid is None else rest.pop(0) > 1 - 1e-5
        if not rest:
            shape = cover.shape
            return Labels(own if mask is None else mask, np.zeros(shape, np.float32), np.zeros(shape, np.bool_), known)
        side = own if mask is None else _shown(mask, own, cover)
        weight = _of_side(side, cover, 1 - cover)
        depth = _of_side(side, rest[-2], rest[-1])
        if len(rest) == 2:
            valid = np.ones(cover.shape, np.bool_)
        else:
            measured = _of_side(side, rest[0], rest[1])
            valid = (measured >= 0.5 * weight) & (measured > 0)
            weight = np.maximum(measured, np.float32(1e-9))
        depth /= weight
        # Rounding must not make the range grow.
        low, high, *_ = cv2.minMaxLoc(self.depth, self.depth_valid.view(np.uint8))
        np.clip(depth, np.float32(low), np.float32(high), out=depth)
        if len(rest) == 4:
            depth *= valid
        return Labels(own if mask is None else mask, depth, valid, known)


def _by_side(values: FloatArray, mask: FloatArray) -> list[FloatArray]:
    inside = values * mask
    return [inside, values - inside]


def _of_side(side: ByteArray, inside: FloatArray, outside: FloatArray) -> FloatArray:
    """``inside`` where the side is 1, else ``outside``, in the memory of the latter."""
    cv2.copyTo(inside, side, outside)  # numpy.where takes five times as long
    return outside


def _at_least_half(cover: FloatArray) -> ByteArray:
    return (cover >= 0.5).view(np.uint8)


def _shown(mask: ByteArray, own: ByteArray, cover: FloatArray) -> ByteArray:
    """The side that the mask says, where at least a little of it is covered, else the one that is."""
    weight = np.where(mask, cover, 1 - cover)
    shown: npt.NDArray[np.uint8] = np.where(weight >= _LEAST_WEIGHT, mask, own)
    return shown


__all__ = ["Labels"]
