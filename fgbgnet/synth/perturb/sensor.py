"""Sensor noise and the codec.

Functions of pictures (B, 3, H, W), RGB in [0, 1], with one row of parameters per picture; see `registry`.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from fgbgnet.synth.perturb.shapes import column

_CHROMA = (
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
)


def noise(pictures: Tensor, parameters: Tensor, seeds: Sequence[int]) -> Tensor:
    """Sensor noise: variance = read noise + shot noise proportional to the signal.

    The noise of a value is the sum of four random bytes, which is close to Gaussian (excess kurtosis -0.3).

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 2): sigma at black, extra sigma at white (full scale = 1).
        seeds: B integers from 0; not parameters, because a float does not hold them exactly.
    """
    fields = []
    for seed in seeds:
        stream = np.random.Generator(np.random.SFC64(seed))
        count = pictures[0].numel()
        bytes_ = np.frombuffer(stream.bytes(4 * count), dtype=np.uint8).reshape(4, count)
        fields.append(bytes_.sum(axis=0, dtype=np.uint16).astype(np.float32))
    unit = torch.from_numpy(np.stack(fields)).to(pictures).sub_(4 * 127.5).div_(math.sqrt(4 * (256**2 - 1) / 12))
    read, shot = column(parameters, 0), column(parameters, 1)
    sigma = (read * read + shot * shot * pictures).sqrt_()
    return unit.view_as(pictures).mul_(sigma).add_(pictures).clamp_(0, 1)


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
        options = [cv2.IMWRITE_JPEG_QUALITY, round(quality), cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _CHROMA[round(chroma)]]
        decoded.append(np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, options)[1], cv2.IMREAD_COLOR)))
    levels = torch.from_numpy(np.stack(decoded)).to(pictures.device).permute(0, 3, 1, 2).flip(1)
    return levels.to(pictures.dtype).div_(255)


__all__ = ["jpeg", "noise"]
