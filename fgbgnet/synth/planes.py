"""Pixel planes of a batch: neighbours, blur, magnification, levels."""

import torch
from torch import Tensor

CORNERS = ((0, 0), (1, 0), (0, 1), (1, 1))
"""Corners of a pixel as (right, down)."""


def lens_blur(picture: Tensor, weight: Tensor) -> Tensor:
    """Point spread of the lens: (weight, 1 - 2 weight, weight) across and down; ``weight`` (B, 1, 1, 1)."""
    for dim in (-1, -2):
        last = picture.shape[dim] - 1
        # Each neighbour but those beyond the border, which repeats.
        around = torch.empty_like(picture)
        inner = torch.add(picture.narrow(dim, 0, last - 1), picture.narrow(dim, 2, last - 1))
        around.narrow(dim, 1, last - 1).copy_(inner)
        for edge, neighbour in ((0, 1), (last, last - 1)):
            torch.add(picture.narrow(dim, edge, 1), picture.narrow(dim, neighbour, 1), out=around.narrow(dim, edge, 1))
        picture = (picture * (1 - 2 * weight)).add_(around.mul_(weight))
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


def to_levels(linear: Tensor, out: Tensor) -> None:
    """Linear light, which is overwritten -> 8-bit levels in [0, 1]: what a file would hold."""
    torch.mul(linear.clamp_(0, 1).sqrt_().mul_(255).round_(), 1 / 255, out=out)


__all__ = ["CORNERS", "doubled", "lens_blur", "shifted", "to_levels"]
