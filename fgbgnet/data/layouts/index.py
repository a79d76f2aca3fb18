"""A data set in a layout that has a name, to a manifest."""

import logging
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from fgbgnet.data.layouts.catalogue import LAYOUTS
from fgbgnet.data.layouts.layout import Layout
from fgbgnet.data.layouts.matching import Missing, build_manifest, match_tree
from fgbgnet.data.layouts.patterns import Patterns, find
from fgbgnet.data.layouts.tables import Table, table_to_manifest
from fgbgnet.data.layouts.tree import Tree, join
from fgbgnet.data.manifest import Manifest
from fgbgnet.errors import FgBgError, InvalidArgumentError, MissingFileError, UnknownNameError
from fgbgnet.types import PathInput

_OVERRIDES = {"bg", "fg_bg", "mask", "depth", "background", "pair_by", "table", "flip"}
_log = logging.getLogger("fgbgnet")


def list_layouts() -> list[str]:
    """Names of the layouts that `index_layout` knows.

    >>> "A" in list_layouts(), "U2" in list_layouts()
    (True, True)
    """
    return list(LAYOUTS)


def get_layout(name: str) -> Layout:
    """The layout of a name; case does not matter.

    Raises:
        UnknownNameError: If there is none; the nearest names are listed.

    >>> get_layout("h").columns
    {'depth_direction': 'near_large'}
    """
    layout = LAYOUTS.get(str(name).upper())
    if layout is None:
        raise UnknownNameError("layout", str(name), LAYOUTS, "list_layouts() and --layout list give all of them.")
    return layout


def index_layout(
    root: PathInput,
    name: str | Layout,
    *,
    missing: Missing = "error",
    progress: bool = False,
    **changes: Any,  # noqa: ANN401 - parts of the layout, or columns of the manifest
) -> Manifest:
    r"""Builds a manifest of data in a layout that has a name.

    Args:
        root: Folder or zip archive of the data.
        name: One of `list_layouts`, or a `Layout` of your own.
        missing: ``"drop"`` leaves out frames without a partner, and logs how many.
        progress: Whether long listings show their progress on a terminal.
        **changes: What is different in these data: ``bg``, ``fg_bg``, ``mask``, ``depth`` (patterns as for
            `match_patterns`; ``depth=None`` if there is none), ``background``, ``pair_by``, ``table``, ``flip``; or
            further columns of the manifest (``depth_direction="near_large"``).

    Raises:
        UnknownNameError: If there is no such layout.
        MissingFileError, ManifestError, InvalidArgumentError: As for `match_patterns` and `read_table`.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for path in ("bg/bg_2.jpg", "fg_bg/fg_bg_4001.jpg", "mask/fg_bg_mask_4001.jpg"):
    ...     (folder / path).parent.mkdir()
    ...     (folder / path).touch()
    >>> index_layout(folder, "F", depth=None).column("bg").tolist()
    ['bg/bg_2.jpg']
    """
    layout = adapt(name if isinstance(name, Layout) else get_layout(name), changes)
    if layout.note:
        _log.info("layout %s: %s", layout.name, layout.note)
    with Tree(root, progress) as tree:
        return index_tree(tree, layout, missing)


def adapt(layout: Layout, changes: Mapping[str, Any]) -> Layout:
    """A layout with some parts changed; what is no part of a layout is a column of the manifest."""
    parts = {name: value for name, value in changes.items() if name in _OVERRIDES}
    columns = {name: value for name, value in changes.items() if name not in _OVERRIDES}
    clash = sorted(columns.keys() & {field.name for field in fields(Layout)})
    if clash:
        raise InvalidArgumentError(f"{clash[0]} of a layout cannot be changed; make a Layout of your own")
    if "table" in parts and isinstance(parts["table"], str):
        parts["table"] = replace(layout.table or Table(""), path=parts["table"])
    return replace(layout, **parts, columns={**layout.columns, **columns})


def index_tree(tree: Tree, layout: Layout, missing: Missing = "error") -> Manifest:
    """Builds a manifest of the files of a tree."""
    try:
        if layout.table is not None:
            return table_to_manifest(tree, table_path(tree, layout.table), layout.table, missing, layout.columns)
        matched = match_tree(tree, patterns_of(layout), layout.background, layout.pair_by)
        columns: dict[str, Any] = dict(layout.columns)
        if layout.flip is not None:
            columns["flip"] = layout.flip
        return build_manifest(matched, tree.root, missing, columns)
    except FgBgError as error:
        raise type(error)(f"layout {layout.name}: {error}") from error


def patterns_of(layout: Layout) -> dict[str, Patterns]:
    """Patterns of a layout by layer.

    Raises:
        InvalidArgumentError: If one is missing.
    """
    patterns = {"bg": layout.bg, "fg_bg": layout.fg_bg, "mask": layout.mask}
    for layer, pattern in patterns.items():
        if not pattern:
            raise InvalidArgumentError(
                f"such data have no {layer} of their own; give a pattern, {layer}=..., and, where names do not say "
                "which background a frame has, a rule, background=Blocks(...)"
            )
    return patterns if not layout.depth else patterns | {"depth": layout.depth}


def table_path(tree: Tree, table: Table) -> str:
    """Where the table of a layout lies: at one of its places, or anywhere below the root.

    Raises:
        MissingFileError: If it is not there.
    """
    candidates = [table.path] if isinstance(table.path, str) else list(table.path)
    for candidate in candidates:
        folder, _, name = candidate.rpartition("/")
        if name in tree.files(folder):
            return join(tree.root, candidate)
    for candidate in candidates:
        try:
            found = find(tree, "the table", f"**/{candidate.rpartition('/')[2]}")
        except MissingFileError:
            continue
        return join(tree.root, str(found.paths[0]))
    tree.refuse_foreign()
    raise MissingFileError(
        f"no table {' or '.join(candidates)} below {tree.root}; give its place with table=..., or read it with "
        "read_table(...)"
    )


__all__ = ["adapt", "get_layout", "index_layout", "index_tree", "list_layouts", "patterns_of", "table_path"]
