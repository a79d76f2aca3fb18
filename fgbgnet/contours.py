"""Regions of masks and what lies along their contours, batched."""

import torch.nn.functional as F
from torch import Tensor


def dilate(mask: Tensor, radius: int) -> Tensor:
    """Dilation with a square of side ``2 * radius + 1``; nothing comes in from outside the picture.

    Args:
        mask: Bool (B, 1, H, W).
        radius: Pixels, 0 or more.

    Returns:
        Bool, same shape.
    """
    side = 2 * radius + 1
    # A square is separable: two passes of ``side`` instead of one of ``side ** 2``.
    grown = F.max_pool2d(mask.float(), (side, 1), stride=1, padding=(radius, 0))
    return F.max_pool2d(grown, (1, side), stride=1, padding=(0, radius)) > 0


def contour_band(mask: Tensor, width: int, valid: Tensor | None = None) -> Tensor:
    """Pixels at most ``width`` pixels from the contour on either side of it.

    The edge of the picture is no contour: nothing changes there. Neither is the rim of what is not known.

    Args:
        mask: Bool (B, 1, H, W).
        width: Pixels, 1 or more.
        valid: Where the mask is known, bool, same shape; None means everywhere.

    Returns:
        Bool, same shape; empty for an empty or full mask.

    Example:
        >>> import torch
        >>> contour_band(torch.tensor([[[[False, False, False, True, True]]]]), 1)
        tensor([[[[False, False,  True,  True, False]]]])
    """
    inside, outside = (mask, ~mask) if valid is None else (mask & valid, ~mask & valid)
    return dilate(inside, width) & dilate(outside, width)


__all__ = ["contour_band", "dilate"]
