"""What the loss terms share: precision, and errors that nothing leaks into where the truth is not known."""

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision, bool and integers become float32; float32 and float64 stay."""
    return values if values.dtype in (torch.float32, torch.float64) else values.float()


def masked_error(prediction: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Prediction minus target with zeros (and zero gradients) where it is not valid, and the validity."""
    prediction = at_least_float32(prediction)
    if valid is None:
        valid = torch.ones_like(target, dtype=torch.bool)
    # Both sides are masked *before* the difference: a NaN in invalid truth would come back through abs() as 0 * NaN.
    error = torch.where(valid, prediction, 0) - torch.where(valid, target.to(prediction.dtype), 0)
    return error, valid


def known_values(values: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Values in float32 at least, with zeros (and zero gradients) where they are not valid, and the validity."""
    values = at_least_float32(values)
    if valid is None:
        return values, torch.ones_like(values, dtype=torch.bool)
    return torch.where(valid, values, 0), valid


def mean_of_pictures(losses: Tensor, valid: Tensor) -> Tensor:
    """Mean over the pictures that have a valid pixel; exactly 0 when there is none.

    Args:
        losses: One value per picture, (B,); 0 for pictures without a valid pixel.
        valid: Bool, (B, 1, H, W).

    Returns:
        Scalar.
    """
    return losses.sum() / valid.flatten(1).any(1).sum().clamp(min=1)


__all__ = ["at_least_float32", "known_values", "masked_error", "mean_of_pictures"]
