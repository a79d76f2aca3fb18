"""The lens: out of focus, or moved while it was open.

Functions of pictures (B, 3, H, W), RGB in [0, 1], with one row of parameters per picture; see `registry`.
"""

import math

import numpy as np
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


__all__ = ["blur"]
