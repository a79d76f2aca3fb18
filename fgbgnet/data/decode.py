"""Bytes of a file -> arrays: pictures, binary masks, and depth with its unit and direction."""

import io
import os
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from fgbgnet.data.storage import read_bytes
from fgbgnet.errors import ManifestError, MaskError, PictureError, UnknownNameError
from fgbgnet.pictures import open_picture, to_rgb
from fgbgnet.types import DepthDirection, DepthUnit, PathInput

ByteArray: TypeAlias = npt.NDArray[np.uint8]
FloatArray: TypeAlias = npt.NDArray[np.float32]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

_THRESHOLD = 127  # of 255: above is foreground
_GREY = (32, 223)  # values between are neither foreground nor background; JPEG makes 1 to 4 % of them along contours
_MAX_GREY_SHARE, _MAX_COLOURED_SHARE = 0.25, 0.05
_COLOURED = 32  # difference between channels that compression alone does not make
_MIN_FAINT_SHARE = 0.01


def read_rgb(path: PathInput) -> ByteArray:
    """Reads a picture of any mode, upright.

    Returns:
        RGB, uint8 (H, W, 3).

    Raises:
        MissingFileError: If there is no such file.
        PictureError: If it is not a picture, or is truncated.
    """
    name = os.fspath(path)
    return to_rgb(open_picture(read_bytes(name), name))


def read_mask(path: PathInput) -> ByteArray:
    """Reads a mask: white (above 127 of 255) is foreground.

    Any mode is understood. A varying alpha channel is the mask. Files that hold only 0 and 1 mean that literally,
    except for JPEG, where 1 is noise. In palettes it is the colour that counts; two colours, one of them black, are
    background and foreground. 16-bit files that use no more than 8 bits, and ``.npy`` arrays, are understood too.

    Returns:
        uint8 (H, W), 0 or 1.

    Raises:
        MissingFileError: If there is no such file.
        MaskError: If the picture is coloured, mostly grey, or nothing in it is bright enough to be foreground although
            something is there (labels, or another scale).
        PictureError: If it is not a picture, or is truncated.
    """
    name = os.fspath(path)
    content = read_bytes(name)
    if name.lower().endswith(".npy"):
        return _binarise(_array_to_bytes(_load_array(content, name), name), name, lossless=True)
    picture = open_picture(content, name)
    return _binarise(_mask_levels(picture, name), name, lossless=not _is_jpeg(content))


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
    values ``v`` into ``1 - v``. Grey stored as RGB is read as grey, and 16 bits stay 16 bits.

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
    content = read_bytes(name)
    if name.lower().endswith(".npy"):
        stored = _load_array(content, name)
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
    if picture.mode.startswith("I;16"):
        return np.asarray(picture, dtype=np.uint16), 65535.0
    if picture.mode == "I":
        # Pillow opens 16-bit PGM, and in older versions 16-bit PNG, as 32-bit integers.
        return np.asarray(picture), 65535.0 if content.startswith((b"\x89PNG", b"P5", b"P2")) else None
    if picture.mode == "F":
        return np.asarray(picture), None
    if picture.mode not in ("L", "LA", "1"):
        rgb = to_rgb(picture)
        share = _coloured_share(rgb)
        if share > _MAX_COLOURED_SHARE:
            raise PictureError(
                f"{name} is coloured on {share:.0%} of its pixels, so it is a colour-mapped view of depth; its values "
                "cannot be recovered reliably: store depth as grey (8 or 16 bit), float TIFF or .npy"
            )
        picture = Image.fromarray(rgb)
    return np.asarray(picture.convert("L")), 255.0


def _mask_levels(picture: Image.Image, name: str) -> npt.NDArray[Any]:
    """Levels of a mask, uint8 (H, W) of 255, before the threshold."""
    if picture.mode == "P":
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
        if picture.mode == "RGB":
            return _two_colours(np.asarray(picture), name)
    if "A" in picture.getbands():
        alpha = np.asarray(picture.getchannel("A"))
        if alpha.min() != alpha.max():
            return alpha
        picture = picture.convert("L" if picture.mode == "LA" else "RGB")
    if picture.mode in ("1", "L"):
        return np.asarray(picture.convert("L"))
    if picture.mode.startswith("I") or picture.mode == "F":
        return _array_to_bytes(np.asarray(picture), name)
    rgb = to_rgb(picture)
    share = _coloured_share(rgb)
    if share > _MAX_COLOURED_SHARE:
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
    return _mask_levels(Image.fromarray(rgb), name)


def _array_to_bytes(values: npt.NDArray[Any], name: str) -> ByteArray:
    """Any numbers -> levels of 255: floats span [0, 1], wide integers that need no more than 8 bits have 8."""
    if values.dtype == bool:
        return values.astype(np.uint8) * 255
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and np.isfinite(high)):
        raise MaskError(f"{name} holds values from {low:g} to {high:g}; a mask holds 0 and 1, or 0 and 255")
    floats = values.dtype.kind == "f"
    scale = (255.0 if high <= 1 else 1.0) if floats else (1.0 if high <= 255 else 255 / 65535)
    return np.rint(np.clip(values * scale, 0, 255)).astype(np.uint8)


def _binarise(levels: ByteArray, name: str, lossless: bool) -> ByteArray:
    if lossless and levels.max() == 1:
        return levels.copy()
    grey = float(np.mean((levels >= _GREY[0]) & (levels <= _GREY[1])))
    if grey > _MAX_GREY_SHARE:
        raise MaskError(
            f"{name} is grey on {grey:.0%} of its pixels, so it is no mask; is it a depth map or a photograph? "
            "Expected black background and white foreground"
        )
    mask = (levels > _THRESHOLD).astype(np.uint8)
    faint = float(np.mean(levels >= (1 if lossless else _GREY[0])))
    if not mask.any() and faint > _MIN_FAINT_SHARE:
        raise MaskError(
            f"{name} has values up to {levels.max()}, none above {_THRESHOLD}, on {faint:.0%} of its pixels: nothing "
            "would be foreground. Store foreground as 255 (or as 1 in a lossless file); labels must be merged first"
        )
    return mask


def _coloured_share(rgb: ByteArray) -> float:
    red, green, blue = np.moveaxis(rgb, 2, 0)  # several times faster than np.ptp over the short last axis
    span = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return float(np.count_nonzero(span > _COLOURED) / span.size)


def _load_array(content: bytes, name: str) -> npt.NDArray[Any]:
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise PictureError(f"{name} is not a NumPy array ({error}); write it again with numpy.save") from error
    if isinstance(array, np.ndarray) and array.ndim == 3 and 1 in (array.shape[0], array.shape[2]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    if not isinstance(array, np.ndarray) or array.ndim != 2 or not array.size or array.dtype.kind not in "biuf":
        shape, kind = getattr(array, "shape", None), getattr(array, "dtype", type(array).__name__)
        raise PictureError(f"{name} holds {kind} of shape {shape}; expected numbers (H, W)")
    return array


def _is_jpeg(content: bytes) -> bool:
    return content[:3] == b"\xff\xd8\xff"


__all__ = ["BoolArray", "ByteArray", "FloatArray", "read_depth", "read_mask", "read_rgb"]
