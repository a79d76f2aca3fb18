"""The fast path for JPEG files that need no special care, by libjpeg-turbo.

Everything that Pillow treats specially (a turned camera, CMYK, other precisions, damage) is left to Pillow: functions
here return None for it, never an error of their own.
"""

import struct
from typing import NamedTuple

import numpy as np
from PIL import Image

from fgbgnet.data.arrays import ByteArray

try:
    import simplejpeg
except ImportError:  # no wheel for this platform: Pillow decodes the same pixels, in about three times the time
    simplejpeg = None

# Markers: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, table B.1
_PLAIN_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive Huffman
_OTHER_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
_SCAN, _END, _APP1, _ADOBE = 0xDA, 0xD9, 0xE1, 0xEE
_ORIENTATION = 0x0112  # tag of EXIF


class JpegHeader(NamedTuple):
    """What the header of a plain JPEG file says."""

    height: int
    width: int
    channels: int
    """1 or 3."""


def read_header(content: bytes) -> JpegHeader | None:
    """Reads the header of a JPEG file; None if it is no such file, or one that needs care.

    Plain files have 8 bits, one or three channels, and stand upright.

    >>> import io
    >>> file = io.BytesIO()
    >>> Image.new("L", (30, 20)).save(file, "JPEG")
    >>> read_header(file.getvalue())
    JpegHeader(height=20, width=30, channels=1)
    """
    if content[:3] != b"\xff\xd8\xff":
        return None
    header, position = None, 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == _SCAN:
            return header
        if marker == 0xFF or 0xD0 <= marker <= _END or marker in _OTHER_FRAMES:  # fill bytes, or nothing we know
            return None
        length = int.from_bytes(content[position + 2 : position + 4])
        if marker in _PLAIN_FRAMES:
            header = _frame(content[position + 4 : position + 10])
            if header is None:
                return None
        elif marker in (_APP1, _ADOBE) and not _is_plain(marker, content[position + 4 : position + 2 + length]):
            return None
        position += 2 + length
    return None


def decode_jpeg(content: bytes, header: JpegHeader, reduce: int = 1, grey: bool = False) -> ByteArray | None:
    """Decodes a plain JPEG file; None where that is not possible without care, or not without loss.

    Args:
        content: Bytes of the file.
        header: What `read_header` said of them.
        reduce: 1, 2, 4 or 8: the sides are divided by it (and rounded up) while decoding.
        grey: Whether to decode the luma of a coloured file alone.

    Returns:
        uint8 (H, W) if it is grey, (H, W, 3) RGB otherwise: what Pillow gives, to the bit. The luma of a
        coloured file may differ from its grey by rounding.
    """
    if simplejpeg is None or header.height * header.width > (Image.MAX_IMAGE_PIXELS or np.inf):
        return None
    height, width = -(-header.height // reduce), -(-header.width // reduce)
    grey = grey or header.channels == 1
    try:
        decoded: ByteArray = simplejpeg.decode_jpeg(
            content, "GRAY" if grey else "RGB", min_height=height, min_width=width, min_factor=reduce
        )
    except ValueError:  # a truncated or damaged file: Pillow says what is wrong
        return None
    return decoded[..., 0] if grey else decoded


def _frame(segment: bytes) -> JpegHeader | None:
    if len(segment) < 6 or segment[0] != 8 or segment[5] not in (1, 3):
        return None
    header = JpegHeader(int.from_bytes(segment[1:3]), int.from_bytes(segment[3:5]), segment[5])
    return header if header.height and header.width else None


def _is_plain(marker: int, segment: bytes) -> bool:
    """Whether a segment of an application says nothing that changes the picture."""
    if marker == _ADOBE:
        return not segment.startswith(b"Adobe") or segment[11:12] == b"\x01"  # YCbCr, as everywhere else
    if not segment.startswith(b"Exif\0\0"):
        return b"Orientation" not in segment  # XMP
    exif = Image.Exif()
    try:
        exif.load(segment)
        return bool(exif.get(_ORIENTATION, 1) == 1)
    except (SyntaxError, ValueError, KeyError, OSError, struct.error):  # what Pillow makes of it is for Pillow to say
        return False


__all__ = ["JpegHeader", "decode_jpeg", "read_header"]
