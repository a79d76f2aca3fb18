"""Depth maps as files: what a teacher guesses, coded, whole or not there."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TypeAlias

from torch import Tensor
from tqdm import tqdm

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth.folders import encode, present, put
from fgbgnet.synth.teachers.batches import Picture, estimate, read_pictures
from fgbgnet.synth.teachers.levels import Levels
from fgbgnet.synth.teachers.teacher import Teacher

Coding: TypeAlias = Callable[[Tensor], Levels]


class MapWriter:
    """Puts pictures before a teacher, in batches that do not depend on what is there already.

    Args:
        teacher: Guesses the depth.
        batch_size: Pictures at a time.
        pool: Reads, decodes, encodes and writes.
        progress: Whether to show progress bars.
    """

    def __init__(self, teacher: Teacher, batch_size: int, pool: Executor, progress: bool) -> None:
        self.teacher, self.batch_size, self.pool, self.progress = teacher, batch_size, pool, progress
        self.maps = 0
        """Written so far."""
        self.blank = 0
        """Of these, how many hold no value that could be stored as it is."""
        self.outside = 0.0
        """Sum over maps of the share of their pixels that did not fit."""

    def extremes(self, paths: Sequence[Path]) -> tuple[float, float]:
        """Smallest and largest value that the teacher gives on pictures."""
        lows, highs = [], []
        for batch in self._batches(paths, "range", []):
            for depth in estimate(self.teacher, batch, self.pool):
                lows.append(depth.min().item())
                highs.append(depth.max().item())
        return min(lows), max(highs)

    def write(self, paths: Sequence[Path], folder: Path, coding: Coding) -> list[str]:
        """Writes the maps that are missing.

        Args:
            paths: Pictures.
            folder: Where the maps go.
            coding: Depth -> levels.

        Returns:
            Name of the map in the folder for each picture.

        Raises:
            InvalidArgumentError: If no value of the first batch can be stored.
        """
        names: list[str] = []
        for index, batch in enumerate(self._batches(paths, "depth", names)):
            files = [folder / picture.name for picture in batch]
            missing = [k for k, file in enumerate(files) if not present(file)]
            if missing:
                # All of the batch, since a network rounds differently in batches of another size.
                depths = estimate(self.teacher, batch, self.pool)
                levels = list(self.pool.map(coding, depths))
                if index == 0:
                    self._refuse_blank(levels, depths, batch[0])
                levels = [levels[k] for k in missing]
                self._count(levels)
                contents = self.pool.map(encode, [level.stored for level in levels])
                list(self.pool.map(put, [files[k] for k in missing], contents))
        return names

    def _batches(self, paths: Sequence[Path], what: str, names: list[str]) -> Iterator[list[Picture]]:
        """Pictures of which none stands twice: archives hold copies. The names of all are added to ``names``."""
        batch: dict[str, Picture] = {}
        seen: set[str] = set()
        with tqdm(total=len(paths), desc=what, unit="picture", disable=not self.progress) as bar:
            for picture in read_pictures(paths, self.batch_size, self.pool):
                names.append(picture.name)
                if picture.name not in seen:
                    batch[picture.name] = picture
                    seen.add(picture.name)
                if len(batch) == self.batch_size:
                    yield list(batch.values())
                    batch = {}
                bar.update()
            if batch:
                yield list(batch.values())

    def _refuse_blank(self, levels: Sequence[Levels], depths: Sequence[Tensor], first: Picture) -> None:
        if all(map(_is_blank, levels)):
            raise InvalidArgumentError(
                f"no value that the teacher {self.teacher.name!r} gives for {first.path} and the pictures after it can "
                f"be stored: they lie from {min(float(d.min()) for d in depths):g} to "
                f"{max(float(d.max()) for d in depths):g}, and {_EXPECTED[self.teacher.unit]}"
            )

    def _count(self, levels: Sequence[Levels]) -> None:
        self.maps += len(levels)
        self.blank += sum(map(_is_blank, levels))
        self.outside += sum(level.outside / level.stored.size for level in levels)


def _is_blank(levels: Levels) -> bool:
    return levels.outside == levels.stored.size


_EXPECTED = {
    "metres": "0.001 to 65.535 m were expected: is the unit right?",
    "relative": "value_range was expected to hold them",
}

__all__ = ["Coding", "MapWriter"]
