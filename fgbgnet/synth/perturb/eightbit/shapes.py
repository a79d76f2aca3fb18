"""As `fgbgnet.synth.perturb.shapes`, for one picture on the CPU."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from fgbgnet.data.arrays import FloatArray
from fgbgnet.synth.perturb.shapes import CONTOUR_GRID, CONTOUR_PARAMETERS

Row = Sequence[float]
"""The parameters of one operation on one picture."""


def smooth(cover: npt.NDArray[Any]) -> FloatArray:
    """The ramp 0 to 1 with a slope of zero at both ends, of float32, in place."""
    np.clip(cover, 0, 1, out=cover)
    slope = 3 - 2 * cover
    cover *= cover
    cover *= slope
    return cover


def offsets(shape: Sequence[int], x: float, y: float) -> tuple[FloatArray, FloatArray]:
    """How far right of and below a place the pixel centres are, in shorter sides: (1, W) and (H, 1)."""
    height, width = shape[:2]
    side = min(height, width)
    right = ((np.arange(width) + 0.5) / width - x) * (width / side)
    down = ((np.arange(height) + 0.5) / height - y) * (height / side)
    return right.astype(np.float32)[None], down.astype(np.float32)[:, None]


def field(values: Row, cells: int, height: int, width: int) -> FloatArray:
    """A smooth field (H, W) through ``cells * cells`` control points, bicubic."""
    control = torch.from_numpy(np.array(values, np.float32)).view(cells, cells)
    # By torch: a loader's worker keeps it to one thread, while NumPy's would wait for one another on a busy machine.
    return np.asarray((_basis(cells, height) @ control @ _basis(cells, width).T).numpy())


@lru_cache(maxsize=64)
def _basis(cells: int, size: int) -> Tensor:
    """What each control point adds at each pixel, (size, cells): bicubic interpolation is linear in its values."""
    points = torch.eye(cells).view(1, cells, cells, 1).expand(1, cells, cells, cells)
    values = F.interpolate(points, (size, cells), mode="bicubic", align_corners=True)
    return values[0, :, :, 0].T.contiguous()


def blob(row: Row, height: int, width: int) -> FloatArray:
    """An ellipse with an irregular contour: 1 inside, 0 outside, smooth across the edge, (H, W)."""
    x, y = offsets((height, width), row[0], row[1])
    radius_x, radius_y, cosine, sine, edge = row[2:7]
    u = x * np.float32(cosine / radius_x) + y * np.float32(sine / radius_x)
    v = y * np.float32(cosine / radius_y) - x * np.float32(sine / radius_y)
    radius = np.asarray(cv2.magnitude(u, v), np.float32)
    radius += field(row[7:CONTOUR_PARAMETERS], CONTOUR_GRID, height, width)
    radius *= np.float32(-1 / edge)
    radius += np.float32(1 / edge + 0.5)
    return smooth(radius)


__all__ = ["Row", "blob", "field", "offsets", "smooth"]
