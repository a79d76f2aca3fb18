"""Padding up to the strides of an encoder, and cutting back to the size of the picture."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def padded(picture: Tensor, stride: int, least: int = 0) -> Tensor:
    """Continues a picture beyond the bottom right by its last row and column, up to multiples of a stride.

    >>> padded(torch.tensor([[[[1.0, 2.0, 3.0]]]]), 2).tolist()
    [[[[1.0, 2.0, 3.0, 3.0], [1.0, 2.0, 3.0, 3.0]]]]

    Args:
        picture: (B, C, H, W).
        stride: The deepest stride.
        least: The least height and width, a multiple of the stride.

    Returns:
        (B, C, H', W'), the multiples that follow; the picture itself if it needs nothing.
    """
    height, width = picture.shape[-2:]
    padding = (0, -width % stride, 0, -height % stride)
    if least > stride:
        padding = (0, max(padding[1], least - width), 0, max(padding[3], least - height))
    # A graph for any size must not ask whether this size happens to fit.
    if not torch.compiler.is_compiling() and not any(padding):
        return picture
    return F.pad(picture, padding, mode="replicate")


def cropped(layer: Tensor, size: Sequence[int]) -> Tensor:
    """The top left of a layer (B, C, H', W'), of the height and width in ``size``.

    >>> cropped(torch.arange(6.0).reshape(1, 1, 2, 3), (1, 2)).tolist()
    [[[[0.0, 1.0]]]]
    """
    if torch.compiler.is_compiling():
        # A slice is a view, contiguous for some sizes only; a graph that asks holds for those sizes only.
        rows, columns = (torch.arange(length, device=layer.device) for length in size)
        return layer.index_select(-2, rows).index_select(-1, columns)
    return layer[..., : size[0], : size[1]]


__all__ = ["cropped", "padded"]
