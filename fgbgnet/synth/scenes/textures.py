"""Procedural textures with the statistics of natural pictures, and how surfaces look them up.

Dead leaves (overlapping ellipses and boxes with power-law sizes) reproduce the scale invariance and the edges of
photographs (Lee, Mumford and Huang 2001, "Occlusion models for natural images"); 1/f noise reproduces their spectrum.
A bank of tileable textures is painted once per seed, and every surface shows its own cut, scale, colours and contrast
of one of them, with a second, finer one on top.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fgbgnet.synth.streams import stream

Array = npt.NDArray[Any]

SIDE = 256
LEVELS = 6
KINDS = 12
"""Leaves 5, lattice 2, cloth 1, clouds 2, grain 2; a bank holds `COUNT` / `KINDS` of each."""
FINER, COARSER = 2, 10
"""Powers of two by which `TextureBank.detail` makes a texture finer or coarser."""
COUNT = 60
"""Textures in a bank: `SIDE` x `SIDE` texels, each with `LEVELS` levels of half the size of the one before."""


def palette(rng: np.random.Generator, count: int) -> Array:
    """Colours that occur together: two hues, mostly dull, all lightnesses; (count, 3) encoded values in [0, 1]."""
    # Earth and skin, foliage, sky; anything.
    kinds = rng.choice(4, 2, p=[0.45, 0.2, 0.2, 0.15])
    hues = np.where(kinds == 3, rng.random(2), np.array([0.08, 0.27, 0.58, 0])[kinds] + rng.normal(0, 0.045, 2))
    hue = hues[rng.integers(2, size=count)] + rng.normal(0, 0.03, count)
    saturation = np.where(rng.random(count) < 0.9, rng.beta(1.0, 4.0, count), rng.uniform(0.4, 0.95, count))
    return hsv_to_rgb(hue, saturation, rng.beta(1.1, 1.1, count))


def hsv_to_rgb(hue: Array, saturation: Array, value: Array) -> Array:
    """Hue (1 = full circle), saturation and value (N,) -> RGB (N, 3)."""
    phase = np.abs((hue[:, None] * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    return np.asarray(value[:, None] * (1 - saturation[:, None] * (1 - np.clip(phase, 0, 1))))


def fractal_noise(rng: np.random.Generator, exponent: float) -> Array:
    """Tileable noise whose amplitude falls as 1 / frequency ** exponent; (SIDE, SIDE), mean 0, sigma 1."""
    fy, fx = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]
    radius = np.sqrt(fx * fx + fy * fy)
    radius[0, 0] = np.inf
    spectrum = (rng.normal(size=radius.shape) + 1j * rng.normal(size=radius.shape)) * radius**-exponent
    field = np.fft.irfft2(spectrum, s=(SIDE, SIDE))
    return np.asarray(field / field.std())


def _dead_leaves(rng: np.random.Generator, smallest: float, count: int) -> Array:
    colours = palette(rng, 12)
    canvas = np.tile(colours[0], (SIDE, SIDE, 1))
    shading = fractal_noise(rng, 1.2)
    grid = np.arange(SIDE)
    # Radii with density r^-3: the inverse of its distribution between the smallest and the largest.
    u = rng.random(count)
    radii = np.sort(1 / np.sqrt(u / smallest**2 + (1 - u) / 64.0**2))[::-1]
    order = np.argsort(np.arange(count) + rng.uniform(0, 0.7 * count, count))  # large ones tend to lie below
    for radius in radii[order]:
        a, b = radius, radius * rng.uniform(0.25, 1)
        angle = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)], p=[0.25, 0.25, 0.5])
        cy, cx = rng.integers(SIDE, size=2)
        reach = int(a * 1.42) + 1
        span = np.arange(-reach, min(reach, SIDE - reach - 1) + 1) if 2 * reach < SIDE else grid - SIDE // 2
        cosine, sine = np.cos(angle), np.sin(angle)
        v, w = (span * cosine)[None] + (span * sine)[:, None], (span * cosine)[:, None] - (span * sine)[None]
        v, w = np.abs(v / a), np.abs(w / b)
        inside = (v * v + w * w < 1) if rng.random() < 0.55 else (np.maximum(v, w) < 0.9)
        rows, columns = np.nonzero(inside)
        at = (cy + span[rows]) % SIDE, (cx + span[columns]) % SIDE
        light = rng.uniform(-0.15, 0.15) * shading[at] + rng.uniform(-0.25, 0.25) * (columns / len(span) - 0.5)
        canvas[at] = colours[rng.integers(len(colours))] * (1 + light[:, None])
    return canvas


def _lattice(rng: np.random.Generator) -> Array:
    """Planks, tiles, bricks: cells of one size with joints, each in its own shade, with grain along the cells."""
    rows = int(rng.choice([4, 8, 16, 32]))
    columns = int(rng.choice([1, 2, 4, 8, 16]))
    y, x = np.mgrid[:SIDE, :SIDE]
    row = y * rows // SIDE
    shift = rng.integers(SIDE, size=rows) if rng.random() < 0.5 else (np.arange(rows) % 2) * (SIDE // columns // 2)
    moved = (x + shift[row]) % SIDE
    column = moved * columns // SIDE
    colours = palette(rng, 3)
    shade = rng.normal(0, rng.uniform(0.02, 0.25), (rows, columns))[row, column]
    grain = fractal_noise(rng, rng.uniform(0.6, 1.4))
    grain = grain[(y * int(rng.choice([1, 2, 4]))) % SIDE, (x // int(rng.choice([1, 2, 4]))) % SIDE]
    base = colours[0] * (1 + shade + rng.uniform(0, 0.15) * grain)[..., None]
    if rng.random() < 0.25:  # chequered
        base = np.where(((row + column) % 2 == 1)[..., None], colours[1] * (1 + 0.1 * grain[..., None]), base)
    joint = int(rng.choice([0, 1, 2, 4]))
    lines = ((y * rows) % SIDE < joint * rows) | ((moved * columns) % SIDE < joint * columns * (columns > 1))
    return np.asarray(np.where(lines[..., None], colours[2], base))


def _stripes(rng: np.random.Generator) -> Array:
    """Stripes or checks as on cloth, in one or two directions."""
    colours = palette(rng, 5)
    canvas = np.zeros((SIDE, SIDE, 3))
    for weight in [1.0] if rng.random() < 0.5 else [0.5, 0.5]:
        edges = np.sort(rng.integers(0, SIDE, int(rng.choice([6, 12, 30]))))
        band = colours[rng.integers(5, size=len(edges) + 1)][np.searchsorted(edges, np.arange(SIDE))]
        canvas += weight * band[None]
        canvas = canvas.transpose(1, 0, 2)
    return np.asarray(canvas * (1 + 0.08 * fractal_noise(rng, 0.8)[..., None]))


def _clouds(rng: np.random.Generator) -> Array:
    """1/f noise between colours: plaster, stone, grass, marble."""
    colours = palette(rng, 3)
    mix = fractal_noise(rng, rng.uniform(0.7, 1.7))
    if rng.random() < 0.3:
        mix = np.sin(3 * mix)
    first = np.clip(0.5 + 0.35 * mix, 0, 1)[..., None]
    second = np.clip(0.3 * fractal_noise(rng, 1.0), 0, 1)[..., None]
    return np.asarray((colours[0] * first + colours[1] * (1 - first)) * (1 - second) + colours[2] * second)


def _grain(rng: np.random.Generator) -> Array:
    """Gravel, grass, foliage, fabric, litter: hard contrasts from texel to texel."""
    noise = fractal_noise(rng, rng.uniform(0.1, 0.9))
    if rng.random() < 0.5:
        noise = 0.7 * noise + 0.7 * fractal_noise(rng, rng.uniform(0.8, 1.4))  # in patches
    if rng.random() < 0.4:
        noise = np.sign(noise - rng.uniform(-0.5, 0.5)) * np.abs(noise) ** 0.5
    shade = np.clip(0.5 + rng.uniform(0.25, 0.5) * noise, 0, 1)[..., None]
    colours = palette(rng, 2)
    return np.asarray(shade * (0.6 + 0.4 * colours[0]) + (1 - shade) * 0.3 * colours[1])


def _paint(rng: np.random.Generator, kind: int) -> Array:
    if kind < 5:
        picture = _dead_leaves(rng, float(rng.choice([2.0, 4.0, 8.0, 14.0])), int(rng.choice([150, 300, 450])))
    elif kind < 7:
        picture = _lattice(rng)
    elif kind < 8:
        picture = _stripes(rng)
    elif kind < 10:
        picture = _clouds(rng)
    else:
        picture = _grain(rng)
    return np.clip(picture, 0, 1)


class TextureBank:
    """`COUNT` tileable textures of a seed with their smaller levels.

    A texel is one float64, ``R * 2^34 + G * 2^17 + B`` with 8-bit channels: one look-up fetches three channels, and a
    sum of texels with integer weights that add up to 256 interpolates the three at once, exactly.

    Args:
        seed: Another seed paints other textures.
        device: Where the texels lie.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.texels = _packed(seed).to(device)
        sizes = [SIDE >> level for level in range(LEVELS)]
        self.starts = torch.tensor(np.cumsum([0] + [s * s for s in sizes[:-1]]), dtype=torch.int32, device=device)
        self.stride = sum(s * s for s in sizes)

    def smooth(self, texture: Tensor, u: Tensor, v: Tensor, footprint: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Colours at positions, interpolated between texels in steps of 1/16.

        Args:
            texture: Index from 0 to `COUNT` - 1, of any shape.
            u: Position across in texels of the finest level; wraps around.
            v: Position down.
            footprint: Size of a pixel in texels; chooses the level.

        Returns:
            Red, green, blue in [0, 1].
        """
        start, side, shrink = self._level(texture, footprint)
        x, y = u * shrink - 0.5, v * shrink - 0.5
        left, top = x.floor(), y.floor()
        wx, wy = ((x - left) * 16).floor_().double(), ((y - top) * 16).floor_().double()
        x0, y0, mask = left.to(torch.int32), top.to(torch.int32), side - 1
        row0 = (y0 & mask).mul_(side).add_(start)
        row1 = (y0.add_(1) & mask).mul_(side).add_(start)
        column0 = x0 & mask
        column1 = x0.add_(1) & mask
        upper = self._at(row0 + column0).mul_(16 - wx).add_(self._at(row0.add_(column1)).mul_(wx))
        lower = self._at(row1 + column0).mul_(16 - wx).add_(self._at(row1.add_(column1)).mul_(wx))
        total = upper.mul_(16 - wy).add_(lower.mul_(wy))
        red = (total * 2.0**-34).floor_()
        total.sub_(red * 2.0**34)
        green = (total * 2.0**-17).floor_()
        total.sub_(green * 2.0**17)
        return tuple(c.float().mul_(1 / 65280) for c in (red, green, total))  # type: ignore[return-value]

    def detail(self, texture: Tensor, u: Tensor, v: Tensor, footprint: Tensor) -> Tensor:
        """Green at positions without interpolation, at a scale at which a pixel shows about one texel.

        Natural surfaces have structure at every scale. A texture that is averaged with distance has none left at the
        scale of a pixel; this one is magnified instead, by a power of two. Arguments as for `smooth`.
        """
        # The exponent of a float32 is its logarithm to base 2, rounded down.
        level = (footprint * (4 / 3)).view(torch.int32) >> 23
        shrink = ((254 - level.clamp_(127 - FINER, 127 + COARSER)) << 23).view(torch.float32)
        x, y = (u * shrink).floor_().to(torch.int32), (v * shrink).floor_().to(torch.int32)
        start = texture.to(torch.int32) * self.stride
        rest = self._at((y & (SIDE - 1)).mul_(SIDE).add_(x & (SIDE - 1)).add_(start))
        rest.mul_(2.0**-17)  # R * 2^17 + G + B * 2^-17
        rest.sub_((rest * 2.0**-17).floor_().mul_(2.0**17))
        return rest.floor_().float().mul_(1 / 255)

    def _level(self, texture: Tensor, footprint: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where the texture's level starts, its side, and its side divided by that of the finest."""
        # The exponent of a float32 is its logarithm to base 2, rounded down.
        level = (footprint * (4 / 3)).view(torch.int32) >> 23
        level = level.sub_(127).clamp_(0, LEVELS - 1)
        start = self.starts.index_select(0, level.flatten()).view(level.shape)
        shrink = ((127 - level) << 23).view(torch.float32)
        return start.add_(texture.to(torch.int32) * self.stride), (shrink * SIDE).to(torch.int32), shrink

    def _at(self, index: Tensor) -> Tensor:
        return self.texels.index_select(0, index.flatten()).view(index.shape)


@lru_cache(maxsize=4)
def _packed(seed: int) -> Tensor:
    parts = []
    for index in range(COUNT):
        rng = stream(seed, "texture", index)
        picture = _paint(rng, index * KINDS // COUNT)
        for _ in range(LEVELS):
            levels = np.rint(picture * 255)
            parts.append((levels @ np.array([2.0**34, 2.0**17, 1.0])).ravel())
            side = len(picture) // 2
            picture = picture.reshape(side, 2, side, 2, 3).mean(axis=(1, 3))
    return torch.from_numpy(np.concatenate(parts))


__all__ = ["COUNT", "LEVELS", "SIDE", "TextureBank", "fractal_noise", "palette"]
