"""As `fgbgnet.synth.perturb.pairs`, for the layers of one sample on the CPU, which is its own partner, mirrored."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from fgbgnet.data.arrays import FloatArray
from fgbgnet.data.layers import Layers
from fgbgnet.synth.perturb.eightbit import objects
from fgbgnet.synth.perturb.eightbit.shapes import Row

PairOperation = Callable[[Layers, Row], Layers]


def _added(layers: Layers, row: Row) -> Layers:
    partner = np.ascontiguousarray(layers.fg_bg[:, ::-1]), np.ascontiguousarray(layers.mask[:, ::-1])
    return replace(layers, bg=objects.mix(layers.bg, *objects.cut_out(*partner, row)))


def _scenery(change: Callable[[FloatArray, Row], tuple[FloatArray, FloatArray]]) -> PairOperation:
    def apply(layers: Layers, row: Row) -> Layers:
        return replace(layers, bg=objects.mix(layers.bg, *change(layers.bg.astype(np.float32), row)))

    return apply


def _same_colour(layers: Layers, row: Row) -> Layers:
    return replace(layers, fg_bg=objects.recolour(layers.fg_bg, layers.bg, layers.mask, row))


def _wrong_background(layers: Layers, row: Row) -> Layers:
    other = cv2.flip(layers.bg, 1)
    return replace(layers, bg=np.asarray(cv2.addWeighted(layers.bg, 1 - row[0], other, row[0], 0), np.uint8))


def _empty(layers: Layers, row: Row) -> Layers:
    return replace(layers, bg=layers.fg_bg, mask=np.zeros_like(layers.mask))


PAIR_OPERATIONS: dict[str, PairOperation] = {
    "same_colour": _same_colour,
    "removed_object": _scenery(objects.remove),
    "moved_object": _scenery(objects.move),
    "added_object": _added,
    "wrong_background": _wrong_background,
    "empty": _empty,
}
"""For every key of `fgbgnet.synth.perturb.PAIR_PERTURBATIONS`, what it does to its first target."""

__all__ = ["PAIR_OPERATIONS"]
