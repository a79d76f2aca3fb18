"""Composites as files: made in parts by several processes, each part whole or not there."""

import csv
import io
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch.utils.data import DataLoader, Dataset

from fgbgnet.files import is_full_disk
from fgbgnet.synth.composites.billboards import to_stored
from fgbgnet.synth.composites.composer import Box, Composer, Composite
from fgbgnet.synth.composites.encoding import Codec, encode_grey, encode_picture
from fgbgnet.synth.composites.placement import Placement
from fgbgnet.synth.folders import present, put

COLUMNS = (
    "id", "bg", "fg_bg", "mask", "depth", "bg_id", "fg_id", "depth_unit", "depth_direction", "alpha", "fg_ids", "boxes",
    "horizon", *Placement._fields, "quality", "chroma",
)  # fmt: skip
"""Of the manifest."""

PARTS = ".parts"
"""Folder of what is known of samples before the manifest is written."""

_LARGEST_PART = 128


@dataclass(frozen=True)
class Scheme:
    """Which pair of pictures every number shows."""

    things: int
    per_pair: int
    flip: bool

    @property
    def per_both(self) -> int:
        """Samples of a cut-out on a background, mirrored ones included."""
        return self.per_pair * (1 + self.flip)

    def __call__(self, number: int) -> tuple[int, int, bool]:
        """Background, cut-out, and whether that is mirrored."""
        pair, k = divmod(number, self.per_both)
        return *divmod(pair, self.things), k >= self.per_pair


class Made(NamedTuple):
    """What came of a part."""

    lines: list[str]
    """Of the manifest, in order."""
    full: str | None
    """What the system said if the disk was full."""


Put = Callable[[str, Callable[[], bytes]], None]
"""Writes a file of a name, if it is not there."""


class Maker:
    """Makes the files of samples.

    Args:
        composer: Gives the composites.
        scheme: Gives the pair of every number.
        frame: How ``fg_bg`` is compressed.
        clean: How ``bg`` is compressed.
    """

    def __init__(self, composer: Composer, scheme: Scheme, frame: Codec, clean: Codec) -> None:
        self.composer, self.scheme, self.frame, self.clean = composer, scheme, frame, clean

    def names(self, number: int) -> dict[str, str]:
        """Names of the files of a sample by column, below the folder or archive."""
        background = self.scheme(number)[0]
        stem = f"sample_{number:08d}"
        names = {
            "bg": f"bg/{background:05d}_{self.composer.photos[background].stem[:40]}{self.clean.suffix}",
            "fg_bg": f"fg_bg/{stem}{self.frame.suffix}",
            "mask": f"mask/{stem}.png",
            "alpha": f"alpha/{stem}.png",
        }
        return names if self.composer.depth is None else {**names, "depth": f"depth/{stem}.png"}

    def make(self, number: int, put: Put, prefix: str = "") -> str:
        """Makes the files of a sample.

        Args:
            number: Which sample.
            put: What writes them.
            prefix: Of the paths in the manifest.

        Returns:
            The sample's line of the manifest.
        """
        background, cutout, mirrored = self.scheme(number)
        composite, names = self.composer(number, background, cutout, mirrored), self.names(number)
        quality, chroma = self.frame.draw(self.composer.seed, "fg_bg", number)
        put(names["bg"], lambda: self._encode_background(background))
        put(names["fg_bg"], lambda: encode_picture(composite.fg_bg, quality, chroma))
        put(names["mask"], lambda: encode_grey(composite.mask * 255))
        put(names["alpha"], lambda: encode_grey(composite.alpha))
        row = self._row(number, composite)
        if composite.depth is not None and self.composer.depth is not None:
            stored = to_stored(composite.depth, self.composer.depth.unit)
            put(names["depth"], lambda: encode_grey(stored))
            row |= {"depth_unit": self.composer.depth.unit}
        row |= {column: prefix + name for column, name in names.items()}
        row |= {"quality": "" if quality is None else quality, "chroma": "" if quality is None else chroma}
        return to_line([row[column] for column in COLUMNS])

    def _row(self, number: int, composite: Composite) -> dict[str, Any]:
        background, cutout, _ = self.scheme(number)
        draw = composite.draw
        placements = [layer.placement for layer in draw.layers]
        return {
            "id": f"sample_{number:08d}",
            "depth": "",
            "depth_unit": "relative",
            "depth_direction": "near_small",
            "bg_id": self.composer.photos[background].name,
            "fg_id": self.composer.things[cutout].name,
            "fg_ids": "/".join(self.composer.things[layer.cutout].name for layer in draw.layers),
            "boxes": "/".join(map(_box_text, composite.boxes)),
            "horizon": "" if draw.horizon is None else f"{draw.horizon:.5f}",
            **{key: "/".join(_number_text(getattr(p, key)) for p in placements) for key in Placement._fields},
        }

    def _encode_background(self, background: int) -> bytes:
        quality, chroma = self.clean.draw(self.composer.seed, "bg", background)
        return encode_picture(self.composer.background(background), quality, chroma)


def _number_text(value: float | bool) -> str:
    return str(int(value)) if isinstance(value, bool) else f"{value:.5f}"


def _box_text(box: Box | None) -> str:
    return "" if box is None else " ".join(map(str, box))


def to_line(values: Sequence[object]) -> str:
    """One line of CSV, with its end."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()


class FolderParts(Dataset[Made]):
    """Parts of single files, for the workers of a loader; what a part knows of its samples is written last.

    Args:
        maker: Makes the files.
        out: The folder.
        numbers: The samples that are to be made.
        workers: How many processes share the work.
    """

    def __init__(self, maker: Maker, out: Path, numbers: Sequence[int], workers: int) -> None:
        size = max(1, min(_LARGEST_PART, len(numbers) // (4 * max(workers, 1))))
        self.maker, self.out = maker, out
        self.parts = [numbers[k : k + size] for k in range(0, len(numbers), size)]

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> Made:
        lines: list[str] = []
        try:
            for number in self.parts[index]:
                lines.append(self.maker.make(number, self._put))
            put(self.out / PARTS / f"{self.parts[index][0]:08d}.csv", "".join(lines).encode())
        except OSError as error:
            if not is_full_disk(error):
                raise
            return Made(lines, str(error))
        return Made(lines, None)

    def _put(self, name: str, content: Callable[[], bytes]) -> None:
        path = self.out / name
        # Backgrounds belong to many samples; whatever else there is of a sample that is not known is of a killed run.
        if not (name.startswith("bg/") and present(path)):
            put(path, content())


class ArchiveParts(Dataset[Made]):
    """Parts as zip archives, whose members are stored as they are, so that they can be read in place.

    Every archive holds the files of its samples, their backgrounds, and their lines of the manifest; two archives may
    hold the same background. It takes its place when it is whole.

    Args:
        maker: Makes the files.
        out: The folder of the archives.
        parts: Index and numbers of every archive that is to be made.
    """

    def __init__(self, maker: Maker, out: Path, parts: Sequence[tuple[int, Sequence[int]]]) -> None:
        self.maker, self.out, self.parts = maker, out, parts

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> Made:
        part, numbers = self.parts[index]
        path = self.out / archive_name(part)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            lines = self._write(temporary, path.name, numbers)
            temporary.replace(path)
        except OSError as error:
            if not is_full_disk(error):
                raise
            return Made([], str(error))
        finally:
            temporary.unlink(missing_ok=True)
        return Made(lines, None)

    def _write(self, temporary: Path, name: str, numbers: Sequence[int]) -> list[str]:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            there = set()

            def add(member: str, content: Callable[[], bytes]) -> None:
                if member in there:
                    return
                there.add(member)
                info = zipfile.ZipInfo(member)  # of 1980: the time of writing would make archives differ
                info.create_system, info.external_attr = 3, 0o644 << 16
                archive.writestr(info, content())

            lines = [self.maker.make(number, add, f"{name}/") for number in numbers]
            inner = [line.replace(f"{name}/", "") for line in lines]
            add("manifest.csv", lambda: (to_line(COLUMNS) + "".join(inner)).encode())
        return lines


def archive_name(part: int) -> str:
    """Name of an archive."""
    return f"part_{part:05d}.zip"


def made(parts: FolderParts | ArchiveParts, workers: int) -> Iterator[Made]:
    """Makes all parts, in order, by so many processes (0: in this one)."""
    from fgbgnet.data.loader import init_worker  # here: the data room needs albumentations

    workers = max(0, min(workers, len(parts) - 1))  # one part is made sooner than a process is started
    loader: DataLoader[Any] = DataLoader(parts, None, num_workers=workers, worker_init_fn=init_worker)
    yield from loader


__all__ = [
    "COLUMNS",
    "PARTS",
    "ArchiveParts",
    "FolderParts",
    "Made",
    "Maker",
    "Scheme",
    "archive_name",
    "made",
    "to_line",
]
