"""Depth metrics as sums that add up over batches, processes and machines, and as figures computed from the sums.

Definitions are those of ``compute_errors`` in ZoeDepth, as the literature has used them since Eigen et al. (2014).
Everything that is known to change the figures is an argument: alignment, aggregation, range. A region without a valid
pixel has no figures: nan.
"""

import math
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from fgbgnet.contours import contour_band
from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.metrics.alignment import DepthAlignment, align_depth
from fgbgnet.metrics.boundary import boundary_width
from fgbgnet.metrics.precision import for_float64

DepthAggregation: TypeAlias = Literal["pixel", "image"]

DEPTH_METRICS = ("rmse", "mae", "abs_rel", "sq_rel", "rmse_log", "log10", "silog", "d1", "d2", "d3")
"""The keys of `compute_depth_metrics`, for each region."""

DEPTH_REGIONS = ("all", "foreground", "contour")
"""Every valid pixel; those in the true mask; those within 2 px (at 224 px) of its contour, on either side."""

_SUMS = ("pixels", "square", "absolute", "abs_rel", "sq_rel", "log", "log_square", "log_absolute", "d1", "d2", "d3")
DEPTH_STATISTICS = (*_SUMS, "images", *(f"image_{name}" for name in DEPTH_METRICS))
"""What the columns of a depth statistics matrix are: sums over pixels, then sums over pictures."""


def depth_statistics(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    mask: Tensor | None = None,
    mask_valid: Tensor | None = None,
    *,
    alignment: DepthAlignment = "none",
    min_depth: float = 1e-3,
    max_depth: float | None = None,
) -> Tensor:
    """Sums of one batch, from which all depth metrics can be computed.

    Args:
        prediction: Predicted distance, (B, 1, H, W), near = small. It is brought into the range after the alignment.
            A value that is not finite makes the figures nan: a fault to be seen, not to be averaged away.
        target: True distance, same shape and unit; may hold anything where it is not valid.
        valid: Where the truth may be believed, bool, same shape; None means everywhere.
        mask: True foreground, same shape, above 0.5 is foreground; None leaves the regions other than all without
            pixels.
        mask_valid: Where the foreground is known, bool, same shape; None means everywhere. Elsewhere pixels belong to
            no region but all.
        alignment: ``none | median | scale_shift``, fitted per picture over all its valid pixels, see `align_depth`.
        min_depth: Truth at or below this is not valid (ratios and logarithms need a positive number) and predictions
            are raised to it; above 0.
        max_depth: Truth at or above this is not valid and predictions are lowered to it; None is no limit.

    Returns:
        float64 (3, 22): a row per region of `DEPTH_REGIONS`, columns as in `DEPTH_STATISTICS`; on the device of the
        prediction, or on the CPU if that device has no float64. Matrices of several batches add up.

    Raises:
        InvalidArgumentError: Shapes differ, ``valid`` or ``mask_valid`` is not bool, or the range is empty.
        UnknownNameError: There is no such alignment.

    Example:
        >>> truth = 1 + torch.rand(2, 1, 8, 8)
        >>> figures = compute_depth_metrics(depth_statistics(1.1 * truth, truth))
        >>> round(figures["abs_rel"], 4), figures["d1"]
        (0.1, 1.0)
        >>> compute_depth_metrics(depth_statistics(1.1 * truth, truth, alignment="median"))["rmse"] < 1e-6
        True
    """
    _check(prediction, target, valid, mask, mask_valid)
    if alignment not in get_args(DepthAlignment):
        raise UnknownNameError("depth alignment", alignment, get_args(DepthAlignment))
    if not 0 < min_depth < (max_depth or math.inf):
        raise InvalidArgumentError(
            f"min_depth={min_depth!r}, max_depth={max_depth!r}; expected 0 < min_depth < max_depth."
        )
    prediction, target, valid, mask, mask_valid = for_float64(prediction, target, valid, mask, mask_valid)
    prediction, target = prediction.detach().float(), target.detach().float()
    usable = target.isfinite() & (target > min_depth) & (target < (max_depth or math.inf))
    usable = usable if valid is None else usable & valid
    prediction = align_depth(prediction, target, usable, alignment).clamp(min_depth, max_depth).float()
    terms = _pixel_terms(prediction, target, usable)
    rows = [_region_sums(torch.where(region.flatten(1), terms, 0)) for region in _regions(usable, mask, mask_valid)]
    return torch.stack(rows)


def compute_depth_metrics(
    statistics: Tensor, aggregation: DepthAggregation = "pixel"
) -> dict[str, float | dict[str, float]]:
    """The figures of summed statistics.

    Args:
        statistics: Sum of the matrices of `depth_statistics`.
        aggregation: ``"pixel"`` pools the valid pixels of all pictures; ``"image"`` computes every figure per picture
            and averages over the pictures with valid pixels in the region (as ZoeDepth and DenseDepth do). The root
            mean squares differ most.

    Returns:
        ``rmse`` and ``mae`` in the unit of the truth, ``sq_rel`` in that unit too, ``abs_rel``, ``rmse_log`` (natural),
        ``log10``, ``silog`` (times 100, with the whole mean removed) and ``d1``, ``d2``, ``d3`` (the shares within
        factors 1.25, 1.25 ** 2, 1.25 ** 3); and the same again in the dictionaries ``"foreground"`` and ``"contour"``.
        nan where no pixel is valid.

    Raises:
        UnknownNameError: There is no such aggregation.
    """
    if aggregation not in get_args(DepthAggregation):
        raise UnknownNameError("depth aggregation", aggregation, get_args(DepthAggregation))
    compute = _pooled if aggregation == "pixel" else _image_mean
    figures = [dict(zip(DEPTH_METRICS, values, strict=True)) for values in compute(statistics.cpu().double()).tolist()]
    return {**figures[0], **dict(zip(DEPTH_REGIONS[1:], figures[1:], strict=True))}


def _regions(usable: Tensor, mask: Tensor | None, mask_valid: Tensor | None) -> list[Tensor]:
    if mask is None:
        return [usable, torch.zeros_like(usable), torch.zeros_like(usable)]
    labelled = usable if mask_valid is None else usable & mask_valid
    foreground = mask > 0.5 if mask_valid is None else (mask > 0.5) & mask_valid
    return [usable, labelled & foreground, labelled & contour_band(foreground, boundary_width(*mask.shape[-2:]))]


def _pixel_terms(prediction: Tensor, target: Tensor, usable: Tensor) -> Tensor:
    """What is summed, for each pixel: (len(_SUMS), B, H * W), finite where the truth is not usable."""
    p = torch.where(usable, prediction, 1).flatten(1)
    t = torch.where(usable, target, 1).flatten(1)
    error, ratio = p - t, torch.maximum(p / t, t / p)
    log = p.log() - t.log()
    square = error.square()
    within = [(ratio < 1.25**power).float() for power in (1, 2, 3)]
    return torch.stack(
        [torch.ones_like(p), square, error.abs(), error.abs() / t, square / t, log, log.square(), log.abs(), *within]
    )


def _region_sums(terms: Tensor) -> Tensor:
    """Sums over pixels, number of pictures with pixels, and sums of the figures of those: (22,)."""
    images = terms.sum(-1, dtype=torch.float64).T
    figures = _pooled(images)
    filled = images[:, 0] > 0
    return torch.cat((images.sum(0), filled.sum().double()[None], figures[filled].sum(0)))


def _pooled(sums: Tensor) -> Tensor:
    """The figures of sums over pixels, (..., 11 or more) -> (..., 10); nan where there are no pixels."""
    s = dict(zip(_SUMS, (sums[..., : len(_SUMS)] / sums[..., :1]).unbind(-1), strict=True))
    variance = (s["log_square"] - s["log"].square()).clamp(min=0)
    return torch.stack(
        [
            s["square"].sqrt(),
            s["absolute"],
            s["abs_rel"],
            s["sq_rel"],
            s["log_square"].sqrt(),
            s["log_absolute"] / math.log(10),
            100 * variance.sqrt(),
            s["d1"],
            s["d2"],
            s["d3"],
        ],
        dim=-1,
    )


def _image_mean(statistics: Tensor) -> Tensor:
    images = statistics[..., len(_SUMS) :]
    return images[..., 1:] / images[..., :1]


def _check(
    prediction: Tensor, target: Tensor, valid: Tensor | None, mask: Tensor | None, mask_valid: Tensor | None
) -> None:
    if prediction.ndim != 4 or prediction.shape[1] != 1:
        raise InvalidArgumentError(f"the predicted depth has shape {tuple(prediction.shape)}; expected (B, 1, H, W).")
    layers = {"depth target": target, "depth_valid": valid, "mask": mask, "mask_valid": mask_valid}
    for name, tensor in layers.items():
        if tensor is not None and tensor.shape != prediction.shape:
            raise InvalidArgumentError(
                f"the {name} has shape {tuple(tensor.shape)}, the predicted depth {tuple(prediction.shape)}; they must "
                "be equal. Bring the prediction to the size of the truth, not the other way round."
            )
    for name, known in (("depth_valid", valid), ("mask_valid", mask_valid)):
        if known is not None and known.dtype != torch.bool:
            raise InvalidArgumentError(f"{name} has dtype {known.dtype}; expected torch.bool: pass valid > 0.")


__all__ = [
    "DEPTH_METRICS",
    "DEPTH_REGIONS",
    "DEPTH_STATISTICS",
    "DepthAggregation",
    "compute_depth_metrics",
    "depth_statistics",
]
