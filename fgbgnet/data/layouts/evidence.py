"""What pictures say about a pairing: how far a frame is from its background, outside the mask."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from fgbgnet.data.arrays import ByteArray
from fgbgnet.data.decode import read_rgb
from fgbgnet.data.layouts.tree import Tree, join
from fgbgnet.data.masks import read_mask
from fgbgnet.errors import MaskError

SIDE = 64
"""Pixels of the side to which pictures are brought: enough to tell backgrounds apart."""


class Residual(NamedTuple):
    """Median absolute difference of a frame and its background outside the mask, in grey levels of 255."""

    plain: float
    mirrored: float
    """The same with the background mirrored."""

    @property
    def best(self) -> float:
        """The smaller one."""
        return min(self.plain, self.mirrored)


class Evidence:
    """Residuals of pairs of files below a tree; every picture is decoded once and kept small."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._pictures: dict[str, ByteArray] = {}
        self._outside: dict[str, npt.NDArray[np.bool_]] = {}
        self._residuals: dict[tuple[str, str, str], Residual] = {}

    def residual(self, bg: str, fg_bg: str, mask: str) -> Residual:
        """The residual of one pair.

        Raises:
            MissingFileError, PictureError: If a picture cannot be read.
        """
        key = (bg, fg_bg, mask)
        if key not in self._residuals:
            self._residuals[key] = self._measure(*key)
        return self._residuals[key]

    def _measure(self, bg: str, fg_bg: str, mask: str) -> Residual:
        frame, background, outside = self._picture(fg_bg), self._picture(bg), self._outside_of(mask)
        if not outside.any():
            return Residual(float("nan"), float("nan"))
        return Residual(*(_median_difference(frame, b, outside) for b in (background, background[:, ::-1])))

    def _picture(self, path: str) -> ByteArray:
        if path not in self._pictures:
            picture = Image.fromarray(read_rgb(join(self._tree.root, path)))
            self._pictures[path] = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX))
        return self._pictures[path]

    def _outside_of(self, path: str) -> npt.NDArray[np.bool_]:
        if path not in self._outside:
            try:
                mask = Image.fromarray(read_mask(join(self._tree.root, path)) * 255)
                self._outside[path] = np.asarray(mask.resize((SIDE, SIDE), Image.Resampling.BOX)) == 0
            except MaskError:
                # What is no mask is for the audit to tell; a median bears the foreground.
                self._outside[path] = np.ones((SIDE, SIDE), dtype=bool)
        return self._outside[path]


def _median_difference(frame: ByteArray, background: ByteArray, outside: npt.NDArray[np.bool_]) -> float:
    difference = np.abs(frame.astype(np.int16) - background)
    return float(np.median(difference[outside]))


__all__ = ["SIDE", "Evidence", "Residual"]
