"""What a data set looks like in figures."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol, TypedDict

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.types import Sample


class PictureStatistics(TypedDict):
    """Of all pixels of all pictures, per channel R, G, B, in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


class MaskStatistics(TypedDict):
    """Of all pixels of all masks whose label is known."""

    mean: float
    """Share of foreground."""
    std: float
    empty: int
    """How many masks have no foreground."""


class DepthStatistics(TypedDict):
    """Of all valid pixels, in the unit of the data set; NaN where there are none."""

    mean: float
    std: float
    min: float
    max: float
    valid: float
    """Share of the pixels that are valid."""


class DatasetStatistics(TypedDict):
    """See `PairedFgBgDataset.statistics`."""

    n: int
    """How many samples were read."""
    bg: PictureStatistics
    fg_bg: PictureStatistics
    mask: MaskStatistics
    depth: DepthStatistics
    sizes: dict[tuple[int, int], int]
    """How many samples have which size (height, width)."""


class _Moments:
    """Sums of values and squares over pictures, per channel, in double precision."""

    def __init__(self, channels: int) -> None:
        self.sums = torch.zeros(2, channels, dtype=torch.float64)
        self.count = 0

    def update(self, values: Tensor) -> None:
        """Adds values of shape (channels, pixels)."""
        values = values.double()
        self.sums += torch.stack([values.sum(1), values.square().sum(1)])
        self.count += values.shape[1]

    def compute(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation per channel."""
        mean, square = self.sums / self.count if self.count else torch.full_like(self.sums, torch.nan)
        return mean.tolist(), (square - mean.square()).clamp(min=0).sqrt().tolist()


class _Samples(Protocol):
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Sample: ...


def collect_statistics(dataset: _Samples, limit: int | None = None) -> DatasetStatistics:
    """Reads samples and sums them up.

    Args:
        dataset: Any data set of samples.
        limit: Use at most this many samples, spread evenly.
    """
    if limit is not None and limit < 1:
        raise InvalidArgumentError(f"limit is {limit}; expected at least 1, or None for all samples")
    moments = {"bg": _Moments(3), "fg_bg": _Moments(3), "mask": _Moments(1), "depth": _Moments(1)}
    sizes: Counter[tuple[int, int]] = Counter()
    empty, low, high = 0, float("inf"), float("-inf")
    rows = _spread(len(dataset), limit)
    for row in tqdm(rows, desc="statistics", unit="sample", disable=None):
        sample = dataset[row]
        mask, depth = sample["mask"], sample["depth"][sample["depth_valid"]]
        known = mask[sample["mask_valid"]] if "mask_valid" in sample else mask.flatten()
        moments["bg"].update(sample["bg"].flatten(1))
        moments["fg_bg"].update(sample["fg_bg"].flatten(1))
        moments["mask"].update(known[None])
        if len(depth):
            moments["depth"].update(depth[None])
            low, high = min(low, depth.min().item()), max(high, depth.max().item())
        empty += not known.any()
        sizes[mask.shape[-2], mask.shape[-1]] += 1
    share = moments["depth"].count / moments["fg_bg"].count
    return _report(moments, sizes, empty, (low, high) if share else (float("nan"), float("nan")))


def _spread(count: int, limit: int | None) -> Sequence[int]:
    return (
        range(count)
        if limit is None or limit >= count
        else np.linspace(0, count - 1, limit).round().astype(int).tolist()
    )


def _report(
    moments: dict[str, _Moments], sizes: Counter[tuple[int, int]], empty: int, span: tuple[float, float]
) -> DatasetStatistics:
    computed = {name: value.compute() for name, value in moments.items()}
    pictures = [PictureStatistics(mean=tuple(m), std=tuple(s)) for m, s in (computed["bg"], computed["fg_bg"])]
    (mask_mean,), (mask_std,) = computed["mask"]
    (depth_mean,), (depth_std,) = computed["depth"]
    return DatasetStatistics(
        n=sizes.total(),
        bg=pictures[0],
        fg_bg=pictures[1],
        mask=MaskStatistics(mean=mask_mean, std=mask_std, empty=empty),
        depth=DepthStatistics(
            mean=depth_mean,
            std=depth_std,
            min=span[0],
            max=span[1],
            valid=moments["depth"].count / moments["fg_bg"].count,
        ),
        sizes=dict(sizes),
    )


__all__ = ["DatasetStatistics", "DepthStatistics", "MaskStatistics", "PictureStatistics", "collect_statistics"]
