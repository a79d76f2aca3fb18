"""The terms of the depth's loss that compare pixel by pixel, or pixel with neighbour, as plain functions.

All of them compute in float32 at least (float64 stays float64), so that half-precision outputs give finite values,
and all of them give exactly zero, with zero gradients, where there is nothing to learn from.
"""

import torch
from torch import Tensor

from fgbgnet.losses.alignment import log_depth
from fgbgnet.losses.numeric import at_least_float32, masked_error, mean_of_pictures


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
    error, valid = masked_error(prediction, target, valid)
    return error.abs().sum() / valid.sum().clamp(min=1)


def depth_mse_loss(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean squared error over the valid pixels of the batch; exactly 0 when there are none.

    Args:
        prediction: Predicted depth, (B, 1, H, W).
        target: True depth, same shape and unit; may hold anything, NaN included, where it is not valid.
        valid: Bool, same shape; None means every pixel.

    Returns:
        Scalar, in the square of the target's unit.

    Example:
        >>> prediction, target = torch.tensor([[[[1.0, 5.0]]]]), torch.tensor([[[[4.0, 0.0]]]])
        >>> depth_mse_loss(prediction, target, target > 0).item()
        9.0
    """
    error, valid = masked_error(prediction, target, valid)
    return error.square().sum() / valid.sum().clamp(min=1)


def depth_berhu_loss(prediction: Tensor, target: Tensor, valid: Tensor | None = None, threshold: float = 0.2) -> Tensor:
    """Reverse Huber loss over the valid pixels of the batch; exactly 0 when there are none.

    ``|e|`` up to ``c`` and ``(e^2 + c^2) / (2 c)`` above, with ``c`` a share of the largest error of the batch (Laina
    et al., 2016): L1 for the small errors, L2 for the large ones. ``c`` is a constant to the gradient.

    Args:
        prediction: Predicted depth, (B, 1, H, W).
        target: True depth, same shape and unit.
        valid: Bool, same shape; None means every pixel.
        threshold: The share, above 0; the paper's is a fifth.

    Returns:
        Scalar, in the unit of the target.

    Example:
        >>> errors = torch.tensor([[[[1.0, 10.0]]]])  # c = 2: the first costs 1, the second 104 / 4
        >>> depth_berhu_loss(errors, torch.zeros_like(errors)).item()
        13.5
    """
    error, valid = masked_error(prediction, target, valid)
    size = error.abs()
    limit = threshold * size.detach().amax() if size.numel() else size.new_zeros(())
    # Without any error the limit is 0, and every pixel is at most that: the branch that divides is never taken.
    quadratic = (size.square() + limit.square()) / (2 * limit.clamp(min=torch.finfo(size.dtype).tiny ** 0.5))
    return torch.where(size <= limit, size, quadratic).sum() / valid.sum().clamp(min=1)


def depth_silog_loss(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    invariance: float = 0.5,
    minimum: float = 1e-3,
) -> Tensor:
    """Scale-invariant error of the logarithms per picture, averaged over the batch (Eigen, Puhrsch and Fergus, 2014).

    ``mean(d^2) - lambda mean(d)^2`` with ``d`` the difference of the logarithms: the paper's training loss, without the
    square root that others take, which has no gradient at 0.

    Args:
        prediction: Predicted depth, (B, 1, H, W).
        target: True depth, same shape; compared from ``minimum`` on.
        valid: Bool, same shape; None means every pixel. Pictures without a valid pixel are left out of the average.
        invariance: ``lambda`` in [0, 1]: 1 does not see a common factor at all, 0 is the mean squared error of the
            logarithms.
        minimum: See `log_depth`.

    Returns:
        Scalar.

    Example:
        >>> truth = 1 + torch.rand(2, 1, 4, 4)
        >>> round(depth_silog_loss(3 * truth, truth, invariance=1).item(), 5)
        0.0
        >>> round(depth_silog_loss(torch.e * truth, truth, invariance=0.5).item(), 5)
        0.5
    """
    prediction = log_depth(prediction, minimum)
    error, valid = masked_error(prediction, target.to(prediction.dtype).clamp(min=minimum).log(), valid)
    count = valid.flatten(1).sum(1).clamp(min=1)
    mean = error.flatten(1).sum(1) / count
    # The two-step form of the variance: the difference of two large sums would lose the digits that count.
    centred = torch.where(valid, error - mean.view(-1, 1, 1, 1), 0).square().flatten(1).sum(1) / count
    return mean_of_pictures(centred + (1 - invariance) * mean.square(), valid)


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
    error, valid = masked_error(prediction, target, valid)
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
    error, valid = masked_error(prediction, target, valid)
    total = error.new_zeros(())
    pairs = valid.new_zeros((), dtype=torch.int64)
    for dim in (-1, -2):
        steps = error.diff(dim=dim)
        both = valid.narrow(dim, 1, steps.shape[dim]) & valid.narrow(dim, 0, steps.shape[dim])
        total = total + torch.where(both, steps, 0).abs().sum()
        pairs = pairs + both.sum()
    return total / pairs.clamp(min=1)


def depth_multi_scale_gradient_loss(
    prediction: Tensor, target: Tensor, valid: Tensor | None = None, scales: int = 4
) -> Tensor:
    """`depth_gradient_loss` of the pictures and of every second, fourth, ... pixel of them, averaged over the scales.

    The gradient matching term of MiDaS (Ranftl et al., 2020), which sums over four scales; the average keeps
    the weight of the term independent of their number. Coarse scales see edges that are soft or a few pixels off.

    Args:
        prediction: Predicted depth, (B, 1, H, W).
        target: True depth, same shape.
        valid: Bool, same shape; None means every pixel.
        scales: How many, 1 or more. A scale without a valid pair costs 0.

    Returns:
        Scalar, in the unit of the target.

    Example:
        >>> ramp = torch.arange(4.0).expand(1, 1, 4, 4)  # steps of 1, then of 2; half of the pairs are vertical
        >>> depth_multi_scale_gradient_loss(ramp, torch.zeros_like(ramp), scales=2).item()
        0.75
    """
    total = at_least_float32(prediction).new_zeros(())
    for step in (2**scale for scale in range(scales)):
        pick = (..., slice(None, None, step), slice(None, None, step))
        total = total + depth_gradient_loss(prediction[pick], target[pick], None if valid is None else valid[pick])
    return total / scales


__all__ = [
    "depth_berhu_loss",
    "depth_gradient_loss",
    "depth_l1_loss",
    "depth_laplace_loss",
    "depth_mse_loss",
    "depth_multi_scale_gradient_loss",
    "depth_silog_loss",
]
