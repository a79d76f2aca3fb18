"""Depth maps of backgrounds: from a folder, or by a teacher."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from fgbgnet.errors import InvalidArgumentError, MissingFileError, PictureError
from fgbgnet.pictures import open_picture
from fgbgnet.synth.composites.cutouts import SUFFIXES, middle_part
from fgbgnet.synth.composites.linear import Bytes, Floats
from fgbgnet.types import DepthDirection, DepthUnit, PathInput

if TYPE_CHECKING:
    from fgbgnet.synth.teachers import Teacher

TOGETHER = 8
"""Backgrounds that are put before a teacher at a time."""

Truth = npt.NDArray[np.bool_]

_SUFFIXES = SUFFIXES | {".npy"}


class DepthMap(NamedTuple):
    """Distance on a background."""

    values: Floats
    """float32 (H, W), near = small; 0 where not valid."""
    valid: Truth
    """bool (H, W)."""

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return self.values.nbytes + self.valid.nbytes


class DepthMaps(Protocol):
    """Whatever knows the depth of backgrounds."""

    @property
    def unit(self) -> DepthUnit:
        """Of the maps as they are loaded; relative ones are in [0, 1]."""
        ...

    def load(self, index: int, size: tuple[int, int]) -> DepthMap:
        """The map of a background at a size."""
        ...


@dataclass(frozen=True)
class DepthFolder:
    """Depth maps of the backgrounds, in the order of the backgrounds."""

    paths: tuple[Path, ...]
    unit: DepthUnit
    direction: DepthDirection
    scale: float | None = None
    span: tuple[float, float] | None = None
    """Least and largest value of all maps, brought to 0 and 1; for relative depth."""
    photos: tuple[Path, ...] | None = None
    """What the maps show; None if they are cut as the backgrounds are."""

    @classmethod
    def find(
        cls, folder: PathInput, photos: Sequence[Path], unit: DepthUnit, direction: DepthDirection, scale: float | None
    ) -> "DepthFolder":
        """Finds the map of every background: a file of the same name up to the suffix.

        Raises:
            MissingFileError: If there is no such folder, or backgrounds have no map; all are named.
            InvalidArgumentError: If two files could be the map of one.
            PictureError: If a map cannot be read, or holds relative depth that is not valid somewhere.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise MissingFileError(f"depth: no folder at {folder}")
        found: dict[str, list[Path]] = {}
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in _SUFFIXES:
                found.setdefault(path.stem, []).append(path)
        missing = [photo.name for photo in photos if photo.stem not in found]
        if missing:
            raise MissingFileError(
                f"depth: {folder} has no map of {len(missing)} of {len(photos)} backgrounds: {', '.join(missing)}. "
                f"Expected the name of the background with a suffix among {', '.join(sorted(_SUFFIXES))}"
            )
        for photo in photos:
            if len(found[photo.stem]) > 1:
                names = ", ".join(path.name for path in found[photo.stem])
                raise InvalidArgumentError(f"depth: {folder} has several maps of {photo.name}: {names}; leave one")
        paths = tuple(found[photo.stem][0] for photo in photos)
        maps = cls(paths, unit, direction, scale, photos=tuple(photos))
        return maps._checked()

    def _checked(self) -> "DepthFolder":
        spans = [self._span(path) for path in self.paths]
        if self.unit == "metres":
            return self
        low, high = min(low for low, _ in spans), max(high for _, high in spans)
        return replace(self, span=(low, high if high > low else low + 1))

    def _span(self, path: Path) -> tuple[float, float]:
        values, valid = self._read(path)
        if self.unit == "relative" and not valid.all():
            raise PictureError(
                f"{path} is not finite everywhere; relative depth is stored as 16-bit integers, of which none means "
                "'not valid': fill the holes"
            )
        return float(values.min()), float(values.max())

    def _read(self, path: Path) -> DepthMap:
        from fgbgnet.data.depths import read_depth  # here: the data room needs albumentations

        return DepthMap(*read_depth(path, self.unit, self.direction, self.scale))

    def load(self, index: int, size: tuple[int, int]) -> DepthMap:
        """The map of a background at the size of the background, cut alike; by the nearest pixel.

        A map shows all of its photograph, whatever its own shape: those of networks are often square.
        """
        values, valid = self._read(self.paths[index])
        height, width = values.shape
        shown = (width, height) if self.photos is None else open_picture(self.photos[index]).size
        left, top, right, bottom = middle_part(shown[1], shown[0], size)
        rows = (top + (np.arange(size[0]) + 0.5) * (bottom - top) / size[0]) * (height / shown[1])
        columns = (left + (np.arange(size[1]) + 0.5) * (right - left) / size[1]) * (width / shown[0])
        rows, columns = rows.astype(np.intp), columns.astype(np.intp)
        values, valid = values[rows[:, None], columns], valid[rows[:, None], columns]
        return DepthMap(_within(values, self.span), valid)


@dataclass(frozen=True)
class DepthArrays:
    """Depth maps in memory, at the size of the backgrounds."""

    maps: tuple[Floats, ...]
    unit: DepthUnit
    span: tuple[float, float] | None

    @classmethod
    def taught(cls, teacher: "Teacher", background: Callable[[int], Bytes], count: int) -> "DepthArrays":
        """Lets a teacher guess the depth of backgrounds."""
        maps = tuple(depth for _, depth in guesses(teacher, background, range(count), progress=False))
        span = None if teacher.unit == "metres" else span_of(maps)
        return cls(maps, teacher.unit, span)

    def load(self, index: int, size: tuple[int, int]) -> DepthMap:
        """The map of a background; ``size`` is theirs already."""
        values = self.maps[index]
        valid = values > 0 if self.span is None else np.ones(size, np.bool_)
        return DepthMap(np.where(valid, _within(values, self.span), np.float32(0)), valid)


def guesses(
    teacher: "Teacher", background: Callable[[int], Bytes], indices: Sequence[int], *, progress: bool
) -> Iterator[tuple[int, Floats]]:
    """What a teacher thinks of the distance on backgrounds: their index, and (H, W) with near = small.

    Inverse depth changes its sign: which is nearer than which is all that relative depth says.
    """
    import torch

    with tqdm(total=len(indices), desc="depth of backgrounds", unit="picture", disable=not progress) as bar:
        for first in range(0, len(indices), TOGETHER):
            some = indices[first : first + TOGETHER]
            pictures = np.stack([background(index) for index in some])
            depth = teacher(torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()).numpy()
            yield from zip(some, -depth if teacher.direction == "near_large" else depth, strict=True)
            bar.update(len(some))


def span_of(maps: Sequence[Floats]) -> tuple[float, float]:
    """Least and largest value of all maps, never the same."""
    low, high = min(float(values.min()) for values in maps), max(float(values.max()) for values in maps)
    return low, high if high > low else low + 1


def _within(values: Floats, span: tuple[float, float] | None) -> Floats:
    return values if span is None else (values - np.float32(span[0])) / np.float32(span[1] - span[0])


__all__ = ["TOGETHER", "DepthArrays", "DepthFolder", "DepthMap", "DepthMaps", "guesses", "span_of"]
