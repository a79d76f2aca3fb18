"""A cut-out on a background: where it goes, and what the picture is then."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fgbgnet.synth.cutouts import resize, to_linear, to_srgb
from fgbgnet.synth.streams import stream


class Placement(NamedTuple):
    """How a cut-out lies on a background; lengths relative to the background's height and width."""

    scale: float
    """Height of the cut-out."""
    left: float
    """Its left side; negative = cut by the frame."""
    top: float
    mirrored: bool
    blur: float
    """How much of a 3 x 3 binomial blur its edge gets, 0 to 1."""
    shadow: float
    """Strength of the soft shadow under it, 0 = none."""


def draw_placement(
    seed: int, number: int, shape: tuple[int, int], size: tuple[int, int], *, mirrored: bool, anywhere: bool = False,
    scale: tuple[float, float] = (0.2, 0.7), blur: float = 0.5, shadow: float = 0.5,
) -> Placement:  # fmt: skip
    """Where sample ``number`` of a seed goes: a function of its arguments alone.

    Args:
        seed: Any integer.
        number: Which sample.
        shape: Height and width of the cut-out in pixels.
        size: Height and width of the background.
        mirrored: Whether it is shown mirrored.
        anywhere: Anywhere in the picture; otherwise it stands on the lower two fifths.
        scale: Range of its height relative to the background's.
        blur: Probability of a blurred edge.
        shadow: Probability of a shadow.
    """
    u = stream(seed, "compose", number).random(7)
    high = math.exp(math.log(scale[0]) + u[0] * math.log(scale[1] / scale[0]))
    wide = high * shape[1] / shape[0] * size[0] / size[1]
    if wide > 0.95:  # a long thing is limited by the width
        high, wide = high * 0.95 / wide, 0.95
    left = -0.2 * wide + u[1] * (1 - 0.6 * wide)
    top = -0.1 * high + u[2] * (1 - 0.8 * high) if anywhere else 0.6 + 0.42 * u[2] - high
    strength = 0.25 + 0.45 * u[6] if u[5] < shadow else 0.0
    return Placement(high, left, max(top, -0.2 * high), mirrored, u[4] if u[3] < blur else 0.0, strength)


def blend(background: Tensor, cutout: Tensor, placement: Placement) -> tuple[Tensor, Tensor]:
    """Lays a cut-out over a background, in linear light.

    Args:
        background: uint8 (3, H, W), sRGB.
        cutout: float32 (4, h, w) of `premultiplied`: linear RGB times alpha, alpha.
        placement: Where and how.

    Returns:
        The picture, uint8 (3, H, W), equal to the background bit for bit where neither cut-out nor shadow falls; and
        the alpha, float32 (H, W).
    """
    height, width = background.shape[1:]
    layers = resize(
        cutout, (round(placement.scale * height), round(placement.scale * height * cutout.shape[2] / cutout.shape[1]))
    )
    if placement.mirrored:
        layers = layers.flip(2)
    rows, columns = layers.shape[1:]
    margin = 2 + (rows + columns) // 16 if placement.shadow else 2
    layers = F.pad(layers, (margin,) * 4)
    if placement.blur:
        soft = F.avg_pool2d(F.avg_pool2d(F.pad(layers, (1, 1, 1, 1)), 2, 1), 2, 1)
        layers = layers + placement.blur * (soft - layers)
    left, top = round(placement.left * width) - margin, round(placement.top * height) - margin
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + columns + 2 * margin, width), min(top + rows + 2 * margin, height)
    alpha = torch.zeros(height, width)
    result = background.clone()
    if x0 >= x1 or y0 >= y1:
        return result, alpha
    window = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    part = layers[:, *window]
    below = result[:, y0:y1, x0:x1]
    light = to_linear(below)
    if placement.shadow:
        light = light * (1 - placement.shadow * _shadow(layers[3], margin)[window])
    mixed = to_srgb(part[:3] + light * (1 - part[3]))
    # Rounding to light and back must not touch what is not covered.
    untouched = (part[3] == 0) & (light == to_linear(below)).all(0)
    result[:, y0:y1, x0:x1] = torch.where(untouched, below, mixed)
    alpha[y0:y1, x0:x1] = part[3]
    return result, alpha


def _shadow(alpha: Tensor, margin: int) -> Tensor:
    """Soft shadow on the ground: the silhouette squashed onto the bottom of the cut-out, and blurred; (h, w)."""
    rows, columns = alpha.shape
    flat = max(2, (rows - 2 * margin) // 5)
    squashed = F.interpolate(alpha[None, None], (flat, columns), mode="area")[0, 0]
    ground = torch.zeros_like(alpha)
    bottom = min(rows, rows - margin + flat // 3)
    ground[max(bottom - flat, 0) : bottom] = squashed[-min(flat, bottom) :]
    reach = max(1, margin // 3)
    for _ in range(2):
        # Two passes of one direction each are one of both, at a fraction of the cost.
        ground = F.avg_pool2d(ground[None, None], (1, 2 * reach + 1), 1, (0, reach))[0, 0]
        ground = F.avg_pool2d(ground[None, None], (2 * reach + 1, 1), 1, (reach, 0))[0, 0]
    return (1.5 * ground).clamp_(0, 1)


__all__ = ["Placement", "blend", "draw_placement"]
