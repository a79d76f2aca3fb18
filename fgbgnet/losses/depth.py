"""The loss of the depth branch."""

from typing import get_args

from torch import Tensor, nn

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.losses.functional import (
    DepthLossAlignment,
    DepthSpace,
    align_scale_shift,
    at_least_float32,
    depth_gradient_loss,
    depth_l1_loss,
    depth_laplace_loss,
    log_depth,
)
from fgbgnet.losses.validation import check_maps, check_valid, check_weight


class DepthLoss(nn.Module):
    """Weighted sum of L1 and of L1 between finite differences, over valid pixels only.

    Args:
        l1: Weight of the absolute error.
        gradient: Weight of the absolute error of horizontal and vertical finite differences.
        space: ``"linear"`` compares depths, ``"log"`` their natural logarithms, which weighs relative errors alike near
            and far; for predictions that are positive.
        alignment: ``"scale_shift"`` first brings each picture's prediction to its target by least squares, for truth
            without a common scale (unit ``relative``); ``"none"`` compares as they are. With ``space="log"`` the
            alignment happens between the logarithms.
        minimum: Depths below this are not told apart in the log space (the logarithm goes on as a straight line).

    Raises:
        InvalidArgumentError: A weight is negative, both are 0, or ``minimum`` is not above 0.
        UnknownNameError: A ``space`` or ``alignment`` that does not exist.

    Example:
        >>> import torch
        >>> truth = 1 + torch.rand(2, 1, 8, 8)
        >>> DepthLoss()(truth, truth).item(), round(DepthLoss()(truth + 1, truth).item(), 4)
        (0.0, 1.0)
        >>> nothing_valid = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
        >>> DepthLoss()(truth + 1, truth, nothing_valid).item()
        0.0
    """

    def __init__(
        self,
        l1: float = 1.0,
        gradient: float = 0.5,
        space: DepthSpace = "linear",
        alignment: DepthLossAlignment = "none",
        minimum: float = 1e-3,
    ) -> None:
        super().__init__()
        self.l1, self.gradient = check_weight("l1", l1), check_weight("gradient", gradient)
        if self.l1 == self.gradient == 0:
            raise InvalidArgumentError(
                "DepthLoss(l1=0, gradient=0) has nothing to minimise; give one of them a weight."
            )
        if space not in get_args(DepthSpace):
            raise UnknownNameError("depth space", space, get_args(DepthSpace))
        if alignment not in get_args(DepthLossAlignment):
            raise UnknownNameError("depth alignment of the loss", alignment, get_args(DepthLossAlignment))
        if check_weight("minimum", minimum) == 0:
            raise InvalidArgumentError("minimum=0 has no logarithm; expected a depth above 0.")
        self.space, self.alignment, self.minimum = space, alignment, minimum

    def forward(
        self, prediction: Tensor, target: Tensor, valid: Tensor | None = None, scale: Tensor | None = None
    ) -> Tensor:
        """Compute the loss of one batch.

        Args:
            prediction: The model's depth output, (B, 1, H, W).
            target: True depth, same shape and unit.
            valid: Where the truth may be believed, bool, same shape; None means everywhere.
            scale: The model's ``depth_uncertainty``, above 0, same shape. The L1 term then is the likelihood of
                `depth_laplace_loss` in the ``space`` of this loss, which thereby is the space of the scale.

        Returns:
            Scalar, float32 (float64 for float64 predictions). With nothing valid it is exactly 0 and back-propagates
            zeros.

        Raises:
            InvalidArgumentError: Shapes or dtypes do not fit together.
        """
        check_maps(prediction, target, "depth")
        if scale is not None:
            check_maps(scale, target, "depth_uncertainty")
        if valid is not None:
            check_valid(valid, target)
        prediction = at_least_float32(prediction)
        target = target.to(prediction.dtype)
        if self.space == "log":
            prediction, target = log_depth(prediction, self.minimum), target.clamp(min=self.minimum).log()
        if self.alignment == "scale_shift":
            prediction = align_scale_shift(prediction, target, valid)
        total = prediction.new_zeros(())
        if self.l1 and scale is not None:
            total = total + self.l1 * depth_laplace_loss(prediction, target, scale, valid)
        elif self.l1:
            total = total + self.l1 * depth_l1_loss(prediction, target, valid)
        if self.gradient:
            total = total + self.gradient * depth_gradient_loss(prediction, target, valid)
        return total

    def extra_repr(self) -> str:
        """The arguments, for ``print(loss)``."""
        return f"l1={self.l1}, gradient={self.gradient}, space={self.space!r}, alignment={self.alignment!r}"


__all__ = ["DepthLoss"]
