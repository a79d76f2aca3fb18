"""Layouts tried on the names of a tree."""

from dataclasses import dataclass, replace

import numpy as np

from fgbgnet.data.layouts.index import patterns_of, table_path
from fgbgnet.data.layouts.layout import Layout
from fgbgnet.data.layouts.matching import check_names, look_up, match_found
from fgbgnet.data.layouts.patterns import Found, Patterns, find
from fgbgnet.data.layouts.tables import Table, resolve_table
from fgbgnet.data.layouts.tree import Tree
from fgbgnet.data.layouts.values import Indices, Values, to_strings
from fgbgnet.errors import FgBgError, MissingFileError

MIN_COVERAGE = 0.95
"""Share of the frames that must have all their partners."""
PARTNERS = ("bg", "mask", "depth")


@dataclass(frozen=True)
class Candidate:
    """A layout, and the files of the frames that have all partners in it.

    Attributes:
        layout: The layout.
        files: Paths by layer, one per frame.
        frames: How many frames there are in all.
        whole: Whether all frames were looked at, not a sample.
    """

    layout: Layout
    files: dict[str, Values]
    frames: int
    whole: bool

    def __len__(self) -> int:
        return len(self.files["fg_bg"])


class Finder:
    """Files by pattern; many layouts share patterns."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._found: dict[tuple[str, Patterns], Found | FgBgError] = {}
        self._thinned: dict[tuple[Patterns, ...], dict[str, Found]] = {}

    def find(self, layer: str, patterns: Patterns) -> Found:
        """The files that a pattern matches, or the error that none does."""
        key = (layer, patterns)
        if key not in self._found:
            try:
                self._found[key] = find(self.tree, layer, patterns)
            except FgBgError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, FgBgError):
            raise found
        return found

    def thinned(self, found: dict[str, Found], limit: int) -> dict[str, Found]:
        """So many of the frames, and their masks and depth maps alone: hundreds of rules are tried on them."""
        key = tuple(found[layer].pattern for layer in found if layer != "bg")
        if key not in self._thinned:
            frames = found["fg_bg"].take(spread(len(found["fg_bg"]), limit))
            thin = {"fg_bg": frames}
            for layer in found.keys() & {"mask", "depth"}:
                wanted = {name: frames.fields[name] for name in found[layer].fields}
                rows = look_up(found[layer], wanted, len(frames))
                thin[layer] = found[layer].take(rows[rows >= 0])
            self._thinned[key] = thin
        return self._thinned[key] | {"bg": found["bg"]}


def try_layout(finder: Finder, layout: Layout, limit: int | None) -> Candidate | None:
    """A layout on the files, or on so many of its frames; None where it does not fit the names."""
    try:
        if layout.table is not None:
            return _try_table(finder.tree, layout, layout.table)
        return _try_patterns(finder, layout, limit)
    except FgBgError:
        return None


def _try_table(tree: Tree, layout: Layout, table: Table) -> Candidate | None:
    rows, gaps = resolve_table(tree, table_path(tree, table), table)
    frames = len(rows["fg_bg"])
    complete = np.ones(frames, dtype=bool)
    complete[[row for row, _, _ in gaps]] = False
    if complete.mean() < MIN_COVERAGE:
        return None
    files = {layer: to_strings(rows[layer])[complete] for layer in ("fg_bg", *PARTNERS) if layer in rows}
    return Candidate(layout, files, frames, True)


def _try_patterns(finder: Finder, layout: Layout, limit: int | None) -> Candidate | None:
    patterns = patterns_of(layout)
    found = {}
    for layer in ("fg_bg", "mask", "bg"):
        check_names(layer, patterns, layout.background, layout.pair_by)
        found[layer] = finder.find(layer, patterns[layer])
    if layout.depth:
        try:
            found["depth"] = finder.find("depth", layout.depth)
        except MissingFileError:
            layout = replace(layout, depth=None)
    frames = len(found["fg_bg"])
    whole = limit is None or frames <= limit
    if limit is not None and not whole:
        found = finder.thinned(found, limit)
    matched = match_found(finder.tree, found, layout.background, layout.pair_by)
    complete = matched.complete
    if complete.mean() < MIN_COVERAGE:
        return None
    files = {"fg_bg": found["fg_bg"].paths[complete]}
    files |= {layer: found[layer].paths[rows[complete]] for layer, rows in matched.partners.items()}
    return Candidate(layout, files, frames, whole)


def spread(count: int, wanted: int) -> Indices:
    """So many positions, evenly, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(np.int64))


__all__ = ["MIN_COVERAGE", "PARTNERS", "Candidate", "Finder", "spread", "try_layout"]
