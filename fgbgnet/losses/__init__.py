"""What the two branches minimise: functions, modules built from them, and how the two tasks are balanced."""

from fgbgnet.losses.alignment import DepthSpace, align_scale_shift, depth_scale_shift_invariant_loss, log_depth
from fgbgnet.losses.balance import (
    DynamicWeightAverage,
    FixedBalance,
    NormalisedBalance,
    RandomBalance,
    UncertaintyBalance,
    make_balance,
)
from fgbgnet.losses.consistency import depth_consistency_loss, unchanged_background
from fgbgnet.losses.depth import DepthLoss
from fgbgnet.losses.depth_structure import depth_smoothness_loss, depth_ssim_loss
from fgbgnet.losses.depth_terms import (
    depth_berhu_loss,
    depth_gradient_loss,
    depth_l1_loss,
    depth_laplace_loss,
    depth_mse_loss,
    depth_multi_scale_gradient_loss,
    depth_silog_loss,
)
from fgbgnet.losses.dual import DualTaskLoss
from fgbgnet.losses.factory import make_loss
from fgbgnet.losses.mask import MaskLoss
from fgbgnet.losses.mask_terms import (
    mask_bce_loss,
    mask_boundary_loss,
    mask_dice_loss,
    mask_focal_loss,
    mask_lovasz_loss,
    mask_tversky_loss,
)

__all__ = [
    "DepthLoss",
    "DepthSpace",
    "DualTaskLoss",
    "DynamicWeightAverage",
    "FixedBalance",
    "MaskLoss",
    "NormalisedBalance",
    "RandomBalance",
    "UncertaintyBalance",
    "align_scale_shift",
    "depth_berhu_loss",
    "depth_consistency_loss",
    "depth_gradient_loss",
    "depth_l1_loss",
    "depth_laplace_loss",
    "depth_mse_loss",
    "depth_multi_scale_gradient_loss",
    "depth_scale_shift_invariant_loss",
    "depth_silog_loss",
    "depth_smoothness_loss",
    "depth_ssim_loss",
    "log_depth",
    "make_balance",
    "make_loss",
    "mask_bce_loss",
    "mask_boundary_loss",
    "mask_dice_loss",
    "mask_focal_loss",
    "mask_lovasz_loss",
    "mask_tversky_loss",
    "unchanged_background",
]
