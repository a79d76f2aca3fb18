"""Contours of masks as pixel sets, batched."""

import torch.nn.functional as F
from torch import Tensor

from fgbgnet.contours import dilate


def boundary_width(height: int, width: int) -> int:
    """Width of the boundary in pixels: 2 at 224 px, in proportion to the longer side, at least 1.

    Args:
        height: Rows of the mask.
        width: Columns of the mask.

    Returns:
        Pixels.

    Example:
        >>> boundary_width(224, 224), boundary_width(64, 96), boundary_width(1080, 1920)
        (2, 1, 17)
    """
    return max(1, round(2 / 224 * max(height, width)))


def inner_boundary(mask: Tensor, width: int) -> Tensor:
    """Foreground pixels at most ``width`` pixels from the contour.

    The mask minus its erosion by a 3 x 3 square, repeated ``width`` times, with background outside the picture: the
    region of Boundary IoU (Cheng et al., 2021) as its authors' code computes it. Where the foreground is cut off by the
    edge of the picture, the edge counts as contour.

    Args:
        mask: Bool (B, 1, H, W).
        width: Pixels, 1 or more.

    Returns:
        Bool, same shape.

    Example:
        >>> import torch
        >>> square = torch.zeros(1, 1, 7, 7, dtype=torch.bool)
        >>> square[..., 1:6, 1:6] = True
        >>> inner_boundary(square, 1).sum().item()
        16
    """
    padded = F.pad(mask, (width,) * 4)
    eroded = ~dilate(~padded, width)[..., width:-width, width:-width]
    return mask & ~eroded


__all__ = ["boundary_width", "inner_boundary"]
