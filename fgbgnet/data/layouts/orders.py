"""Files that say in which order backgrounds were used."""

import csv
import io

import numpy as np

from fgbgnet.data.layouts.patterns import Found, find
from fgbgnet.data.layouts.rules import InOrder
from fgbgnet.data.layouts.tree import Tree, join
from fgbgnet.data.layouts.values import Indices
from fgbgnet.data.storage import read_bytes
from fgbgnet.errors import ManifestError, MissingFileError

_DELIMITERS = (",", ";", "\t", "|")
_HEADERS = ("bg", "background", "file", "filename", "image", "name", "path")


def background_order(tree: Tree, rule: InOrder, backgrounds: Found) -> Indices:
    """Positions of the backgrounds among those found, in the order that a rule counts them in.

    Raises:
        MissingFileError: If the file of the order is not there.
        ManifestError: If it names something that is no background.
    """
    if rule.order is None:
        return np.arange(len(backgrounds))
    if isinstance(rule.order, str):
        source, rows = _read_rows(tree, rule.order)
    else:
        source, rows = "the order", [[name] for name in rule.order]
    known = _positions_by_name(backgrounds)
    columns = max(map(len, rows), default=0)
    hits = [sum(len(row) > i and _name(row[i]) in known for row in rows) for i in range(columns)]
    if not hits or max(hits) == 0:
        raise ManifestError(
            f"{source} names none of the {len(backgrounds)} backgrounds, such as {backgrounds.paths[0]}; expected one "
            "name of a background per line"
        )
    column = hits.index(max(hits))
    names = [row[column] if len(row) > column else "" for row in rows]
    if _is_header(names, known):
        names = names[1:]
    unknown = next((i for i, name in enumerate(names) if _name(name) not in known), None)
    if unknown is not None:
        raise ManifestError(
            f"{source}: entry {unknown} (from 0) is {names[unknown]!r}, which is no background; expected names such "
            f"as {backgrounds.paths[0]}"
        )
    return np.fromiter((known[_name(name)] for name in names), dtype=np.int64, count=len(names))


def _read_rows(tree: Tree, pattern: str) -> tuple[str, list[list[str]]]:
    try:
        found = find(tree, "the order of backgrounds", pattern)
    except MissingFileError as error:
        raise MissingFileError(
            f"{error}. Which background a frame has follows from that order alone: write the names of the backgrounds "
            "into such a file, one per line, in the order in which frames were made of them"
        ) from error
    if len(found) > 1:
        raise ManifestError(
            f"{len(found)} files match the order of backgrounds, {pattern!r}: {found.paths[0]}, {found.paths[1]}; "
            "name one of them"
        )
    path = str(found.paths[0])
    text = read_bytes(join(tree.root, path)).decode("utf-8-sig", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    sample = "\n".join(lines[:100])
    delimiter = max(_DELIMITERS, key=sample.count)
    return path, [
        [cell.strip() for cell in row] for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)
    ]


def _is_header(names: list[str], known: dict[str, int]) -> bool:
    """Whether the first line is a header.

    A background that is merely not there must not be taken for one: all others would move up by one.
    """
    first, *others = names
    if _name(first) in known:
        return False
    return first.lower() in _HEADERS or ("." not in first and all("." in name for name in others))


def _positions_by_name(backgrounds: Found) -> dict[str, int]:
    """Positions by the name of the file, with and without its suffix."""
    positions: dict[str, int] = {}
    for i, path in enumerate(backgrounds.paths.tolist()):
        name = _name(path)
        positions.setdefault(name, i)
        positions.setdefault(name.rpartition(".")[0] or name, i)
    return positions


def _name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2].strip()


__all__ = ["background_order"]
