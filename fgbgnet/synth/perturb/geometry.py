"""Moving pixels: homographies with explicit parameters, for pictures and for the layers that belong to them.

A matrix (3, 3) maps positions of the output to positions of the input, both in the coordinates of
`torch.nn.functional.grid_sample`: x and y span [-1, 1] from edge to edge. Matrices are made in double precision on
the CPU. Lengths are fractions of the shorter side.
"""

import math

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

Matrices = npt.NDArray[np.float64]


def affine(parameters: Tensor, height: int, width: int) -> Matrices:
    """Matrices that move, turn and zoom about the centre.

    Args:
        parameters: (B, 4): right and down as fractions of the shorter side, angle in degrees (counter-clockwise),
            natural logarithm of the zoom.
        height: Pixels.
        width: Pixels.

    Returns:
        (B, 3, 3).
    """
    side = min(height, width)
    rows = []
    for right, down, degrees, log_zoom in parameters.double().tolist():
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        scale = math.exp(-log_zoom)
        x, y = 2 * right * side / width, 2 * down * side / height
        a, b = scale * cosine, -scale * sine * height / width
        c, d = scale * sine * width / height, scale * cosine
        rows.append([[a, b, -a * x - b * y], [c, d, -c * x - d * y], [0.0, 0.0, 1.0]])
    return np.array(rows).reshape(-1, 3, 3)


def perspective(parameters: Tensor, height: int, width: int) -> Matrices:
    """Matrices that move the four corners of the picture.

    Args:
        parameters: (B, 8): right and down, as fractions of the shorter side, of the corners top left, top right, bottom
            right, bottom left.
        height: Pixels.
        width: Pixels.

    Returns:
        (B, 3, 3).
    """
    side = min(height, width)
    corners = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    moves = parameters.double().cpu().numpy().reshape(-1, 4, 2) * [2 * side / width, 2 * side / height]
    matrices = []
    for moved in corners + moves:
        # The eight unknowns of a homography from moved (output) to corner (input): two linear equations per corner.
        (x, y), (u, v) = moved.T, corners.T
        one, zero = np.ones(4), np.zeros(4)
        left = np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], 1)
        right = np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], 1)
        solution = np.linalg.solve(np.concatenate([left, right]), np.concatenate([u, v]))
        matrices.append(np.append(solution, 1.0).reshape(3, 3))
    return np.array(matrices).reshape(-1, 3, 3)


def positions(matrices: Matrices, layer: Tensor) -> Tensor:
    """Where each pixel of the output comes from, (B, H, W, 2) for `torch.nn.functional.grid_sample`.

    Written out rather than with `torch.nn.functional.affine_grid`, whose matrix product may round differently for
    other batch sizes.

    Args:
        matrices: (B, 3, 3).
        layer: Gives the size (..., H, W), the type and the device.
    """
    height, width = layer.shape[-2:]
    dtype, device = layer.dtype, layer.device
    theta = torch.tensor(matrices, dtype=dtype).to(device)
    xs = (torch.arange(width, dtype=dtype, device=device) * 2 + 1) / width - 1
    ys = ((torch.arange(height, dtype=dtype, device=device) * 2 + 1) / height - 1)[:, None]
    planes = [
        theta[:, i, 0, None, None] * xs + (theta[:, i, 1, None, None] * ys + theta[:, i, 2, None, None])
        for i in range(3)
    ]
    return torch.stack([planes[0] / planes[2], planes[1] / planes[2]], dim=-1)


def warp(pictures: Tensor, matrices: Matrices) -> Tensor:
    """Moves pictures (B, C, H, W), bilinear, mirrored beyond the border."""
    grid = positions(matrices, pictures)
    moved = F.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return moved.clamp_(0, 1)


class Sources:
    """Which pixel each pixel of the output comes from: for layers that must not be interpolated.

    Args:
        matrices: (B, 3, 3).
        height: Pixels.
        width: Pixels.

    Attributes:
        covered: Whether that pixel lies in the picture, bool (B, 1, H, W); beyond the border it is mirrored.
    """

    def __init__(self, matrices: Matrices, height: int, width: int) -> None:
        grid = positions(matrices, torch.empty(height, width, dtype=torch.float64))
        columns = ((grid[..., 0] + 1) * width / 2 - 0.5).round().long()
        rows = ((grid[..., 1] + 1) * height / 2 - 0.5).round().long()
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        self.covered = inside.unsqueeze(1)
        self._index = (_mirrored(rows, height) * width + _mirrored(columns, width)).flatten(1).unsqueeze(1)

    def take(self, layer: Tensor) -> Tensor:
        """The layer (B, C, H, W), of any type, moved along."""
        index = self._index.to(layer.device).expand(-1, layer.shape[1], -1)
        return layer.flatten(2).gather(2, index).view_as(layer)


def shift(pictures: Tensor, right: Tensor, down: Tensor) -> Tensor:
    """Moves pictures by whole pixels, mirrored beyond the border.

    Args:
        pictures: (B, C, H, W).
        right: (B,) fractions of the shorter side, rounded to pixels.
        down: The same.
    """
    height, width = pictures.shape[-2:]
    side = min(height, width)
    moves = torch.stack([right, down], 1).double().mul(side).round().long().tolist()
    rows, columns = torch.arange(height, device=pictures.device), torch.arange(width, device=pictures.device)
    moved = [
        picture.index_select(-2, _mirrored(rows - dy, height)).index_select(-1, _mirrored(columns - dx, width))
        for picture, (dx, dy) in zip(pictures, moves, strict=True)
    ]
    return torch.stack(moved)


def _mirrored(index: Tensor, size: int) -> Tensor:
    """Indices beyond the border counted back from it, the border pixel twice."""
    index = index % (2 * size)
    return torch.minimum(index, 2 * size - 1 - index)


__all__ = ["Matrices", "Sources", "affine", "perspective", "positions", "shift", "warp"]
