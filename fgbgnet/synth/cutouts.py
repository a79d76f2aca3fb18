"""Cut-outs: pictures whose alpha channel says what belongs to the thing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError, MissingFileError, PictureError
from fgbgnet.pictures import open_picture, to_rgb
from fgbgnet.synth.geometry import Array
from fgbgnet.types import PathInput

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})

_LEVELS = np.arange(256) / 255
# IEC 61966-2-1.
_TO_LINEAR = torch.from_numpy(
    np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)
)
_STEPS = 8192
_LINEAR = np.linspace(0, 1, _STEPS + 1)
# The steps are uniform in the square root of the light: fine where the curve is steep.
_TO_SRGB = torch.from_numpy(
    np.rint(255 * np.where(_LINEAR**2 <= 0.0031308, 12.92 * _LINEAR**2, 1.055 * _LINEAR ** (2 / 2.4) - 0.055)).astype(
        np.uint8
    )
)


def to_linear(levels: Tensor) -> Tensor:
    """Levels of sRGB (uint8) -> linear light in [0, 1]."""
    return _TO_LINEAR[levels.long()]


def to_srgb(linear: Tensor) -> Tensor:
    """Linear light -> sRGB levels (uint8).

    >>> levels = torch.arange(256, dtype=torch.uint8)
    >>> torch.equal(to_srgb(to_linear(levels)), levels)
    True
    """
    return _TO_SRGB[(linear.clamp(0, 1).sqrt() * _STEPS).round().long()]


def find_pictures(source: PathInput, argument: str) -> list[Path]:
    """The pictures of a folder in natural order (2 before 10), or the one picture that ``source`` is.

    Raises:
        MissingFileError: If there is nothing at ``source``.
        InvalidArgumentError: If the folder holds no picture.
    """
    path = Path(source)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise MissingFileError(f"{argument}: no file or folder at {path}")
    found = [p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    if not found:
        raise InvalidArgumentError(f"{argument}: {path} holds no picture ({', '.join(sorted(SUFFIXES))})")
    return sorted(found, key=_natural)


def _natural(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    parts: list[tuple[int, int, str]] = []
    text = ""
    for character in f"{path.name}\0":
        if text and character.isdigit() != text[-1].isdigit():
            parts.append((0, int(text), "") if text.isdigit() else (1, 0, text.lower()))
            text = ""
        text += character
    return parts, path.name


def load_background(path: Path, size: tuple[int, int]) -> Array:
    """A photograph at this height and width, uint8 (H, W, 3); its middle part where the shape differs."""
    picture = Image.fromarray(to_rgb(open_picture(path)))
    height, width = size
    scale = max(height / picture.height, width / picture.width)
    w, h = width / scale, height / scale
    left, top = max(picture.width - w, 0) / 2, max(picture.height - h, 0) / 2
    reduced = picture.resize(
        (width, height),
        Image.Resampling.LANCZOS,
        box=(left, top, min(left + w, picture.width), min(top + h, picture.height)),
    )
    return np.array(reduced)


def load_cutout(path: Path, longest: int) -> Tensor:
    """A cut-out without its empty border, uint8 (4, h, w): sRGB, not multiplied by alpha, then alpha.

    Args:
        path: A picture with an alpha channel, or with a transparent palette colour.
        longest: It is reduced to at most so many pixels on its longer side.

    Raises:
        MissingFileError: If there is no such file.
        PictureError: If it cannot be read, has no alpha channel, or nothing in it is opaque or everything is.
    """
    picture = open_picture(path)
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    if picture.mode not in ("RGBA", "LA", "PA", "RGBa", "La"):
        raise PictureError(
            f"{path} has mode {picture.mode} and no alpha channel; a cut-out says with its alpha what belongs to the "
            "thing: save it as RGBA PNG"
        )
    rgba = torch.from_numpy(np.array(picture.convert("RGBA"))).permute(2, 0, 1)
    alpha = rgba[3]
    solid = alpha >= 128
    if not solid.any():
        raise PictureError(f"{path} is empty: no pixel has an alpha of one half or more")
    if solid.all() and (alpha == 255).all():
        raise PictureError(f"{path} is opaque everywhere; its alpha channel cuts nothing out")
    rows, columns = (torch.nonzero((alpha > 8).any(dim)).flatten() for dim in (1, 0))
    rgba = rgba[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].contiguous()
    factor = longest / max(rgba.shape[1:])
    if factor >= 1:
        return rgba
    layers = resize(premultiplied(rgba), (round(rgba.shape[1] * factor), round(rgba.shape[2] * factor)))
    opacity = layers[3:]
    return torch.cat([to_srgb(layers[:3] / opacity.clamp(min=1 / 510)), (opacity * 255).round().byte()])


def premultiplied(cutout: Tensor) -> Tensor:
    """uint8 (4, h, w) of `load_cutout` -> float32 (4, h, w): linear RGB times alpha, then alpha in [0, 1]."""
    opacity = cutout[3:].float() / 255
    return torch.cat([to_linear(cutout[:3]) * opacity, opacity])


class Shelf:
    """Keeps what was loaded until its memory is full; what does not fit any more is loaded whenever it is asked for.

    Nothing is put out for something newer: whoever goes through all items in turns, as `compose` does, would find none
    of them again if the oldest made room.

    Args:
        load: Gives the tensor of an index.
        limit: Most bytes to keep.
    """

    def __init__(self, load: Callable[[int], Tensor], limit: int) -> None:
        self._load, self._limit = load, limit
        self._kept: dict[int, Tensor] = {}
        self.bytes = 0
        """How much is kept."""

    def __call__(self, index: int) -> Tensor:
        """The tensor of an index."""
        if index in self._kept:
            return self._kept[index]
        item = self._load(index)
        if self.bytes + item.nbytes <= self._limit:
            self._kept[index] = item
            self.bytes += item.nbytes
        return item


def resize(layers: Tensor, size: tuple[int, int]) -> Tensor:
    """Premultiplied layers (C, h, w) at another size, without aliasing."""
    size = (max(1, size[0]), max(1, size[1]))
    return F.interpolate(layers[None], size, mode="bilinear", align_corners=False, antialias=True)[0].clamp_(0, 1)


__all__ = [
    "SUFFIXES",
    "Shelf",
    "find_pictures",
    "load_background",
    "load_cutout",
    "premultiplied",
    "resize",
    "to_linear",
    "to_srgb",
]
