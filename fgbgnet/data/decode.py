"""Bytes of a file -> arrays: pictures, binary masks, and depth with its unit and direction."""

import os

from fgbgnet.data.arrays import BoolArray, ByteArray, FloatArray
from fgbgnet.data.depths import decode_depth, read_depth
from fgbgnet.data.masks import decode_mask, read_mask
from fgbgnet.data.plain import LeastSize, plain_rgb
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
    return decode_rgb(read_bytes(name), name)


def decode_rgb(content: bytes, name: str, least: LeastSize | None = None) -> ByteArray:
    """Decodes the bytes of a picture, as `read_rgb` does.

    Args:
        content: Bytes of the file.
        name: How errors call it.
        least: (height, width) as stored -> the least (height, width) that is of use, or None. JPEG files are then
            decoded at a half, a quarter or an eighth of their size where that is enough, which takes less time. By
            default all pixels are decoded.

    Returns:
        RGB, uint8 (H, W, 3).

    Raises:
        PictureError: If it is not a picture, or is truncated.

    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("L", (3, 2), 7).save(file, "PNG")
    >>> decode_rgb(file.getvalue(), "room.png").shape
    (2, 3, 3)
    """
    plain = plain_rgb(content, least)
    return to_rgb(open_picture(content, name)) if plain is None else plain


__all__ = [
    "BoolArray",
    "ByteArray",
    "FloatArray",
    "decode_depth",
    "decode_mask",
    "decode_rgb",
    "read_depth",
    "read_mask",
    "read_rgb",
]
