"""Surfaces: what a part may look like (`Finish`), and what it looks like in one scene (a material).

A finish is decided once, when a thing is designed; the material is drawn anew in every scene.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fgbgnet.synth.scenes.geometry import Array
from fgbgnet.synth.scenes.textures import COUNT, KINDS, hsv_to_rgb

WIDTH = 15
"""Numbers per material: texture, texels per metre, offset u, v; base R, G, B; amplitude R, G, B; fine texture, its
texels per metre and amplitude; gloss; emission."""

DRAWS = 22
"""Uniform numbers that a material is drawn from."""

FAMILIES = ("leaves", "lattice", "cloth", "clouds")
_FIRST = np.array([0, 5, 7, 8, 10, 12]) * (COUNT // KINDS)
_GRAIN = _FIRST[4]


@dataclass(frozen=True, eq=False)
class Finish:
    """What a surface may look like.

    Args:
        families: Kinds of texture to choose from: leaves, lattice, cloth, clouds; all by default.
        texels: Typical texels per metre; drawn around it within a factor of 2.
        contrast: Scale of the texture's amplitude; 0 is a plain colour.
        gloss: Probability of a shiny surface.
        base: Encoded base colour; drawn if None.
        spread: Range of the factor on a given base colour.
        emission: A window, lamp shade or screen shines so many times its colour.
    """

    families: tuple[str, ...] = FAMILIES
    texels: float = 120.0
    contrast: float = 1.0
    gloss: float = 0.3
    base: tuple[float, float, float] | None = None
    spread: tuple[float, float] = (1.0, 1.0)
    emission: float = 0.0

    def row(self) -> list[float]:
        """The numbers that `draw_materials` needs."""
        chosen = np.array([family in self.families for family in FAMILIES], dtype=np.float64)
        share = np.cumsum(chosen / chosen.sum())
        base = (np.nan,) * 3 if self.base is None else self.base
        return [*share, self.texels, self.contrast, self.gloss, *base, *self.spread, self.emission]


def finish(*families: str, **settings: float | tuple[float, ...] | None) -> Finish:
    """A finish of these families of texture."""
    return Finish(families or FAMILIES, **settings)  # type: ignore[arg-type]


def plain(**settings: float | tuple[float, ...] | None) -> Finish:
    """Paint, wood or plastic with little structure."""
    return finish("clouds", "lattice", **{"contrast": 0.25, "gloss": 0.5, **settings})


def emitting(strength: float, *families: str, texels: float = 60.0) -> Finish:
    """A window, lamp shade or screen: bright colours that shine ``strength`` times."""
    return finish(*(families or ("leaves", "clouds")), texels=texels, gloss=0.0, emission=strength)


def finish_table(finishes: Sequence[Finish]) -> Array:
    """Rows for `draw_materials`, (N, 13)."""
    return np.array([item.row() for item in finishes], dtype=np.float64).reshape(-1, 13)


def draw_materials(rows: Array, u: Array, apparent: Array | None = None) -> Array:
    """Draws one material for each finish.

    Args:
        rows: (N, 13) of `finish_table`.
        u: (N, `DRAWS`) uniform numbers in [0, 1).
        apparent: (N,) texels per metre at which a texel is about a pixel wide where the surface will be seen. Things
            then often show structure at the scale of pixels, as photographs of things at any distance do.

    Returns:
        (N, `WIDTH`), float64.
    """
    family = (u[:, 0:1] >= rows[:, :4]).sum(axis=1).clip(max=3)
    first, last = _FIRST[family], _FIRST[family + 1]
    texels, contrast, gloss, emission = rows[:, 4], rows[:, 5], rows[:, 6], rows[:, 12]
    materials = np.empty((len(rows), WIDTH))
    materials[:, 0] = first + np.floor(u[:, 1] * (last - first))
    materials[:, 1] = texels * 2 ** (2 * u[:, 2] - 1)
    if apparent is not None:
        materials[:, 1] = np.where(u[:, 19] < 0.65, apparent * 2 ** (3 * u[:, 20] - 1.5), materials[:, 1])
    materials[:, 2:4] = 256 * u[:, 3:5]
    # A base colour: mostly warm or grey, any lightness; the texture is added to it.
    hue = np.where(u[:, 5] < 0.5, 0.04 + 0.1 * u[:, 6], np.where(u[:, 5] < 0.7, 0.5 + 0.15 * u[:, 6], u[:, 6]))
    saturation = np.where(u[:, 7] < 0.82, 0.55 * u[:, 8] ** 2, 0.3 + 0.65 * u[:, 8])
    base = hsv_to_rgb(hue, saturation, 0.06 + 0.92 * u[:, 9])
    given = rows[:, 7:10] * (rows[:, 10:11] + (rows[:, 11:12] - rows[:, 10:11]) * u[:, 10:11])
    base = np.where(np.isnan(given), base, given)
    materials[:, 4:7] = np.where(emission[:, None] > 0, 0.35 * base + 0.6, base)
    strength = (contrast * (0.15 + 0.95 * u[:, 11] ** 1.3))[:, None]
    # Mostly the texture's own colours, sometimes in one hue, sometimes inverted.
    tinted = np.where(u[:, 12:13] > 0.85, -strength, strength * (0.4 + 1.2 * base))
    materials[:, 7:10] = np.where(u[:, 12:13] < 0.6, strength, tinted)
    fine = np.where(u[:, 13] < 0.7, _GRAIN, 0)
    materials[:, 10] = fine + np.floor(u[:, 14] * (COUNT - fine))
    materials[:, 11] = 2.5 * materials[:, 1] * (0.6 + u[:, 15])
    materials[:, 12] = (0.1 + 0.9 * u[:, 16]) * np.minimum(contrast + 0.15, 1)
    materials[:, 13] = np.where(u[:, 17] < gloss, 0.9 * u[:, 18], 0.0)
    materials[:, 14] = emission
    return materials


def lookalikes(materials: Array, u: Array) -> Array:
    """Almost the same materials elsewhere: what makes a foreground hard to see; (N, `WIDTH`), u (N, 5)."""
    copy = materials.copy()
    copy[:, 2:4] = 256 * u[:, :2]
    copy[:, 4:7] += 0.05 * (u[:, 2:5] - 0.5)
    copy[:, 14] = 0
    return copy


__all__ = [
    "DRAWS",
    "FAMILIES",
    "WIDTH",
    "Finish",
    "draw_materials",
    "emitting",
    "finish",
    "finish_table",
    "lookalikes",
    "plain",
]
