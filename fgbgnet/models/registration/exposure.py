"""Brings the background to the exposure of the frame, in closed form."""

import torch
import torch.nn.functional as F
from torch import Tensor

_SIDE = 32
"""Pixels are looked at on a grid of this many rows and columns."""
_KEPT = 0.5
"""Share of the pixels that a fit believes: more than half of a picture may not be new."""
_ROUNDS = 4
_GAIN_RANGE = (0.2, 5.0)
_OFFSET_RANGE = (-0.5, 0.5)
_SATURATED = 2 / 255
"""Pixels this near to black or white were cut off and say nothing about a gain."""
_FLAT = 1e-5
"""Variance below which a picture is too even to tell a gain from an offset."""


def compensate_exposure(bg: Tensor, fg_bg: Tensor) -> Tensor:
    """The background as it would look with the exposure of the frame.

    Each channel gets a gain and an offset that bring it nearest to the frame, by least trimmed squares: a fit, of which
    the half of the pixels that it suits best is kept for the next fit (concentration steps, Rousseeuw and Van Driessen,
    2006). They start from no change, from the median difference, and from a fit to all pixels; the start that ends with
    the smallest error wins. Pixels that are black or white in one of the pictures are not looked at. What is new in the
    frame may cover up to about 40 % of it.

    Two equal pictures give the background back bit by bit. No gradient flows into gain and offset.

    Args:
        bg: Clean background, (B, C, H, W) in [0, 1].
        fg_bg: The frame, of the same shape.

    Returns:
        (B, C, H, W) in [0, 1].

    >>> frame = torch.rand(1, 3, 32, 32) * 0.8 + 0.1
    >>> darker = 0.7 * frame + 0.05
    >>> bool((compensate_exposure(darker, frame) - frame).abs().max() < 1e-3)
    True
    """
    gain, offset = fit_exposure(bg, fg_bg)
    return (bg * gain + offset).clamp(0, 1)


@torch.no_grad()
def fit_exposure(bg: Tensor, fg_bg: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and offset of each channel, (B, C, 1, 1), that bring the background to the frame; see `compensate_exposure`.

    >>> frame = torch.rand(1, 1, 32, 32) * 0.8 + 0.1
    >>> gain, offset = fit_exposure((frame - 0.1) / 1.25, frame)
    >>> round(gain.item(), 3), round(offset.item(), 3)
    (1.25, 0.1)
    """
    x, y = (_samples(picture) for picture in (bg, fg_bg))
    usable = ((torch.minimum(x, y) > _SATURATED) & (torch.maximum(x, y) < 1 - _SATURATED)).all(1, keepdim=True)
    weight = usable.to(x.dtype)
    lines = torch.stack([_unchanged(x), _median_shift(x, y), _least_squares(x, y, weight)])
    for _ in range(_ROUNDS):
        lines = torch.stack([_least_squares(x, y, _best(x, y, weight, line)) for line in lines])
    errors = torch.stack([_trimmed_error(x, y, weight, line) for line in (_unchanged(x), *lines)])
    best = errors.argmin(0)  # (B,); the first of equal ones: no change, where nothing is better
    candidates = torch.stack([_unchanged(x), *lines])  # (starts, B, C, 2)
    index = best.reshape(1, -1, 1, 1).expand(1, *candidates.shape[1:])
    chosen = candidates.gather(0, index)[0]
    return chosen[..., 0, None, None].to(bg.dtype), chosen[..., 1, None, None].to(bg.dtype)


def _samples(picture: Tensor) -> Tensor:
    """Pixels on a grid, float32 (B, C, N)."""
    return F.interpolate(picture.float(), size=(_SIDE, _SIDE), mode="nearest").flatten(2)


def _unchanged(x: Tensor) -> Tensor:
    return torch.stack([torch.ones_like(x[..., 0]), torch.zeros_like(x[..., 0])], dim=-1)


def _median_shift(x: Tensor, y: Tensor) -> Tensor:
    shift = (y - x).sort(dim=-1).values[..., x.shape[-1] // 2]
    return torch.stack([torch.ones_like(shift), shift], dim=-1)


def _least_squares(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    """Gain and offset (B, C, 2) of the weighted pixels, within sane ranges; a flat picture keeps its gain."""
    total = weight.sum(-1).clamp(min=1)
    mean_x, mean_y = (x * weight).sum(-1) / total, (y * weight).sum(-1) / total
    dx, dy = (x - mean_x[..., None]) * weight, y - mean_y[..., None]
    variance = (dx * (x - mean_x[..., None])).sum(-1) / total
    covariance = (dx * dy).sum(-1) / total
    gain = torch.where(variance > _FLAT, covariance / variance.clamp(min=_FLAT), 1).clamp(*_GAIN_RANGE)
    return torch.stack([gain, (mean_y - gain * mean_x).clamp(*_OFFSET_RANGE)], dim=-1)


def _residuals(x: Tensor, y: Tensor, weight: Tensor, line: Tensor) -> Tensor:
    """Squared error of each pixel over all channels, (B, N); infinite where it is not looked at."""
    error = (y - line[..., :1] * x - line[..., 1:]).square().sum(1)
    return torch.where(weight[:, 0] > 0, error, torch.inf)


def _limit(residuals: Tensor, weight: Tensor) -> Tensor:
    """The residual of the worst pixel that is kept, (B, 1)."""
    kept = (weight[:, 0].sum(-1) * _KEPT).long().clamp(min=1) - 1
    return residuals.sort(dim=-1).values.gather(-1, kept[:, None])


def _best(x: Tensor, y: Tensor, weight: Tensor, line: Tensor) -> Tensor:
    """Weights of the pixels that a line suits best, (B, 1, N)."""
    residuals = _residuals(x, y, weight, line)
    return ((residuals <= _limit(residuals, weight)) & (weight[:, 0] > 0)).to(x.dtype)[:, None]


def _trimmed_error(x: Tensor, y: Tensor, weight: Tensor, line: Tensor) -> Tensor:
    """Mean error of the pixels that a line suits best, (B,)."""
    residuals = _residuals(x, y, weight, line)
    kept = (residuals <= _limit(residuals, weight)) & (weight[:, 0] > 0)
    return torch.where(kept, residuals, 0).sum(-1) / kept.sum(-1).clamp(min=1)


__all__ = ["compensate_exposure", "fit_exposure"]
