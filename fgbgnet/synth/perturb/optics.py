"""The lens: out of focus, or moved while it was open.

Functions of pictures (B, 3, H, W), RGB in [0, 1], with one row of parameters per picture; see `registry`.
"""

import math

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from fgbgnet.synth.perturb.shapes import column

CELLS = 2
"""Pictures are blurred at the lowest resolution at which sigma is this many pixels."""

_PERIOD = 64
"""Samples of the spectrum of a kernel: more than 4 times its reach, which at that resolution is 12 at most."""

_SPECTRUM = np.cos(2 * np.pi * np.fft.rfftfreq(_PERIOD)) - 1
"""Logarithm of the spectrum of a kernel of variance 1."""


def blur(pictures: Tensor, parameters: Tensor) -> Tensor:
    """A lens out of focus; the disc is approximated by a separable Gaussian of the same second moment.

    The discrete Gaussian of Lindeberg (1990, "Scale-space for discrete signals") has the variance that is asked for,
    but for what is cut off beyond 3 sigma, also far below a pixel, where a sampled Gaussian does nothing. A wide one is
    computed at a lower resolution, which is all it needs: the time hardly depends on sigma.

    Args:
        pictures: (B, C, H, W).
        parameters: (B, 1): sigma as a fraction of the shorter side.
    """
    sigmas = parameters[:, 0].double().cpu().numpy() * min(pictures.shape[-2:])
    # Each at its own resolution: the bits of a picture do not depend on its neighbours in the batch.
    steps = np.maximum(sigmas // CELLS, 1).astype(np.int64)
    result = torch.empty_like(pictures)
    for step in np.unique(steps).tolist():
        rows = torch.from_numpy(np.flatnonzero(steps == step)).to(pictures.device)
        result.index_copy_(0, rows, _reduced_blur(pictures.index_select(0, rows), sigmas[steps == step], step))
    return result


def _reduced_blur(pictures: Tensor, sigmas: npt.NDArray[np.float64], step: int) -> Tensor:
    """Blurs by sigmas in pixels, computed at a ``step``-th of the resolution."""
    if step > 1:
        height, width = pictures.shape[-2:]
        whole = F.pad(pictures, (0, -width % step, 0, -height % step), mode="replicate")
        # The mean and the interpolation blur, too: variances (step ** 2 - 1) / 12 and (step ** 2 - 1) / 6.
        small = _reduced_blur(F.avg_pool2d(whole, step), np.sqrt(sigmas**2 - (step**2 - 1) / 4) / step, 1)
        return F.interpolate(small, whole.shape[-2:], mode="bilinear")[..., :height, :width]
    return _convolved(_convolved(pictures, sigmas, -1), sigmas, -2).clamp_(0, 1)


def _convolved(pictures: Tensor, sigmas: npt.NDArray[np.float64], dim: int) -> Tensor:
    """New pictures, blurred in one direction by sigmas in pixels, mirrored beyond the border."""
    size = pictures.shape[dim]
    weights = gaussian_taps(sigmas, size)
    reach = weights.shape[1] - 1
    taps = torch.from_numpy(weights).to(pictures)
    padded = F.pad(pictures, (reach, reach, 0, 0) if dim == -1 else (0, 0, reach, reach), mode="reflect")
    total = pictures * column(taps, 0)
    for k in range(1, reach + 1):
        pair = padded.narrow(dim, reach - k, size) + padded.narrow(dim, reach + k, size)
        total.add_(pair.mul_(column(taps, k)))
    return total


def gaussian_taps(sigmas: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.float32]:
    """Right halves of discrete Gaussian kernels, the middle first, (B, reach + 1).

    Args:
        sigmas: (B,) pixels.
        size: Pixels of the line that is blurred; the reach is less.
    """
    reach = min(math.ceil(3 * float(sigmas.max(initial=0))), size - 1)
    weights = np.fft.irfft(np.exp(sigmas[:, None] ** 2 * _SPECTRUM))[:, : reach + 1]
    # Beyond its own reach a picture gets weight zero: its bits do not depend on its neighbours in the batch.
    weights[np.arange(reach + 1) > np.ceil(3 * sigmas)[:, None]] = 0
    weights /= weights[:, :1] + 2 * weights[:, 1:].sum(axis=1, keepdims=True)
    return weights.astype(np.float32)


def motion_blur(pictures: Tensor, parameters: Tensor) -> Tensor:
    """A camera that moved on a straight line while the shutter was open.

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 3): length of the line (1 = the shorter side), cosine and sine of its direction.
    """
    lines = parameters.double().cpu().numpy()
    lengths = lines[:, 0] * min(pictures.shape[-2:])
    reach = min(math.ceil(float(lengths.max(initial=0)) / 2), min(pictures.shape[-2:]) - 1)
    if reach < 1:
        return pictures.clone()
    kernels = np.stack([line(length, row[1], row[2], reach) for length, row in zip(lengths, lines, strict=True)])
    taps = torch.from_numpy(kernels).to(pictures)
    padded = F.pad(pictures, (reach, reach, reach, reach), mode="reflect")
    height, width = pictures.shape[-2:]
    total = torch.zeros_like(pictures)
    # In one order, so that a picture gets the same bits whatever the reach of the others.
    for y, x in np.argwhere(kernels.any(axis=0)).tolist():
        total.add_(padded[..., y : y + height, x : x + width] * taps[:, y, x].view(-1, 1, 1, 1))
    return total.clamp_(0, 1)


def line(length: float, cosine: float, sine: float, reach: int) -> npt.NDArray[np.float64]:
    """A line of points about the centre of a kernel (2 * reach + 1, 2 * reach + 1), each shared among four taps."""
    steps = (np.arange(64) - 31.5) / 64 * length
    x, y = steps * cosine + reach, steps * sine + reach
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    kernel = np.zeros((2 * reach + 2, 2 * reach + 2))
    for dy, share_y in ((0, top + 1 - y), (1, y - top)):
        for dx, share_x in ((0, left + 1 - x), (1, x - left)):
            np.add.at(kernel, (top + dy, left + dx), share_y * share_x / 64)
    return kernel[:-1, :-1]


__all__ = ["CELLS", "blur", "gaussian_taps", "line", "motion_blur"]
