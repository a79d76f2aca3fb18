"""Pixel planes of a batch: neighbours, blur, magnification, levels."""

import torch
from torch import Tensor

CORNERS = ((0, 0), (1, 0), (0, 1), (1, 1))
"""Corners of a pixel as (right, down)."""


def lens_blur(picture: Tensor, weight: Tensor) -> Tensor:
    """Point spread of the lens: (weight, 1 - 2 weight, weight) across and down; the border repeats.

    Args:
        picture: (B, C, H, W).
        weight: (B, 1, 1, 1), from 0 to 0.25; pictures with 0 stay as they are and cost nothing.
    """
    some = torch.nonzero(weight.flatten()).flatten()
    if not len(some):
        return picture.clone()
    part, weight = picture.index_select(0, some), weight.index_select(0, some)
    for dim in (-1, -2):
        last = part.shape[dim] - 1
        around = torch.empty_like(part)
        middle = around.narrow(dim, 1, last - 1)
        torch.add(part.narrow(dim, 0, last - 1), part.narrow(dim, 2, last - 1), out=middle)
        for edge, neighbour in ((0, 1), (last, last - 1)):
            torch.add(part.narrow(dim, edge, 1), part.narrow(dim, neighbour, 1), out=around.narrow(dim, edge, 1))
        part = (part * (1 - 2 * weight)).add_(around.mul_(weight))
    return picture.index_copy(0, some, part)


def doubled(coarse: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear magnification by 2 from samples at every other pixel; (B, h, w) -> (B, H, W)."""
    for dim, length in ((-2, size[0]), (-1, size[1])):
        count = coarse.shape[dim]
        following = torch.cat([coarse.narrow(dim, 1, count - 1), coarse.narrow(dim, count - 1, 1)], dim)
        pair = torch.stack([coarse, (coarse + following) * 0.5], dim if dim == -1 else -2)
        coarse = pair.flatten(-2) if dim == -1 else pair.flatten(1, 2)
        coarse = coarse.narrow(dim, 0, length)
    return coarse


def to_levels(linear: Tensor, out: Tensor) -> None:
    """Linear light, which is overwritten -> 8-bit levels in [0, 1]: what a file would hold."""
    torch.div(linear.clamp_(0, 1).sqrt_().mul_(255).round_(), 255, out=out)


__all__ = ["CORNERS", "doubled", "lens_blur", "to_levels"]
