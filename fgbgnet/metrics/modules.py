"""The metrics as torchmetrics modules (extra ``train``): they accumulate, reset and sum over processes."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, get_args

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
from fgbgnet.metrics.precision import has_float64

try:
    from torchmetrics import Metric
except ImportError as error:
    raise MissingExtraError("MaskMetrics and DepthMetrics (torchmetrics)", "train") from error


class _Sums(Metric):
    """A float64 matrix of sums that adds up over batches and processes, and figures of it on the module's device."""

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    statistics: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.add_state("statistics", default=torch.zeros(shape, dtype=torch.float64), dist_reduce_fx="sum")

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ()) -> Self:
        # Sums stay on the CPU when the module goes to a device without float64.
        if not has_float64(fn(torch.zeros(1, device=self.device)).device):
            exclude_state = (*exclude_state, "statistics")
        super()._apply(fn, exclude_state)
        return self

    def _add(self, statistics: Tensor) -> None:
        self.statistics += statistics.to(self.statistics.device)

    def _figures(self, values: Mapping[str, float]) -> dict[str, Tensor]:
        """Scalars where the module is: what is reduced over processes must be there."""
        together = torch.tensor(list(values.values()), dtype=torch.float32, device=self.device)
        return dict(zip(values, together.unbind(), strict=True))


class MaskMetrics(_Sums):
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

    def __init__(self, threshold: float = 0.5, from_logits: bool = True) -> None:
        super().__init__(len(MASK_STATISTICS))
        if not 0 < threshold < 1:
            raise InvalidArgumentError(f"threshold={threshold!r}; expected a probability above 0 and below 1.")
        self.threshold, self.from_logits = threshold, from_logits

    def update(self, prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
        """Add a batch.

        Args:
            prediction: The model's mask output, (B, 1, H, W).
            target: Truth, same shape, 0 or 1.
            valid: Where the truth is known (``mask_valid``), bool, same shape; None means everywhere.
        """
        self._add(mask_statistics(prediction, target, valid, threshold=self.threshold, from_logits=self.from_logits))

    def compute(self) -> dict[str, Tensor]:
        """The figures of all batches since the last reset."""
        return self._figures(compute_mask_metrics(self.statistics))


class DepthMetrics(_Sums):
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

    def __init__(
        self,
        alignment: DepthAlignment = "none",
        aggregation: DepthAggregation = "pixel",
        min_depth: float = 1e-3,
        max_depth: float | None = None,
    ) -> None:
        super().__init__(len(DEPTH_REGIONS), len(DEPTH_STATISTICS))
        if alignment not in get_args(DepthAlignment):
            raise UnknownNameError("depth alignment", alignment, get_args(DepthAlignment))
        if aggregation not in get_args(DepthAggregation):
            raise UnknownNameError("depth aggregation", aggregation, get_args(DepthAggregation))
        if not 0 < min_depth < (max_depth or math.inf):
            raise InvalidArgumentError(f"min_depth={min_depth!r}, max_depth={max_depth!r}; expected 0 < min < max.")
        self.alignment, self.aggregation, self.min_depth, self.max_depth = alignment, aggregation, min_depth, max_depth

    def update(
        self,
        prediction: Tensor,
        target: Tensor,
        valid: Tensor | None = None,
        mask: Tensor | None = None,
        mask_valid: Tensor | None = None,
    ) -> None:
        """Add a batch.

        Args:
            prediction: The model's depth output, (B, 1, H, W).
            target: True depth, same shape.
            valid: Where the truth may be believed, bool, same shape; None means everywhere.
            mask: True foreground, same shape; None leaves the ``fg_`` and ``contour_`` figures nan.
            mask_valid: Where the foreground is known, bool, same shape; None means everywhere.
        """
        options: dict[str, Any] = {"alignment": self.alignment, "min_depth": self.min_depth}
        self._add(depth_statistics(prediction, target, valid, mask, mask_valid, max_depth=self.max_depth, **options))

    def compute(self) -> dict[str, Tensor]:
        """The figures of all batches since the last reset."""
        figures: dict[str, float] = {}
        prefixes = {"foreground": "fg_", "contour": "contour_"}
        for name, value in compute_depth_metrics(self.statistics, self.aggregation).items():
            if isinstance(value, dict):
                figures |= {prefixes[name] + key: inner for key, inner in value.items()}
            else:
                figures[name] = value
        return self._figures(figures)


__all__ = ["DepthMetrics", "MaskMetrics"]
