"""Spaces and scales in which depths are compared."""

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from fgbgnet.losses.numeric import at_least_float32, known_values, mean_of_pictures

DepthSpace: TypeAlias = Literal["linear", "log"]
DepthLossAlignment: TypeAlias = Literal["none", "scale_shift"]


def align_scale_shift(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Bring each picture's prediction to its target by the least-squares scale and shift over valid pixels.

    The closed form of MiDaS (Ranftl et al., 2020, eq. 4): ``s = cov(p, t) / var(p)``, ``b = mean(t) - s mean(p)``.
    Gradients flow through ``s`` and ``b``. Where no useful scale exists (fewer than two valid pixels, a prediction that
    is constant, or one that runs against the target) the scale is 1 and only the shift is fitted: unlike the
    least-squares answer, which is a constant or an upside-down map, this still has a gradient towards the right order.

    Args:
        prediction: Predicted depth, (B, 1, H, W).
        target: True depth, same shape.
        valid: Bool, same shape; None means every pixel. A picture without a valid pixel stays as it is.

    Returns:
        The aligned prediction, same shape.

    Example:
        >>> truth = torch.rand(2, 1, 4, 4)
        >>> torch.allclose(align_scale_shift(3 * truth + 1, truth), truth, atol=1e-5)
        True
    """
    prediction = at_least_float32(prediction)
    if valid is None:
        valid = torch.ones_like(target, dtype=torch.bool)
    weight = valid.to(prediction.dtype)
    known = torch.where(valid, prediction, 0)
    truth = torch.where(valid, target.to(prediction.dtype), 0)
    count = weight.sum((1, 2, 3), keepdim=True).clamp(min=1)
    mean_p = known.sum((1, 2, 3), keepdim=True) / count
    mean_t = truth.sum((1, 2, 3), keepdim=True) / count
    centred = (known - mean_p) * weight
    variance = (centred * centred).sum((1, 2, 3), keepdim=True) / count
    covariance = (centred * (truth - mean_t)).sum((1, 2, 3), keepdim=True) / count
    # Below this the variance is rounding noise of the mean, and the quotient would be a random large number.
    usable = (variance > 1e-10 * mean_p.square() + 1e-12) & (covariance > 0)
    scale = torch.where(usable, covariance / torch.where(usable, variance, 1), 1)
    # Without a valid pixel both means are 0 and the scale is 1: the picture stays as it is, without a branch.
    return (prediction - mean_p) * scale + mean_t


def log_depth(depth: Tensor, minimum: float = 1e-3) -> Tensor:
    """Natural logarithm, continued below ``minimum`` by its tangent.

    A prediction at or below zero then has a finite value and still a gradient upwards, where a clamp would leave it
    stuck.

    Args:
        depth: Any shape, any values.
        minimum: Where the tangent takes over, above 0.

    Returns:
        Same shape, float32 at least.

    Example:
        >>> log_depth(torch.tensor([1.0, 0.0]), minimum=0.5)
        tensor([ 0.0000, -1.6931])
    """
    depth = at_least_float32(depth)
    above = depth.clamp(min=minimum).log()
    return above + (depth.clamp(max=minimum) - minimum) / minimum


def depth_scale_shift_invariant_loss(
    prediction: Tensor, target: Tensor, valid: Tensor | None = None, trim: float = 0.0
) -> Tensor:
    """Absolute error after a robust alignment, per picture, averaged over the batch.

    ``sum |p - t| / (2 M)`` over the ``M`` valid pixels, with prediction and truth both brought to median 0 and mean
    absolute deviation 1: ``L_ssimae`` of MiDaS (Ranftl et al., 2020), and with ``trim=0.2`` its ``L_ssitrim``. A map
    that is constant has no deviation; its scale is left at 1.

    Args:
        prediction: Predicted depth, (B, 1, H, W).
        target: True depth, same shape.
        valid: Bool, same shape; None means every pixel. Pictures without a valid pixel are left out of the average.
        trim: Share of the errors, the largest, that is left out, in [0, 1): for truth with gross errors. Where the
            truth is right, what the network has not learnt yet is left out, and it may never learn it.

    Returns:
        Scalar without a unit.

    Example:
        >>> truth = torch.rand(2, 1, 4, 4)
        >>> depth_scale_shift_invariant_loss(3 * truth + 1, truth).item() < 1e-5
        True
    """
    prediction, valid = known_values(prediction, valid)
    truth, _ = known_values(target.to(prediction.dtype), valid)
    count = valid.flatten(1).sum(1, keepdim=True)
    errors = (_standardised(prediction, valid) - _standardised(truth, valid)).abs()
    # Errors that do not count come last in the order.
    ordered = torch.where(valid.flatten(1), errors, torch.inf).sort(dim=1).values
    kept = torch.arange(ordered.shape[1], device=ordered.device) < torch.floor((1 - trim) * count + 1e-6)
    return mean_of_pictures(torch.where(kept, ordered, 0).sum(1) / (2 * count.squeeze(1).clamp(min=1)), valid)


def _standardised(values: Tensor, valid: Tensor) -> Tensor:
    """Each picture with median 0 and mean absolute deviation 1 over its valid pixels; (B, N), 0 where not valid."""
    values, valid = values.flatten(1), valid.flatten(1)
    count = valid.sum(1, keepdim=True)
    # The lower of the two middle values, as torch.median: by sorting, which is deterministic on GPUs and knows "valid".
    ordered = torch.where(valid, values, torch.inf).sort(dim=1).values
    median = torch.where(count > 0, ordered.gather(1, (count - 1).clamp(min=0) // 2), 0)
    centred = torch.where(valid, values - median, 0)
    deviation = centred.abs().sum(1, keepdim=True) / count.clamp(min=1)
    usable = deviation > 1e-6 * median.abs() + 1e-12  # below, it is rounding noise
    return centred / torch.where(usable, deviation, 1)


__all__ = [
    "DepthLossAlignment",
    "DepthSpace",
    "align_scale_shift",
    "depth_scale_shift_invariant_loss",
    "log_depth",
]
