"""As `fgbgnet.synth.perturb.tones`, for one picture of 8 bits on the CPU."""

import math

import cv2
import numpy as np

from fgbgnet.data.arrays import ByteArray
from fgbgnet.synth.perturb.eightbit.shapes import Row


def linear(picture: ByteArray, row: Row) -> ByteArray:
    """Gain and offset."""
    matrix = np.column_stack([np.diag(row[:3]), 255 * np.array(row[3:6])]).astype(np.float32)
    return np.asarray(cv2.transform(picture, matrix), np.uint8)


def gamma(picture: ByteArray, row: Row) -> ByteArray:
    """Tone curve."""
    curve = 255 * (np.arange(256) / 255) ** math.exp(row[0])
    return np.asarray(cv2.LUT(picture, np.rint(curve).astype(np.uint8)), np.uint8)


def clip(picture: ByteArray, row: Row) -> ByteArray:
    """Exposure beyond the range of the sensor."""
    low, high = (np.uint8(round(255 * bound)) for bound in row)
    return picture.clip(low, high)


__all__ = ["clip", "gamma", "linear"]
