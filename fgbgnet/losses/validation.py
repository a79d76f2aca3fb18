"""Checks of what goes into a loss: shapes always, values where looking at them is cheap."""

from collections.abc import Mapping
from typing import SupportsFloat

import torch
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError


def check_maps(prediction: Tensor, target: Tensor, what: str) -> None:
    """Both (B, 1, H, W), of one shape, and a prediction in floating point.

    Args:
        prediction: What the model returned.
        target: What the batch holds.
        what: ``"mask"`` or ``"depth"``, for the message.

    Raises:
        InvalidArgumentError: They are not.
    """
    if not prediction.is_floating_point():
        raise InvalidArgumentError(
            f"the {what} prediction has dtype {prediction.dtype}; expected the model's floating-point output, "
            "not a thresholded or rounded one."
        )
    for name, tensor in (("prediction", prediction), ("target", target)):
        if tensor.ndim != 4 or tensor.shape[1] != 1:
            raise InvalidArgumentError(
                f"the {what} {name} has shape {tuple(tensor.shape)}; expected (B, 1, H, W). "
                "Add the missing dimension with unsqueeze, as torch.utils.data.default_collate does for the batch."
            )
    if prediction.shape != target.shape:
        raise InvalidArgumentError(
            f"the {what} prediction has shape {tuple(prediction.shape)}, the target {tuple(target.shape)}; they must "
            "be equal. Resize the prediction to the target's height and width, not the other way round."
        )


def check_mask_values(target: Tensor, valid: Tensor | None = None) -> None:
    """Every valid value in [0, 1].

    Looking at a value makes the host wait for an accelerator, so that only targets on the CPU are looked at in every
    step; `MaskLoss` has the first batch checked wherever it is.

    Args:
        target: Mask truth, (B, 1, H, W).
        valid: Where it is known, bool, same shape; None means everywhere.

    Raises:
        InvalidArgumentError: A value is outside, or NaN.
    """
    if valid is not None:
        target = target[valid]
    if target.dtype == torch.bool or target.numel() == 0:
        return
    low, high = (bound.item() for bound in torch.aminmax(target.detach()))
    if not (low >= 0 and high <= 1):
        hint = " Divide by 255, or read the mask with fgbgnet.data." if high == 255 else ""
        raise InvalidArgumentError(f"the mask target holds values from {low:g} to {high:g}; expected 0 to 1.{hint}")


def check_valid(valid: Tensor, target: Tensor, what: str = "depth") -> None:
    """A bool tensor of the target's shape.

    Args:
        valid: Where the truth may be believed.
        target: Truth, (B, 1, H, W).
        what: ``"mask"`` or ``"depth"``, for the message.

    Raises:
        InvalidArgumentError: Another dtype or shape.
    """
    if valid.dtype != torch.bool:
        raise InvalidArgumentError(f"{what}_valid has dtype {valid.dtype}; expected torch.bool: pass valid > 0.")
    if valid.shape != target.shape:
        raise InvalidArgumentError(
            f"{what}_valid has shape {tuple(valid.shape)}, the {what} target {tuple(target.shape)}; they must be equal."
        )


def check_weight(name: str, value: float) -> float:
    """A finite number, 0 or above.

    Args:
        name: The argument, for the message.
        value: What came.

    Returns:
        The value as a float.

    Raises:
        InvalidArgumentError: Negative, not finite, or not a number.
    """
    if isinstance(value, str) or not isinstance(value, SupportsFloat) or not 0 <= float(value) < float("inf"):
        raise InvalidArgumentError(f"{name}={value!r}; expected a finite weight of 0 or more.")
    return float(value)


def check_positive(name: str, value: float, why: str) -> float:
    """A finite number above 0.

    Args:
        name: The argument, for the message.
        value: What came.
        why: What is wrong with 0, for the message.

    Returns:
        The value as a float.

    Raises:
        InvalidArgumentError: 0, negative, not finite, or not a number.
    """
    if check_weight(name, value) == 0:
        raise InvalidArgumentError(f"{name}={value!r}: {why}; expected a number above 0.")
    return float(value)


def check_focal(alpha: float, gamma: float) -> None:
    """The settings of the focal loss.

    Args:
        alpha: In [0, 1], or -1.
        gamma: 0, or at least 1.

    Raises:
        InvalidArgumentError: One is outside.
    """
    if not (alpha == -1 or check_weight("focal_alpha", alpha) <= 1):
        raise InvalidArgumentError(f"focal_alpha={alpha!r}; expected a share from 0 to 1, or -1 for no weights.")
    if 0 < check_weight("focal_gamma", gamma) < 1:  # the gradient of a saturated pixel would be 0 * infinity
        raise InvalidArgumentError(f"focal_gamma={gamma!r}; expected 0, or 1 or more.")


def check_terms(owner: str, weights: Mapping[str, float]) -> dict[str, float]:
    """The terms of a loss that have a weight.

    Args:
        owner: The loss, for the message.
        weights: Weight per term.

    Returns:
        Those above 0, as floats.

    Raises:
        InvalidArgumentError: A weight is negative or not finite, or all are 0.
    """
    terms = {name: check_weight(name, weight) for name, weight in weights.items()}
    terms = {name: weight for name, weight in terms.items() if weight > 0}
    if not terms:
        raise InvalidArgumentError(
            f"{owner} has nothing to minimise: every weight is 0; give one of them a weight: {', '.join(weights)}."
        )
    return terms


def check_count(name: str, value: int, odd: bool = False) -> int:
    """A whole number of 1 or more.

    Args:
        name: The argument, for the message.
        value: What came.
        odd: Whether it has to be odd.

    Returns:
        The value.

    Raises:
        InvalidArgumentError: It is not.
    """
    if not isinstance(value, int) or value < 1 or (odd and value % 2 == 0):
        raise InvalidArgumentError(f"{name}={value!r}; expected {'an odd' if odd else 'a whole'} number of 1 or more.")
    return value


__all__ = [
    "check_count",
    "check_focal",
    "check_maps",
    "check_mask_values",
    "check_positive",
    "check_terms",
    "check_valid",
    "check_weight",
]
