"""All floors of one evaluation, fed batch by batch beside the model."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from torch import Tensor

from fgbgnet.evaluation.baselines.depth import BackgroundMeanDepth, GlobalMeanDepth
from fgbgnet.evaluation.baselines.mask import CompensatedDifference, Difference, best_threshold, threshold_grid
from fgbgnet.metrics import (
    DepthAggregation,
    compute_depth_metrics,
    compute_mask_metrics,
    depth_statistics,
    mask_statistics,
    mask_threshold_statistics,
)

Figures: TypeAlias = dict[str, Any]
NamedBatch: TypeAlias = tuple[Mapping[str, Any], Sequence[str]]
"""A batch and the names of its backgrounds."""


class Floors:
    """Fits the floors, adds up their statistics, computes their figures.

    Args:
        depth_options: Alignment and range, as for `fgbgnet.metrics.depth_statistics`: a floor is treated as the model.
        aggregation: ``"pixel"`` or ``"image"``.
    """

    def __init__(self, depth_options: Mapping[str, Any], aggregation: DepthAggregation) -> None:
        self.subtraction = {"difference": Difference(), "compensated_difference": CompensatedDifference()}
        self.global_mean, self.background_mean = GlobalMeanDepth(), BackgroundMeanDepth()
        self._depth_options, self._aggregation = dict(depth_options), aggregation
        self._sums: dict[str, Tensor] = {}
        self._repeats = self._leave_out = False
        self._samples = self._known = 0

    def fit_thresholds(self, batches: Iterable[NamedBatch]) -> None:
        """Choose both thresholds on other data, in one pass."""
        sums: dict[str, Tensor] = {}
        for batch, _ in batches:
            self._add_thresholds(sums, batch)
        for name, method in self.subtraction.items():
            method.threshold = best_threshold(sums[name])[0]

    def fit_depth(self, batches: Iterable[NamedBatch], repeats: bool, leave_out: bool) -> None:
        """Take the mean depths.

        Args:
            batches: The data.
            repeats: Whether backgrounds repeat, so that a map per background means something.
            leave_out: Whether these are the pictures that will be evaluated.
        """
        self._repeats, self._leave_out = repeats, leave_out
        for batch, names in batches:
            if repeats:
                self.background_mean.update(batch, names)
            else:
                self.global_mean.update(batch)
        if repeats:
            self.global_mean = self.background_mean.overall

    def update(self, batch: Mapping[str, Any], names: Sequence[str], tasks: Iterable[str]) -> None:
        """Add a batch to the statistics of the tasks that the model has."""
        if "mask" in tasks:
            scores = self._add_thresholds(self._sums, batch, suffix="_oracle")
            for name, method in self.subtraction.items():
                self._add(name, mask_statistics(method.logits(scores[name]), batch["mask"], batch.get("mask_valid")))
        if "depth" in tasks and self.global_mean.pixels:
            self._add_depth("global_mean", self.global_mean(batch["bg"], batch["fg_bg"])["depth"], batch)
            if self._repeats:
                depth, known = self.background_mean.look_up(batch, names, self._leave_out)
                self._samples, self._known = self._samples + len(names), self._known + known
                self._add_depth("background_mean", depth, batch)

    def compute(self) -> dict[str, Figures]:
        """The figures of each floor, with its threshold or mean; a floor that could not be computed is left out."""
        result: dict[str, Figures] = {}
        for name, method in self.subtraction.items():
            if name in self._sums:
                result[name] = {**compute_mask_metrics(self._sums[name]), "threshold": method.threshold}
                threshold, figures = best_threshold(self._sums[f"{name}_oracle"])
                result[f"{name}_oracle"] = {**figures, "threshold": threshold}
        for name in ("global_mean", "background_mean"):
            if name in self._sums:
                result[name] = dict(compute_depth_metrics(self._sums[name], self._aggregation))
        if "global_mean" in result:
            result["global_mean"]["mean"] = self.global_mean.mean
        if "background_mean" in result:
            if self._known:
                result["background_mean"]["coverage"] = self._known / self._samples
            else:  # It would be the global mean under another name.
                del result["background_mean"]
        return result

    def _add_thresholds(self, sums: dict[str, Tensor], batch: Mapping[str, Any], suffix: str = "") -> dict[str, Tensor]:
        thresholds = threshold_grid(batch["bg"].device)
        scores = {name: method.score(batch["bg"], batch["fg_bg"]) for name, method in self.subtraction.items()}
        for name, score in scores.items():
            layers = score, batch["mask"], thresholds, batch.get("mask_valid")
            self._add(name + suffix, mask_threshold_statistics(*layers), sums)
        return scores

    def _add_depth(self, name: str, depth: Tensor, batch: Mapping[str, Any]) -> None:
        layers = depth, batch["depth"], batch["depth_valid"], batch["mask"], batch.get("mask_valid")
        self._add(name, depth_statistics(*layers, **self._depth_options))

    def _add(self, name: str, statistics: Tensor, sums: dict[str, Tensor] | None = None) -> None:
        sums = self._sums if sums is None else sums
        sums[name] = sums[name] + statistics.cpu() if name in sums else statistics.cpu()


def even_subset(count: int, most: int) -> list[int]:
    """At most ``most`` indices, evenly spread over ``range(count)``.

    Example:
        >>> even_subset(10, 4)
        [0, 2, 5, 7]
    """
    taken = min(count, most)
    return [math.floor(index * count / taken) for index in range(taken)]


__all__ = ["Figures", "Floors", "NamedBatch", "even_subset"]
