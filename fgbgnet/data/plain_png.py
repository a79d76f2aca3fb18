"""The fast path for PNG files that need no special care, by OpenCV.

Everything else (palettes, alpha, interlacing, EXIF, text that may hold an orientation, damage) is left to Pillow:
`decode_png` returns None for it.
"""

import zlib
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LEAST = 57  # bytes of a file with the three chunks that none is without, all but the first empty
_PLAIN_CHUNKS = (b"IHDR", b"IDAT", b"IEND", b"pHYs", b"sRGB", b"tIME")  # of which none changes the picture
_GREY, _RGB = 0, 2  # colour types: https://www.w3.org/TR/png/#11IHDR


def decode_png(content: bytes) -> npt.NDArray[Any] | None:
    """Decodes a plain PNG file: 1, 8 or 16 bits of grey, or 8 bits of RGB; None if it is another.

    Returns:
        uint8 (H, W) or (H, W, 3) RGB, or uint16 (H, W); one bit is 0 or 255.

    >>> import io
    >>> file = io.BytesIO()
    >>> Image.new("I;16", (3, 2), 1000).save(file, "PNG")
    >>> decode_png(file.getvalue()).tolist()
    [[1000, 1000, 1000], [1000, 1000, 1000]]
    """
    if not content.startswith(_SIGNATURE) or len(content) < _LEAST or not _is_plain(content):
        return None
    width, height = int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    if height * width > (Image.MAX_IMAGE_PIXELS or np.inf):
        return None
    try:
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        decoded = None
    if decoded is None:
        return None
    if decoded.ndim == 3:
        cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB, dst=decoded)
    return np.asarray(decoded)


def _is_plain(content: bytes) -> bool:
    """Whether all chunks are known and whole, and the header is one of those that are."""
    bits, colours, interlaced = content[24], content[25], content[28]
    if interlaced or (colours, bits) not in ((_GREY, 1), (_GREY, 8), (_GREY, 16), (_RGB, 8)):
        return False
    position, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        length, kind = int.from_bytes(content[position : position + 4]), content[position + 4 : position + 8]
        end = position + 8 + length
        if kind not in _PLAIN_CHUNKS or end + 4 > len(content):
            return False
        # OpenCV gives grey pixels for damage that a check sum would show.
        if zlib.crc32(memoryview(content)[position + 4 : end]) != int.from_bytes(content[end : end + 4]):
            return False
        position = end + 4
    return True


__all__ = ["decode_png"]
