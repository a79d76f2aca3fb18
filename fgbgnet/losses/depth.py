"""The loss of the depth branch."""

from typing import ClassVar, get_args

from torch import Tensor, nn

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.losses.alignment import (
    DepthLossAlignment,
    DepthSpace,
    align_scale_shift,
    depth_scale_shift_invariant_loss,
    log_depth,
)
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
from fgbgnet.losses.numeric import at_least_float32
from fgbgnet.losses.validation import (
    check_count,
    check_maps,
    check_positive,
    check_terms,
    check_valid,
    check_weight,
)


class DepthLoss(nn.Module):
    """Weighted sum of the depth's terms over valid pixels; L1 and L1 between finite differences by default.

    Args:
        l1: Weight of the absolute error: `depth_l1_loss`.
        gradient: Weight of the absolute error of horizontal and vertical finite differences: `depth_gradient_loss`.
        mse: Weight of the squared error: `depth_mse_loss`.
        berhu: Weight of the reverse Huber loss: `depth_berhu_loss`.
        silog: Weight of the scale-invariant error of logarithms, whatever ``space`` and ``alignment`` are:
            `depth_silog_loss`.
        ssim: Weight of the structural similarity: `depth_ssim_loss`.
        multi_scale: Weight of the finite differences at several scales: `depth_multi_scale_gradient_loss`.
        scale_shift_invariant: Weight of the error after a robust alignment, whatever ``alignment`` is:
            `depth_scale_shift_invariant_loss`.
        smoothness: Weight of the edge-aware smoothness, which needs the picture: `depth_smoothness_loss`.
        space: ``"linear"`` compares depths, ``"log"`` their natural logarithms, which weighs relative errors alike near
            and far; for predictions that are positive.
        alignment: ``"scale_shift"`` first brings each picture's prediction to its target by least squares, for truth
            without a common scale (unit ``relative``); ``"none"`` compares as they are. With ``space="log"`` the
            alignment happens between the logarithms.
        minimum: Depths below this are not told apart in the log space (the logarithm goes on as a straight line).
        berhu_threshold: Share of the largest error from which on the reverse Huber loss is quadratic.
        silog_invariance: Lambda of the scale-invariant error, in [0, 1].
        ssim_window: Side of the window of the structural similarity in pixels, odd.
        scales: Number of scales of the multi-scale term.
        trim: Share of the errors, the largest, that the scale-and-shift-invariant term leaves out, in [0, 1).

    Raises:
        InvalidArgumentError: A weight is negative, all terms are 0, or a setting is outside its range.
        UnknownNameError: A ``space`` or ``alignment`` that does not exist.

    Example:
        >>> import torch
        >>> truth = 1 + torch.rand(2, 1, 8, 8)
        >>> DepthLoss()(truth, truth).item(), round(DepthLoss()(truth + 1, truth).item(), 4)
        (0.0, 1.0)
        >>> nothing_valid = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
        >>> DepthLoss(ssim=0.5)(truth + 1, truth, nothing_valid).item()
        0.0
    """

    TERMS: ClassVar[tuple[str, ...]] = (
        "l1", "gradient", "mse", "berhu", "silog", "ssim", "multi_scale", "scale_shift_invariant", "smoothness",
    )  # fmt: skip

    def __init__(
        self,
        l1: float = 1.0,
        gradient: float = 0.5,
        mse: float = 0.0,
        berhu: float = 0.0,
        silog: float = 0.0,
        ssim: float = 0.0,
        multi_scale: float = 0.0,
        scale_shift_invariant: float = 0.0,
        smoothness: float = 0.0,
        space: DepthSpace = "linear",
        alignment: DepthLossAlignment = "none",
        minimum: float = 1e-3,
        berhu_threshold: float = 0.2,
        silog_invariance: float = 0.5,
        ssim_window: int = 7,
        scales: int = 4,
        trim: float = 0.0,
    ) -> None:
        super().__init__()
        given = (l1, gradient, mse, berhu, silog, ssim, multi_scale, scale_shift_invariant, smoothness)
        self.terms = check_terms("DepthLoss", dict(zip(self.TERMS, given, strict=True)))
        if space not in get_args(DepthSpace):
            raise UnknownNameError("depth space", space, get_args(DepthSpace))
        if alignment not in get_args(DepthLossAlignment):
            raise UnknownNameError("depth alignment of the loss", alignment, get_args(DepthLossAlignment))
        self.space, self.alignment = space, alignment
        self.minimum = check_positive("minimum", minimum, "it has no logarithm")
        self.berhu_threshold = check_positive("berhu_threshold", berhu_threshold, "it has no linear part")
        self.silog_invariance = check_weight("silog_invariance", silog_invariance)
        if self.silog_invariance > 1:
            raise InvalidArgumentError(f"silog_invariance={silog_invariance!r}; expected a share from 0 to 1.")
        self.trim = check_weight("trim", trim)
        if self.trim >= 1:
            raise InvalidArgumentError(f"trim={trim!r}; expected a share of 0 or more and less than 1.")
        self.ssim_window, self.scales = check_count("ssim_window", ssim_window, odd=True), check_count("scales", scales)

    def forward(
        self,
        prediction: Tensor,
        target: Tensor,
        valid: Tensor | None = None,
        scale: Tensor | None = None,
        picture: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss of one batch.

        Args:
            prediction: The model's depth output, (B, 1, H, W).
            target: True depth, same shape and unit.
            valid: Where the truth may be believed, bool, same shape; None means everywhere.
            scale: The model's ``depth_uncertainty``, above 0, same shape. The L1 term then is the likelihood of
                `depth_laplace_loss` in the ``space`` of this loss, which thereby is the space of the scale.
            picture: ``fg_bg``, (B, 3, H, W), for the smoothness.

        Returns:
            Scalar, float32 (float64 for float64 predictions). With nothing valid it is exactly 0 and back-propagates
            zeros.

        Raises:
            InvalidArgumentError: Shapes or dtypes do not fit together, the picture is missing, or there is a ``scale``
                but no term that would train it.
        """
        check_maps(prediction, target, "depth")
        if scale is not None:
            check_maps(scale, target, "depth_uncertainty")
            if "l1" not in self.terms:
                raise InvalidArgumentError(
                    "the model returned 'depth_uncertainty', but only the term l1 trains it; give l1 a weight above 0."
                )
        if valid is not None:
            check_valid(valid, target)
        if "smoothness" in self.terms:
            picture = _checked_picture(picture, prediction)
        prediction = raw = at_least_float32(prediction)
        truth = target.to(raw.dtype)
        if self.space == "log":
            prediction, truth = log_depth(raw, self.minimum), truth.clamp(min=self.minimum).log()
        if self.alignment == "scale_shift":
            prediction = align_scale_shift(prediction, truth, valid)
        total = raw.new_zeros(())
        for name, weight in self.terms.items():
            if name == "silog":
                value = depth_silog_loss(raw, target, valid, self.silog_invariance, self.minimum)
            elif name == "l1" and scale is not None:
                value = depth_laplace_loss(prediction, truth, scale, valid)
            elif name == "smoothness" and picture is not None:
                value = depth_smoothness_loss(prediction, picture, valid)
            else:
                value = self._term(name, prediction, truth, valid)
            total = total + weight * value
        return total

    def _term(self, name: str, prediction: Tensor, target: Tensor, valid: Tensor | None) -> Tensor:
        """A term that compares prediction and target in the space of the loss."""
        match name:
            case "l1":
                return depth_l1_loss(prediction, target, valid)
            case "gradient":
                return depth_gradient_loss(prediction, target, valid)
            case "mse":
                return depth_mse_loss(prediction, target, valid)
            case "berhu":
                return depth_berhu_loss(prediction, target, valid, self.berhu_threshold)
            case "ssim":
                return depth_ssim_loss(prediction, target, valid, self.ssim_window)
            case "multi_scale":
                return depth_multi_scale_gradient_loss(prediction, target, valid, self.scales)
            case _:
                return depth_scale_shift_invariant_loss(prediction, target, valid, self.trim)

    def extra_repr(self) -> str:
        """The terms and their weights, the space and the alignment, for ``print(loss)``."""
        terms = ", ".join(f"{name}={weight}" for name, weight in self.terms.items())
        return f"{terms}, space={self.space!r}, alignment={self.alignment!r}"


def _checked_picture(picture: Tensor | None, prediction: Tensor) -> Tensor:
    if picture is None:
        raise InvalidArgumentError(
            "the term smoothness needs the picture; call the loss with picture=fg_bg, or give the batch its 'fg_bg'."
        )
    if picture.ndim != 4 or (len(picture), *picture.shape[-2:]) != (len(prediction), *prediction.shape[-2:]):
        raise InvalidArgumentError(
            f"the picture has shape {tuple(picture.shape)}, the depth prediction {tuple(prediction.shape)}; "
            "expected (B, 3, H, W) of the same batch and size."
        )
    return picture


__all__ = ["DepthLoss"]
