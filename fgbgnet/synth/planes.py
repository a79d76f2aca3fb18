"""Pixel planes of a batch: neighbours, blur, magnification, levels."""

import torch
from torch import Tensor

CORNERS = ((0, 0), (1, 0), (0, 1), (1, 1))
"""Corners of a pixel as (right, down)."""


def lens_blur(picture: Tensor, weight: Tensor) -> Tensor:
    """Point spread of the lens: (weight, 1 - 2 weight, weight) across and down; ``weight`` (B, 1, 1, 1)."""
    for dim in (-1, -2):
        size = picture.shape[dim]
        before = torch.cat([picture.narrow(dim, 0, 1), picture.narrow(dim, 0, size - 1)], dim)
        after = torch.cat([picture.narrow(dim, 1, size - 1), picture.narrow(dim, size - 1, 1)], dim)
        picture = picture * (1 - 2 * weight) + (before + after) * weight
    return picture


def doubled(coarse: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear magnification by 2 from samples at every other pixel; (B, h, w) -> (B, H, W)."""
    for dim, length in ((-2, size[0]), (-1, size[1])):
        count = coarse.shape[dim]
        following = torch.cat([coarse.narrow(dim, 1, count - 1), coarse.narrow(dim, count - 1, 1)], dim)
        pair = torch.stack([coarse, (coarse + following) * 0.5], dim if dim == -1 else -2)
        coarse = pair.flatten(-2) if dim == -1 else pair.flatten(1, 2)
        coarse = coarse.narrow(dim, 0, length)
    return coarse


def shifted(plane: Tensor, dx: int, dy: int) -> Tensor:
    """The value of the neighbour ``dx`` to the right and ``dy`` below; the border repeats; (B, H, W)."""
    if dx:
        plane = torch.cat([plane[:, :, 1:], plane[:, :, -1:]], 2)
    if dy:
        plane = torch.cat([plane[:, 1:], plane[:, -1:]], 1)
    return plane


def to_levels(linear: Tensor) -> Tensor:
    """Linear light -> 8-bit levels in [0, 1]: what a file would hold."""
    return (linear.clamp(0, 1).sqrt_() * 255).round_() * (1 / 255)


__all__ = ["CORNERS", "doubled", "lens_blur", "shifted", "to_levels"]
