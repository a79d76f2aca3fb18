"""Depth of the frame and depth of the empty background agree where the scene is the same."""

from typing import get_args

import torch
from torch import Tensor

from fgbgnet.contours import dilate
from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.losses.alignment import DepthSpace, log_depth
from fgbgnet.losses.depth_terms import depth_l1_loss
from fgbgnet.losses.numeric import at_least_float32
from fgbgnet.losses.validation import check_maps, check_valid


def depth_consistency_loss(
    depth_of_frame: Tensor,
    depth_of_background: Tensor,
    mask: Tensor,
    bg: Tensor,
    fg_bg: Tensor,
    mask_valid: Tensor | None = None,
    space: DepthSpace = "linear",
    width: float = 0.02,
    threshold: float = 0.1,
) -> Tensor:
    """Mean absolute difference of two predictions over `unchanged_background`; exactly 0 when there is no such pixel.

    Needs no true depth, so that it also teaches on samples without any. Both predictions receive gradients; detach one
    to have it as the teacher.

    Args:
        depth_of_frame: ``model(bg, fg_bg)["depth"]``, (B, 1, H, W).
        depth_of_background: ``model(bg, bg)["depth"]``, same shape.
        mask: True foreground in [0, 1], same shape.
        bg: Background picture in [0, 1], (B, 3, H, W).
        fg_bg: Frame, same shape.
        mask_valid: Where the mask is known, bool, (B, 1, H, W); the rest is left out. None means everywhere.
        space: ``"linear"`` compares depths, ``"log"`` their logarithms (`log_depth`).
        width: See `unchanged_background`.
        threshold: See `unchanged_background`.

    Returns:
        Scalar.

    Raises:
        InvalidArgumentError: Shapes or dtypes do not fit together.
        UnknownNameError: A ``space`` that does not exist.

    Example:
        >>> bg, mask = torch.full((1, 3, 32, 32), 0.5), torch.zeros(1, 1, 32, 32)
        >>> mask[..., :8, :8] = 1
        >>> depth = torch.ones(1, 1, 32, 32)
        >>> depth_consistency_loss(depth + mask, depth, mask, bg, bg).item()  # they differ in the foreground alone
        0.0
        >>> depth_consistency_loss(depth + 0.25, depth, mask, bg, bg).item()
        0.25
    """
    check_maps(depth_of_frame, depth_of_background, "depth")
    if space not in get_args(DepthSpace):
        raise UnknownNameError("depth space", space, get_args(DepthSpace))
    same = unchanged_background(mask, bg, fg_bg, mask_valid, width, threshold)
    if same.shape != depth_of_frame.shape:
        raise InvalidArgumentError(
            f"the depths have shape {tuple(depth_of_frame.shape)}, the mask {tuple(same.shape)}; they must be equal."
        )
    if space == "log":
        depth_of_frame, depth_of_background = log_depth(depth_of_frame), log_depth(depth_of_background)
    return depth_l1_loss(depth_of_frame, depth_of_background, same)


def unchanged_background(
    mask: Tensor,
    bg: Tensor,
    fg_bg: Tensor,
    mask_valid: Tensor | None = None,
    width: float = 0.02,
    threshold: float = 0.1,
) -> Tensor:
    """Pixels that show the same surface in the same light in both pictures.

    Those outside the foreground, grown by ``width``, whose difference is at most ``threshold`` in every channel once
    the background has been multiplied by the gain per channel that fits the frame best outside the foreground (least
    squares). Shadows, moved things and edges of a shifted camera differ by more and are left out.

    Args:
        mask: True foreground in [0, 1], (B, 1, H, W); above 0.5 is foreground.
        bg: Background picture in [0, 1], (B, 3, H, W).
        fg_bg: Frame, same shape.
        mask_valid: Where the mask is known, bool, (B, 1, H, W); what is not known counts as foreground.
        width: Share of the shorter side, at least one pixel.
        threshold: Difference of values in [0, 1].

    Returns:
        Bool, (B, 1, H, W).

    Raises:
        InvalidArgumentError: Shapes or dtypes do not fit together.

    Example:
        >>> bg, mask = torch.full((1, 3, 8, 8), 0.5), torch.zeros(1, 1, 8, 8)
        >>> shadow = torch.where(torch.arange(8) < 2, 0.5, 1.0)  # on the two left columns
        >>> unchanged_background(mask, bg, bg * shadow)[0, 0, 0].tolist()
        [False, False, True, True, True, True, True, True]
    """
    if bg.shape != fg_bg.shape or bg.ndim != 4:
        raise InvalidArgumentError(
            f"bg has shape {tuple(bg.shape)}, fg_bg {tuple(fg_bg.shape)}; expected (B, 3, H, W) of both."
        )
    if mask.shape != (len(bg), 1, *bg.shape[-2:]):
        raise InvalidArgumentError(
            f"the mask has shape {tuple(mask.shape)}; expected {(len(bg), 1, *bg.shape[-2:])} to fit bg."
        )
    foreground = mask > 0.5
    if mask_valid is not None:
        check_valid(mask_valid, mask, "mask")
        foreground = foreground | ~mask_valid
    outside = ~dilate(foreground, max(1, round(width * min(mask.shape[-2:]))))
    background, frame = (at_least_float32(picture) for picture in (bg, fg_bg))
    weighted = torch.where(outside, background, 0)
    energy = weighted.square().sum((2, 3), keepdim=True)
    gain = (weighted * frame).sum((2, 3), keepdim=True) / torch.where(energy > 0, energy, 1)
    different = (frame - gain * background).abs().amax(1, keepdim=True)
    return outside & (different <= threshold)


__all__ = ["depth_consistency_loss", "unchanged_background"]
