"""Bytes of a depth map -> distance, with its unit and direction."""

import os
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fgbgnet.data.arrays import BoolArray, FloatArray, load_array
from fgbgnet.data.storage import read_bytes
from fgbgnet.data.wide import check_grey, netpbm_maximum, read_wide_colour, undo_netpbm_scale
from fgbgnet.errors import ManifestError, PictureError, UnknownNameError
from fgbgnet.pictures import open_picture, to_rgb
from fgbgnet.types import DepthDirection, DepthUnit, PathInput


def read_depth(
    path: PathInput,
    unit: DepthUnit = "relative",
    direction: DepthDirection = "near_small",
    scale: float | None = None,
) -> tuple[FloatArray, BoolArray]:
    """Reads a depth map as distance, near = small.

    ============ ================================== ============================= ==========================
    unit         integers                           floats (``.npy``, TIFF)       not valid
    ============ ================================== ============================= ==========================
    ``metres``   millimetres: value / 1000          metres                        0, negative, not finite
    ``relative`` value / largest value of the type  as they are                   not finite
    ============ ================================== ============================= ==========================

    With a ``scale`` the stored values, whatever they are, are multiplied by it instead. ``near_large`` turns relative
    values ``v`` into ``1 - v``. Grey stored as RGB is read as grey, and 16 bits stay 16 bits. The
    largest value of a PGM file is the one that its header says.

    Args:
        path: Picture or ``.npy`` array (H, W).
        unit: ``"metres"`` or ``"relative"``.
        direction: ``"near_small"``, or ``"near_large"`` (relative only).
        scale: Factor for the stored values.

    Returns:
        Distance, float32 (H, W), 0 where it is not valid; and where it is valid, bool (H, W).

    Raises:
        MissingFileError: If there is no such file.
        ManifestError: If metric depth is declared as near_large.
        PictureError: If the file cannot be read, is coloured, or its values do not fit what is declared.
    """
    _check_declaration(unit, direction)
    name = os.fspath(path)
    return decode_depth(read_bytes(name), name, unit, direction, scale)


def decode_depth(
    content: bytes,
    name: str,
    unit: DepthUnit = "relative",
    direction: DepthDirection = "near_small",
    scale: float | None = None,
) -> tuple[FloatArray, BoolArray]:
    """Decodes the bytes of a depth map, as `read_depth` does.

    Args:
        content: Bytes of the file.
        name: How errors call it; ``.npy`` at its end tells an array from a picture.
        unit: ``"metres"`` or ``"relative"``.
        direction: ``"near_small"``, or ``"near_large"`` (relative only).
        scale: Factor for the stored values.

    Returns:
        Distance, float32 (H, W), 0 where it is not valid; and where it is valid, bool (H, W).

    Raises:
        ManifestError, PictureError: As for `read_depth`.

    >>> import io
    >>> file = io.BytesIO()
    >>> Image.fromarray(np.array([[0, 2500]], np.uint16)).save(file, "PNG")
    >>> depth, valid = decode_depth(file.getvalue(), "depth.png", "metres")
    >>> depth.tolist(), valid.tolist()
    ([[0.0, 2.5]], [[False, True]])
    """
    _check_declaration(unit, direction)
    if name.lower().endswith(".npy"):
        stored = load_array(content, name)
        narrow = stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2
        full_scale = float(np.iinfo(stored.dtype).max) if narrow else None
    else:
        stored, full_scale = _depth_levels(open_picture(content, name), content, name)
    values = stored.astype(np.float32)
    valid = np.isfinite(values)
    factor = scale if scale is not None else _factor(stored, unit, full_scale, name)
    if factor != 1:
        # In double precision: 65535 levels times 0.001 should give the nearest float32.
        values = (stored.astype(np.float64) * factor).astype(np.float32)
    if unit == "metres":
        valid &= values > 0
    elif direction == "near_large":
        _check_unit_range(values[valid], name)
        values = 1 - values
    return np.where(valid, values, np.float32(0)), valid


def _check_declaration(unit: str, direction: str) -> None:
    if unit not in ("metres", "relative"):
        raise UnknownNameError("depth unit", unit, ("metres", "relative"))
    if direction not in ("near_small", "near_large"):
        raise UnknownNameError("depth direction", direction, ("near_small", "near_large"))
    if unit == "metres" and direction == "near_large":
        raise ManifestError(
            "depth_unit 'metres' with depth_direction 'near_large': inverse metric depth is not supported yet; store "
            "the distance itself, or declare the unit 'relative'"
        )


def _factor(stored: npt.NDArray[Any], unit: str, full_scale: float | None, name: str) -> float:
    if stored.dtype.kind not in "iu":
        return 1.0
    if unit == "metres":
        if stored.dtype.itemsize == 1:
            raise PictureError(
                f"{name} has 8 bits, which as millimetres ends at 0.255 m; store 16 bits, give the manifest a "
                "depth_scale (metres per level), or declare the unit 'relative'"
            )
        return 0.001
    if full_scale is None:
        raise PictureError(
            f"{name} has 32-bit integers, whose full scale is not known; store 16 bits or floats, or give the "
            "manifest a depth_scale"
        )
    return 1 / full_scale


def _check_unit_range(values: FloatArray, name: str) -> None:
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise PictureError(
            f"{name} holds values from {values.min():g} to {values.max():g}; relative depth with near = large must lie "
            "in [0, 1]: give the manifest a depth_scale, or store it so"
        )


def _depth_levels(picture: Image.Image, content: bytes, name: str) -> tuple[npt.NDArray[Any], float | None]:
    """Stored values (H, W), and the largest that integers of the file's type can have (None: not known)."""
    wide = read_wide_colour(content, name)
    if wide is not None:
        return wide, 65535.0
    scale = netpbm_maximum(content)
    if scale is not None:
        return undo_netpbm_scale(picture, scale, name), float(scale)
    if picture.mode.startswith("I;16"):
        return np.asarray(picture, dtype=np.uint16), 65535.0
    if picture.mode == "I":
        # Older versions of Pillow open 16-bit PNG as 32-bit integers.
        return np.asarray(picture), 65535.0 if content.startswith(b"\x89PNG") else None
    if picture.mode == "F":
        return np.asarray(picture), None
    if picture.mode not in ("L", "LA", "1"):
        rgb = to_rgb(picture)
        check_grey(rgb, name)
        picture = Image.fromarray(rgb)
    return np.asarray(picture.convert("L")), 255.0


__all__ = ["decode_depth", "read_depth"]
