"""Edited copies of pictures, without loss."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fgbgnet.data.audit.findings import Edit
from fgbgnet.data.masks import read_mask
from fgbgnet.data.storage import read_bytes
from fgbgnet.data.wide import check_grey, netpbm_maximum, read_wide_colour
from fgbgnet.errors import InvalidArgumentError, PictureError
from fgbgnet.pictures import open_picture, to_rgb
from fgbgnet.types import PathInput

Levels = npt.NDArray[Any]


def edited(levels: Levels, edits: Sequence[Edit]) -> Levels:
    """Applies edits to stored values.

    Args:
        levels: uint8 or uint16, (H, W) or (H, W, 3).
        edits: What is done, in this order.

    Returns:
        The same shape and type.

    >>> edited(np.array([[0, 255]], np.uint8), ["mirror"]).tolist()
    [[255, 0]]
    >>> edited(np.array([[0, 7]], np.uint16), ["invert"]).tolist()
    [[65535, 65528]]
    """
    for edit in edits:
        if edit == "invert":
            levels = np.iinfo(levels.dtype).max - levels
        else:
            axes = {"mirror": (1,), "flip": (0,), "turn": (0, 1)}[edit]
            levels = np.flip(levels, axes)
    return np.ascontiguousarray(levels)


def edited_picture(path: PathInput, column: str, edits: Sequence[Edit]) -> Image.Image:
    """Reads a picture and edits it, so that what is read of the copy is what is read of the original, edited.

    Masks become 0 and 255, as they are read. Grey of 16 bits keeps them. Pictures keep 8 bits; what their mode has
    beyond grey and RGB is dropped, as it is when they are read.

    Args:
        path: The picture.
        column: Column of the manifest that it stands in.
        edits: What is done to it, in this order.

    Returns:
        Mode ``L``, ``RGB`` or ``I;16``: PNG holds it without loss.

    Raises:
        InvalidArgumentError: If the column does not hold pictures.
        MissingFileError, PictureError, MaskError: If it cannot be read, or is depth in another form than grey of 8 or
            16 bits.
    """
    name = os.fspath(path)
    if column in ("mask", "mask_valid"):
        levels = read_mask(name) * np.uint8(255)
    elif column in ("bg", "fg_bg"):
        levels = _colours(name)
    elif column in ("depth", "depth_bg"):
        levels = _depth(name)
    else:
        raise InvalidArgumentError(f"an edit is for the column {column!r}; expected bg, fg_bg, mask or depth")
    return Image.fromarray(edited(levels, edits))


def _colours(name: str) -> Levels:
    picture = open_picture(read_bytes(name), name)
    if picture.mode.startswith("I;16"):
        return np.asarray(picture, dtype=np.uint16)
    return np.asarray(picture) if picture.mode == "L" else to_rgb(picture, name)


def _depth(name: str) -> Levels:
    content = read_bytes(name)
    picture = open_picture(content, name)
    wide = read_wide_colour(content, name)
    if wide is not None:
        return wide
    # A PGM file says what its largest value means, PNG cannot.
    if netpbm_maximum(content) in (None, 255, 65535):
        if picture.mode.startswith("I;16"):
            return np.asarray(picture, dtype=np.uint16)
        if picture.mode in ("L", "RGB"):
            check_grey(to_rgb(picture, name), name)
            return np.asarray(picture.convert("L"))
    raise PictureError(f"{name} cannot be edited without loss; expected depth as grey of 8 or 16 bits, such as PNG")


__all__ = ["edited", "edited_picture"]
