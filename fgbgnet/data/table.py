"""The parts of a manifest that know nothing of manifests: rows of CSV, and paths that move with a file."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fgbgnet.errors import ManifestError

_FIRST = 5  # how many offenders a message names


def read_columns(reader: Any, path: Path) -> dict[str, list[str]]:  # noqa: ANN401 - csv.reader has no public type
    """Reads a header and rows of the same length from a ``csv.reader``."""
    header = [name.strip() for name in next(reader, [])]
    if not header:
        raise ManifestError(f"{path} is empty; expected a header line such as bg,fg_bg,mask")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ManifestError(f"{path} has the column {twice[0]!r} twice; expected each name once")
    rows = []
    for row in reader:
        if len(row) == len(header):
            rows.append(row)
        elif row:  # a blank line, often the last one, is no row
            raise ManifestError(f"{path}, line {reader.line_num}: {len(row)} values, but the header has {len(header)}")
    return {name: [row[i] for row in rows] for i, name in enumerate(header)}


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


def fill_blanks(values: npt.NDArray[Any], default: str) -> npt.NDArray[Any]:
    """Strings with the empty ones replaced."""
    blank = np.strings.strip(values) == ""
    if not blank.any():
        return values
    filled = values.copy()  # the array may be the caller's
    filled[blank] = default
    return filled


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


__all__ = ["describe_duplicates", "fill_blanks", "looks_unsplit", "read_columns", "rebase"]
