"""The terms of the mask's loss as plain functions.

All of them compute in float32 at least (float64 stays float64), so that half-precision outputs give finite values,
and all of them give exactly zero, with zero gradients, where there is nothing to learn from.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from fgbgnet.contours import contour_band
from fgbgnet.losses.numeric import at_least_float32, known_values, mean_of_pictures
from fgbgnet.losses.validation import check_focal


def mask_bce_loss(
    logits: Tensor, target: Tensor, positive_weight: float | None = None, valid: Tensor | None = None
) -> Tensor:
    """Binary cross-entropy of logits, averaged over the valid pixels of the batch; exactly 0 when there are none.

    Args:
        logits: Mask logits of any sign, (B, 1, H, W).
        target: Truth in [0, 1], same shape; bool and integer tensors are converted.
        positive_weight: Weight of the foreground pixels; above 1 for masks that cover little of the picture.
        valid: Where the truth is known, bool, same shape; None means every pixel. Elsewhere both may hold anything.

    Returns:
        Scalar.

    Example:
        >>> round(mask_bce_loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)).item(), 4)
        0.6931
    """
    logits = at_least_float32(logits)
    weight = None if positive_weight is None else logits.new_tensor(positive_weight)
    if valid is None:
        return F.binary_cross_entropy_with_logits(logits, target.to(logits.dtype), pos_weight=weight)
    # Both sides before the loss: what is not finite would come back through it as 0 * NaN.
    logits, truth = torch.where(valid, logits, 0), torch.where(valid, target.to(logits.dtype), 0)
    losses = F.binary_cross_entropy_with_logits(logits, truth, pos_weight=weight, reduction="none")
    return torch.where(valid, losses, 0).sum() / valid.sum().clamp(min=1)


def mask_dice_loss(logits: Tensor, target: Tensor, smooth: float = 1e-3, valid: Tensor | None = None) -> Tensor:
    """Soft Dice loss per picture, averaged over the batch.

    ``1 - (2 <p, t> + s) / (<p, 1> + <t, 1> + s)`` with ``p = sigmoid(logits)`` (Milletari et al., V-Net, 2016, in the
    form without squares). The smooth term ``s`` stands in both numerator and denominator: an empty target costs ~0 when
    the prediction is empty too, and a false alarm on an empty picture costs loss *and* gradient. It is measured in
    shares of the picture, so that the loss means the same at 64 px and at 224 px: with the default, a false alarm on
    0.1 % of an empty picture costs 0.5.

    Args:
        logits: Mask logits, (B, 1, H, W).
        target: Truth in [0, 1], same shape.
        smooth: Smooth term as a share of the (valid) pixels of a picture, above 0.
        valid: Where the truth is known, bool, same shape; None means every pixel. Pictures without a valid pixel are
            left out of the average; if there are no others, the loss is exactly 0.

    Returns:
        Scalar in [0, 1].

    Example:
        >>> empty = torch.zeros(1, 1, 8, 8)
        >>> mask_dice_loss(empty - 30, empty).item() < 1e-6, mask_dice_loss(empty + 30, empty).item() > 0.99
        (True, True)
    """
    logits = at_least_float32(logits)
    if valid is None:
        probability, truth = logits.sigmoid().flatten(1), target.to(logits.dtype).flatten(1)
        overlap, size = (probability * truth).mean(1), probability.mean(1) + truth.mean(1)
        return (1 - (2 * overlap + smooth) / (size + smooth)).mean()
    probability = torch.where(valid, torch.where(valid, logits, 0).sigmoid(), 0).flatten(1)
    truth = torch.where(valid, target.to(logits.dtype), 0).flatten(1)
    pixels = valid.flatten(1).sum(1)
    overlap, size = (values.sum(1) / pixels.clamp(min=1) for values in (probability * truth, probability + truth))
    # A picture without a valid pixel costs 1 - smooth / smooth, which is 0.
    return (1 - (2 * overlap + smooth) / (size + smooth)).sum() / (pixels > 0).sum().clamp(min=1)


def mask_focal_loss(
    logits: Tensor, target: Tensor, alpha: float = 0.25, gamma: float = 2.0, valid: Tensor | None = None
) -> Tensor:
    """Focal loss (Lin et al., 2017), averaged over the valid pixels of the batch; exactly 0 when there are none.

    torchvision's `sigmoid_focal_loss`: cross-entropy times ``(1 - p_t) ** gamma``, so that pixels that are already
    right count little. The paper divides by the number of objects; here it is the number of pixels, as for the
    cross-entropy, so that pictures without an object are no exception.

    Args:
        logits: Mask logits, (B, 1, H, W).
        target: Truth in [0, 1], same shape.
        alpha: Weight of the foreground in [0, 1]; the background has ``1 - alpha``. -1 weighs both with 1.
        gamma: 0, which leaves the cross-entropy, or at least 1.
        valid: Where the truth is known, bool, same shape; None means every pixel.

    Returns:
        Scalar.

    Raises:
        InvalidArgumentError: ``alpha`` or ``gamma`` is outside.

    Example:
        >>> target = torch.ones(1, 1, 2, 2)
        >>> round(mask_focal_loss(torch.zeros(1, 1, 2, 2), target, alpha=-1, gamma=1).item(), 4)
        0.3466
    """
    check_focal(alpha, gamma)
    logits, known = known_values(logits, valid)
    truth, _ = known_values(target.to(logits.dtype), valid)
    losses = sigmoid_focal_loss(logits, truth, alpha=alpha, gamma=gamma, reduction="none")
    return torch.where(known, losses, 0).sum() / known.sum().clamp(min=1)


def mask_tversky_loss(
    logits: Tensor,
    target: Tensor,
    alpha: float = 0.3,
    beta: float = 0.7,
    smooth: float = 1e-3,
    valid: Tensor | None = None,
) -> Tensor:
    """Tversky loss per picture, averaged over the batch (Salehi, Erdogmus and Gholipour, 2017).

    ``1 - (TP + s/2) / (TP + alpha FP + beta FN + s/2)`` with the shares of the picture that are soft hits, false alarms
    and misses. The smooth term is that of `mask_dice_loss`, which this is for ``alpha = beta = 0.5``: a false alarm on
    an empty picture costs loss and gradient.

    Args:
        logits: Mask logits, (B, 1, H, W).
        target: Truth in [0, 1], same shape.
        alpha: Weight of false alarms, above 0.
        beta: Weight of misses, above 0.
        smooth: Smooth term as a share of the (valid) pixels of a picture, above 0.
        valid: Where the truth is known, bool, same shape; None means every pixel. Pictures without a valid pixel are
            left out of the average; if there are no others, the loss is exactly 0.

    Returns:
        Scalar in [0, 1].

    Example:
        >>> logits, target = torch.tensor([[[[1.0, -2.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
        >>> same = mask_tversky_loss(logits, target, 0.5, 0.5), mask_dice_loss(logits, target)
        >>> round(same[0].item(), 6) == round(same[1].item(), 6)
        True
    """
    logits, known = known_values(logits, valid)
    truth, _ = known_values(target.to(logits.dtype), valid)
    pixels = known.flatten(1).sum(1).clamp(min=1)
    probability = torch.where(known, logits.sigmoid(), 0)
    counted = (probability * truth, probability * (1 - truth), torch.where(known, 1 - probability, 0) * truth)
    hits, alarms, misses = (share.flatten(1).sum(1) / pixels for share in counted)
    scores = (hits + smooth / 2) / (hits + alpha * alarms + beta * misses + smooth / 2)
    return mean_of_pictures(1 - scores, known)


def mask_lovasz_loss(logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Lovász hinge per picture, averaged over the batch: a convex bound of 1 - IoU (Berman, Triki and Blaschko, 2018).

    As SMP's ``LovaszLoss("binary", per_image=True)`` gives it, but in any precision, for the whole batch at once (SMP's
    goes picture by picture and waits for the GPU at each). On an empty picture the IoU is lost with the first false
    alarm, so that only the most certain one has a gradient; take it together with a term that sees all of them.

    Args:
        logits: Mask logits, (B, 1, H, W).
        target: Truth, same shape; above 0.5 is foreground.
        valid: Where the truth is known, bool, same shape; None means every pixel. Pictures without a valid pixel are
            left out of the average; if there are no others, the loss is exactly 0.

    Returns:
        Scalar, 0 or more.

    Example:
        >>> target = torch.tensor([[[[1.0, 0.0, 0.0]]]])
        >>> right, silent = (mask_lovasz_loss(z, target).item() for z in (4 * target - 2, 0 * target))
        >>> right, silent
        (0.0, 1.0)
    """
    logits, known = known_values(logits, valid)
    foreground = ((target > 0.5) & known).flatten(1)
    errors = torch.where(known.flatten(1), 1 - torch.where(foreground, logits.flatten(1), -logits.flatten(1)), 0)
    ordered, places = errors.sort(dim=1, descending=True)
    truth = foreground.gather(1, places)
    present = truth.sum(1, keepdim=True)
    # Errors of unknown pixels are 0 and count for nothing; those that come after them are negative and do neither.
    missed, alarms = truth.cumsum(1), (~truth).cumsum(1)  # whole numbers: exact, and deterministic on GPUs
    jaccard = 1 - (present - missed).to(errors.dtype) / (present + alarms)
    steps = torch.cat([jaccard[:, :1], jaccard.diff(dim=1)], dim=1)
    return mean_of_pictures((F.relu(ordered) * steps).sum(1), known)


def mask_boundary_loss(
    logits: Tensor, target: Tensor, width: float = 0.02, weight: float = 5.0, valid: Tensor | None = None
) -> Tensor:
    """Cross-entropy in which a band along the contour weighs more, averaged over the valid pixels of the batch.

    The idea of U-Net's weight map (Ronneberger, Fischer and Brox, 2015), with a band in place of a distance: pixels
    that have foreground and background within the width, which is one pixel at least. Pixels outside the band weigh 1,
    so that without a contour it is `mask_bce_loss`.

    Args:
        logits: Mask logits, (B, 1, H, W).
        target: Truth in [0, 1], same shape.
        width: Of the band on each side of the contour, as a share of the shorter side of the picture.
        weight: Of a pixel in the band, above 0.
        valid: Where the truth is known, bool, same shape; None means every pixel.

    Returns:
        Scalar.

    Example:
        >>> half = torch.zeros(1, 1, 4, 4)
        >>> half[..., 2:] = 1
        >>> logits = torch.zeros(1, 1, 4, 4)
        >>> ratio = mask_boundary_loss(logits, half, weight=5) / mask_bce_loss(logits, half)
        >>> round(ratio.item(), 4)
        3.0
    """
    logits, known = known_values(logits, valid)
    truth, _ = known_values(target.to(logits.dtype), valid)
    losses = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    radius = max(1, round(width * min(target.shape[-2:])))
    weights = torch.where(contour_band(target > 0.5, radius, valid), weight, 1.0)
    return torch.where(known, weights * losses, 0).sum() / known.sum().clamp(min=1)


__all__ = [
    "mask_bce_loss",
    "mask_boundary_loss",
    "mask_dice_loss",
    "mask_focal_loss",
    "mask_lovasz_loss",
    "mask_tversky_loss",
]
