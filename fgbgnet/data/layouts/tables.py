"""Tables that other projects keep of their files: any delimiter, any names of columns, archives named beside."""

import csv
import io
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from fgbgnet.data.layouts.lookup import Lookup
from fgbgnet.data.layouts.matched import Missing
from fgbgnet.data.layouts.tree import Tree, join
from fgbgnet.data.manifest import REQUIRED, STANDARD, Manifest
from fgbgnet.data.storage import read_bytes
from fgbgnet.data.table import read_columns
from fgbgnet.errors import InvalidArgumentError, ManifestError, MissingFileError, UnknownNameError
from fgbgnet.types import PathInput

LAYERS = ("bg", "fg_bg", "mask", "depth")
ALIASES: dict[str, tuple[str, ...]] = {
    "bg": ("background", "bg_path", "bg_paths", "selected_bg_paths", "bgimagename", "bg_image", "bg_img"),
    "fg_bg": ("fgbg", "bg_fg", "overlay", "fg_bg_path", "fg_bg_paths", "imagename", "fg_bg_image", "frame", "image"),
    "mask": ("fg_bg_mask", "fgbg_mask", "mask_path", "mask_paths", "maskname", "mask_image"),
    "depth": ("fg_bg_depth", "depth_path", "depth_paths", "depth_map", "depth_map_paths", "depthname", "depth_image"),
    "fg_id": ("fg", "foreground"),
}
"""Names that columns have elsewhere, by the name that they have in a manifest; case, - and _ do not matter."""

_DELIMITERS = (",", ";", "\t", "|")
_FIRST = 5
_log = logging.getLogger("fgbgnet")

Gap: TypeAlias = tuple[int, str, str]
"""A cell whose file is not there: row, layer, and what is written."""


@dataclass(frozen=True)
class Table:
    """How a table is to be read, for layouts that have one.

    Args:
        path: Where it lies below the root, or several such paths of which the first counts that is there.
        columns: Its columns by the names that they get in the manifest; those not given are found by `ALIASES`.
        archives: Columns that name the archive or folder of a layer, by layer.
        delimiter: What separates values; None: found in the header.

    >>> Table("label_data.csv", {"fg_bg": "overlay"}, delimiter=";").columns["fg_bg"]
    'overlay'
    """

    path: str | tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    archives: Mapping[str, str] = field(default_factory=dict)
    delimiter: str | None = None


def read_table(
    path: PathInput,
    columns: Mapping[str, str] | None = None,
    archives: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    root: PathInput | None = None,
    missing: Missing = "error",
    progress: bool = False,
    **constants: Any,  # noqa: ANN401 - further columns of the manifest
) -> Manifest:
    r"""Builds a manifest from a table that another project keeps of its files.

    Paths in it may be those of another machine, and may leave out the archives that the files are in: each is looked
    for below ``root`` by its end.

    Args:
        path: Table with a header, below a folder or inside a zip archive.
        columns: Its columns by the names that they get in the manifest (``{"fg_bg": "overlay"}``); others are found by
            the names that are usual, see `ALIASES`, and the rest are kept as they are.
        archives: Columns that name the archive or folder in which a layer lies (``{"depth": "DepthImageFName"}``).
        delimiter: What separates values; None: the one of comma, semicolon, tab and bar that is most in the header.
        root: Folder that paths start from; that of the table by default.
        missing: ``"drop"`` leaves out rows whose files are not there, and logs how many.
        progress: Whether long listings show their progress on a terminal.
        **constants: Further columns of the manifest, such as ``depth_unit="metres"``.

    Raises:
        MissingFileError: If there is no such table, or files that it names are not there.
        ManifestError: If it is no table, lacks a column, or a path may mean two files.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("room.jpg", "1.jpg", "1_mask.png"):
    ...     (folder / name).touch()
    >>> _ = (folder / "labels.csv").write_text("Background;overlay;mask\nroom.jpg;1.jpg;1_mask.png\n")
    >>> read_table(folder / "labels.csv").column("fg_bg").tolist()
    ['1.jpg']
    """
    where = Path(root) if root is not None else Path(path).parent
    table = Table("", columns or {}, archives or {}, delimiter)
    with Tree(where, progress) as tree:
        return table_to_manifest(tree, path, table, missing, constants)


def table_to_manifest(
    tree: Tree, path: PathInput, table: Table, missing: Missing, constants: Mapping[str, Any]
) -> Manifest:
    """Reads a table whose files lie in a tree."""
    if missing not in ("error", "drop"):
        raise UnknownNameError("missing", missing, ("error", "drop"))
    rows, gaps = resolve_table(tree, path, table)
    if gaps:
        rows = _without_gaps(rows, gaps, missing, path)
    count = len(rows["fg_bg"])
    rows |= {name: [value] * count if isinstance(value, str) else value for name, value in constants.items()}
    return Manifest(rows, tree.root)


def resolve_table(tree: Tree, path: PathInput, table: Table) -> tuple[dict[str, list[str]], list[Gap]]:
    """Columns of a table with the files of a tree that its paths mean, and the cells whose files are not there."""
    stored = _read(path, table.delimiter)
    for layer, column in table.archives.items():
        if layer not in LAYERS:
            raise UnknownNameError("layer", layer, LAYERS)
        _existing(column, stored, path)
    chosen = _choose(stored, table, path)
    lookup = Lookup(tree)
    rows: dict[str, list[str]] = {}
    gaps: list[Gap] = []
    meant: dict[str, str] = {}
    for name, column in chosen.items():
        values = stored[column]
        if name in LAYERS:
            if name in table.archives:
                archives = stored[table.archives[name]]
                values = [join(archive, value) for archive, value in zip(archives, values, strict=True)]
            found = _resolve(lookup, values, name, meant)
            gaps += [(i, name, values[i]) for i, place in enumerate(found) if place is None]
            values = [place or "" for place in found]
        rows[name] = values
    used = {*chosen.values(), *table.archives.values()}
    return rows | {n: values for n, values in stored.items() if n not in used and n not in rows}, gaps


def _read(path: PathInput, delimiter: str | None) -> dict[str, list[str]]:
    name = os.fspath(path)
    try:
        text = read_bytes(name).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{name} is not a table: {error}; expected text in UTF-8") from error
    header = text.partition("\n")[0]
    if delimiter is None:
        delimiter = max(_DELIMITERS, key=header.count)
    elif len(delimiter) != 1:
        raise InvalidArgumentError(f"delimiter is {delimiter!r}; expected a single character")
    try:
        return read_columns(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True), Path(name))
    except csv.Error as error:
        raise ManifestError(f"{name} is not a table with the delimiter {delimiter!r}: {error}") from error


def _choose(stored: Mapping[str, Any], table: Table, path: PathInput) -> dict[str, str]:
    """Columns of the table by their name in the manifest."""
    chosen = {name: _existing(column, stored, path) for name, column in table.columns.items()}
    plain = {_plain(column): column for column in reversed(list(stored)) if column not in chosen.values()}
    for name in dict.fromkeys([*STANDARD, *ALIASES]):
        if name in chosen:
            continue
        hit = next((plain[_plain(word)] for word in (name, *ALIASES.get(name, ())) if _plain(word) in plain), None)
        if hit is not None:
            chosen[name] = hit
    lacking = [name for name in REQUIRED if name not in chosen]
    if lacking:
        raise ManifestError(
            f"{path} has the columns {', '.join(map(repr, stored))}; none of them is known as {' or '.join(lacking)}. "
            f"Name it with columns={{{lacking[0]!r}: ...}}, and the delimiter if the header was not split"
        )
    return chosen


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _existing(column: str, stored: Mapping[str, Any], path: PathInput) -> str:
    if column not in stored:
        raise ManifestError(str(UnknownNameError(f"column of {path}", column, stored)))
    return column


def _resolve(lookup: Lookup, values: list[str], layer: str, meant: dict[str, str]) -> list[str | None]:
    """Files that the paths mean; each different path is looked for once.

    ``meant`` holds the paths of all layers by the file that they mean, and gets those of this one.
    """
    known = {value: "" if layer == "depth" and not value else lookup.find(value) for value in dict.fromkeys(values)}
    for value, place in known.items():
        other = meant.setdefault(place, value) if place else value
        if other != value:
            raise ManifestError(
                f"{other} and {value} of {layer} would both mean {place}; set root=... to the folder that the paths "
                "start from, or complete the files"
            )
    return [known[value] for value in values]


def _without_gaps(
    rows: dict[str, list[str]], gaps: list[Gap], missing: Missing, path: PathInput
) -> dict[str, list[str]]:
    wrong = {i for i, _, _ in gaps}
    keep = [i for i in range(len(rows["fg_bg"])) if i not in wrong]
    if missing == "error" or not keep:
        listing = ", ".join(f"{name} {value!r} of row {i}" for i, name, value in sorted(gaps)[:_FIRST])
        more = f", and {len(gaps) - _FIRST} more" if len(gaps) > _FIRST else ""
        raise MissingFileError(
            f"{len(gaps)} files that {path} names are not there: {listing}{more}; complete the files, set root=..., or "
            'leave such rows out with missing="drop"'
        )
    _log.warning("%d of %d rows name files that are not there and are left out", len(wrong), len(rows["fg_bg"]))
    return {name: [values[i] for i in keep] for name, values in rows.items()}


__all__ = ["ALIASES", "Table", "read_table", "resolve_table", "table_to_manifest"]
