"""Depth in 16 bits that Pillow would bring to 8, or to another scale."""

import io
import re
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from fgbgnet.data.arrays import MAX_COLOURED_SHARE, ByteArray, coloured_share
from fgbgnet.errors import PictureError

# Magic number, width, height, largest value, with comments between them: http://netpbm.sourceforge.net/doc/pgm.html
_NETPBM = re.compile(rb"(P[2356])" + rb"(?:\s|#[^\n]*\n)+(\d+)" * 3 + rb"\s")
_BITS_PER_SAMPLE, _ORIENTATION = 258, 274  # tags of TIFF and EXIF


def netpbm_maximum(content: bytes) -> int | None:
    r"""The value that is white in a PGM or PPM file, as its header says; None for other files.

    >>> netpbm_maximum(b"P5 # camera 1\n3 2 4095\n...")
    4095
    """
    match = _NETPBM.match(content)
    return int(match[4]) if match else None


def undo_netpbm_scale(picture: Image.Image, maximum: int, name: str) -> npt.NDArray[Any]:
    """Stored values (H, W) of a PGM or PPM file; Pillow stretches them to the full 8 or 16 bits.

    Raises:
        PictureError: If it is coloured, or has more than 8 bits of colour, which Pillow cuts off.
    """
    if picture.mode == "RGB":
        if maximum > 255:
            raise PictureError(f"{name} has 16 bits of colour, which cannot be read; store it as grey: PGM or PNG")
        rgb = np.asarray(picture)
        check_grey(rgb, name)
        picture = Image.fromarray(rgb).convert("L")
    full = 255 if picture.mode == "L" else 65535
    # Stretching never merges two values, so that rounding finds each again.
    stored = np.rint(np.asarray(picture, dtype=np.float64) * maximum / full)
    return stored.astype(np.uint8 if maximum <= 255 else np.uint16)


def read_wide_colour(content: bytes, name: str) -> npt.NDArray[np.uint16] | None:
    """Grey of a PNG or TIFF file with 16 bits in several channels, (H, W); None for other files.

    Raises:
        PictureError: If it is coloured, or cannot be read without loss.
    """
    with Image.open(io.BytesIO(content)) as header:  # only the header is read
        if not _is_wide_colour(header, content):
            return None
        upright = header.getexif().get(_ORIENTATION, 1) == 1
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if upright else None
    if values is None or values.dtype != np.uint16:
        raise PictureError(f"{name} has 16 bits in several channels, which cannot be read; store it as 16-bit grey")
    if values.ndim == 2:
        return np.asarray(values)
    if values.shape[2] >= 3:
        check_grey((values[..., :3] // 256).astype(np.uint8), name)
    # Grey is equal in all colours, of which the second is green; of grey with alpha it is the first.
    return np.array(values[..., 1 if values.shape[2] >= 3 else 0], dtype=np.uint16)


def check_grey(rgb: ByteArray, name: str) -> None:
    """Checks that a depth map in colours (H, W, 3) is grey.

    Raises:
        PictureError: If it is not.
    """
    share = coloured_share(rgb)
    if share > MAX_COLOURED_SHARE:
        raise PictureError(
            f"{name} is coloured on {share:.0%} of its pixels, so it is a colour-mapped view of depth; its values "
            "cannot be recovered reliably: store depth as grey (8 or 16 bit), float TIFF or .npy"
        )


def _is_wide_colour(picture: Image.Image, content: bytes) -> bool:
    if picture.format == "PNG":
        return content[24] == 16 and content[25] != 0  # bit depth and colour type of IHDR, which stands first
    if picture.format == "TIFF" and picture.mode in ("RGB", "RGBA", "RGBX", "LA", "CMYK"):
        bits: tuple[int, ...] = picture.tag_v2.get(_BITS_PER_SAMPLE, (8,))  # type: ignore[attr-defined]
        return max(bits) > 8
    return False


__all__ = ["check_grey", "netpbm_maximum", "read_wide_colour", "undo_netpbm_scale"]
