"""As `fgbgnet.synth.perturb.objects`, for one sample on the CPU. Colours are floats in levels of 255."""

from typing import TypeVar

import cv2
import numpy as np

from fgbgnet.data.arrays import ByteArray, FloatArray
from fgbgnet.synth.perturb.eightbit.geometry import Window, sample, shift, warp
from fgbgnet.synth.perturb.eightbit.optics import Coarse
from fgbgnet.synth.perturb.eightbit.shapes import Row, blob
from fgbgnet.synth.perturb.objects import extent, placement

_Layer = TypeVar("_Layer", ByteArray, FloatArray)


def add(scene: ByteArray, picture: ByteArray, mask: ByteArray, row: Row) -> ByteArray:
    """The foreground of another picture stands in the scene."""
    height, width = mask.shape
    if not mask.any():
        mask = (blob(row[5:], height, width) >= 0.5).view(np.uint8)
    matrix = placement(extent(mask.max(0)), extent(mask.max(1)), (height, width), row[:5])
    cover = sample(mask.astype(np.float32), matrix, cv2.BORDER_CONSTANT)
    window = _window(cover)
    colours = _part(warp(picture, matrix, cv2.BORDER_REPLICATE), window)
    return _pasted(scene, colours.astype(np.float32), _part(cover, window), window)


def remove(scene: ByteArray, row: Row) -> ByteArray:
    """A piece of the scene is gone."""
    cover = blob(row, *scene.shape[:2])
    window = _window(cover)
    return _pasted(scene, _filling(scene, cover, row[-2:], window), _part(cover, window), window)


def move(scene: ByteArray, row: Row) -> ByteArray:
    """A piece of the scene stands elsewhere."""
    old = blob(row, *scene.shape[:2])
    new = shift(old, row[-2], row[-1])
    window = _window(np.maximum(old, new))
    filling = _filling(scene, old, row[-4:-2], window)
    old, new = _part(old, window), _part(new, window)
    filling += new[..., None] * (shift(scene, row[-2], row[-1], window) - filling)
    return _pasted(scene, filling, old + new - old * new, window)


def recolour(frame: ByteArray, scene: ByteArray, mask: ByteArray, row: Row) -> ByteArray:
    """The foreground takes the colours of the background behind it."""
    if not mask.any():
        return frame
    share, window = row[0], _window(mask)
    alone = np.asarray(cv2.copyTo(frame, mask)).astype(np.float32)
    target = Coarse(scene.astype(np.float32), 0.05).enlarged(window)
    own, weight = (Coarse(layer, 0.05).enlarged(window) for layer in (alone, mask.astype(np.float32)))
    coarse = own / np.maximum(weight, np.float32(1e-4))[..., None]
    values = _part(frame, window).astype(np.float32)
    changed = values + share * (target - coarse) - 0.5 * share * (values - coarse)
    return _pasted(frame, changed.astype(np.float32, copy=False), _part(mask, window).astype(np.float32), window)


def _filling(scene: ByteArray, cover: FloatArray, texture: Row, window: Window) -> FloatArray:
    """What would stand in a window, outside which nothing is covered, if what is covered were gone."""
    values = scene.astype(np.float32)
    smooth = Coarse(values, 0.08)
    around = 1 - cover
    alone = values.copy()
    _part(alone, window)[:] *= _part(around, window)[..., None]
    beside, weight = (Coarse(layer, 0.08).enlarged(window) for layer in (alone, around))
    colours = (beside + np.float32(1e-3) * smooth.enlarged(window)) / (weight + np.float32(1e-3))[..., None]
    # Texture comes from elsewhere in the picture.
    right, down = texture
    detail = shift(values - smooth.enlarged(), right, down, window)
    filling: FloatArray = (colours + detail).clip(0, 255)
    return filling


def _pasted(picture: ByteArray, colours: FloatArray, cover: FloatArray, window: Window) -> ByteArray:
    """The picture with colours (h, w, 3) in a window where the coverage (h, w) is 1."""
    result = picture.copy()
    part = _part(result, window)
    mixed = part + cover[..., None] * (colours.clip(0, 255) - part)
    part[:] = np.rint(mixed)
    return result


def _window(cover: ByteArray | FloatArray) -> Window:
    """The smallest window outside which nothing is covered."""
    left, top, width, height = cv2.boundingRect((cover > 0).view(np.uint8))
    return (top, left, height, width) if width else (0, 0, 1, 1)


def _part(layer: _Layer, window: Window) -> _Layer:
    top, left, height, width = window
    return layer[top : top + height, left : left + width]


__all__ = ["add", "move", "recolour", "remove"]
