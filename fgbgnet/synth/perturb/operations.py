"""What a real background does to a picture, as batched functions with explicit physical parameters.

Every function takes pictures (B, 3, H, W), RGB in [0, 1], and one row of parameters per picture, and returns pictures
in [0, 1]. Only operations whose rounding does not depend on the batch are used, so that a picture gets the same
bits alone and among others. Pictures are float32 or float64: in half precision neither parameters nor positions are
exact. Lengths are fractions of the shorter side: one setting means the same at any size.
"""

import io
import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor


def column(parameters: Tensor, index: int) -> Tensor:
    """One parameter of every picture, (B, P) -> (B, 1, 1, 1)."""
    return parameters[:, index].view(-1, 1, 1, 1)


def affine(pictures: Tensor, parameters: Tensor) -> Tensor:
    """Moves, turns and zooms, bilinear, mirrored beyond the border.

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 4): right and down as fractions of the shorter side, angle in degrees (counter-clockwise),
            natural logarithm of the zoom.
    """
    height, width = pictures.shape[-2:]
    side = min(height, width)
    rows = []
    for right, down, degrees, log_zoom in parameters.double().tolist():
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        scale = math.exp(-log_zoom)
        # Output -> input, in the normalised coordinates of grid_sample (x and y both span [-1, 1]).
        x, y = 2 * right * side / width, 2 * down * side / height
        a, b = scale * cosine, -scale * sine * height / width
        c, d = scale * sine * width / height, scale * cosine
        rows.append([[a, b, -a * x - b * y], [c, d, -c * x - d * y]])
    theta = torch.tensor(rows, dtype=pictures.dtype, device=pictures.device)
    ys = (torch.arange(height, dtype=pictures.dtype, device=pictures.device) * 2 + 1) / height - 1
    xs = (torch.arange(width, dtype=pictures.dtype, device=pictures.device) * 2 + 1) / width - 1
    # Written out rather than F.affine_grid, whose matrix product may round differently for other batch sizes.
    planes = [
        theta[:, i, 0, None, None] * xs + (theta[:, i, 1, None, None] * ys[:, None] + theta[:, i, 2, None, None])
        for i in range(2)
    ]
    grid = torch.stack(planes, dim=-1)
    moved = F.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return moved.clamp_(0, 1)


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


def jpeg(pictures: Tensor, parameters: Tensor) -> Tensor:
    """Compression and decompression by the real codec (libjpeg of Pillow), on the CPU.

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 2): quality 1 to 100; chroma sub-sampling 0 (4:4:4), 1 (4:2:2) or 2 (4:2:0).
    """
    levels = (pictures * 255).round_().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    decoded = []
    for picture, (quality, chroma) in zip(levels, parameters.tolist(), strict=True):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=round(quality), subsampling=round(chroma))
        with Image.open(buffer) as image:
            decoded.append(np.asarray(image))
    return (
        torch.from_numpy(np.stack(decoded))
        .to(pictures.device)
        .permute(0, 3, 1, 2)
        .contiguous()
        .to(pictures.dtype)
        .div_(255)
    )


SHADOW_GRID = 6
"""Control points per side of the field that makes the contour of a shadow irregular."""


def shadow(pictures: Tensor, parameters: Tensor) -> Tensor:
    """One shadow: an ellipse with an irregular contour, darker and bluer, with a penumbra.

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 10 + 36): centre x, y and radii a, b (1 = width or height), cosine and sine of the angle,
            width of the penumbra (1 = the radius), factor on R, G, B in the umbra, then the 6 x 6 displacements of
            the contour.
    """
    height, width = pictures.shape[-2:]
    columns = torch.arange(width, dtype=pictures.dtype, device=pictures.device)
    rows = torch.arange(height, dtype=pictures.dtype, device=pictures.device)[:, None]
    x, y = (columns + 0.5) / width - column(parameters, 0), (rows + 0.5) / height - column(parameters, 1)
    cosine, sine = column(parameters, 4), column(parameters, 5)
    u, v = (x * cosine + y * sine) / column(parameters, 2), (y * cosine - x * sine) / column(parameters, 3)
    radius = (u * u + v * v).sqrt_()
    field = parameters[:, 10 : 10 + SHADOW_GRID**2].reshape(-1, 1, SHADOW_GRID, SHADOW_GRID).contiguous()
    radius = radius + F.interpolate(field, (height, width), mode="bicubic", align_corners=True)
    cover = ((1 - radius) / column(parameters, 6) + 0.5).clamp_(0, 1)
    cover = cover * cover * (3 - 2 * cover)
    factors = parameters[:, 7:10, None, None]
    return (pictures * (1 - cover * (1 - factors))).clamp_(0, 1)


__all__ = ["SHADOW_GRID", "affine", "blur", "column", "gamma", "jpeg", "linear", "noise", "shadow"]
