"""How the features of two streams become one."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from fgbgnet.errors import UnknownNameError

Merge: TypeAlias = Literal["concat", "abs_diff", "exchange", "correlation"]
MERGES = ("concat", "abs_diff", "exchange", "correlation")

CORRELATION_RADIUS = 2
"""Cells that the background may have moved in each direction at each level of the correlation."""
CORRELATION_STRIDE = 8
"""Least stride of a level that is correlated: below it two cells are less than the moves that matter, and the window
costs more than the features."""


def merged_channels(merge: str, channels: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
    """Channels of the levels after merging.

    Raises:
        UnknownNameError: If there is no such merge.

    >>> merged_channels("correlation", (16, 64), (4, 8))
    (48, 217)
    """
    if merge not in MERGES:
        raise UnknownNameError("merge", merge, MERGES)
    if merge == "abs_diff":
        return tuple(channels)
    if merge == "correlation":
        window = (2 * CORRELATION_RADIUS + 1) ** 2
        return tuple(3 * c + (window if s >= CORRELATION_STRIDE else 0) for c, s in zip(channels, strides, strict=True))
    return tuple(2 * c for c in channels)


def merge_level(merge: str, clean: Tensor, frame: Tensor, stride: int) -> Tensor:
    """Merges one level.

    Args:
        merge: ``"concat"`` and ``"exchange"`` keep both features, ``"abs_diff"`` their absolute difference (Daudt et
            al., 2018), ``"correlation"`` all three and, from a stride of `CORRELATION_STRIDE` on, their
            `local_correlation`.
        clean: Features of the background, (B, C, H, W).
        frame: Features of the frame, of the same shape.
        stride: Stride of the level.

    Returns:
        (B, C', H, W), C' by `merged_channels`.
    """
    if merge == "abs_diff":
        return (frame - clean).abs()
    if merge != "correlation":
        return torch.cat([clean, frame], dim=1)
    parts = [clean, frame, (frame - clean).abs()]
    if stride >= CORRELATION_STRIDE:
        parts.append(local_correlation(clean, frame))
    return torch.cat(parts, dim=1)


def local_correlation(clean: Tensor, frame: Tensor, radius: int = CORRELATION_RADIUS) -> Tensor:
    """Cosine between each feature of the frame and those of the background around it.

    The correlation layer of FlowNet (Dosovitskiy et al., 2015) on features of unit length: what is the background, only
    moved by a few cells, has a cosine near 1 in one of its channels; what is new has none. Outside of the picture it
    is 0.

    Args:
        clean: Features of the background, (B, C, H, W).
        frame: Features of the frame, of the same shape.
        radius: Reach of the window in cells.

    Returns:
        (B, (2 radius + 1)², H, W), row by row: the channel of (dy, dx) compares ``frame[y, x]`` with
        ``clean[y + dy, x + dx]``.

    >>> picture = torch.rand(1, 4, 6, 6) + 0.1
    >>> moved = picture.roll(-1, dims=-1)  # what was one cell to the right
    >>> bool(torch.allclose(local_correlation(picture, moved, 1)[0, 5, :, :-1], torch.ones(6, 5)))
    True
    """
    height, width = frame.shape[-2:]
    frame = F.normalize(frame, dim=1)
    around = F.pad(F.normalize(clean, dim=1), [radius] * 4)
    reach = range(2 * radius + 1)
    windows = [(frame * around[..., y : y + height, x : x + width]).sum(1) for y in reach for x in reach]
    return torch.stack(windows, dim=1)


def exchange_channels(clean: Tensor, frame: Tensor) -> tuple[Tensor, Tensor]:
    """Swaps every second channel of two features (Fang et al., Changer, 2023; without parameters).

    >>> one, other = exchange_channels(torch.zeros(1, 4, 1, 1), torch.ones(1, 4, 1, 1))
    >>> one.flatten().tolist(), other.flatten().tolist()
    ([1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0])
    """
    even = (torch.arange(clean.shape[1], device=clean.device) % 2 == 0).reshape(1, -1, 1, 1)
    return torch.where(even, frame, clean), torch.where(even, clean, frame)


__all__ = [
    "CORRELATION_RADIUS",
    "CORRELATION_STRIDE",
    "MERGES",
    "Merge",
    "exchange_channels",
    "local_correlation",
    "merge_level",
    "merged_channels",
]
