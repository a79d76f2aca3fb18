"""Bytes of a mask -> 0 and 1, or an error where a threshold would hide a mistake."""

import os
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from fgbgnet.data.arrays import MAX_COLOURED_SHARE, ByteArray, coloured_share, load_array
from fgbgnet.data.plain import plain_grey
from fgbgnet.data.storage import read_bytes
from fgbgnet.errors import MaskError
from fgbgnet.pictures import open_picture, to_rgb
from fgbgnet.types import PathInput

_THRESHOLD = 127  # of 255: above is foreground
_GREY = (32, 223)  # values between are neither foreground nor background; JPEG makes 1 to 4 % of them along contours
_MAX_GREY_SHARE = 0.25
_JPEG_NOISE = 7  # highest level that compression leaves in an empty mask
_MIN_CLEAR_SHARE = 0.01  # of pixels that an alpha channel must clear before it can be the mask
_MAX_DISAGREEMENT = 0.05  # share of pixels in which colours and alpha channel may differ


def read_mask(path: PathInput) -> ByteArray:
    """Reads a mask: white (above 127 of 255) is foreground.

    Any mode is understood. Files that hold only 0 and 1 mean that literally, except for JPEG, where 1 is noise. In
    palettes it is the colour that counts; two colours, one of them black, are background and foreground. 16-bit files
    that use no more than 8 bits, and ``.npy`` arrays, are understood too.

    An alpha channel is the mask if it clears (below 128) at least 1 % of the pixels and the colours are one colour, no
    mask themselves (a cut-out), or the same mask on at least 95 % of the pixels. If it clears less, the colours count.

    Returns:
        uint8 (H, W), 0 or 1.

    Raises:
        MissingFileError: If there is no such file.
        MaskError: If the picture is coloured, mostly grey, or nothing in it is bright enough to be foreground although
            something is there (labels, or another scale); or if colours and alpha channel are two different masks.
        PictureError: If it is not a picture, or is truncated.
    """
    name = os.fspath(path)
    return decode_mask(read_bytes(name), name)


def decode_mask(content: bytes, name: str) -> ByteArray:
    """Decodes the bytes of a mask, as `read_mask` does.

    Args:
        content: Bytes of the file.
        name: How errors call it; ``.npy`` at its end tells an array from a picture.

    Returns:
        uint8 (H, W), 0 or 1.

    Raises:
        MaskError, PictureError: As for `read_mask`.

    >>> import io
    >>> file = io.BytesIO()
    >>> Image.new("L", (3, 2), 255).save(file, "PNG")
    >>> decode_mask(file.getvalue(), "mask.png").tolist()
    [[1, 1, 1], [1, 1, 1]]
    """
    if name.lower().endswith(".npy"):
        return _binarise(_array_to_bytes(load_array(content, name), name), name, lossless=True)
    plain = plain_grey(content)
    if plain is not None:
        levels = plain if plain.dtype == np.uint8 else _array_to_bytes(plain, name)
        return _binarise(levels, name, lossless=not _is_jpeg(content))
    picture = open_picture(content, name)
    if picture.mode == "P" and "transparency" in picture.info:
        return _choose(picture, np.asarray(picture.convert("RGBA").getchannel("A")), name)
    if "A" in picture.getbands():
        opaque = picture.convert("L" if picture.mode == "LA" else "RGB")
        return _choose(opaque, np.asarray(picture.getchannel("A")), name)
    return _binarise(_levels(picture, name), name, lossless=not _is_jpeg(content))


def _choose(colours: Image.Image, alpha: ByteArray, name: str) -> ByteArray:
    """The mask of a file with colours and an alpha channel."""
    clear = float(np.mean(alpha <= _THRESHOLD))
    flat = all(low == high for low, high in _extrema(colours))
    by_alpha = clear >= _MIN_CLEAR_SHARE or (flat and clear > 0)
    if alpha.min() == alpha.max() or not by_alpha:
        return _binarise(_levels(colours, name), name, lossless=True)
    mask = _binarise(alpha, f"the alpha channel of {name}", lossless=True)
    if flat:
        return mask
    try:
        other = _binarise(_levels(colours, name), name, lossless=True)
    except MaskError:
        return mask  # a cut-out
    differing = float(np.mean(mask != other))
    if differing > _MAX_DISAGREEMENT:
        raise MaskError(
            f"{name} holds two masks, its colours and its alpha channel, that differ on {differing:.0%} of the pixels; "
            "store the one that is meant, without an alpha channel"
        )
    return mask


def _extrema(picture: Image.Image) -> list[tuple[Any, Any]]:
    values = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    return list(zip(values.min(axis=0), values.max(axis=0), strict=True))


def _levels(picture: Image.Image, name: str) -> npt.NDArray[Any]:
    """Levels of a mask without alpha channel, uint8 (H, W) of 255, before the threshold."""
    if picture.mode == "P":
        return _two_colours(np.asarray(picture.convert("RGB")), name)
    if picture.mode in ("1", "L"):
        return np.asarray(picture.convert("L"))
    if picture.mode.startswith("I") or picture.mode == "F":
        return _array_to_bytes(np.asarray(picture), name)
    rgb = to_rgb(picture)
    share = coloured_share(rgb)
    if share > MAX_COLOURED_SHARE:
        raise MaskError(
            f"{name} is coloured on {share:.0%} of its pixels, so it is no mask; is it the frame, or a label map? "
            "Expected black background and white foreground"
        )
    return np.asarray(Image.fromarray(rgb).convert("L"))


def _two_colours(rgb: ByteArray, name: str) -> ByteArray:
    """A palette mask: black and one other colour, or a picture that must be grey."""
    colours = np.unique(rgb.reshape(-1, 3), axis=0)
    if len(colours) == 2 and not colours[0].any() and colours[1].max() > 1:
        return np.where(rgb.any(axis=2), 255, 0).astype(np.uint8)
    return _levels(Image.fromarray(rgb), name)


def _array_to_bytes(values: npt.NDArray[Any], name: str) -> ByteArray:
    """Any numbers -> levels of 255: floats span [0, 1], wide integers that need no more than 8 bits have 8."""
    if values.dtype == bool:
        return values.astype(np.uint8) * 255
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and np.isfinite(high)):
        raise MaskError(f"{name} holds values from {low:g} to {high:g}; a mask holds 0 and 1, or 0 and 255")
    full = 1 if values.dtype.kind == "f" and high <= 1 else 255 if high <= 255 else 65535
    # Before rounding, which makes 0, or the 1 of a mask of 0 and 1, of other values.
    if 0 < high * 255 / full <= _THRESHOLD and not (full == 255 and values.dtype.kind != "f"):
        raise _too_dark(name, high, full)
    return np.rint(np.clip(values * (255 / full), 0, 255)).astype(np.uint8)


def _binarise(levels: ByteArray, name: str, lossless: bool) -> ByteArray:
    top = int(levels.max())
    if lossless and top == 1:
        return levels.copy()
    grey = cv2.countNonZero(cv2.inRange(levels, *_GREY)) / levels.size
    if grey > _MAX_GREY_SHARE:
        raise MaskError(
            f"{name} is grey on {grey:.0%} of its pixels, so it is no mask; is it a depth map or a photograph? "
            "Expected black background and white foreground"
        )
    if (0 if lossless else _JPEG_NOISE) < top <= _THRESHOLD:
        raise _too_dark(name, top, 255)
    return np.asarray(cv2.threshold(levels, _THRESHOLD, 1, cv2.THRESH_BINARY)[1], np.uint8)


def _too_dark(name: str, high: float, full: int) -> MaskError:
    return MaskError(
        f"{name} has values up to {high:g}, none above {full * _THRESHOLD / 255:.4g}: nothing would be "
        "foreground. Store foreground as 255 (or as 1 in a lossless file); labels must be merged first"
    )


def _is_jpeg(content: bytes) -> bool:
    return content[:3] == b"\xff\xd8\xff"


__all__ = ["decode_mask", "read_mask"]
