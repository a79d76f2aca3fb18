"""Anything that a user may call a picture -> RGB."""

import io
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError, MissingFileError, PictureError
from fgbgnet.types import PathInput

PictureInput: TypeAlias = PathInput | Image.Image | npt.NDArray[Any] | Tensor


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
            return ImageOps.exif_transpose(picture)
    except FileNotFoundError as error:
        raise MissingFileError(f"no picture at {name}") from error
    except IsADirectoryError as error:
        raise PictureError(f"{name} is a folder; the path of a picture was expected") from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{name} is not a picture that Pillow can read") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PictureError(f"{name} cannot be decoded ({error}); copy or make it again") from error


def to_rgb(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """Any Pillow mode -> uint8 (H, W, 3).

    16-bit grey is scaled by 255/65535, transparency is dropped, CMYK and palettes are converted.

    >>> to_rgb(Image.new("L", (3, 2), 7)).shape
    (2, 3, 3)
    """
    if picture.mode.startswith("I") or picture.mode == "F":
        grey = np.asarray(picture, dtype=np.float32)
        scaled = np.clip(grey * (255 / 65535 if picture.mode != "F" else 255), 0, 255)
        return np.repeat(np.rint(scaled).astype(np.uint8)[..., None], 3, axis=2)
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return np.array(picture.convert("RGB"))  # a copy: torch wants writable memory


def load_picture(source: PictureInput, argument: str = "picture") -> Tensor:
    """A path, Pillow picture, array or tensor -> float32 (3, H, W), RGB in [0, 1].

    Args:
        source: A path; a Pillow picture of any mode; an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); or a
            tensor (3, H, W) or (1, 3, H, W). Integers span their type's range, floats span [0, 1].
        argument: How errors call the argument.

    Raises:
        MissingFileError: If a path leads nowhere.
        PictureError: If a file is no picture.
        InvalidArgumentError: If an array or tensor has another shape, type or range.
    """
    if isinstance(source, Tensor):
        return _from_tensor(source, argument)
    if isinstance(source, np.ndarray):
        return _from_array(source, argument)
    if isinstance(source, Image.Image):
        rgb = to_rgb(ImageOps.exif_transpose(source))
    elif isinstance(source, str | Path) or hasattr(source, "__fspath__"):
        rgb = to_rgb(open_picture(source))
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
    if rgb.dtype == np.uint16:
        rgb = rgb.astype(np.float32) / 65535
    if rgb.dtype == bool:
        rgb = rgb.astype(np.float32)
    return _to_unit_range(torch.from_numpy(np.array(rgb)).permute(2, 0, 1), argument)


def _to_unit_range(picture: Tensor, argument: str) -> Tensor:
    if 0 in picture.shape:
        raise InvalidArgumentError(f"{argument} has no pixels: shape {tuple(picture.shape)}")
    if picture.dtype == torch.uint8:
        return picture.float().div(255)
    if not picture.is_floating_point():
        raise InvalidArgumentError(f"{argument} has type {picture.dtype}; expected uint8, or floats in [0, 1]")
    low, high = picture.min().item(), picture.max().item()
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # also catches NaN
        raise InvalidArgumentError(
            f"{argument} holds floats from {low:g} to {high:g}; expected [0, 1]. Divide by 255, or pass uint8; "
            "do not normalise, the model does that itself"
        )
    return picture.float().clamp(0, 1)


__all__ = ["PictureInput", "load_picture", "open_picture", "to_rgb"]
