"""The parts of a manifest that know nothing of manifests: rows of CSV, and paths that move with a file."""

import csv
import os
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from fgbgnet.data.texts import TextCollector, Texts
from fgbgnet.errors import ManifestError

_FIRST = 5  # how many offenders a message names
_PIECE = 2**20  # characters that are read at once
_ROWS = 4096  # the same, where rows are parsed one by one
_SPECIAL = ('"', "\r", "\0")


def read_columns(reader: Any, path: Path) -> dict[str, list[str]]:  # noqa: ANN401 - csv.reader has no public type
    """Reads a header and rows of the same length from a ``csv.reader``."""
    header = _header(reader, path)
    rows = []
    for row in reader:
        if len(row) == len(header):
            rows.append(row)
        elif row:  # a blank line, often the last one, is no row
            raise ManifestError(f"{path}, line {reader.line_num}: {len(row)} values, but the header has {len(header)}")
    return {name: [row[i] for row in rows] for i, name in enumerate(header)}


def read_texts(file: TextIO, path: Path) -> dict[str, Texts]:
    """Reads CSV with a header piece by piece, so that its rows are never Python objects all at once.

    Args:
        file: Opened with ``newline=""``.
        path: How errors call it.

    Raises:
        ManifestError: If there is no header, it names a column twice, or a row has another number of values.
        csv.Error: If it is not CSV.
    """
    reader = csv.reader(file, strict=True)
    names = _header(reader, path)
    collectors = [TextCollector() for _ in names]
    before, commas = reader.line_num, len(names) - 1
    while lines := file.readlines(_PIECE):
        text = "".join(lines)
        if any(special in text for special in _SPECIAL) or any(line.count(",") != commas for line in lines):
            # Quotes, blank lines and mistakes are for the parser that knows them, which takes five times as long.
            _read_carefully(chain(lines, file), before, path, len(names), collectors)
            break
        values = text.removesuffix("\n").replace("\n", ",").split(",")
        for k, collector in enumerate(collectors):
            collector.add(values[k :: len(names)])
        before += len(lines)
    return {name: Texts(*collector.parts()) for name, collector in zip(names, collectors, strict=True)}


def _read_carefully(
    lines: Iterable[str], before: int, path: Path, width: int, collectors: Sequence[TextCollector]
) -> None:
    reader = csv.reader(lines, strict=True)
    rows: list[list[str]] = []
    for row in reader:
        if len(row) == width:
            rows.append(row)
        elif row:  # a blank line, often the last one, is no row
            raise ManifestError(
                f"{path}, line {before + reader.line_num}: {len(row)} values, but the header has {width}"
            )
        if len(rows) == _ROWS:
            _add_rows(rows, collectors)
    _add_rows(rows, collectors)


def _add_rows(rows: list[list[str]], collectors: Sequence[TextCollector]) -> None:
    """Moves rows to the columns."""
    if rows:
        for collector, values in zip(collectors, zip(*rows, strict=True), strict=True):
            collector.add(list(values))
    rows.clear()


def _header(reader: Any, path: Path) -> list[str]:  # noqa: ANN401 - csv.reader has no public type
    header = [name.strip() for name in next(reader, [])]
    if not header:
        raise ManifestError(f"{path} is empty; expected a header line such as bg,fg_bg,mask")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ManifestError(f"{path} has the column {twice[0]!r} twice; expected each name once")
    return header


class LinesWithoutReturn:
    r"""Where a ``csv.writer`` writes lines that are to end in ``\n``.

    It quotes a lone ``\r`` in a cell only if its own lines end in ``\r\n``, and one without quotes ends a row.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> int:
        """Writes a line that ends in CR and LF."""
        return self._file.write(line.removesuffix("\r\n") + "\n")


def looks_unsplit(names: Iterable[str]) -> bool:
    """Whether a header was not split, because its delimiter is not the comma."""
    names = list(names)
    return len(names) == 1 and any(delimiter in names[0] for delimiter in ";\t|")


def describe_duplicates(ids: list[str], given: bool) -> str:
    """Names the first few ids that stand more than once; ``given`` tells whether the table has an id column."""
    seen: dict[str, int] = {}
    for value in ids:
        seen[value] = seen.get(value, 0) + 1
    twice = [value for value, count in seen.items() if count > 1]
    listing = ", ".join(f"{value!r} ({seen[value]} times)" for value in twice[:_FIRST])
    more = f" and {len(twice) - _FIRST} more" if len(twice) > _FIRST else ""
    fix = (
        "" if given else ". Ids come from the paths of fg_bg without suffix; give an id column if a frame stands twice"
    )
    return f"ids stand more than once: {listing}{more}; expected every id once{fix}"


def rebase(paths: list[str], old: Path, new: Path) -> list[str]:
    """Paths relative to ``old`` -> relative to ``new`` where they lie below it, absolute elsewhere."""
    old_root, new_root = os.path.abspath(old), os.path.abspath(new)  # noqa: PTH100 - strings: 400,000 paths are many
    same, prefix = old_root == new_root, os.path.join(new_root, "")  # noqa: PTH118
    rebased = []
    for path in paths:
        if not path or (same and not os.path.isabs(path)):  # noqa: PTH117
            rebased.append(path)
            continue
        full = os.path.normpath(os.path.join(old_root, path))  # noqa: PTH118
        rebased.append(Path(full[len(prefix) :]).as_posix() if full.startswith(prefix) else full)
    return rebased


__all__ = ["LinesWithoutReturn", "describe_duplicates", "looks_unsplit", "read_columns", "read_texts", "rebase"]
