"""The loss of the mask branch."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from fgbgnet.losses.mask_terms import (
    mask_bce_loss,
    mask_boundary_loss,
    mask_dice_loss,
    mask_focal_loss,
    mask_lovasz_loss,
    mask_tversky_loss,
)
from fgbgnet.losses.validation import (
    check_focal,
    check_maps,
    check_mask_values,
    check_positive,
    check_terms,
    check_valid,
)


class MaskLoss(nn.Module):
    """Weighted sum of the mask's terms; BCE-with-logits and soft Dice by default.

    Safe on empty masks: a perfectly empty prediction costs ~0, a false alarm costs loss and gradient. Pixels whose
    label is not known cost nothing and give no gradient.

    Args:
        bce: Weight of the cross-entropy, averaged over pixels: `mask_bce_loss`.
        dice: Weight of the soft Dice loss, per picture, averaged over the batch: `mask_dice_loss`.
        focal: Weight of the focal loss: `mask_focal_loss`.
        tversky: Weight of the Tversky loss: `mask_tversky_loss`.
        lovasz: Weight of the Lovász hinge: `mask_lovasz_loss`.
        boundary: Weight of the cross-entropy that weighs the contour more: `mask_boundary_loss`.
        positive_weight: Weight of foreground pixels inside the cross-entropy; None is 1.
        smooth: Smooth term of Dice and Tversky as a share of a picture's pixels, see `mask_dice_loss`.
        focal_alpha: Weight of the foreground inside the focal loss in [0, 1], or -1 for none.
        focal_gamma: Exponent of the focal loss.
        tversky_alpha: Weight of false alarms in the Tversky loss.
        tversky_beta: Weight of misses in the Tversky loss.
        boundary_width: Width of the band on each side of the contour, as a share of the shorter side.
        boundary_weight: Weight of a pixel in the band.

    Raises:
        InvalidArgumentError: A weight is negative, all terms are 0, or a setting is outside its range.

    Example:
        >>> loss = MaskLoss(lovasz=0.5)
        >>> loss
        MaskLoss(bce=1.0, dice=1.0, lovasz=0.5)
        >>> logits = torch.zeros(2, 1, 4, 4, requires_grad=True)
        >>> loss(logits, torch.ones(2, 1, 4, 4)).backward()
        >>> bool((logits.grad < 0).all())
        True
    """

    TERMS: ClassVar[tuple[str, ...]] = ("bce", "dice", "focal", "tversky", "lovasz", "boundary")

    def __init__(
        self,
        bce: float = 1.0,
        dice: float = 1.0,
        focal: float = 0.0,
        tversky: float = 0.0,
        lovasz: float = 0.0,
        boundary: float = 0.0,
        positive_weight: float | None = None,
        smooth: float = 1e-3,
        focal_alpha: float = 0.25,
        focal_gamma: float = 2.0,
        tversky_alpha: float = 0.3,
        tversky_beta: float = 0.7,
        boundary_width: float = 0.02,
        boundary_weight: float = 5.0,
    ) -> None:
        super().__init__()
        given = (bce, dice, focal, tversky, lovasz, boundary)
        self.terms = check_terms("MaskLoss", dict(zip(self.TERMS, given, strict=True)))
        self.positive_weight = (
            None
            if positive_weight is None
            else check_positive("positive_weight", positive_weight, "0 would ignore the foreground")
        )
        self.smooth = check_positive("smooth", smooth, "0 leaves empty masks without a gradient")
        check_focal(focal_alpha, focal_gamma)
        self._focal = {"alpha": focal_alpha, "gamma": focal_gamma}
        self._tversky = {
            "alpha": check_positive("tversky_alpha", tversky_alpha, "0 would allow false alarms"),
            "beta": check_positive("tversky_beta", tversky_beta, "0 would allow misses"),
        }
        self._boundary = {
            "width": check_positive("boundary_width", boundary_width, "0 has no band"),
            "weight": check_positive("boundary_weight", boundary_weight, "0 would ignore the contour"),
        }
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
        for name, weight in self.terms.items():
            total = total + weight * self._term(name, logits, target, valid)
        return total

    def _term(self, name: str, logits: Tensor, target: Tensor, valid: Tensor | None) -> Tensor:
        match name:
            case "bce":
                return mask_bce_loss(logits, target, self.positive_weight, valid)
            case "dice":
                return mask_dice_loss(logits, target, self.smooth, valid)
            case "focal":
                return mask_focal_loss(logits, target, **self._focal, valid=valid)
            case "tversky":
                return mask_tversky_loss(logits, target, **self._tversky, smooth=self.smooth, valid=valid)
            case "lovasz":
                return mask_lovasz_loss(logits, target, valid)
            case _:
                return mask_boundary_loss(logits, target, **self._boundary, valid=valid)

    def extra_repr(self) -> str:
        """The terms and their weights, for ``print(loss)``."""
        return ", ".join(f"{name}={weight}" for name, weight in self.terms.items())


__all__ = ["MaskLoss"]
