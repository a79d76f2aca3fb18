"""Depth of composites: every cut-out stands as an upright billboard on the depth map of its background."""

import numpy as np
import numpy.typing as npt

from fgbgnet.synth.composites.depth_maps import DepthMap
from fgbgnet.synth.composites.shadows import Patch
from fgbgnet.types import DepthUnit

_UNDER = 3  # rows of ground below a foot that tell how far away it is


def stand(depth: DepthMap, background: DepthMap, alpha: Patch) -> float:
    """Puts an upright billboard into a depth map in place.

    It stands as far away as the ground under its foot: the median of the valid depth of the background in the three
    rows below its lowest row, over the columns in which its lower tenth touches the ground. Where those rows are below
    the picture, the last rows of the picture serve; where nothing valid is there, the nearest valid depth that the
    cut-out covers. Within the cut-out (alpha of one half or more) the depth becomes that of the billboard, or stays
    what it was where that is nearer: nothing is farther away than what it hides.

    Args:
        depth: Of what was pasted so far; changed.
        background: Of the background alone.
        alpha: Of the cut-out within the frame.

    Returns:
        Depth of the billboard; NaN where there is no valid depth anywhere, and then the cut-out has none either.
    """
    inside = alpha.values >= 0.5
    if not inside.any():
        return float("nan")
    rows, columns = inside.shape
    there = slice(alpha.top, alpha.top + rows), slice(alpha.left, alpha.left + columns)
    lowest = int(np.flatnonzero(inside.any(1))[-1])
    feet = np.flatnonzero(inside[lowest - lowest // 10 : lowest + 1].any(0)) + alpha.left
    height = depth.values.shape[0]
    first = min(alpha.top + lowest + 1, height - _UNDER)
    ground = background.valid[first : first + _UNDER, feet]
    if ground.any():
        contact = float(np.median(background.values[first : first + _UNDER, feet][ground]))
    else:
        covered = background.values[there][inside & background.valid[there]]
        contact = float(covered.min()) if covered.size else float("nan")
    values, valid = depth.values[there], depth.valid[there]
    if np.isnan(contact):
        values[inside], valid[inside] = 0, False
        return contact
    behind = np.where(valid, values, np.float32(np.inf))
    values[inside] = np.minimum(behind, np.float32(contact))[inside]
    valid[inside] = True
    return contact


def to_stored(depth: DepthMap, unit: DepthUnit) -> npt.NDArray[np.uint16]:
    """16-bit integers: millimetres, 0 where not valid or beyond 65.535 m; or the share of 65535 for relative depth."""
    if unit == "relative":
        return np.rint(np.clip(depth.values, 0, 1) * 65535).astype(np.uint16)
    millimetres = np.rint(depth.values.astype(np.float64) * 1000)
    return np.where(depth.valid & (millimetres <= 65535), millimetres, 0).astype(np.uint16)


__all__ = ["stand", "to_stored"]
