"""Bytes of a depth map -> distance, with its unit and direction."""

import os
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from fgbgnet.data.arrays import BoolArray, FloatArray, load_array
from fgbgnet.data.plain import plain_grey
from fgbgnet.data.storage import read_bytes
from fgbgnet.data.wide import check_grey, netpbm_maximum, read_wide_colour, undo_netpbm_scale
from fgbgnet.errors import InvalidArgumentError, PictureError, UnknownNameError
from fgbgnet.pictures import open_picture, to_rgb
from fgbgnet.types import DepthDirection, DepthUnit, PathInput


def read_depth(
    path: PathInput,
    unit: DepthUnit = "relative",
    direction: DepthDirection = "near_small",
    scale: float | None = None,
    invalid: float | None = None,
) -> tuple[FloatArray, BoolArray]:
    """Reads a depth map as distance, near = small.

    What a stored value ``v`` means, first scaled and then turned round:

    ============ ================================== ================== =============== ==========================
    unit         integers                           floats             ``near_large``  not valid
    ============ ================================== ================== =============== ==========================
    ``metres``   millimetres: ``v / 1000``          metres: ``v``      ``1 / v``       0, negative, not finite
    ``relative`` ``v`` / largest value of the type  ``v``              ``1 - v``       not finite
    ============ ================================== ================== =============== ==========================

    With a ``scale`` the stored values, whatever they are, are multiplied by it instead. Metres that are near = large
    are inverse distances: floats without a scale are in 1/m, integers need one. Disparities of a stereo camera are
    such, with the scale 1 / (focal length in pixels * baseline in metres). ``invalid`` is compared with the stored
    value, before anything else. Grey stored as RGB is read as grey, and 16 bits stay 16 bits. The largest value of a
    PGM file is the one that its header says.

    Args:
        path: Picture, float TIFF or ``.npy`` array (H, W).
        unit: ``"metres"`` or ``"relative"``.
        direction: ``"near_small"`` (distance) or ``"near_large"``.
        scale: Factor for the stored values, above 0.
        invalid: Stored value that means "not known", beside those of the table.

    Returns:
        Distance, float32 (H, W), 0 where it is not valid; and where it is valid, bool (H, W).

    Raises:
        MissingFileError: If there is no such file.
        PictureError: If the file cannot be read, is coloured, or its values do not fit what is declared.
        UnknownNameError: If there is no such unit or direction.
    """
    _check_declaration(unit, direction, scale)
    name = os.fspath(path)
    return decode_depth(read_bytes(name), name, unit, direction, scale, invalid)


def decode_depth(
    content: bytes,
    name: str,
    unit: DepthUnit = "relative",
    direction: DepthDirection = "near_small",
    scale: float | None = None,
    invalid: float | None = None,
) -> tuple[FloatArray, BoolArray]:
    """Decodes the bytes of a depth map, as `read_depth` does.

    Args:
        content: Bytes of the file.
        name: How errors call it; ``.npy`` at its end tells an array from a picture.
        unit: ``"metres"`` or ``"relative"``.
        direction: ``"near_small"`` (distance) or ``"near_large"``.
        scale: Factor for the stored values, above 0.
        invalid: Stored value that means "not known".

    Returns:
        Distance, float32 (H, W), 0 where it is not valid; and where it is valid, bool (H, W).

    Raises:
        PictureError, UnknownNameError: As for `read_depth`.

    >>> import io
    >>> file = io.BytesIO()
    >>> Image.fromarray(np.array([[0, 2500]], np.uint16)).save(file, "PNG")
    >>> depth, valid = decode_depth(file.getvalue(), "depth.png", "metres")
    >>> depth.tolist(), valid.tolist()
    ([[0.0, 2.5]], [[False, True]])
    """
    _check_declaration(unit, direction, scale)
    if name.lower().endswith(".npy"):
        stored = load_array(content, name)
        narrow = stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2
        full_scale = float(np.iinfo(stored.dtype).max) if narrow else None
    else:
        plain = plain_grey(content)
        if plain is None:
            stored, full_scale = _depth_levels(open_picture(content, name), content, name)
        else:
            stored, full_scale = plain, float(np.iinfo(plain.dtype).max)
    if stored.dtype == np.uint8 and full_scale == 255 and unit == "relative" and scale is None and invalid is None:
        return _from_bytes(stored, direction), np.ones(stored.shape, np.bool_)
    factor = scale if scale is not None else _factor(stored, unit, direction, full_scale, name)
    values = _scaled(stored, factor, inverted=unit == "metres" and direction == "near_large")
    valid = np.isfinite(values)
    if invalid is not None:
        valid &= stored != invalid
    if unit == "metres":
        valid &= values > 0
    elif direction == "near_large":
        _check_unit_range(values[valid], name)
        values = 1 - values
    return np.where(valid, values, np.float32(0)), valid


def _scaled(stored: npt.NDArray[Any], factor: float, inverted: bool) -> FloatArray:
    """Stored values times a factor, or one over that; what has no such value is not finite."""
    with np.errstate(divide="ignore", over="ignore"):
        if factor == 1 and not inverted:
            return stored.astype(np.float32)
        # In double precision: 65535 levels times 0.001 should give the nearest float32.
        values = stored.astype(np.float64) * factor
        return (1 / values if inverted else values).astype(np.float32)


def _from_bytes(stored: npt.NDArray[np.uint8], direction: DepthDirection) -> FloatArray:
    """Relative distance of 8 bits, the commonest kind: 256 values are converted rather than all pixels."""
    values = (np.arange(256) / 255).astype(np.float32)
    return np.asarray(cv2.LUT(stored, 1 - values if direction == "near_large" else values), np.float32)


def _check_declaration(unit: str, direction: str, scale: float | None) -> None:
    if unit not in ("metres", "relative"):
        raise UnknownNameError("depth unit", unit, ("metres", "relative"))
    if direction not in ("near_small", "near_large"):
        raise UnknownNameError("depth direction", direction, ("near_small", "near_large"))
    if scale is not None and not 0 < scale < float("inf"):
        raise InvalidArgumentError(f"the depth scale is {scale!r}; expected a positive number: for millimetres 0.001")


def _factor(stored: npt.NDArray[Any], unit: str, direction: str, full_scale: float | None, name: str) -> float:
    if stored.dtype.kind not in "iu":
        return 1.0
    if unit == "metres" and direction == "near_large":
        raise PictureError(
            f"{name} holds integers, declared as inverse distances (metres, near_large), which have no usual scale; "
            "give the manifest a depth_scale: 1/metres per level, for disparities 1 / (focal length in pixels * "
            "baseline in metres)"
        )
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
