"""Ground truth with more than two labels, as CDnet-2014 and SBM-RGBD have it."""

import os

import numpy as np

from fgbgnet.data.arrays import MAX_COLOURED_SHARE, BoolArray, ByteArray, coloured_share
from fgbgnet.data.storage import read_bytes
from fgbgnet.errors import MaskError
from fgbgnet.pictures import open_picture, to_rgb
from fgbgnet.types import PathInput

BACKGROUND, SHADOW, OUTSIDE, UNKNOWN, FOREGROUND = 0, 50, 85, 170, 255
"""Levels of the ground truth of CDnet (Wang et al., CDnet 2014, 2014): static, hard shadow, outside of the region of
interest, unknown motion (mostly along contours), motion."""

_KNOWN = (BACKGROUND, SHADOW, FOREGROUND)
_MAX_OTHER_SHARE = 0.01


def read_labels(path: PathInput) -> ByteArray:
    """Reads ground truth in the labels of CDnet.

    Other levels, which compression or resizing leave behind, count as unknown.

    Returns:
        uint8 (H, W): 0, 50, 85, 170 and 255.

    Raises:
        MissingFileError: If there is no such file.
        MaskError: If it is coloured, or more than 1 % of the pixels have another level.
        PictureError: If it is not a picture, or is truncated.
    """
    name = os.fspath(path)
    picture = open_picture(read_bytes(name), name)
    if picture.mode != "L":
        rgb = to_rgb(picture, name)
        if coloured_share(rgb) > MAX_COLOURED_SHARE:
            raise MaskError(f"{name} is coloured, so it is no ground truth; expected the levels 0, 50, 85, 170, 255")
        labels = rgb[..., 1].copy()
    else:
        labels = np.array(picture)
    other = ~np.isin(labels, (*_KNOWN, OUTSIDE, UNKNOWN))
    if other.mean() > _MAX_OTHER_SHARE:
        levels, counts = np.unique(labels[other], return_counts=True)
        raise MaskError(
            f"{name} is {levels[counts.argmax()]} (and other levels) on {other.mean():.1%} of its pixels; expected the "
            "levels 0 (background), 50 (shadow), 85 (outside), 170 (unknown) and 255 (foreground)"
        )
    labels[other] = UNKNOWN
    return labels


def is_known(labels: ByteArray) -> BoolArray:
    """Where the label says whether there is foreground: everywhere but outside (85) and unknown (170)."""
    known: BoolArray = np.isin(labels, _KNOWN)
    return known


def is_empty(labels: ByteArray, region: BoolArray) -> bool:
    """Whether a frame shows the background alone inside a region: no foreground, shadow or unknown motion.

    False where nothing inside the region is labelled.

    >>> is_empty(np.array([[0, 85, 255]], np.uint8), np.array([[True, True, False]]))
    True
    """
    inside = labels[region & (labels != OUTSIDE)]
    return bool(inside.size and not inside.any())


__all__ = [
    "BACKGROUND",
    "FOREGROUND",
    "OUTSIDE",
    "SHADOW",
    "UNKNOWN",
    "is_empty",
    "is_known",
    "read_labels",
]
