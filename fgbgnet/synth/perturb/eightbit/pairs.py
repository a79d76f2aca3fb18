"""As `fgbgnet.synth.perturb.pairs`, for the layers of one sample on the CPU, which is its own partner, mirrored."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from fgbgnet.data.arrays import ByteArray
from fgbgnet.data.layers import Layers
from fgbgnet.synth.perturb.eightbit import objects
from fgbgnet.synth.perturb.eightbit.shapes import Row

PairOperation = Callable[[Layers, Row], Layers]


def _added(layers: Layers, row: Row) -> Layers:
    picture, mask = (np.asarray(cv2.flip(layer, 1), np.uint8) for layer in (layers.fg_bg, layers.mask))
    return layers.with_pictures(objects.add(layers.bg, picture, mask, row), layers.fg_bg)


def _scenery(change: Callable[[ByteArray, Row], ByteArray]) -> PairOperation:
    return lambda layers, row: layers.with_pictures(change(layers.bg, row), layers.fg_bg)


def _same_colour(layers: Layers, row: Row) -> Layers:
    return layers.with_pictures(layers.bg, objects.recolour(layers.fg_bg, layers.bg, layers.mask, row))


def _wrong_background(layers: Layers, row: Row) -> Layers:
    mixed = cv2.addWeighted(layers.bg, 1 - row[0], cv2.flip(layers.bg, 1), row[0], 0)
    return layers.with_pictures(np.asarray(mixed, np.uint8), layers.fg_bg)


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
