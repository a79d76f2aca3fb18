"""From a number to a composite: the pictures in memory, and what is drawn for each sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fgbgnet.synth.composites.billboards import stand
from fgbgnet.synth.composites.blending import blend
from fgbgnet.synth.composites.cutouts import Cutout, Shelf, load_background, load_cutout
from fgbgnet.synth.composites.depth_maps import DepthMap, DepthMaps
from fgbgnet.synth.composites.linear import Bytes
from fgbgnet.synth.composites.placement import Draw, draw_layers
from fgbgnet.synth.composites.shadows import Patch
from fgbgnet.synth.composites.style import CompositeStyle


class Box(NamedTuple):
    """Pixels: the first column and row within, and the first beyond."""

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True)
class Composite:
    """One sample as arrays."""

    bg: Bytes
    """uint8 (H, W, 3); shared by all samples of the background."""
    fg_bg: Bytes
    """uint8 (H, W, 3)."""
    alpha: Bytes
    """uint8 (H, W), of all cut-outs together; the mask is where it is 128 or more."""
    depth: DepthMap | None
    draw: Draw
    patches: tuple[Patch, ...]
    """Alpha of every cut-out within the frame, in the order of ``draw.layers``."""

    @property
    def boxes(self) -> tuple[Box | None, ...]:
        """Of every cut-out where its alpha is one half or more, whether or not a nearer one hides it.

        None for one of which nothing is there.
        """
        return tuple(map(_box, self.patches))

    @property
    def mask(self) -> Bytes:
        """uint8 (H, W), 0 or 1."""
        return (self.alpha >> 7).astype(np.uint8, copy=False)


class Composer:
    """Makes composites of photographs and cut-outs. Sample ``number`` is a function of the arguments alone.

    Args:
        photos: Backgrounds.
        things: Cut-outs.
        size: Height and width in pixels.
        seed: Another seed draws other places.
        style: What is drawn, and from which ranges.
        memory: Bytes for decoded backgrounds, and as many for cut-outs; what does not fit is read again when used.
    """

    def __init__(
        self, photos: Sequence[Path], things: Sequence[Path], size: tuple[int, int], seed: int, style: CompositeStyle,
        memory: int = 2**28,
    ) -> None:  # fmt: skip
        self.photos, self.things = list(photos), list(things)
        self.size, self.seed, self.style, self._memory = size, seed, style, memory
        self.depth: DepthMaps | None = None
        self._depth_map: Shelf[DepthMap] | None = None
        # Nothing is shown larger than that, but for things that are enlarged above the picture's size.
        longest = round(max(size) * max(1.0, style.scale[1]))
        self.background = Shelf(partial(_load_background, self.photos, size), memory)
        self.cutout = Shelf(partial(_load_cutout, self.things, longest), memory)

    def use_depth(self, depth: DepthMaps) -> None:
        """Gives the backgrounds depth, and so the composites."""
        self.depth = depth
        self._depth_map = Shelf(partial(depth.load, size=self.size), self._memory)

    def draw(self, number: int, background: int, cutout: int, mirrored: bool) -> Draw:
        """What sample ``number`` shows."""
        return draw_layers(
            self.seed, number, background, cutout, mirrored, self.style, lambda index: self.cutout(index).shape,
            len(self.things), self.size,
        )  # fmt: skip

    def __call__(self, number: int, background: int, cutout: int, mirrored: bool) -> Composite:
        """Sample ``number``: a cut-out, and maybe others, on a background."""
        draw, clean = self.draw(number, background, cutout, mirrored), self.background(background)
        picture = clean.copy()
        patches = tuple(blend(picture, self.cutout(layer.cutout), layer.placement) for layer in draw.layers)
        depth = None
        if self._depth_map is not None:
            empty = self._depth_map(background)
            depth = DepthMap(empty.values.copy(), empty.valid.copy())
            for patch in patches:
                stand(depth, empty, patch)
        return Composite(clean, picture, _union(patches, self.size), depth, draw, patches)


def _load_background(photos: Sequence[Path], size: tuple[int, int], index: int) -> Bytes:
    return load_background(photos[index], size)


def _load_cutout(things: Sequence[Path], longest: int, index: int) -> Cutout:
    return Cutout.of(load_cutout(things[index]), longest)


def _union(patches: Sequence[Patch], size: tuple[int, int]) -> Bytes:
    """What none of the layers lets through, uint8 (H, W)."""
    alpha = np.zeros(size, np.uint8)
    if len(patches) == 1:
        values, left, top = patches[0]
        alpha[top : top + values.shape[0], left : left + values.shape[1]] = _levels(values)
        return alpha
    through = np.ones(size, np.float32)
    for values, left, top in patches:
        through[top : top + values.shape[0], left : left + values.shape[1]] *= 1 - values
    return _levels(1 - through)


def _levels(alpha: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Bytes:
    return (alpha * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _box(patch: Patch) -> Box | None:
    inside = _levels(patch.values) >= 128
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if not len(rows):
        return None
    return Box(
        patch.left + int(columns[0]), patch.top + int(rows[0]), patch.left + int(columns[-1]) + 1,
        patch.top + int(rows[-1]) + 1,
    )  # fmt: skip


__all__ = ["Box", "Composer", "Composite"]
