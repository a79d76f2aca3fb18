"""Bytes of a file -> arrays: pictures, binary masks, and depth with its unit and direction."""

import os

from fgbgnet.data.arrays import BoolArray, ByteArray, FloatArray
from fgbgnet.data.depths import read_depth
from fgbgnet.data.masks import read_mask
from fgbgnet.data.storage import read_bytes
from fgbgnet.pictures import open_picture, to_rgb
from fgbgnet.types import PathInput


def read_rgb(path: PathInput) -> ByteArray:
    """Reads a picture of any mode, upright.

    Returns:
        RGB, uint8 (H, W, 3).

    Raises:
        MissingFileError: If there is no such file.
        PictureError: If it is not a picture, or is truncated.
    """
    name = os.fspath(path)
    return to_rgb(open_picture(read_bytes(name), name))


__all__ = ["BoolArray", "ByteArray", "FloatArray", "read_depth", "read_mask", "read_rgb"]
