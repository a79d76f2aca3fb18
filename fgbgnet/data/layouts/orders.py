"""Files that say in which order backgrounds were used."""

import csv
import io
import os
from collections.abc import Iterator
from itertools import zip_longest

import numpy as np

from fgbgnet.data.layouts.patterns import Found, find
from fgbgnet.data.layouts.rules import InOrder
from fgbgnet.data.layouts.tree import Tree, join
from fgbgnet.data.layouts.values import Indices
from fgbgnet.data.storage import read_bytes
from fgbgnet.errors import ManifestError, MissingFileError

_SEVERAL = -1
_DELIMITERS = (",", ";", "\t", "|")
_HEADERS = ("bg", "background", "file", "filename", "image", "name", "path")


def background_order(tree: Tree, rule: InOrder, backgrounds: Found) -> Indices:
    """Positions of the backgrounds among those found, in the order that a rule counts them in.

    Raises:
        MissingFileError: If the file of the order is not there.
        ManifestError: If it names something that is no background, or may be two.
    """
    if rule.order is None:
        return np.arange(len(backgrounds))
    if isinstance(rule.order, str):
        source, rows = _read_rows(tree, rule.order)
    else:
        source, rows = "the order", [[name] for name in rule.order]
    known = _Names(backgrounds.paths.tolist())
    names = _column(source, rows, known)
    places = [known.find(name) for name in names]
    if places[0] is None and _is_header(names):
        names, places = names[1:], places[1:]
    wrong = next((i for i, place in enumerate(places) if place is None or place == _SEVERAL), None)
    if wrong is not None:
        what = "which is no background" if places[wrong] is None else "which several backgrounds are called"
        raise ManifestError(
            f"{source}: entry {wrong} (from 0) is {names[wrong]!r}, {what}; expected names such as "
            f"{backgrounds.paths[0]}"
        )
    return np.array(places, dtype=np.int64)


class _Names:
    """Positions of backgrounds by their path, its end, or its end without suffix."""

    def __init__(self, paths: list[str]) -> None:
        self._exact: dict[str, int] = {}
        self._stems: dict[str, int] = {}
        self.paths = paths
        for position, path in enumerate(paths):
            for end in _ends(path):
                _enter(self._exact, end, position)
                _enter(self._stems, os.path.splitext(end)[0], position)  # noqa: PTH122 - strings throughout

    def find(self, name: str, exact: bool = False) -> int | None:
        """Position of a background, by as many of the folders written as possible; `_SEVERAL` if it may be two."""
        for known in (self._exact,) if exact else (self._exact, self._stems):
            for end in _ends(name.replace("\\", "/").strip()):
                if end in known:
                    return known[end]
        return None


def _ends(path: str) -> Iterator[str]:
    """A path, then without its first folder, and so on to the name alone."""
    yield path
    while "/" in path:
        path = path.partition("/")[2]
        yield path


def _enter(known: dict[str, int], name: str, position: int) -> None:
    known[name] = position if known.get(name, position) == position else _SEVERAL


def _column(source: str, rows: list[list[str]], known: _Names) -> list[str]:
    """The column that holds names of backgrounds; names with their suffix count before those without, or numbers.

    Raises:
        ManifestError: If none does, or several that differ.
    """
    columns = list(zip_longest(*rows, fillvalue=""))
    for exact in (True, False):
        hits = [sum(known.find(name, exact) is not None for name in column) for column in columns]
        most = max(hits, default=0)
        if not most:
            continue
        likely = [column for column, count in zip(columns, hits, strict=True) if 2 * count > most]
        titled = [column for column in likely if column[0].lower() in _HEADERS]
        chosen = titled or likely
        if len(set(chosen)) > 1:
            raise ManifestError(
                f"{source} has {len(chosen)} columns that may be names of backgrounds, beginning with "
                f"{' and '.join(repr(column[0]) for column in chosen)}; keep one, or write its names with their suffix"
            )
        return list(chosen[0])
    raise ManifestError(
        f"{source} names none of the {len(known.paths)} backgrounds, such as {known.paths[0]}; expected one name of a "
        "background per line"
    )


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


def _is_header(names: list[str]) -> bool:
    """Whether the first line, which is no background, is a header.

    A background that is merely not there must not be taken for one: all others would move up by one.
    """
    first, *others = names
    return first.lower() in _HEADERS or ("." not in first and all("." in name for name in others))


__all__ = ["background_order"]
