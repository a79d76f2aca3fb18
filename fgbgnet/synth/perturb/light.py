"""Light on the scene and in the lens: shadows, another time of day, reflections.

Functions of pictures (B, 3, H, W), RGB in [0, 1], with one row of parameters per picture; see `registry`. Shadows
multiply the encoded values: a factor f there is about f ** 2.2 in linear light, and what is under a shadow keeps its
texture.
"""

from torch import Tensor

from fgbgnet.synth.perturb.optics import blur
from fgbgnet.synth.perturb.shapes import CONTOUR_PARAMETERS, blob, column, field, offsets, smooth

OCCLUDERS = 3
"""Things that throw a shadow in `cast_shadow`."""

OUTLINE = 8
"""Widths along each of them."""

LEAVES = 24
"""Control points per side of the finer of the two fields of `dappled_shadow`."""

RELIGHT_GRID = 4


def shade(pictures: Tensor, cover: Tensor, factors: Tensor) -> Tensor:
    """Multiplies by ``factors`` (B, 3) where ``cover`` (B, 1, H, W) is 1."""
    return (pictures * (1 - cover * (1 - factors[:, :, None, None]))).clamp_(0, 1)


def shadow(pictures: Tensor, parameters: Tensor) -> Tensor:
    """One shadow: an ellipse with an irregular contour and a penumbra of constant width.

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 3 + 43): factor on R, G, B in the umbra, then `shapes.blob`.
    """
    return shade(pictures, blob(parameters[:, 3:], pictures), parameters[:, :3])


def cast_shadow(pictures: Tensor, parameters: Tensor) -> Tensor:
    """Long shadows of upright things, side by side in the direction of one sun.

    The penumbra widens with the distance from the foot of what throws the shadow, because the sun is a disc; where it
    is wider than the thing itself, the shadow fades.

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 3 + 4 + 3 * 12): factor on R, G, B in the umbra; cosine and sine of the direction; width of the
            penumbra at the foot, and what it gains per length; then for each thing a place on the middle line of its
            shadow (1 = width or height), how far that is from the foot, its length, and 8 widths from foot to head.
            Lengths and widths are fractions of the shorter side.
    """
    cosine, sine = column(parameters, 3), column(parameters, 4)
    things = parameters[:, 7:].reshape(len(pictures), OCCLUDERS, 4 + OUTLINE, 1, 1)
    x, y = offsets(pictures, things[:, :, 0], things[:, :, 1])
    along, across, length = x * cosine + y * sine + things[:, :, 2], y * cosine - x * sine, things[:, :, 3]
    penumbra = column(parameters, 5) + column(parameters, 6) * along.clamp_min(0)
    half = _outline(things[:, :, 4:, 0, 0].flatten(0, 1), along / length) / 2
    cover = smooth((across + half) / penumbra + 0.5) - smooth((across - half) / penumbra + 0.5)
    dark = 1 - cover * (smooth(along / penumbra + 0.5) - smooth((along - length) / penumbra + 0.5))
    lit = dark[:, 0] * dark[:, 1] * dark[:, 2]
    return shade(pictures, 1 - lit.unsqueeze(1), parameters[:, :3])


def _outline(widths: Tensor, position: Tensor) -> Tensor:
    """Widths (N, 8) at positions (..., H, W), N pictures, from 0 to 1, linear between."""
    at = (position.clamp(0, 1) * (OUTLINE - 1)).reshape(len(widths), -1)
    low = at.long().clamp_max(OUTLINE - 2)
    below, above = widths.gather(1, low), widths.gather(1, low + 1)
    return (below + (above - below) * (at - low)).view_as(position)


def dappled_shadow(pictures: Tensor, parameters: Tensor) -> Tensor:
    """The shadow of leaves: two scales of them, with patches of sun between, under a crown with an irregular outline.

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 3 + 2 + 43 + 144 + 576): factor on R, G, B in the umbra; the share of shade (0 = half of it) and
            the softness of the patches, both in units of the fields; `shapes.blob`; the fields, 12 x 12 and 24 x 24.
    """
    height, width = pictures.shape[-2:]
    start = 5 + CONTOUR_PARAMETERS
    middle = start + (LEAVES // 2) ** 2
    leaves = field(parameters[:, start:middle], LEAVES // 2, height, width)
    leaves = leaves + field(parameters[:, middle : middle + LEAVES**2], LEAVES, height, width)
    cover = smooth((leaves + column(parameters, 3)) / column(parameters, 4) + 0.5)
    return shade(pictures, cover * blob(parameters[:, 5:start], pictures), parameters[:, :3])


def relight(pictures: Tensor, parameters: Tensor) -> Tensor:
    """Another time of day: a smooth field of gain, and another colour of light where it is bright.

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 3 + 16): logarithm of the gain of R, G, B everywhere, then the 4 x 4 logarithms of the field.
    """
    gains = parameters[:, :3, None, None] + field(parameters[:, 3:], RELIGHT_GRID, *pictures.shape[-2:])
    # Not exp(), whose rounding may differ between the vector and the scalar path: (1 + x / 8) ** 8 is as good a curve.
    gains = (1 + gains / 8).square_().square_().square_()
    return (pictures * gains).clamp_(0, 1)


def _add_light(pictures: Tensor, light: Tensor) -> Tensor:
    """Adds light to encoded values: what is dark is lifted most, and white stays white."""
    return (1 - (1 - pictures) * (1 - light)).clamp_(0, 1)


def reflection(pictures: Tensor, parameters: Tensor) -> Tensor:
    """A pane of glass before the camera: a mirrored, blurred copy of the picture lies over a part of it.

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 2 + 43): reflectance of the glass, sigma of the blur (1 = the shorter side), `shapes.blob` for
            the part.
    """
    mirrored = blur(pictures.flip(-1), parameters[:, 1:2])
    return _add_light(pictures, mirrored.mul_(column(parameters, 0) * blob(parameters[:, 2:], pictures)))


def glare(pictures: Tensor, parameters: Tensor) -> Tensor:
    """A streak of light across the lens, brightest in one place, fading along it and beside it.

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 3 + 6): light added in R, G, B at the brightest place; that place (1 = width or height); cosine
            and sine of the direction; half-widths at half the brightness along the streak and across it (1 = the
            shorter side).
    """
    x, y = offsets(pictures, column(parameters, 3), column(parameters, 4))
    cosine, sine = column(parameters, 5), column(parameters, 6)
    along, across = (x * cosine + y * sine) / column(parameters, 7), (y * cosine - x * sine) / column(parameters, 8)
    return _add_light(pictures, parameters[:, :3, None, None] / ((1 + along * along) * (1 + across * across)))


__all__ = [
    "LEAVES",
    "OCCLUDERS",
    "OUTLINE",
    "RELIGHT_GRID",
    "cast_shadow",
    "dappled_shadow",
    "glare",
    "reflection",
    "relight",
    "shade",
    "shadow",
]
