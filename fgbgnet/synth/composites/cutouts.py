"""Cut-outs and photographs: found in folders, read, and held ready at all sizes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import cv2
import numpy as np
from PIL import Image

from fgbgnet.errors import InvalidArgumentError, MissingFileError, PictureError
from fgbgnet.pictures import open_picture, to_rgb
from fgbgnet.synth.composites.fringe import has_halo, without_halo
from fgbgnet.synth.composites.linear import Bytes, Floats, to_linear, to_srgb
from fgbgnet.types import PathInput

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})

_STEP = 2**0.5  # between the sizes that are held: a linear filter reduces by so much without aliasing
_SMALLEST = 7


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
        if text and character.isdecimal() != text[-1].isdecimal():
            parts.append((0, int(text), "") if text.isdecimal() else (1, 0, text.lower()))
            text = ""
        text += character
    return parts, path.name


def middle_part(height: int, width: int, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest middle part of a picture that has the shape of ``size``: left, top, right, bottom in pixels.

    >>> middle_part(100, 300, (50, 50))
    (100.0, 0.0, 200.0, 100.0)
    """
    scale = max(size[0] / height, size[1] / width)
    h, w = size[0] / scale, size[1] / scale
    left, top = max(width - w, 0) / 2, max(height - h, 0) / 2
    return left, top, min(left + w, width), min(top + h, height)


def load_background(path: Path, size: tuple[int, int]) -> Bytes:
    """A photograph at this height and width, uint8 (H, W, 3); its middle part where the shape differs.

    Raises:
        MissingFileError: If there is no such file.
        PictureError: If it cannot be read.
    """
    picture = Image.fromarray(to_rgb(open_picture(path), str(path)))
    box = middle_part(picture.height, picture.width, size)
    return np.array(picture.resize(size[::-1], Image.Resampling.LANCZOS, box=box))


def load_cutout(path: Path) -> Bytes:
    """A cut-out without its empty border, uint8 (h, w, 4): sRGB, not multiplied by alpha, then alpha.

    Args:
        path: A picture with an alpha channel, or with a transparent palette colour.

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
    rgba = np.array(picture.convert("RGBA"))
    alpha = rgba[..., 3]
    if not (alpha >= 128).any():
        raise PictureError(f"{path} is empty: no pixel has an alpha of one half or more")
    if (alpha == 255).all():
        raise PictureError(f"{path} is opaque everywhere; its alpha channel cuts nothing out")
    rows, columns = (np.flatnonzero((alpha > 8).any(axis)) for axis in (1, 0))
    return rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()


class Level(NamedTuple):
    """A cut-out at one size."""

    colour: Bytes
    """sRGB, not multiplied by alpha, uint8 (h, w, 3)."""
    alpha: Bytes
    """uint8 (h, w)."""


@dataclass(frozen=True)
class Cutout:
    """A cut-out at every size at which it may be wanted.

    >>> thing = Cutout.of(np.full((64, 32, 4), 255, np.uint8), longest=40)
    >>> [level.alpha.shape for level in thing.levels]
    [(40, 20), (28, 14), (20, 10), (14, 7)]
    >>> thing.at(25).colour.shape
    (28, 14, 3)
    """

    levels: tuple[Level, ...]
    """Each smaller than the one before by the square root of 2."""
    mean: Floats
    """Of its levels of sRGB, weighted by alpha, (3,)."""
    deviation: Floats
    """Standard deviation of the same, (3,)."""
    halo: bool
    """Whether there was a white halo, which is removed."""

    @classmethod
    def of(cls, rgba: Bytes, longest: int) -> "Cutout":
        """Makes the levels, the largest of at most ``longest`` pixels on its longer side; reduced in linear light."""
        halo = has_halo(rgba)
        rgba = without_halo(rgba) if halo else rgba
        light, factor = premultiplied(rgba), min(1.0, longest / max(rgba.shape[:2]))
        first = _scaled(rgba.shape[:2], factor)
        levels = [_level(light, first)] if factor < 1 else [Level(rgba[..., :3].copy(), rgba[..., 3].copy())]
        while min(size := _scaled(first, _STEP ** -len(levels))) >= _SMALLEST:
            levels.append(_level(light, size))
        weight = levels[-1].alpha[..., None] / max(int(levels[-1].alpha.sum()), 1)
        mean = (levels[-1].colour * weight).sum((0, 1))
        deviation = np.sqrt(((levels[-1].colour - mean) ** 2 * weight).sum((0, 1)))
        return cls(tuple(levels), mean.astype(np.float32), deviation.astype(np.float32), halo)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the largest level."""
        height, width = self.levels[0].alpha.shape
        return height, width

    @property
    def nbytes(self) -> int:
        """How much memory the levels take."""
        return sum(level.colour.nbytes + level.alpha.nbytes for level in self.levels)

    def at(self, height: int) -> Level:
        """The smallest level that is at least so high, or the largest."""
        return next((level for level in reversed(self.levels) if len(level.alpha) >= height), self.levels[0])


def _scaled(shape: tuple[int, ...], factor: float) -> tuple[int, int]:
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))


def premultiplied(rgba: Bytes) -> Floats:
    """uint8 (h, w, 4) -> float32 (h, w, 4): linear RGB times alpha, then alpha in [0, 1]."""
    light = to_linear(rgba)
    light[..., 3] = rgba[..., 3] * np.float32(1 / 255)
    light[..., :3] *= light[..., 3:]
    return light


def _level(light: Floats, size: tuple[int, int]) -> Level:
    """`premultiplied` layers at a smaller size, not multiplied by alpha again."""
    layers: Any = cv2.resize(light, size[::-1], interpolation=cv2.INTER_AREA)
    colour = to_srgb(np.minimum(layers[..., :3] / np.maximum(layers[..., 3:], 1 / 510), 1))
    return Level(colour, np.rint(layers[..., 3] * 255).astype(np.uint8))


class _Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


ItemT = TypeVar("ItemT", bound=_Sized)


class Shelf(Generic[ItemT]):
    """Keeps what was loaded until its memory is full; what does not fit any more is loaded whenever it is asked for.

    Nothing is put out for something newer: whoever goes through all items in turns, as `compose` does, would find none
    of them again if the oldest made room. A copy in another process starts empty.

    Args:
        load: Gives the item of an index.
        limit: Most bytes to keep.

    >>> shelf = Shelf(lambda index: np.zeros(10, np.uint8), limit=15)
    >>> [len(shelf(index)) for index in (0, 1, 0)], shelf.bytes
    ([10, 10, 10], 10)
    """

    def __init__(self, load: Callable[[int], ItemT], limit: int) -> None:
        self._load, self._limit = load, limit
        self._kept: dict[int, ItemT] = {}
        self.bytes = 0
        """How much is kept."""

    def __call__(self, index: int) -> ItemT:
        """The item of an index."""
        if index in self._kept:
            return self._kept[index]
        item = self._load(index)
        if self.bytes + item.nbytes <= self._limit:
            self._kept[index] = item
            self.bytes += item.nbytes
        return item

    def __getstate__(self) -> dict[str, Any]:
        return {"_load": self._load, "_limit": self._limit, "_kept": {}, "bytes": 0}


__all__ = [
    "SUFFIXES",
    "Cutout",
    "Level",
    "Shelf",
    "find_pictures",
    "load_background",
    "load_cutout",
    "middle_part",
    "premultiplied",
]
