"""What the two branches minimise: functions, and modules built from them."""

from fgbgnet.losses.depth import DepthLoss
from fgbgnet.losses.dual import DualTaskLoss
from fgbgnet.losses.functional import (
    align_scale_shift,
    depth_gradient_loss,
    depth_l1_loss,
    depth_laplace_loss,
    log_depth,
    mask_bce_loss,
    mask_dice_loss,
)
from fgbgnet.losses.mask import MaskLoss

__all__ = [
    "DepthLoss",
    "DualTaskLoss",
    "MaskLoss",
    "align_scale_shift",
    "depth_gradient_loss",
    "depth_l1_loss",
    "depth_laplace_loss",
    "log_depth",
    "mask_bce_loss",
    "mask_dice_loss",
]
