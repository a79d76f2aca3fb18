"""Depth -> 16-bit levels, as `fgbgnet.data.read_depth` reads them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

FULL = 65535


class Levels(NamedTuple):
    """A map as it is stored, and how many of its pixels did not fit."""

    stored: npt.NDArray[np.uint16]
    """(H, W)."""
    outside: int
    """Pixels outside what can be stored: not valid in metres, at the end of the range otherwise."""


def to_millimetres(depth: Tensor) -> Levels:
    """Metres (H, W) -> millimetres; 0, which is read as not valid, beyond 65.535 m and below 1 mm.

    >>> import torch
    >>> to_millimetres(torch.tensor([[0.5, 65.535, 70.0, -1.0]]))
    Levels(stored=array([[  500, 65535,     0,     0]], dtype=uint16), outside=2)
    """
    millimetres = (depth.double().numpy() * 1000).round()
    fits = (millimetres >= 1) & (millimetres <= FULL)
    return Levels(np.where(fits, millimetres, 0).astype(np.uint16), int((~fits).sum()))


def to_shares(depth: Tensor, low: float, high: float) -> Levels:
    """Relative depth (H, W) -> its share of the range from ``low`` to ``high``, in steps of 1/65535.

    >>> import torch
    >>> to_shares(torch.tensor([[0.0, 2.0, 8.0]]), 0.0, 4.0)
    Levels(stored=array([[    0, 32768, 65535]], dtype=uint16), outside=1)
    """
    share = (depth.double().numpy() - low) / (high - low)
    outside = int(((share < 0) | (share > 1)).sum())
    return Levels((share.clip(0, 1) * FULL).round().astype(np.uint16), outside)


def to_own_shares(depth: Tensor) -> Levels:
    """Depth (H, W) -> its share of the range of this very picture; 0 if it is the same everywhere.

    >>> import torch
    >>> to_own_shares(torch.tensor([[3.0, 5.0]]))
    Levels(stored=array([[    0, 65535]], dtype=uint16), outside=0)
    """
    low, high = depth.min().item(), depth.max().item()
    if is_flat(low, high):
        return Levels(np.zeros(depth.shape, dtype=np.uint16), 0)
    return to_shares(depth, low, high)


def is_flat(low: float, high: float) -> bool:
    """Whether two extremes differ by no more than the rounding of single precision, which resizing a constant makes."""
    return high - low <= 1e-6 * max(abs(low), abs(high))


__all__ = ["FULL", "Levels", "is_flat", "to_millimetres", "to_own_shares", "to_shares"]
