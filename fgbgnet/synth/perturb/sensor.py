"""Sensor noise and the codec.

Functions of pictures (B, 3, H, W), RGB in [0, 1], with one row of parameters per picture; see `registry`.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fgbgnet.synth.perturb.shapes import column

CHROMA = (
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
)

NOISE_STD = math.sqrt(4 * (256**2 - 1) / 12)
"""Standard deviation of the sum of four random bytes."""


def noise(pictures: Tensor, parameters: Tensor, seeds: Sequence[int]) -> Tensor:
    """Sensor noise: variance = read noise + shot noise proportional to the signal.

    The noise of a value is the sum of four random bytes, which is close to Gaussian (excess kurtosis -0.3).

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 2): sigma at black, extra sigma at white (full scale = 1).
        seeds: B integers from 0; not parameters, because a float does not hold them exactly.
    """
    fields = [noise_bytes(seed, pictures[0].numel()).sum(axis=0, dtype=np.uint16).astype(np.float32) for seed in seeds]
    unit = torch.from_numpy(np.stack(fields)).to(pictures).sub_(4 * 127.5).div_(NOISE_STD)
    read, shot = column(parameters, 0), column(parameters, 1)
    sigma = (read * read + shot * shot * pictures).sqrt_()
    return unit.view_as(pictures).mul_(sigma).add_(pictures).clamp_(0, 1)


def noise_bytes(seed: int, count: int) -> npt.NDArray[np.uint8]:
    """The random bytes of a seed, (4, count); their sums less 510 have the standard deviation `NOISE_STD`."""
    words = np.random.SFC64(seed).random_raw(-(-4 * count // 8)).astype("<u8", copy=False)
    return words.view(np.uint8)[: 4 * count].reshape(4, count)


def jpeg(pictures: Tensor, parameters: Tensor) -> Tensor:
    """Compression and decompression by the real codec (libjpeg of OpenCV), on the CPU.

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 2): quality 1 to 100; chroma sub-sampling 0 (4:4:4), 1 (4:2:2) or 2 (4:2:0).
    """
    # The codec of OpenCV rather than Pillow's, because it takes half the time for pictures of 64 pixels.
    blue_first = pictures.flip(1).mul_(255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    decoded = []
    for picture, (quality, chroma) in zip(blue_first, parameters.tolist(), strict=True):
        options = [cv2.IMWRITE_JPEG_QUALITY, round(quality), cv2.IMWRITE_JPEG_SAMPLING_FACTOR, CHROMA[round(chroma)]]
        decoded.append(np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, options)[1], cv2.IMREAD_COLOR)))
    levels = torch.from_numpy(np.stack(decoded)).to(pictures.device).permute(0, 3, 1, 2).flip(1)
    return levels.to(pictures.dtype).div_(255)


__all__ = ["CHROMA", "NOISE_STD", "jpeg", "noise", "noise_bytes"]
