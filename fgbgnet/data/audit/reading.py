"""The files of one sample, read so that whatever is wrong with them is a result and not an exception."""

import io
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fgbgnet.data.arrays import MAX_COLOURED_SHARE, BoolArray, ByteArray, FloatArray, coloured_share
from fgbgnet.data.assemble import DepthDeclaration
from fgbgnet.data.decode import decode_depth, decode_mask, decode_rgb
from fgbgnet.data.manifest import Manifest
from fgbgnet.data.plain import plain_grey
from fgbgnet.data.storage import read_bytes
from fgbgnet.errors import FgBgError, MaskError, MissingFileError
from fgbgnet.pictures import open_picture

_ORIENTATION = 274  # EXIF tag
_LEVELLED = ("L", "RGB", "P", "I", "I;16", "I;16B", "I;16L")


@dataclass
class File:
    """One file: its bytes and header, or what is wrong with it."""

    content: bytes = b""
    mode: str = ""
    """Pillow's mode, or the type of an array."""
    rotated: bool = False
    """Whether EXIF turns it."""
    problem: str = ""
    """Empty if it can be read."""
    missing: bool = False


@dataclass
class Layer:
    """Decoded pictures of a sample; absent where a file cannot be read."""

    files: dict[str, File] = field(default_factory=dict)
    frame: ByteArray | None = None
    background: ByteArray | None = None
    mask: ByteArray | None = None
    mask_levels: ByteArray | None = None
    """Before the threshold, uint8 (H, W); None where the file holds 0 and 1 only, or an alpha channel."""
    mask_problem: str = ""
    """Why a readable picture is no mask."""
    mask_valid: ByteArray | None = None
    """1 where the label of the mask is known; None where the manifest does not say it."""
    depth: FloatArray | None = None
    depth_valid: BoolArray | None = None
    depth_levels: npt.NDArray[Any] | None = None
    """Grey (H, W), as stored, or distance with NaN where it is not valid."""
    depth_colour: float = 0.0
    """Share of the depth map's pixels that are coloured."""


def read_file(manifest: Manifest, path: str) -> File:
    """Reads the bytes and the header of a file."""
    file = File()
    try:
        file.content = read_bytes(manifest.resolve(path))
    except MissingFileError as error:
        return File(problem=str(error), missing=True)
    except FgBgError as error:
        return File(problem=str(error))
    if path.lower().endswith(".npy"):
        file.mode = "npy"
        return file
    try:
        with Image.open(io.BytesIO(file.content)) as picture:  # the header alone
            file.mode = picture.mode
            file.rotated = picture.getexif().get(_ORIENTATION, 1) != 1
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        file.problem = f"{manifest.resolve(path)} is not a picture that Pillow can read ({error})"
    return file


def read_picture(manifest: Manifest, path: str) -> tuple[ByteArray | None, File]:
    """Reads and decodes a picture."""
    file = read_file(manifest, path)
    if file.problem:
        return None, file
    try:
        return decode_rgb(file.content, str(manifest.resolve(path))), file
    except FgBgError as error:
        file.problem = str(error)
        return None, file


def read_mask_layer(manifest: Manifest, path: str, layers: Layer) -> None:
    """Reads a mask and its levels into ``layers``."""
    file = layers.files["mask"] = read_file(manifest, path)
    if file.problem:
        return
    try:
        layers.mask = decode_mask(file.content, str(manifest.resolve(path)))
    except MaskError as error:
        layers.mask_problem = str(error)
    except FgBgError as error:
        file.problem = str(error)
        return
    if file.mode in _LEVELLED:
        layers.mask_levels = _mask_levels(file.content, str(manifest.resolve(path)))


def _mask_levels(content: bytes, name: str) -> ByteArray | None:
    """Levels of a mask that could be decoded, before the threshold."""
    stored = plain_grey(content)
    if stored is None:
        picture = open_picture(content, name)
        stored = np.asarray(picture if picture.mode.startswith("I") else picture.convert("L"))
        # Of a palette it is the colour that counts: with two there is no grey.
        if "transparency" in picture.info or (picture.mode == "P" and len(np.unique(stored)) <= 2):
            return None
    levels: ByteArray = (stored if stored.max() <= 255 else stored >> 8).astype(np.uint8, copy=False)
    return levels if levels.max() > 1 else None


def read_valid_layer(manifest: Manifest, path: str, layers: Layer) -> None:
    """Reads where the mask counts into ``layers``."""
    file = layers.files["mask_valid"] = read_file(manifest, path)
    if file.problem:
        return
    try:
        layers.mask_valid = decode_mask(file.content, str(manifest.resolve(path)))
    except FgBgError as error:
        file.problem = str(error)


def read_depth_layer(manifest: Manifest, path: str, declaration: DepthDeclaration, layers: Layer) -> None:
    """Reads a depth map, as declared and as stored, into ``layers``."""
    file = layers.files["depth"] = read_file(manifest, path)
    if file.problem:
        return
    if file.mode in ("RGB", "RGBA", "P"):
        rgb, _ = read_picture(manifest, path)
        if rgb is not None:
            layers.depth_levels, layers.depth_colour = rgb[..., 1], coloured_share(rgb)
    try:
        layers.depth, layers.depth_valid = decode_depth(file.content, str(manifest.resolve(path)), *declaration)
    except FgBgError as error:
        if layers.depth_colour <= MAX_COLOURED_SHARE:  # else the colours are the problem
            file.problem = str(error)
        return
    if layers.depth_levels is None:
        layers.depth_levels = np.where(layers.depth_valid, layers.depth, np.float32(np.nan))


__all__ = ["File", "Layer", "read_depth_layer", "read_file", "read_mask_layer", "read_picture", "read_valid_layer"]
