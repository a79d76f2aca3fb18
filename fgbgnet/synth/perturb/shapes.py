"""Irregular outlines: where a shadow lies, or what is taken away from a scene."""

import torch
import torch.nn.functional as F
from torch import Tensor

CONTOUR_GRID = 6
"""Control points per side of the field that makes a contour irregular."""

CONTOUR_PARAMETERS = 7 + CONTOUR_GRID**2


def column(parameters: Tensor, index: int) -> Tensor:
    """One parameter of every picture, (B, P) -> (B, 1, 1, 1)."""
    return parameters[:, index].view(-1, 1, 1, 1)


def smooth(cover: Tensor) -> Tensor:
    """The ramp 0 to 1 with a slope of zero at both ends; values beyond are cut off."""
    cover = cover.clamp(0, 1)
    return cover * cover * (3 - 2 * cover)


def offsets(layer: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """How far right of and below a place the pixel centres are, as fractions of the shorter side.

    Args:
        layer: Gives the size (..., H, W), the type and the device.
        x: Place as a fraction of the width, (..., 1, 1).
        y: Place as a fraction of the height, (..., 1, 1).

    Returns:
        (..., 1, W) and (..., H, 1).
    """
    height, width = layer.shape[-2:]
    side = min(height, width)
    columns = torch.arange(width, dtype=layer.dtype, device=layer.device)
    rows = torch.arange(height, dtype=layer.dtype, device=layer.device)[:, None]
    return ((columns + 0.5) / width - x) * (width / side), ((rows + 0.5) / height - y) * (height / side)


def field(parameters: Tensor, cells: int, height: int, width: int) -> Tensor:
    """A smooth field (B, 1, H, W) through ``cells * cells`` control points per picture, bicubic.

    The values are those of the rows of the parameters, (B, cells ** 2).
    """
    control = parameters.reshape(-1, 1, cells, cells).contiguous()
    return F.interpolate(control, (height, width), mode="bicubic", align_corners=True)


def blob(parameters: Tensor, like: Tensor) -> Tensor:
    """An ellipse with an irregular contour: 1 inside, 0 outside, smooth across the edge, (B, 1, H, W).

    Args:
        parameters: (B, 7 + 36): centre x, y (1 = width or height), radii a, b (1 = the shorter side), cosine and sine
            of the angle, width of the edge (1 = the radius), then the 6 x 6 displacements of the contour.
        like: Gives the size (..., H, W), the type and the device.
    """
    x, y = offsets(like, column(parameters, 0), column(parameters, 1))
    cosine, sine = column(parameters, 4), column(parameters, 5)
    u, v = (x * cosine + y * sine) / column(parameters, 2), (y * cosine - x * sine) / column(parameters, 3)
    radius = (u * u + v * v).sqrt_()
    radius = radius + field(parameters[:, 7:CONTOUR_PARAMETERS], CONTOUR_GRID, *like.shape[-2:])
    return smooth((1 - radius) / column(parameters, 6) + 0.5)


__all__ = ["CONTOUR_GRID", "CONTOUR_PARAMETERS", "blob", "column", "field", "offsets", "smooth"]
