"""Surfaces: which cut of which texture, in which colours, how shiny."""

import colorsys

import numpy as np

from fgbgnet.synth.geometry import Array
from fgbgnet.synth.textures import COUNT

WIDTH = 15
"""Numbers per material: texture, texels per metre, offset u, v; base R, G, B; amplitude R, G, B; fine texture, its
texels per metre and amplitude; gloss; emission."""

_FIRST = {"leaves": (0, COUNT // 2), "lattice": (COUNT // 2, 7 * COUNT // 10),
          "cloth": (7 * COUNT // 10, 8 * COUNT // 10), "clouds": (8 * COUNT // 10, COUNT)}  # fmt: skip


def material(
    rng: np.random.Generator, *families: str, texels: float = 120.0, contrast: float = 1.0, gloss: float = 0.3
) -> Array:
    """Draws a material.

    Args:
        rng: Random stream.
        families: Kinds of texture to choose from: leaves, lattice, cloth, clouds; all by default.
        texels: Typical texels per metre; drawn around it within a factor of 2.
        contrast: Scale of the amplitude; 0 is a plain colour.
        gloss: Probability of a shiny surface.

    Returns:
        `WIDTH` numbers, float64.
    """
    first, last = _FIRST[families[int(rng.random() * len(families))]] if families else (0, COUNT)
    u = rng.random(14)
    fine_first, fine_last = _FIRST["clouds"] if u[10] < 0.6 else (0, COUNT)
    # A base colour: mostly warm or grey, any lightness; the texture is added to it.
    hue = 0.04 + 0.1 * u[0] if u[1] < 0.5 else 0.5 + 0.15 * u[0] if u[1] < 0.7 else u[0]
    saturation = 0.45 * u[2] ** 2 if u[3] < 0.88 else 0.3 + 0.6 * u[2]
    row = np.empty(WIDTH)
    row[:4] = first + int(u[4] * (last - first)), texels * 2 ** (2 * u[5] - 1), 256 * u[6], 256 * u[7]
    base = colorsys.hsv_to_rgb(hue, saturation, 0.1 + 0.85 * u[8])
    strength = contrast * (0.15 + 0.95 * u[9] ** 1.3)
    # Mostly the texture's own colours, sometimes in one hue, sometimes inverted.
    row[4:7] = base
    row[7:10] = strength if u[11] < 0.6 else -strength if u[11] > 0.85 else [strength * (0.4 + 1.2 * c) for c in base]
    v = rng.random(4)
    row[10:13] = fine_first + int(v[0] * (fine_last - fine_first)), 2.5 * row[1] * (0.6 + v[1]), 0.5 * v[2] ** 2
    row[12] *= min(contrast, 1)
    row[13:] = (0.9 * u[12] if u[13] < gloss else 0.0), 0.0
    return row


def plain(rng: np.random.Generator) -> Array:
    """Paint, wood or plastic with little structure."""
    return material(rng, "clouds", "lattice", contrast=0.25, gloss=0.5)


def emitting(rng: np.random.Generator, strength: float, *families: str, texels: float = 60.0) -> Array:
    """A window, lamp shade, screen or sky: shines ``strength`` times its colour."""
    row = material(rng, *(families or ("leaves", "clouds")), texels=texels, gloss=0.0)
    row[4:7] = 0.35 * row[4:7] + 0.6
    row[14] = strength
    return row


def lookalike(rng: np.random.Generator, row: Array) -> Array:
    """Almost the same material elsewhere: what makes a foreground hard to see."""
    copy = row.copy()
    copy[2:4] = rng.uniform(0, 256, 2)
    copy[4:7] += rng.normal(0, 0.015, 3)
    copy[14] = 0
    return copy


__all__ = ["WIDTH", "emitting", "lookalike", "material", "plain"]
