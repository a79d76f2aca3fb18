"""The fast path of decoding: plain JPEG and PNG files, which are nearly all files of nearly all data sets.

A function here returns None for a file that needs care, and never raises: whoever calls it then decodes with Pillow
(`fgbgnet.pictures.open_picture`), which gives the same pixels or says what is wrong.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from fgbgnet.data.arrays import ByteArray
from fgbgnet.data.plain_jpeg import decode_jpeg, read_header
from fgbgnet.data.plain_png import decode_png

LeastSize: TypeAlias = Callable[[int, int], tuple[int, int] | None]
"""(height, width) as stored -> the least (height, width) that is of use, such as `JointTransform.min_decoded_size`."""


def plain_rgb(content: bytes, least: LeastSize | None = None) -> ByteArray | None:
    """Decodes a plain picture.

    Args:
        content: Bytes of the file.
        least: JPEG files may be decoded at a half, a quarter or an eighth of their size, as long as the result is no
            smaller than this; by default they are not.

    Returns:
        RGB, uint8 (H, W, 3), writable; None if the file needs care.
    """
    header = read_header(content)
    decoded: ByteArray | None
    if header is not None:
        decoded = decode_jpeg(content, header, reduction((header.height, header.width), least))
    else:
        decoded = decode_png(content)
        if decoded is not None and decoded.dtype != np.uint8:
            return None
    if decoded is None or decoded.ndim == 3:
        return decoded
    return np.repeat(decoded[..., None], 3, axis=2)


def plain_grey(content: bytes) -> npt.NDArray[Any] | None:
    """Decodes a plain grey picture, such as a mask or a depth map: one channel, or three that are equal.

    Of a JPEG file that is grey in all blocks of 8 x 8 pixels the luma is decoded, without its colours.

    Returns:
        uint8 or, for PNG of 16 bits, uint16 (H, W); None if the file needs care.
    """
    header = read_header(content)
    if header is None:
        decoded = decode_png(content)
        return decoded if decoded is None or decoded.ndim == 2 else _only_channel(decoded)
    if header.channels == 1:
        return decode_jpeg(content, header)
    # An eighth of the size is the mean of every block: it takes less time to look there for colours than everywhere.
    means = decode_jpeg(content, header, 8)
    return None if means is None or _only_channel(means) is None else decode_jpeg(content, header, grey=True)


def _only_channel(decoded: ByteArray) -> ByteArray | None:
    first, second, third = cv2.split(decoded)
    return np.asarray(first) if np.array_equal(first, second) and np.array_equal(second, third) else None


def reduction(stored: tuple[int, int], least: LeastSize | None) -> int:
    """By how much the sides of a picture may be divided.

    Returns:
        1, 2, 4 or 8.

    >>> reduction((224, 224), lambda height, width: (64, 64)), reduction((224, 224), None)
    (2, 1)
    """
    wanted = None if least is None else least(*stored)
    if wanted is None:
        return 1
    possible = min(stored[0] // max(wanted[0], 1), stored[1] // max(wanted[1], 1))
    return next((factor for factor in (8, 4, 2) if factor <= possible), 1)


__all__ = ["LeastSize", "plain_grey", "plain_rgb", "reduction"]
