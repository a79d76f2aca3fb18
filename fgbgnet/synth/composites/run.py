"""A run of `compose`: what is there already, what is missing, and the manifest of both."""

import csv
import io
import warnings
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

from tqdm import tqdm

from fgbgnet.errors import FgBgError, FgBgWarning, InvalidArgumentError, OutputError
from fgbgnet.files import atomic_path, is_full_disk
from fgbgnet.synth.composites.files import COLUMNS, PARTS, ArchiveParts, FolderParts, Maker, archive_name, made, to_line
from fgbgnet.synth.composites.gathering import listing
from fgbgnet.synth.folders import present

Lines = dict[int, str]
"""Lines of the manifest by the number of the sample."""

_ROOM = 64
"""Samples that make room for the manifest on a full disk, at a time."""


def fingerprints(paths: Iterable[Path]) -> list[str]:
    """Name, length and digest of files."""
    contents = ((path.name, path.read_bytes()) for path in paths)
    return [f"{name} ({len(c)} bytes, {blake2b(c, digest_size=8).hexdigest()})" for name, c in contents]


def run(
    maker: Maker, out: Path, numbers: Sequence[int], shard: int | None, workers: int, progress: bool
) -> Path:  # fmt: skip
    """Makes what is missing of the samples, and the manifest.

    Args:
        maker: Makes the files.
        out: The folder.
        numbers: The samples.
        shard: Samples of an archive; None for single files.
        workers: Processes.
        progress: Whether to show a progress bar.

    Returns:
        Path of the manifest.

    Raises:
        InvalidArgumentError: If the folder holds samples that are not among these.
        OutputError: If the disk is full. The manifest lists what is whole.
    """
    manifest = out / "manifest.csv"
    for half_written in out.glob(f".{manifest.stem}.*.tmp{manifest.suffix}"):  # of a killed run
        half_written.unlink(missing_ok=True)
    known, parts = _taken_up(maker, out, numbers, shard, workers)
    full = _make(parts, known, len(numbers), workers, progress)
    ordered = {n: known[n] for n in numbers if n in known}
    if full is None:
        try:
            _write_manifest(manifest, ordered)
        except OSError as error:
            if not is_full_disk(error):
                raise
            full = str(error)
    _remove_parts(out / PARTS)
    if full is None:
        _warn_of_empty_masks(ordered)
        return manifest
    left = _write_what_fits(manifest, ordered, maker, out, shard)
    where = f"{manifest} lists the {left} samples that are whole" if left else "no sample is whole"
    raise OutputError(
        f"{out} cannot be written, the disk is full ({full}); {where}. Make room, and repeat the same run to go on"
    )


def _taken_up(
    maker: Maker, out: Path, numbers: Sequence[int], shard: int | None, workers: int
) -> tuple[Lines, FolderParts | ArchiveParts]:
    """What is known of the samples that are whole, and the parts that are missing; another run's are refused."""
    known = _read_lines(out / "manifest.csv") | _read_parts(out / PARTS)
    lost = len(known.keys() - set(numbers))
    if lost:
        raise InvalidArgumentError(
            f"{out} holds {len(known)} samples, of which {lost} are not among the {len(numbers)} of this run; give the "
            "limit of the run that made them, or a larger one, to go on there, or another folder"
        )
    if shard is None:
        known = {n: known[n] for n in numbers if n in known and _there(maker, out, n)}
        return known, FolderParts(maker, out, [n for n in numbers if n not in known], workers)
    cut = [numbers[k : k + shard] for k in range(0, len(numbers), shard)]
    archived = [_read_archive(out / archive_name(k)) for k in range(len(cut))]
    missing = [(k, cut[k]) for k in range(len(cut)) if not archived[k]]
    return {n: line for lines in archived for n, line in lines.items()}, ArchiveParts(maker, out, missing)


def _make(parts: FolderParts | ArchiveParts, known: Lines, total: int, workers: int, progress: bool) -> str | None:
    """Makes the parts and adds what they know; what the system said if the disk was full."""
    with tqdm(total=total, initial=len(known), unit="sample", disable=not progress) as bar:
        for part in made(parts, workers):
            known.update((_number(line), line) for line in part.lines)
            bar.update(len(part.lines))
            if part.full is not None:
                return part.full
    return None


def _there(maker: Maker, out: Path, number: int) -> bool:
    return all(present(out / name) for name in maker.names(number).values())


def _number(line: str) -> int:
    return int(line[len("sample_") : line.index(",")])


def _lines(text: str) -> Lines:
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    return {int(row[0].removeprefix("sample_")): to_line(row) for row in rows}


def _read_lines(manifest: Path) -> Lines:
    """Lines of a manifest of ours; none if it is not there, or damaged: then its samples are made again."""
    from fgbgnet.data.manifest import Manifest  # here: the data room needs albumentations

    try:
        table = Manifest.read(manifest)
        columns = [table.column(name).tolist() for name in COLUMNS]
    except FgBgError:
        return {}
    return {int(row[0].removeprefix("sample_")): to_line(row) for row in zip(*columns, strict=True)}


def _read_parts(folder: Path) -> Lines:
    known: Lines = {}
    for path in sorted(folder.glob("*.csv")):
        known |= _lines(path.read_text(encoding="utf-8"))
    return known


def _read_archive(path: Path) -> Lines:
    """Lines of an archive; none if it is not there, or damaged: then it is made again."""
    from fgbgnet.data.storage import read_bytes

    try:
        lines = _lines(read_bytes(path / "manifest.csv").decode().split("\n", 1)[1])
    except FgBgError:
        return {}
    return {number: _prefixed(line, f"{path.name}/") for number, line in lines.items()}


def _prefixed(line: str, prefix: str) -> str:
    row = _cells(line)
    for column in ("bg", "fg_bg", "mask", "alpha", "depth"):
        index = COLUMNS.index(column)
        row[index] = row[index] and prefix + row[index]
    return to_line(row)


def _write_manifest(path: Path, lines: Lines) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        file.write(to_line(COLUMNS))
        file.writelines(lines.values())


def _write_what_fits(path: Path, lines: Lines, maker: Maker, out: Path, shard: int | None) -> int:
    """Writes the manifest on a full disk: the last samples make room where there is none. Number of those left."""
    numbers = list(lines)
    while numbers:
        try:
            _write_manifest(path, {number: lines[number] for number in numbers})
            return len(numbers)
        except OSError as error:
            if not is_full_disk(error):
                raise
        if shard is None:
            numbers, last = numbers[:-_ROOM], numbers[-_ROOM:]
            names = {name for n in last for kind, name in maker.names(n).items() if kind != "bg"}
        else:
            archive = _archive(lines[numbers[-1]])
            numbers, names = [n for n in numbers if _archive(lines[n]) != archive], {archive}
        for name in names:
            (out / name).unlink(missing_ok=True)
    return 0


def _archive(line: str) -> str:
    """Name of the archive that a sample lies in."""
    return _cells(line)[COLUMNS.index("mask")].split("/")[0]


def _warn_of_empty_masks(lines: Lines) -> None:
    rows = map(_cells, lines.values())
    empty = [row[COLUMNS.index("fg_id")] for row in rows if not row[COLUMNS.index("boxes")].strip("/")]
    if empty:
        warnings.warn(
            f"{len(empty)} of {len(lines)} samples have an empty mask, since nothing in them has an alpha of one half "
            f"or more; their cut-outs are too thin for this size, scale and erode: {listing(sorted(set(empty)))}",
            FgBgWarning,
            stacklevel=4,
        )


def _cells(line: str) -> list[str]:
    return next(csv.reader([line]))


def _remove_parts(folder: Path) -> None:
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


__all__ = ["fingerprints", "run"]
