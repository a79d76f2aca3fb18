"""The terms of the depth's loss that look at neighbourhoods: structural similarity and edge-aware smoothness."""

import torch
import torch.nn.functional as F
from torch import Tensor

from fgbgnet.losses.numeric import at_least_float32, known_values, mean_of_pictures


def depth_ssim_loss(prediction: Tensor, target: Tensor, valid: Tensor | None = None, window: int = 7) -> Tensor:
    """``(1 - SSIM) / 2`` averaged over the valid pixels of the batch; exactly 0 when there are none.

    The index of Wang et al. (2004) with their constants 0.01 and 0.03 and a uniform square window, whose statistics are
    those of the valid pixels in it: at the rim of the picture and beside holes of the truth it simply sees fewer. Both
    maps are first brought to the span of the picture's true depths (the nearest becomes 0, the farthest 1), so that the
    constants mean the same in metres, as logarithms and in relative units.

    Args:
        prediction: Predicted depth, (B, 1, H, W).
        target: True depth, same shape.
        valid: Bool, same shape; None means every pixel.
        window: Side of the window in pixels, odd.

    Returns:
        Scalar in [0, 1].

    Example:
        >>> truth = torch.rand(1, 1, 16, 16)
        >>> depth_ssim_loss(truth, truth).item() < 1e-6, depth_ssim_loss(1 - truth, truth).item() > 0.5
        (True, True)
    """
    prediction, valid = known_values(prediction, valid)
    truth, _ = known_values(target.to(prediction.dtype), valid)
    low = torch.where(valid, truth, torch.inf).amin((1, 2, 3), keepdim=True)
    high = torch.where(valid, truth, -torch.inf).amax((1, 2, 3), keepdim=True)
    low, span = torch.where(low <= high, low, 0), (high - low).clamp(min=1e-3)
    p, t = (torch.where(valid, (values - low) / span, 0) for values in (prediction, truth))
    weight = valid.to(p.dtype)
    share = _window_mean(weight, window).clamp(min=0.5 / window**2)  # of a valid pixel's window it is more

    def mean(values: Tensor) -> Tensor:
        return _window_mean(values, window) / share

    mean_p, mean_t = mean(p), mean(t)
    variance_p = (mean(p * p) - mean_p.square()).clamp(min=0)
    variance_t = (mean(t * t) - mean_t.square()).clamp(min=0)
    covariance = mean(p * t) - mean_p * mean_t
    luminance = (2 * mean_p * mean_t + 1e-4) / (mean_p.square() + mean_t.square() + 1e-4)
    structure = (2 * covariance + 9e-4) / (variance_p + variance_t + 9e-4)
    return torch.where(valid, (1 - luminance * structure) / 2, 0).sum() / valid.sum().clamp(min=1)


def _window_mean(values: Tensor, window: int) -> Tensor:
    """Mean over the window around every pixel; pixels outside the picture are 0 and counted."""
    return F.avg_pool2d(values, window, stride=1, padding=window // 2)


def depth_smoothness_loss(prediction: Tensor, picture: Tensor, valid: Tensor | None = None) -> Tensor:
    """Edge-aware smoothness per picture, averaged over the batch (Godard, Mac Aodha and Brostow, 2017).

    ``mean |dx d| exp(-|dx I|) + mean |dy d| exp(-|dy I|)`` with ``|dx I|`` the mean absolute difference over the
    channels: depth may step where the picture does. It needs no truth, and says something where there is none.

    Args:
        prediction: Predicted depth, or its logarithm, (B, 1, H, W).
        picture: The picture that it belongs to (``fg_bg``), in [0, 1], (B, C, H, W).
        valid: Bool, (B, 1, H, W): a picture without any valid pixel is left out of the average, and the pixels of the
            others all count. None means that every picture counts.

    Returns:
        Scalar, in the unit of the prediction.

    Example:
        >>> step = torch.tensor([[[[0.0, 0.0, 1.0, 1.0]]]])
        >>> flat, edge = torch.zeros(1, 3, 1, 4), step.expand(1, 3, 1, 4)
        >>> depth_smoothness_loss(step, flat) > depth_smoothness_loss(step, edge)
        tensor(True)
    """
    prediction, picture = at_least_float32(prediction), at_least_float32(picture)
    if valid is None:
        valid = torch.ones_like(prediction, dtype=torch.bool)
    total = prediction.new_zeros(len(prediction))
    for dim in (-1, -2):
        steps = prediction.diff(dim=dim).abs()
        if steps.numel():
            edges = picture.diff(dim=dim).abs().mean(1, keepdim=True)
            total = total + (steps * (-edges).exp()).mean((1, 2, 3))
    return mean_of_pictures(torch.where(valid.flatten(1).any(1), total, 0), valid)


__all__ = ["depth_smoothness_loss", "depth_ssim_loss"]
