"""What else than the picture as a whole may differ: things that came, went or moved, and colours of the foreground.

Functions of layers (B, C, H, W) with one row of parameters per sample. None of them draws anything.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from fgbgnet.synth.perturb import geometry
from fgbgnet.synth.perturb.optics import blur
from fgbgnet.synth.perturb.shapes import CONTOUR_PARAMETERS, blob, column

Extent = tuple[float, float]

_LARGEST_ENLARGEMENT = 2.0
"""How much a cut-out may be enlarged: beyond that it looks like what it is."""


def cut_out(pictures: Tensor, masks: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
    """The foreground of other pictures, at another place, size and angle.

    Args:
        pictures: (B, 3, H, W).
        masks: (B, 1, H, W), 0 or 1. Where one is empty, an irregular piece of the picture is cut out in its stead.
        parameters: (B, 5 + 43): centre right and down (1 = width or height), length of the longer side of the object
            (1 = the shorter side of the picture), angle in degrees, 1 or -1 for mirrored, then `shapes.blob`.

    Returns:
        Colours (B, 3, H, W) and coverage (B, 1, H, W) in [0, 1].
    """
    pieces = (blob(parameters[:, 5 : 5 + CONTOUR_PARAMETERS], masks) >= 0.5).to(masks.dtype)
    empty = (masks.flatten(1).amax(1) == 0).view(-1, 1, 1, 1)
    masks = pieces.where(empty, masks)
    matrices = _placements(masks, parameters[:, :5])
    grid = geometry.positions(matrices, pictures)
    colours = F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)
    cover = F.grid_sample(masks, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return colours.clamp_(0, 1), cover.clamp_(0, 1)


def _placements(masks: Tensor, parameters: Tensor) -> geometry.Matrices:
    """Matrices that bring the box of each mask to where the parameters say."""
    columns, rows = (masks.amax((1, dim)).cpu().numpy() for dim in (2, 3))
    matrices = [
        placement(extent(xs), extent(ys), masks.shape[-2:], row)
        for xs, ys, row in zip(columns, rows, parameters.double().tolist(), strict=True)
    ]
    return np.array(matrices).reshape(-1, 3, 3)


def placement(xs: Extent, ys: Extent, size: Sequence[int], row: Sequence[float]) -> geometry.Matrices:
    """The matrix (3, 3) that brings a box to where the parameters of `cut_out` say.

    Args:
        xs: First column of the box, and the one after the last.
        ys: The same of its rows.
        size: (height, width) of the picture.
        row: The first five parameters.
    """
    height, width = size
    right, down, length, degrees, mirror = row
    zoom = min(length * min(height, width) / max(xs[1] - xs[0], ys[1] - ys[0], 1), _LARGEST_ENLARGEMENT)
    cosine, sine = math.cos(math.radians(degrees)) / zoom, math.sin(math.radians(degrees)) / zoom
    turn = np.array([[mirror * cosine, -mirror * sine], [sine, cosine]])  # pixels of the output -> of the input
    stretch = np.array([width / 2, height / 2])
    a = turn * stretch / stretch[:, None]
    centre_in = np.array([sum(xs), sum(ys)]) / (2 * stretch) - 1
    centre_out = 2 * np.array([right, down]) - 1
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = a, centre_in - a @ centre_out
    return matrix


def extent(profile: npt.NDArray[Any]) -> Extent:
    """The first column (or row) that is covered, and the one after the last."""
    covered = profile > 0
    return float(covered.argmax()), float(len(covered) - covered[::-1].argmax())


def remove(scenes: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
    """A piece of the scene is gone; in its stead stand the colours around it, with the texture of another piece.

    Args:
        scenes: (B, 3, H, W).
        parameters: (B, 43 + 2): `shapes.blob`, then how far right and down the texture is moved (1 = the shorter side).

    Returns:
        Colours (B, 3, H, W) and coverage (B, 1, H, W).
    """
    cover = blob(parameters, scenes)
    around = 1 - cover
    smooth = _coarse(torch.cat([scenes, scenes * around, around], 1), 0.08)
    # Deep inside a large piece nothing around it is near: there its own colours are kept.
    colours = (smooth[:, 3:6] + 1e-3 * smooth[:, :3]) / (smooth[:, 6:] + 1e-3)
    texture = geometry.shift(scenes - smooth[:, :3], parameters[:, -2], parameters[:, -1])
    return (colours + texture).clamp_(0, 1), cover


def move(scenes: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
    """A piece of the scene stands elsewhere; where it was, the scene is filled as by `remove`.

    Args:
        scenes: (B, 3, H, W).
        parameters: (B, 43 + 4): `remove`, then how far right and down the piece has moved (1 = the shorter side).

    Returns:
        Colours (B, 3, H, W) and coverage (B, 1, H, W).
    """
    filling, old = remove(scenes, parameters[:, :-2])
    new = geometry.shift(old, parameters[:, -2], parameters[:, -1])
    piece = geometry.shift(scenes, parameters[:, -2], parameters[:, -1])
    return filling + new * (piece - filling), old + new - old * new


def recolour(frames: Tensor, scenes: Tensor, masks: Tensor, parameters: Tensor) -> Tensor:
    """Foregrounds take the colours of the background behind them; their fine texture stays, with less contrast.

    Args:
        frames: (B, 3, H, W).
        scenes: The same without the foreground.
        masks: (B, 1, H, W), 0 or 1.
        parameters: (B, 1): share of the difference that goes.
    """
    share = column(parameters, 0)
    smooth = _coarse(torch.cat([scenes, frames * masks, masks], 1), 0.05)
    target, coarse = smooth[:, :3], smooth[:, 3:6] / smooth[:, 6:].clamp_min(1e-4)
    changed = frames + share * (target - coarse) - 0.5 * share * (frames - coarse)
    return frames + masks * (changed.clamp_(0, 1) - frames)


def _coarse(layers: Tensor, sigma: float) -> Tensor:
    """Layers blurred by a part of the shorter side."""
    return blur(layers, layers.new_full((len(layers), 1), sigma))


__all__ = ["cut_out", "extent", "move", "placement", "recolour", "remove"]
