"""Where cut-outs go, and what happens to their edges: drawn for every sample."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fgbgnet.synth.composites.style import CompositeStyle
from fgbgnet.synth.streams import stream

_NEAREST_HORIZON = 0.3
"""Feet stand in the part of the ground's rows in the picture below this share: at the horizon things are points."""
_WIDEST = 0.95


class Placement(NamedTuple):
    """How a cut-out lies on a background; lengths relative to the background's height and width."""

    scale: float
    """Height of the cut-out."""
    left: float
    """Its left side; negative = cut by the frame."""
    top: float
    mirrored: bool = False
    erode: float = 0.0
    """Pixels by which its contour moves inwards."""
    feather: float = 0.0
    """Standard deviation in pixels with which its contour fades inwards."""
    blur: float = 0.0
    """How much of a 3 x 3 binomial blur it gets, 0 to 1."""
    colour_match: float = 0.0
    """How far its colours move towards the background's, 0 to 1."""
    shadow: float = 0.0
    """How much light its shadow takes, 0 = none."""
    shear: float = 0.0
    """How far the cast shadow leans to the right, relative to the height of what casts it."""
    squash: float = 0.0
    """How far it reaches up on the picture (away from the camera; negative: towards it), relative to the same."""
    grounded: bool = True
    """Whether it stands on the ground, so that its shadow is darkest where it touches it."""


class Layer(NamedTuple):
    """A cut-out, and where it goes."""

    cutout: int
    """Position of the cut-out among all."""
    placement: Placement


class Draw(NamedTuple):
    """What is drawn for one sample."""

    horizon: float | None
    layers: tuple[Layer, ...]
    """The farthest first, in the order in which they are pasted."""
    primary: int
    """Which of the layers is the sample's own cut-out."""


def draw_layers(
    seed: int, number: int, background: int, cutout: int, mirrored: bool, style: CompositeStyle,
    shapes: Callable[[int], tuple[int, int]], count: int, size: tuple[int, int],
) -> Draw:  # fmt: skip
    """What sample ``number`` of a seed shows: a function of its arguments alone.

    Args:
        seed: Any integer.
        number: Which sample.
        background: Which background; its horizon is a function of it and the seed.
        cutout: Its own cut-out.
        mirrored: Whether that is shown mirrored.
        style: From which ranges.
        shapes: Gives height and width of every cut-out in pixels.
        count: How many cut-outs there are.
        size: Height and width of the background.
    """
    horizon = None
    if style.horizon is not None and not style.anywhere:
        horizon = _horizon(seed, background, *style.horizons)
    random = stream(seed, "compose", number)
    total = 1 if style.max_cutouts == 1 else 1 + int(random.integers(style.max_cutouts))
    layers = []
    for k in range(total):
        thing, flipped = (cutout, mirrored) if k == 0 else (int(random.integers(count)), bool(random.integers(2)))
        layers.append(Layer(thing, draw_placement(random, shapes(thing), size, flipped, horizon, style)))
    layers = [layers[0], *(_in_the_light_of(layers[0], layer) for layer in layers[1:])]
    # By the foot; the sort is stable, so that ties are the same everywhere.
    order = sorted(range(total), key=lambda k: layers[k].placement.top + layers[k].placement.scale)
    return Draw(horizon, tuple(layers[k] for k in order), order.index(0))


def _in_the_light_of(first: Layer, other: Layer) -> Layer:
    """A picture has one sun: all shadows or none, in one direction."""
    light = first.placement
    return Layer(
        other.cutout, other.placement._replace(shadow=light.shadow, shear=light.shear, squash=light.squash)
    )  # fmt: skip


@lru_cache(maxsize=64)
def _horizon(seed: int, background: int, low: float, high: float) -> float:
    return low + float(stream(seed, "horizon", background).random()) * (high - low)


def draw_placement(
    random: np.random.Generator, shape: tuple[int, int], size: tuple[int, int], mirrored: bool,
    horizon: float | None, style: CompositeStyle,
) -> Placement:  # fmt: skip
    """Draws where a cut-out of a shape (height, width) goes on a background of a size."""
    u = random.random(15).tolist()
    low, high = style.scale
    scale = math.exp(math.log(low) + u[0] * math.log(high / low))
    wide = shape[1] / shape[0] * size[0] / size[1]  # width of the cut-out if it were as high as the background
    scale = min(scale, _WIDEST / wide)
    if style.anywhere:
        top = max(-0.1 * scale + u[2] * (1 - 0.8 * scale), -0.2 * scale)
    elif horizon is None:
        top = max(0.6 + 0.42 * u[2] - scale, -0.2 * scale)
    else:
        highest = max(horizon, 0.0)  # of the ground in the picture: feet above it would be out of sight
        first = highest + _NEAREST_HORIZON * (1 - highest)
        foot = first + u[2] * (1.02 - first)
        scale *= (foot - horizon) / (1 - horizon)
        top = foot - scale
    left = -0.2 * wide * scale + u[1] * (1 - 0.6 * wide * scale)
    shadow = style.drawn("shadow", u[11], u[12])
    squash = 0.12 + 0.4 * u[14] if u[14] < 0.7 else -0.12 - 0.5 * (u[14] - 0.7)  # mostly away from the camera
    return Placement(
        scale, left, top, mirrored,
        style.drawn("erode", u[3], u[4]), style.drawn("feather", u[5], u[6]), style.drawn("blur", u[7], u[8]),
        style.drawn("colour_match", u[9], u[10]), shadow,
        2.4 * u[13] - 1.2 if shadow else 0.0, squash if shadow else 0.0, not style.anywhere,
    )  # fmt: skip


__all__ = ["Draw", "Layer", "Placement", "draw_layers", "draw_placement"]
