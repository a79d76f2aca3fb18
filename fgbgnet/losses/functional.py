"""The loss terms as plain functions.

All of them compute in float32 at least (float64 stays float64), so that half-precision outputs give finite values,
and all of them give exactly zero, with zero gradients, where there is nothing to learn from.
"""

from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

DepthSpace: TypeAlias = Literal["linear", "log"]
DepthLossAlignment: TypeAlias = Literal["none", "scale_shift"]


def mask_bce_loss(
    logits: Tensor, target: Tensor, positive_weight: float | None = None, valid: Tensor | None = None
) -> Tensor:
    """Binary cross-entropy of logits, averaged over the valid pixels of the batch; exactly 0 when there are none.

    Args:
        logits: Mask logits of any sign, (B, 1, H, W).
        target: Truth in [0, 1], same shape; bool and integer tensors are converted.
        positive_weight: Weight of the foreground pixels; above 1 for masks that cover little of the picture.
        valid: Where the truth is known, bool, same shape; None means every pixel. Elsewhere both may hold anything.

    Returns:
        Scalar.

    Example:
        >>> round(mask_bce_loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)).item(), 4)
        0.6931
    """
    logits = at_least_float32(logits)
    weight = None if positive_weight is None else logits.new_tensor(positive_weight)
    if valid is None:
        return F.binary_cross_entropy_with_logits(logits, target.to(logits.dtype), pos_weight=weight)
    # Both sides before the loss: what is not finite would come back through it as 0 * NaN.
    logits, truth = torch.where(valid, logits, 0), torch.where(valid, target.to(logits.dtype), 0)
    losses = F.binary_cross_entropy_with_logits(logits, truth, pos_weight=weight, reduction="none")
    return torch.where(valid, losses, 0).sum() / valid.sum().clamp(min=1)


def mask_dice_loss(logits: Tensor, target: Tensor, smooth: float = 1e-3, valid: Tensor | None = None) -> Tensor:
    """Soft Dice loss per picture, averaged over the batch.

    ``1 - (2 <p, t> + s) / (<p, 1> + <t, 1> + s)`` with ``p = sigmoid(logits)`` (Milletari et al., V-Net, 2016, in the
    form without squares). The smooth term ``s`` stands in both numerator and denominator: an empty target costs ~0 when
    the prediction is empty too, and a false alarm on an empty picture costs loss *and* gradient. It is measured in
    shares of the picture, so that the loss means the same at 64 px and at 224 px: with the default, a false alarm on
    0.1 % of an empty picture costs 0.5.

    Args:
        logits: Mask logits, (B, 1, H, W).
        target: Truth in [0, 1], same shape.
        smooth: Smooth term as a share of the (valid) pixels of a picture, above 0.
        valid: Where the truth is known, bool, same shape; None means every pixel. Pictures without a valid pixel are
            left out of the average; if there are no others, the loss is exactly 0.

    Returns:
        Scalar in [0, 1].

    Example:
        >>> empty = torch.zeros(1, 1, 8, 8)
        >>> mask_dice_loss(empty - 30, empty).item() < 1e-6, mask_dice_loss(empty + 30, empty).item() > 0.99
        (True, True)
    """
    logits = at_least_float32(logits)
    if valid is None:
        probability, truth = logits.sigmoid().flatten(1), target.to(logits.dtype).flatten(1)
        overlap, size = (probability * truth).mean(1), probability.mean(1) + truth.mean(1)
        return (1 - (2 * overlap + smooth) / (size + smooth)).mean()
    probability = torch.where(valid, torch.where(valid, logits, 0).sigmoid(), 0).flatten(1)
    truth = torch.where(valid, target.to(logits.dtype), 0).flatten(1)
    pixels = valid.flatten(1).sum(1)
    overlap, size = (values.sum(1) / pixels.clamp(min=1) for values in (probability * truth, probability + truth))
    # A picture without a valid pixel costs 1 - smooth / smooth, which is 0.
    return (1 - (2 * overlap + smooth) / (size + smooth)).sum() / (pixels > 0).sum().clamp(min=1)


def depth_l1_loss(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean absolute error over the valid pixels of the batch; exactly 0 when there are none.

    Args:
        prediction: Predicted depth, (B, 1, H, W).
        target: True depth, same shape and unit; may hold anything, NaN included, where it is not valid.
        valid: Bool, same shape; None means every pixel.

    Returns:
        Scalar, in the unit of the target.

    Example:
        >>> prediction, target = torch.tensor([[[[1.0, 5.0]]]]), torch.tensor([[[[2.0, 0.0]]]])
        >>> depth_l1_loss(prediction, target, target > 0).item()
        1.0
    """
    error, valid = _masked_error(prediction, target, valid)
    return error.abs().sum() / valid.sum().clamp(min=1)


def depth_laplace_loss(prediction: Tensor, target: Tensor, scale: Tensor, valid: Tensor | None = None) -> Tensor:
    """Negative log-likelihood of a Laplace distribution, averaged over the valid pixels; exactly 0 when there are none.

    ``|p - t| / b + ln b`` without the constant ln 2, the form with L1 of Kendall and Gal (2017). For a given error it
    is least where the scale ``b`` is the mean absolute error: the network learns where it errs.

    Args:
        prediction: Predicted depth, or its logarithm, (B, 1, H, W).
        target: Truth, in the same space and shape.
        scale: Predicted scale, above 0, same shape.
        valid: Bool, same shape; None means every pixel.

    Returns:
        Scalar; may be negative.

    Example:
        >>> truth = torch.zeros(1, 1, 1, 2)
        >>> scales = [torch.full_like(truth, b) for b in (1.0, 2.0, 4.0)]
        >>> [round(depth_laplace_loss(truth + 2, truth, scale).item(), 3) for scale in scales]
        [2.0, 1.693, 1.886]
    """
    error, valid = _masked_error(prediction, target, valid)
    scale = torch.where(valid, at_least_float32(scale), 1)
    return (error.abs() / scale + scale.log()).sum() / valid.sum().clamp(min=1)


def depth_gradient_loss(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean absolute difference of the finite differences of prediction and target.

    Pairs of horizontal and vertical neighbours, both of them valid, pooled over the batch: one scale of the gradient
    matching term of Eigen and Fergus (2015) and MiDaS (Ranftl et al., 2020). It keeps depth edges sharp and does not
    see a constant offset.

    Args:
        prediction: Predicted depth, (B, 1, H, W).
        target: True depth, same shape.
        valid: Bool, same shape; None means every pixel.

    Returns:
        Scalar; exactly 0 when no pair is valid, as in a picture of one pixel.

    Example:
        >>> ramp = torch.arange(4.0).expand(1, 1, 4, 4)
        >>> depth_gradient_loss(ramp + 7, ramp).item()
        0.0
    """
    error, valid = _masked_error(prediction, target, valid)
    total = error.new_zeros(())
    pairs = valid.new_zeros((), dtype=torch.int64)
    for dim in (-1, -2):
        steps = error.diff(dim=dim)
        both = valid.narrow(dim, 1, steps.shape[dim]) & valid.narrow(dim, 0, steps.shape[dim])
        total = total + torch.where(both, steps, 0).abs().sum()
        pairs = pairs + both.sum()
    return total / pairs.clamp(min=1)


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


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision, bool and integers become float32; float32 and float64 stay."""
    return values if values.dtype in (torch.float32, torch.float64) else values.float()


def _masked_error(prediction: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Prediction minus target with zeros (and zero gradients) where it is not valid, and the validity."""
    prediction = at_least_float32(prediction)
    if valid is None:
        valid = torch.ones_like(target, dtype=torch.bool)
    # Both sides are masked *before* the difference: a NaN in invalid truth would come back through abs() as 0 * NaN.
    error = torch.where(valid, prediction, 0) - torch.where(valid, target.to(prediction.dtype), 0)
    return error, valid


__all__ = [
    "DepthLossAlignment",
    "DepthSpace",
    "align_scale_shift",
    "at_least_float32",
    "depth_gradient_loss",
    "depth_l1_loss",
    "depth_laplace_loss",
    "log_depth",
    "mask_bce_loss",
    "mask_dice_loss",
]
