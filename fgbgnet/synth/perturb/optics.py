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


def blur(pictures: Tensor, parameters: Tensor) -> Tensor:
    """A lens out of focus; the disc is approximated by a separable Gaussian of the same second moment.

    The discrete Gaussian of Lindeberg (1990, "Scale-space for discrete signals") has exactly the variance that is asked
    for, also far below a pixel, where a sampled Gaussian does nothing.

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 1): sigma as a fraction of the shorter side.
    """
    sigma = parameters[:, 0].double().cpu().numpy() * min(pictures.shape[-2:])
    reach = min(math.ceil(3 * float(sigma.max(initial=0))), min(pictures.shape[-2:]) - 1)
    if reach < 1:
        return pictures.clone()
    offsets = np.arange(0, reach + 1)
    frequencies = 2 * np.pi * np.fft.rfftfreq(512)
    weights = np.fft.irfft(np.exp(sigma[:, None] ** 2 * (np.cos(frequencies) - 1)))[:, : reach + 1]
    # Beyond its own reach a picture gets weight zero: its bits do not depend on its neighbours in the batch.
    weights[offsets > np.ceil(3 * sigma)[:, None]] = 0
    weights /= weights[:, :1] + 2 * weights[:, 1:].sum(axis=1, keepdims=True)
    taps = torch.from_numpy(weights.astype(np.float32)).to(pictures)
    for dim in (-1, -2):
        pad = (reach, reach, 0, 0) if dim == -1 else (0, 0, reach, reach)
        padded = F.pad(pictures, pad, mode="reflect")
        size = pictures.shape[dim]
        total = pictures * column(taps, 0)
        for k in range(1, reach + 1):
            pair = padded.narrow(dim, reach - k, size) + padded.narrow(dim, reach + k, size)
            total.add_(pair.mul_(column(taps, k)))
        pictures = total
    return pictures.clamp_(0, 1)


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
    kernels = np.stack([_line(length, row[1], row[2], reach) for length, row in zip(lengths, lines, strict=True)])
    taps = torch.from_numpy(kernels).to(pictures)
    padded = F.pad(pictures, (reach, reach, reach, reach), mode="reflect")
    height, width = pictures.shape[-2:]
    total = torch.zeros_like(pictures)
    # In one order, so that a picture gets the same bits whatever the reach of the others.
    for y, x in np.argwhere(kernels.any(axis=0)).tolist():
        total.add_(padded[..., y : y + height, x : x + width] * taps[:, y, x].view(-1, 1, 1, 1))
    return total.clamp_(0, 1)


def _line(length: float, cosine: float, sine: float, reach: int) -> npt.NDArray[np.float64]:
    """A line of points about the centre of a kernel (2 * reach + 1, 2 * reach + 1), each shared among four taps."""
    steps = (np.arange(64) - 31.5) / 64 * length
    x, y = steps * cosine + reach, steps * sine + reach
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    kernel = np.zeros((2 * reach + 2, 2 * reach + 2))
    for dy, share_y in ((0, top + 1 - y), (1, y - top)):
        for dx, share_x in ((0, left + 1 - x), (1, x - left)):
            np.add.at(kernel, (top + dy, left + dx), share_y * share_x / 64)
    return kernel[:-1, :-1]


__all__ = ["blur", "motion_blur"]
