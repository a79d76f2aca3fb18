"""As `fgbgnet.synth.perturb.objects`, for one sample on the CPU. Colours are floats in levels of 255."""

import cv2
import numpy as np

from fgbgnet.data.arrays import ByteArray, FloatArray
from fgbgnet.synth.perturb.eightbit.geometry import sample, shift
from fgbgnet.synth.perturb.eightbit.optics import blur
from fgbgnet.synth.perturb.eightbit.shapes import Row, blob
from fgbgnet.synth.perturb.objects import extent, placement


def cut_out(picture: ByteArray, mask: ByteArray, row: Row) -> tuple[FloatArray, FloatArray]:
    """The foreground of another picture elsewhere: colours (H, W, 3) and coverage (H, W)."""
    height, width = mask.shape
    if not mask.any():
        mask = (blob(row[5:], height, width) >= 0.5).view(np.uint8)
    matrix = placement(extent(mask.max(0)), extent(mask.max(1)), (height, width), row[:5])
    colours = sample(picture, matrix, cv2.BORDER_REPLICATE)
    return colours.astype(np.float32), sample(mask.astype(np.float32), matrix, cv2.BORDER_CONSTANT)


def mix(picture: ByteArray, colours: FloatArray, cover: FloatArray) -> ByteArray:
    """Colours where the coverage is 1."""
    mixed = cv2.blendLinear(colours, picture.astype(np.float32), cover, 1 - cover)
    return np.rint(mixed).clip(0, 255).astype(np.uint8)


def remove(scene: FloatArray, row: Row) -> tuple[FloatArray, FloatArray]:
    """A piece of the scene is gone: colours (H, W, 3) and coverage (H, W)."""
    cover = blob(row, *scene.shape[:2])
    around = 1 - cover
    smooth, beside, weight = (_coarse(layer, 0.08) for layer in (scene, scene * around[..., None], around))
    colours = (beside + np.float32(1e-3) * smooth) / (weight + np.float32(1e-3))[..., None]
    return (colours + shift(scene - smooth, row[-2], row[-1])).clip(0, 255), cover


def move(scene: FloatArray, row: Row) -> tuple[FloatArray, FloatArray]:
    """A piece of the scene stands elsewhere: colours (H, W, 3) and coverage (H, W)."""
    filling, old = remove(scene, row[:-2])
    new, piece = shift(old, row[-2], row[-1]), shift(scene, row[-2], row[-1])
    return filling + new[..., None] * (piece - filling), old + new - old * new


def recolour(frame: ByteArray, scene: ByteArray, mask: ByteArray, row: Row) -> ByteArray:
    """The foreground takes the colours of the background behind it."""
    share, cover, values = np.float32(row[0]), mask.astype(np.float32), frame.astype(np.float32)
    target, own, weight = (
        _coarse(layer, 0.05) for layer in (scene.astype(np.float32), values * cover[..., None], cover)
    )
    coarse = own / np.maximum(weight, np.float32(1e-4))[..., None]
    changed = values + share * (target - coarse) - np.float32(0.5) * share * (values - coarse)
    return np.where(mask[..., None], np.rint(changed).clip(0, 255).astype(np.uint8), frame)


def _coarse(layer: FloatArray, sigma: float) -> FloatArray:
    return blur(layer, [sigma])


__all__ = ["cut_out", "mix", "move", "recolour", "remove"]
