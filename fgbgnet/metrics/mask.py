"""Mask metrics as sums that add up over batches, processes and machines, and as figures computed from the sums.

Conventions. "Pooled" figures put the pixels of all pictures together, "image mean" figures are computed per picture and
averaged. A quotient of nothing by nothing is a perfect score: IoU, Dice, precision and recall of an empty prediction
for an empty truth are 1. Where only the denominator is empty (precision without a predicted pixel while there is
foreground, recall without foreground while there are false alarms) the figure is 0. False alarms on empty pictures are
in every figure, and reported alone as ``fpr_empty``, nan when no picture is empty.

Pixels whose label is not known are in no figure: what stands there, in the prediction or in the truth, changes nothing.
The contour treats them like what lies outside the picture. A picture without a known pixel is no picture.
"""

import math

import torch
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.metrics.boundary import boundary_width, inner_boundary
from fgbgnet.metrics.precision import for_float64

MASK_STATISTICS = (
    "tp", "fp", "fn", "tn", "absolute_error", "images", "iou_sum", "dice_sum", "empty_images", "empty_fp",
    "empty_pixels", "boundary_images", "boundary_intersection", "boundary_union", "boundary_iou_sum",
)  # fmt: skip
"""What the entries of a mask statistics vector are."""

MASK_METRICS = (
    "iou", "iou_image_mean", "f1", "dice_image_mean", "precision", "recall", "mae", "boundary_iou",
    "boundary_iou_image_mean", "fpr_empty",
)  # fmt: skip
"""The keys of `compute_mask_metrics`."""


def mask_statistics(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    *,
    threshold: float = 0.5,
    from_logits: bool = True,
    boundary: bool = True,
) -> Tensor:
    """Sums of one batch, from which all mask metrics can be computed.

    Args:
        prediction: The model's mask logits, (B, 1, H, W), any floating-point type; or probabilities, see
            ``from_logits``.
        target: Truth, (B, 1, H, W), 0 or 1, any type; above 0.5 is foreground.
        valid: Where the truth is known (``mask_valid``), bool, same shape; None means everywhere.
        threshold: A pixel is foreground when its probability is *above* this, in (0, 1).
        from_logits: Whether ``prediction`` holds logits; False for probabilities in [0, 1] and for bool masks.
        boundary: Whether to count the boundary regions too; without, the boundary figures are nan.

    Returns:
        float64 (15,), see `MASK_STATISTICS`, on the device of the prediction, or on the CPU if that device has no
        float64. Vectors of several batches add up.

    Raises:
        InvalidArgumentError: Shapes differ, ``valid`` is not bool, the threshold is out of range, or probabilities are
            outside [0, 1].

    Example:
        >>> truth = torch.zeros(1, 1, 4, 4)
        >>> truth[..., :2] = 1
        >>> right, half = 20 * truth - 10, 20 * truth[..., [0, 3, 3, 3]] - 10
        >>> compute_mask_metrics(mask_statistics(right, truth))["iou"]
        1.0
        >>> compute_mask_metrics(mask_statistics(right, truth) + mask_statistics(half, truth))["iou"]
        0.75
    """
    _check_shapes(prediction, target, valid)
    prediction, target, valid = for_float64(prediction, target, valid)
    if valid is not None:
        prediction = prediction.masked_fill(~valid, 0)
    probability = _probability(prediction, threshold, from_logits)
    known = torch.ones_like(target, dtype=torch.bool) if valid is None else valid
    truth = (target > 0.5) & known
    decision = (probability > threshold) & known
    counts = _confusion(decision, truth, known)
    sums = _overlap_sums(counts)
    error = (probability - truth.to(probability.dtype)).abs()
    sums["absolute_error"] = torch.where(known, error, 0).sum(dtype=torch.float64)
    if boundary:
        sums |= _boundary_sums(decision, truth, known)
    zero = counts.new_zeros(())
    return torch.stack([sums.get(name, zero) for name in MASK_STATISTICS])


def mask_threshold_statistics(score: Tensor, target: Tensor, thresholds: Tensor, valid: Tensor | None = None) -> Tensor:
    """The statistics of ``score > threshold`` for many thresholds in one pass, by histograms.

    Memory does not depend on the number of thresholds times pixels. The boundary is not counted.

    Args:
        score: Any real scores, (B, 1, H, W), not NaN.
        target: Truth, same shape, 0 or 1.
        thresholds: Ascending, (T,), of the dtype of ``score``.
        valid: Where the truth is known, bool, same shape; None means everywhere.

    Returns:
        float64 (T, 15): row ``t`` equals ``mask_statistics(score > thresholds[t], ..., from_logits=False)``, the
        boundary aside.

    Raises:
        InvalidArgumentError: Shapes differ, or ``valid`` is not bool.

    Example:
        >>> score = torch.tensor([[[[0.1, 0.4, 0.8]]]])
        >>> rows = mask_threshold_statistics(score, (score > 0.3).float(), torch.tensor([0.0, 0.3, 0.5]))
        >>> [round(compute_mask_metrics(row)["iou"], 3) for row in rows]
        [0.667, 1.0, 0.5]
    """
    _check_shapes(score, target, valid)
    score, target, thresholds, valid = for_float64(score, target, thresholds, valid)
    # A third kind of truth, whose histogram is dropped.
    truth = (target > 0.5).long() if valid is None else torch.where(valid, (target > 0.5).long(), 2)
    kinds = 2 if valid is None else 3
    bins = len(thresholds) + 1
    # Bin k holds the scores above exactly the first k thresholds.
    bin_of = torch.bucketize(score.flatten(1), thresholds)
    row = torch.arange(len(score), device=score.device)[:, None]
    slot = (kinds * row + truth.flatten(1)) * bins + bin_of
    histogram = torch.bincount(slot.flatten(), minlength=kinds * bins * len(score)).view(len(score), kinds, bins)[:, :2]
    above = histogram.flip(-1).cumsum(-1).flip(-1)[..., 1:].double()
    total = histogram.sum(-1, keepdim=True).double()
    fp, tp = above[:, 0], above[:, 1]
    fn, tn = total[:, 1] - tp, total[:, 0] - fp
    sums = _overlap_sums(torch.stack((tp, fp, fn, tn), dim=-1))
    sums["absolute_error"] = (fp + fn).sum(0)
    zero = torch.zeros(len(thresholds), dtype=torch.float64, device=score.device)
    return torch.stack([sums.get(name, zero) for name in MASK_STATISTICS], dim=-1)


def compute_mask_metrics(statistics: Tensor) -> dict[str, float]:
    """The figures of summed statistics.

    Args:
        statistics: Sum of the vectors of `mask_statistics`.

    Returns:
        ``iou``, ``f1``, ``precision``, ``recall`` and ``boundary_iou`` pooled over pixels; ``iou_image_mean``,
        ``dice_image_mean`` and ``boundary_iou_image_mean``; ``mae``, the mean absolute error of the probability;
        ``fpr_empty``, the share of pixels of empty pictures that were called foreground. All in [0, 1]; nan where
        there is nothing to compute from. Boundary figures count only the foreground within 2 px (at 224 px) of the
        contour (Cheng et al., Boundary IoU, 2021).
    """
    s = dict(zip(MASK_STATISTICS, statistics.tolist(), strict=True))
    if not s["images"]:
        return dict.fromkeys(MASK_METRICS, math.nan)
    wrong = s["fp"] + s["fn"]
    pixels = s["tp"] + s["tn"] + wrong
    return {
        "iou": _share(s["tp"], s["tp"] + wrong, wrong),
        "iou_image_mean": s["iou_sum"] / s["images"],
        "f1": _share(2 * s["tp"], 2 * s["tp"] + wrong, wrong),
        "dice_image_mean": s["dice_sum"] / s["images"],
        "precision": _share(s["tp"], s["tp"] + s["fp"], wrong),
        "recall": _share(s["tp"], s["tp"] + s["fn"], wrong),
        "mae": s["absolute_error"] / pixels,
        "boundary_iou": _share(s["boundary_intersection"], s["boundary_union"], 0)
        if s["boundary_images"]
        else math.nan,
        "boundary_iou_image_mean": _quotient(s["boundary_iou_sum"], s["boundary_images"]),
        "fpr_empty": _quotient(s["empty_fp"], s["empty_pixels"]),
    }


def _probability(prediction: Tensor, threshold: float, from_logits: bool) -> Tensor:
    if not 0 < threshold < 1:
        raise InvalidArgumentError(f"threshold={threshold!r}; expected a probability above 0 and below 1.")
    if from_logits:
        if not prediction.is_floating_point():
            raise InvalidArgumentError(
                f"mask logits have dtype {prediction.dtype}; for masks and probabilities pass from_logits=False."
            )
        return prediction.detach().float().sigmoid()
    probability = prediction.detach().float()
    if probability.numel() and not (probability.min() >= 0 and probability.max() <= 1):
        raise InvalidArgumentError(
            f"mask probabilities reach from {probability.min():g} to {probability.max():g}; expected 0 to 1. "
            "For logits pass from_logits=True."
        )
    return probability


def _check_shapes(prediction: Tensor, target: Tensor, valid: Tensor | None) -> None:
    if prediction.ndim != 4 or prediction.shape[1] != 1 or prediction.shape != target.shape:
        raise InvalidArgumentError(
            f"the mask prediction has shape {tuple(prediction.shape)}, the target {tuple(target.shape)}; "
            "expected (B, 1, H, W) for both."
        )
    if valid is not None and (valid.shape != target.shape or valid.dtype != torch.bool):
        raise InvalidArgumentError(
            f"mask_valid is {valid.dtype} of shape {tuple(valid.shape)}; expected torch.bool of the target's shape, "
            f"{tuple(target.shape)}."
        )


def _confusion(decision: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """True positives, false positives, false negatives and true negatives per picture, float64 (B, 4)."""
    layers = (decision & truth, decision, truth, known)
    tp, predicted, positive, pixels = (layer.flatten(1).sum(1) for layer in layers)
    fp, fn = predicted - tp, positive - tp
    return torch.stack((tp, fp, fn, pixels - tp - fp - fn), dim=-1).double()


def _overlap_sums(counts: Tensor) -> dict[str, Tensor]:
    """Sums over pictures (the first dimension) of counts whose last dimension is (tp, fp, fn, tn)."""
    tp, fp, fn, tn = counts.unbind(-1)
    wrong = fp + fn
    seen = (wrong + tp + tn > 0).to(counts.dtype)
    empty = seen * (tp + fn == 0)
    return {
        **{name: count.sum(0) for name, count in zip(("tp", "fp", "fn", "tn"), (tp, fp, fn, tn), strict=True)},
        "images": seen.sum(0),
        "iou_sum": (seen * _shares(tp, tp + wrong)).sum(0),
        "dice_sum": (seen * _shares(2 * tp, 2 * tp + wrong)).sum(0),
        "empty_images": empty.sum(0),
        "empty_fp": (empty * fp).sum(0),
        "empty_pixels": (empty * (fp + tn)).sum(0),
    }


def _boundary_sums(decision: Tensor, truth: Tensor, known: Tensor) -> dict[str, Tensor]:
    width = boundary_width(*truth.shape[-2:])
    predicted, true = (inner_boundary(mask, width).flatten(1) for mask in (decision, truth))
    intersection, union = ((pixels.sum(1).double()) for pixels in (predicted & true, predicted | true))
    seen = known.flatten(1).any(1).double()
    return {
        "boundary_images": seen.sum(),
        "boundary_intersection": intersection.sum(),
        "boundary_union": union.sum(),
        "boundary_iou_sum": (seen * _shares(intersection, union)).sum(),
    }


def _shares(part: Tensor, whole: Tensor) -> Tensor:
    """Quotients; nothing of nothing is 1."""
    return torch.where(whole > 0, part / whole.clamp(min=1), 1)


def _share(part: float, whole: float, wrong: float) -> float:
    """A quotient; with an empty denominator 1 if nothing is wrong and 0 otherwise."""
    return part / whole if whole else float(not wrong)


def _quotient(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


__all__ = [
    "MASK_METRICS",
    "MASK_STATISTICS",
    "compute_mask_metrics",
    "mask_statistics",
    "mask_threshold_statistics",
]
