"""The metrics as torchmetrics modules (extra ``train``): they accumulate, reset and sum over processes."""

import math
from typing import get_args

import torch
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError, MissingExtraError, UnknownNameError
from fgbgnet.metrics.alignment import DepthAlignment
from fgbgnet.metrics.depth import (
    DEPTH_REGIONS,
    DEPTH_STATISTICS,
    DepthAggregation,
    compute_depth_metrics,
    depth_statistics,
)
from fgbgnet.metrics.mask import MASK_STATISTICS, compute_mask_metrics, mask_statistics

try:
    from torchmetrics import Metric
except ImportError as error:
    raise MissingExtraError("MaskMetrics and DepthMetrics (torchmetrics)", "train") from error


class MaskMetrics(Metric):
    """All mask metrics of the batches seen so far.

    ``compute()`` returns scalars under the names of `compute_mask_metrics`, ready for ``self.log_dict``.

    Args:
        threshold: A pixel is foreground when its probability is above this, in (0, 1).
        from_logits: Whether updates get logits (as models return them) or probabilities.

    Raises:
        InvalidArgumentError: The threshold is out of range.

    Example:
        >>> metrics = MaskMetrics()
        >>> truth = torch.ones(2, 1, 8, 8)
        >>> metrics.update(10 * truth, truth)
        >>> metrics.update(-10 * truth, truth)
        >>> metrics.compute()["iou"]
        tensor(0.5000)
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    statistics: Tensor

    def __init__(self, threshold: float = 0.5, from_logits: bool = True) -> None:
        super().__init__()
        if not 0 < threshold < 1:
            raise InvalidArgumentError(f"threshold={threshold!r}; expected a probability above 0 and below 1.")
        self.threshold, self.from_logits = threshold, from_logits
        zeros = torch.zeros(len(MASK_STATISTICS), dtype=torch.float64)
        self.add_state("statistics", default=zeros, dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            prediction: The model's mask output, (B, 1, H, W).
            target: Truth, same shape, 0 or 1.
        """
        self.statistics += mask_statistics(
            prediction, target, threshold=self.threshold, from_logits=self.from_logits
        ).to(self.statistics.device)

    def compute(self) -> dict[str, Tensor]:
        """The figures of all batches since the last reset."""
        return {name: torch.tensor(value) for name, value in compute_mask_metrics(self.statistics).items()}


class DepthMetrics(Metric):
    """All depth metrics of the batches seen so far.

    ``compute()`` returns scalars under the names of `compute_depth_metrics`, ready for ``self.log_dict``: those of the
    regions with the prefixes ``fg_`` (foreground) and ``contour_``.

    Args:
        alignment: ``none | median | scale_shift``, per picture.
        aggregation: ``"pixel"`` or ``"image"``.
        min_depth: Truth at or below this is not valid; above 0.
        max_depth: Truth at or above this is not valid; None is no limit.

    Raises:
        InvalidArgumentError: The range is empty.
        UnknownNameError: There is no such alignment or aggregation.

    Example:
        >>> metrics = DepthMetrics()
        >>> truth = torch.full((1, 1, 4, 4), 2.0)
        >>> metrics.update(truth + 1, truth)
        >>> metrics.compute()["rmse"], metrics.compute()["fg_rmse"]
        (tensor(1.), tensor(nan))
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    statistics: Tensor

    def __init__(
        self,
        alignment: DepthAlignment = "none",
        aggregation: DepthAggregation = "pixel",
        min_depth: float = 1e-3,
        max_depth: float | None = None,
    ) -> None:
        super().__init__()
        if alignment not in get_args(DepthAlignment):
            raise UnknownNameError("depth alignment", alignment, get_args(DepthAlignment))
        if aggregation not in get_args(DepthAggregation):
            raise UnknownNameError("depth aggregation", aggregation, get_args(DepthAggregation))
        if not 0 < min_depth < (max_depth or math.inf):
            raise InvalidArgumentError(f"min_depth={min_depth!r}, max_depth={max_depth!r}; expected 0 < min < max.")
        self.alignment, self.aggregation, self.min_depth, self.max_depth = alignment, aggregation, min_depth, max_depth
        zeros = torch.zeros(len(DEPTH_REGIONS), len(DEPTH_STATISTICS), dtype=torch.float64)
        self.add_state("statistics", default=zeros, dist_reduce_fx="sum")

    def update(
        self, prediction: Tensor, target: Tensor, valid: Tensor | None = None, mask: Tensor | None = None
    ) -> None:
        """Add a batch.

        Args:
            prediction: The model's depth output, (B, 1, H, W).
            target: True depth, same shape.
            valid: Where the truth may be believed, bool, same shape; None means everywhere.
            mask: True foreground, same shape; None leaves the ``fg_`` and ``contour_`` figures nan.
        """
        self.statistics += depth_statistics(
            prediction,
            target,
            valid,
            mask,
            alignment=self.alignment,
            min_depth=self.min_depth,
            max_depth=self.max_depth,
        ).to(self.statistics.device)

    def compute(self) -> dict[str, Tensor]:
        """The figures of all batches since the last reset."""
        figures: dict[str, Tensor] = {}
        prefixes = {"foreground": "fg_", "contour": "contour_"}
        for name, value in compute_depth_metrics(self.statistics, self.aggregation).items():
            if isinstance(value, dict):
                figures |= {prefixes[name] + key: torch.tensor(inner) for key, inner in value.items()}
            else:
                figures[name] = torch.tensor(value)
        return figures


__all__ = ["DepthMetrics", "MaskMetrics"]
