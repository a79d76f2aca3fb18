"""The loss of the mask branch."""

import torch
from torch import Tensor, nn

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.losses.functional import mask_bce_loss, mask_dice_loss
from fgbgnet.losses.validation import check_maps, check_mask_values, check_valid, check_weight


class MaskLoss(nn.Module):
    """Weighted sum of BCE-with-logits and soft Dice.

    Safe on empty masks: a perfectly empty prediction costs ~0, a false alarm costs loss and gradient. Pixels whose
    label is not known cost nothing and give no gradient.

    Args:
        bce: Weight of the cross-entropy, averaged over pixels.
        dice: Weight of the soft Dice loss, per picture, averaged over the batch.
        positive_weight: Weight of foreground pixels inside the cross-entropy; None is 1.
        smooth: Smooth term of Dice as a share of a picture's pixels, see `mask_dice_loss`.

    Raises:
        InvalidArgumentError: A weight is negative, both are 0, or ``smooth`` is not above 0.

    Example:
        >>> loss = MaskLoss()
        >>> logits = torch.zeros(2, 1, 4, 4, requires_grad=True)
        >>> loss(logits, torch.ones(2, 1, 4, 4)).backward()
        >>> bool((logits.grad < 0).all())
        True
    """

    def __init__(
        self, bce: float = 1.0, dice: float = 1.0, positive_weight: float | None = None, smooth: float = 1e-3
    ) -> None:
        super().__init__()
        self.bce, self.dice = check_weight("bce", bce), check_weight("dice", dice)
        if self.bce == self.dice == 0:
            raise InvalidArgumentError("MaskLoss(bce=0, dice=0) has nothing to minimise; give one of them a weight.")
        if positive_weight is not None and check_weight("positive_weight", positive_weight) == 0:
            raise InvalidArgumentError("positive_weight=0 would ignore the foreground; expected a number above 0.")
        if check_weight("smooth", smooth) == 0:
            raise InvalidArgumentError("smooth=0 leaves empty masks without a gradient; expected a number above 0.")
        self.positive_weight, self.smooth = positive_weight, smooth
        self._values_seen = False

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Compute the loss of one batch.

        Args:
            logits: The model's mask output, (B, 1, H, W).
            target: Truth in [0, 1], same shape.
            valid: Where the truth is known (``mask_valid``), bool, same shape; None means everywhere.

        Returns:
            Scalar, float32 (float64 for float64 logits). With nothing valid it is exactly 0 and back-propagates
            zeros.

        Raises:
            InvalidArgumentError: Shapes or dtypes do not fit together, or the target holds values outside [0, 1], as
                a mask of 0 and 255.
        """
        check_maps(logits, target, "mask")
        if valid is not None:
            check_valid(valid, target, "mask")
        if not torch.compiler.is_compiling() and (target.device.type == "cpu" or not self._values_seen):
            check_mask_values(target, valid)
            self._values_seen = True
        total = logits.new_zeros((), dtype=torch.promote_types(logits.dtype, torch.float32))
        if self.bce:
            total = total + self.bce * mask_bce_loss(logits, target, self.positive_weight, valid)
        if self.dice:
            total = total + self.dice * mask_dice_loss(logits, target, self.smooth, valid)
        return total

    def extra_repr(self) -> str:
        """The arguments, for ``print(loss)``."""
        return f"bce={self.bce}, dice={self.dice}, positive_weight={self.positive_weight}, smooth={self.smooth}"


__all__ = ["MaskLoss"]
