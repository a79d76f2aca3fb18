"""Anything that a user may call a picture -> RGB."""

import io
import struct
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError, MissingFileError, PictureError
from fgbgnet.types import PathInput

PictureInput: TypeAlias = PathInput | Image.Image | npt.NDArray[Any] | Tensor

_SPANS = {torch.bool: 1, torch.uint8: 255, torch.uint16: 65535}
_TYPES = "uint8, uint16, bool, or floats in [0, 1]"
_TOLERANCE = 1e-3
_ORIENTATION = 274  # EXIF tag
_TURNS = dict(
    zip(
        range(2, 9),
        (
            Image.Transpose.FLIP_LEFT_RIGHT,
            Image.Transpose.ROTATE_180,
            Image.Transpose.FLIP_TOP_BOTTOM,
            Image.Transpose.TRANSPOSE,
            Image.Transpose.ROTATE_270,
            Image.Transpose.TRANSVERSE,
            Image.Transpose.ROTATE_90,
        ),
        strict=True,
    )
)


def open_picture(source: PathInput | bytes, name: str | None = None) -> Image.Image:
    """Opens and fully decodes a picture, upright.

    The EXIF orientation is applied, so that what a viewer shows is what a network sees.

    Args:
        source: A path, or the bytes of the file.
        name: How errors call the picture; its path by default.

    Raises:
        MissingFileError: If there is no such file.
        PictureError: If it is not a picture, or is truncated.
    """
    name = name or (f"{len(source)} bytes" if isinstance(source, bytes) else str(source))
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
            picture.load()
            return _upright(picture)
    except FileNotFoundError as error:
        raise MissingFileError(f"no picture at {name}") from error
    except IsADirectoryError as error:
        raise PictureError(f"{name} is a folder; the path of a picture was expected") from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{name} is not a picture that Pillow can read") from error
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        raise PictureError(f"{name} cannot be decoded ({error}); copy or make it again") from error


def _upright(picture: Image.Image) -> Image.Image:
    """A copy, turned as EXIF says.

    `PIL.ImageOps.exif_transpose` writes all of EXIF anew, which fails where a camera left one broken tag.
    """
    turn = _TURNS.get(picture.getexif().get(_ORIENTATION, 1))
    return picture.copy() if turn is None else picture.transpose(turn)


def to_rgb(picture: Image.Image, name: str = "the picture") -> npt.NDArray[np.uint8]:
    """Any Pillow mode -> uint8 (H, W, 3).

    Transparency is dropped, CMYK and palettes are converted. 16-bit grey (``I;16``) spans 65535. 32-bit integers
    (``I``) do not say what they span: values up to 65535 of which some are above 255 are 16-bit grey, others are
    refused, since 8-bit values and a dark 16-bit picture look the same. Floats (``F``) are in [0, 1].

    Args:
        picture: The picture.
        name: How errors call it.

    Raises:
        PictureError: If 32-bit integers are ambiguous or out of range, or floats are outside [0, 1].

    >>> to_rgb(Image.new("L", (3, 2), 7)).shape
    (2, 3, 3)
    """
    if picture.mode.startswith("I") or picture.mode == "F":
        grey = np.asarray(picture)
        if picture.mode == "F":
            _check_floats(grey, name)
        elif picture.mode == "I":
            _check_integers(grey, name)
        scaled = grey * (255 if picture.mode == "F" else 255 / 65535)
        return np.repeat(np.rint(scaled.clip(0, 255)).astype(np.uint8)[..., None], 3, axis=2)
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return np.array(picture.convert("RGB"))  # a copy: torch wants writable memory


def _check_floats(grey: npt.NDArray[Any], name: str) -> None:
    low, high = (float(grey.min()), float(grey.max())) if grey.size else (0.0, 0.0)
    if not (low >= -_TOLERANCE and high <= 1 + _TOLERANCE):  # also catches NaN
        raise PictureError(f"{name} holds floats (mode F) from {low:g} to {high:g}; expected [0, 1]. Scale them first")


def _check_integers(grey: npt.NDArray[Any], name: str) -> None:
    low, high = (int(grey.min()), int(grey.max())) if grey.size else (0, 0)
    if low < 0 or high > 65535:
        raise PictureError(
            f"{name} holds 32-bit integers (mode I) from {low} to {high}; expected 0 to 65535. "
            "Save it as 8-bit or 16-bit grey"
        )
    if 0 < high <= 255:
        raise PictureError(
            f"{name} holds 32-bit integers (mode I) up to {high}, which may be 8-bit grey or a dark 16-bit picture. "
            "Convert it first: 8-bit with Image.fromarray(numpy.asarray(picture).astype('uint8')), 16-bit with 'uint16'"
        )


def load_picture(source: PictureInput, argument: str = "picture") -> Tensor:
    """A path, Pillow picture, array or tensor -> float32 (3, H, W), RGB in [0, 1].

    Args:
        source: A path; a Pillow picture of any mode; an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); or a
            tensor (3, H, W) or (1, 3, H, W). uint8 spans 255 and uint16 spans 65535, bool is 0 or 1, floats are in
            [0, 1]; other types are refused, since they do not say what they span.
        argument: How errors call the argument.

    Raises:
        MissingFileError: If a path leads nowhere.
        PictureError: If a file is no picture, or a picture's values do not say how bright they are, see `to_rgb`.
        InvalidArgumentError: If an array or tensor has another shape, type or range.
    """
    if isinstance(source, Tensor):
        return _from_tensor(source, argument)
    if isinstance(source, np.ndarray):
        return _from_array(source, argument)
    if isinstance(source, Image.Image):
        rgb = to_rgb(_upright(source), argument)
    elif isinstance(source, str | Path) or hasattr(source, "__fspath__"):
        rgb = to_rgb(open_picture(source), str(source))
    else:
        raise InvalidArgumentError(
            f"{argument} is a {type(source).__name__}; expected a path, a Pillow picture, an array or a tensor"
        )
    return torch.from_numpy(rgb).permute(2, 0, 1).float().div_(255)


def _from_tensor(tensor: Tensor, argument: str) -> Tensor:
    if tensor.ndim == 4 and tensor.shape[0] == 1:
        tensor = tensor[0]
    if tensor.ndim != 3 or tensor.shape[0] != 3:
        raise InvalidArgumentError(
            f"{argument} is a tensor of shape {tuple(tensor.shape)}; expected (3, H, W), one RGB picture"
        )
    return _to_unit_range(tensor.detach(), argument)


def _from_array(array: npt.NDArray[Any], argument: str) -> Tensor:
    shape = array.shape
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise InvalidArgumentError(
            f"{argument} is an array of shape {shape}; expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4): "
            "channels last, RGB. Channels-first pictures are passed as tensors"
        )
    rgb = np.broadcast_to(array[..., :3], (*array.shape[:2], 3))
    try:
        tensor = torch.from_numpy(np.array(rgb))
    except TypeError as error:
        raise InvalidArgumentError(f"{argument} has type {rgb.dtype}; expected {_TYPES}") from error
    return _to_unit_range(tensor.permute(2, 0, 1), argument)


def _to_unit_range(picture: Tensor, argument: str) -> Tensor:
    if 0 in picture.shape:
        raise InvalidArgumentError(f"{argument} has no pixels: shape {tuple(picture.shape)}")
    if picture.dtype in _SPANS:
        return picture.float().div(_SPANS[picture.dtype])
    if not picture.is_floating_point():
        raise InvalidArgumentError(f"{argument} has type {picture.dtype}; expected {_TYPES}")
    low, high = picture.min().item(), picture.max().item()
    if not (low >= -_TOLERANCE and high <= 1 + _TOLERANCE):  # also catches NaN
        raise InvalidArgumentError(
            f"{argument} holds floats from {low:g} to {high:g}; expected [0, 1]. Divide by 255, or pass uint8; "
            "do not normalise, the model does that itself"
        )
    return picture.float().clamp(0, 1)


__all__ = ["PictureInput", "load_picture", "open_picture", "to_rgb"]
