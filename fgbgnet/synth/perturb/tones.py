"""Exposure, tone curve and colour balance.

Functions of pictures (B, 3, H, W), RGB in [0, 1], with one row of parameters per picture; see `registry`.
"""

import math

import numpy as np
import torch
from torch import Tensor


def linear(pictures: Tensor, parameters: Tensor) -> Tensor:
    """Gain and offset of the encoded values, clipped like a sensor.

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 6): gain of R, G, B, then offset of R, G, B (1 = full scale).
    """
    gain, offset = parameters[:, :3, None, None], parameters[:, 3:6, None, None]
    return (pictures * gain).add_(offset).clamp_(0, 1)


def gamma(pictures: Tensor, parameters: Tensor) -> Tensor:
    """Tone curve ``value ** exponent``, looked up at 4,096 levels with linear interpolation.

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 1): natural logarithm of the exponent (> 0 darkens).
    """
    levels = 4096
    ramp = np.linspace(0, 1, levels + 1)
    curves = [ramp ** math.exp(value) for value in parameters[:, 0].double().tolist()]
    # The table is built in double precision on the CPU: pow() of vector units may differ from the scalar one.
    table = torch.from_numpy(np.stack(curves).astype(np.float32)).to(pictures)
    position = pictures.flatten(1) * levels
    low = position.long().clamp_(0, levels - 1)
    below, above = table.gather(1, low), table.gather(1, low + 1)
    return (below + (above - below) * (position - low)).view_as(pictures).clamp_(0, 1)


def clip(pictures: Tensor, parameters: Tensor) -> Tensor:
    """Exposure beyond the range of the sensor and developed back: what was darker or brighter is lost.

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 2): the darkest and the brightest value that remain.
    """
    return torch.minimum(torch.maximum(pictures, parameters[:, :1, None, None]), parameters[:, 1:, None, None])


__all__ = ["clip", "gamma", "linear"]
