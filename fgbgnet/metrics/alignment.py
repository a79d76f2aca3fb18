"""Bringing predicted depth to the scale of the truth, picture by picture, before it is scored."""

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from fgbgnet.metrics.precision import for_float64

DepthAlignment: TypeAlias = Literal["none", "median", "scale_shift"]


def align_depth(prediction: Tensor, target: Tensor, valid: Tensor, alignment: DepthAlignment) -> Tensor:
    """Align each picture's prediction with its valid truth.

    - ``none``: as it is.
    - ``median``: times ``median(target) / median(prediction)`` (Zhou et al., 2017); unchanged if the prediction's
      median is not above 0.
    - ``scale_shift``: the least-squares ``scale * prediction + shift`` with ``scale >= 0`` (MiDaS, Ranftl et al., 2020,
      whose formula has no bound). The bound matters only for predictions that run against the truth: they become the
      constant ``mean(target)`` instead of being turned upside down for free.

    Args:
        prediction: Predicted depth, (B, 1, H, W).
        target: True depth, same shape.
        valid: Bool, same shape. A picture without valid pixels stays as it is.
        alignment: How.

    Returns:
        Same shape; unless the alignment is ``none`` float64, and on the CPU if the device has no float64.

    Example:
        >>> truth = torch.rand(1, 1, 4, 4, dtype=torch.float64)
        >>> everywhere = torch.ones_like(truth, dtype=torch.bool)
        >>> torch.allclose(align_depth(5 * truth + 2, truth, everywhere, "scale_shift"), truth)
        True
    """
    if alignment == "none":
        return prediction
    align = _median if alignment == "median" else _scale_shift
    prediction, target, valid = for_float64(prediction, target, valid)
    aligned = prediction.double()
    return torch.stack([align(p, t[v].double(), v) for p, t, v in zip(aligned, target, valid, strict=True)])


def _median(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    if not truth.numel():
        return prediction
    middle = _middle(prediction[valid])
    return torch.where(middle > 0, prediction * (_middle(truth) / middle), prediction)


def _middle(values: Tensor) -> Tensor:
    """The median, with the mean of the two middle values for an even count (torch.median takes the lower one)."""
    ordered = values.sort().values
    return (ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2


def _scale_shift(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    if not truth.numel():
        return prediction
    known = prediction[valid]
    centred = known - known.mean()
    variance = centred.square().mean()
    covariance = (centred * (truth - truth.mean())).mean()
    # What is below this is rounding of a constant prediction.
    usable = variance > 1e-12 * known.mean().square()
    scale = torch.where(usable, (covariance / variance).clamp(min=0), 0)
    return (prediction - known.mean()) * scale + truth.mean()


__all__ = ["DepthAlignment", "align_depth"]
