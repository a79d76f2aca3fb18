"""The command that makes a manifest of files that are there."""

from typing import TYPE_CHECKING, Any, Literal

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.files import check_output

if TYPE_CHECKING:
    from fgbgnet.data import Manifest
    from fgbgnet.data.layouts.matched import Missing


def index(
    data: str | None = None,
    out: str | None = None,
    layout: str | None = None,
    bg: str | None = None,
    fg_bg: str | None = None,
    mask: str | None = None,
    depth: str | None = None,
    block_size: int | None = None,
    block_first: int = 1,
    block_base: int = 1,
    block_count: int | None = None,
    block_field: str | None = None,
    order: str | None = None,
    pair_by: Literal["names", "position"] | None = None,
    table: str | None = None,
    columns: str = "",
    archives: str = "",
    delimiter: str | None = None,
    depth_unit: str | None = None,
    depth_direction: str | None = None,
    missing: Literal["error", "drop"] = "error",
) -> None:
    """Write the manifest of a data set: which background, mask and depth belong to each frame.

    Files may lie in folders and in zip archives. See the page Layouts of the documentation.

    Args:
        data: Folder or zip archive of the data.
        out: manifest.csv to write.
        layout: A layout's name; auto (the default) finds it by names and pictures; list shows all.
        bg: Pattern of the backgrounds, e.g. 'bg/{b}.jpg'; with a layout's name, in place of its own.
        fg_bg: Pattern of the frames, e.g. 'fg_bg/{b}/{n}.jpg'.
        mask: Pattern of the masks, likewise.
        depth: Pattern of the depth maps, likewise; none leaves them out.
        block_size: Consecutive frames that share a background, where names do not say it.
        block_first: Number of the first background.
        block_base: Number of the first frame.
        block_count: Backgrounds until they come round again.
        block_field: Placeholder of the frame's number, or of its background's place; position: its own place.
        order: File that lists the backgrounds in the order they are counted in; natural: that of their names.
        pair_by: position pairs masks and depth with frames by their place in natural order.
        table: Table that lists the files, in place of patterns.
        columns: Its columns where their names are not usual, e.g. fg_bg=overlay,mask=label.
        archives: Its columns that name the archive of a layer, e.g. depth=DepthImageFName.
        delimiter: What separates its values; found by default.
        depth_unit: metres or relative.
        depth_direction: near_small or near_large.
        missing: drop leaves out frames without a partner.
    """
    from fgbgnet.data.layouts import LAYOUTS
    from fgbgnet.data.layouts.options import rule_from_options

    if layout == "list":
        print("\n".join(f"{name:3} {known.meaning}" for name, known in LAYOUTS.items()))
        return
    if data is None:
        raise InvalidArgumentError("--data is missing; it names the folder or zip archive of the data")
    if out is None:
        raise InvalidArgumentError("--out is missing; it names the manifest to write, such as manifest.csv")
    check_output(out, folder=False)
    patterns = {"bg": bg, "fg_bg": fg_bg, "mask": mask, "depth": depth}
    changes: dict[str, Any] = {name: pattern for name, pattern in patterns.items() if pattern is not None}
    if depth == "none":
        changes["depth"] = None
    rule = rule_from_options(block_size, block_first, block_base, block_count, block_field, order)
    changes |= {name: v for name, v in (("background", rule), ("pair_by", pair_by)) if v is not None}
    values = {"depth_unit": depth_unit, "depth_direction": depth_direction}
    constants = {name: value for name, value in values.items() if value is not None}
    if table is not None:
        manifest = _from_table(data, table, columns, archives, delimiter, missing, layout, changes, constants)
    elif columns or archives or delimiter:
        raise InvalidArgumentError("--columns, --archives and --delimiter describe a table; name it with --table")
    elif layout in (None, "auto", "patterns") and not changes:
        manifest = _proposed(data, layout, missing, constants)
    else:
        manifest = _from_names(data, layout, missing, changes, constants)
    print(f"Wrote {manifest.write(out)}: {len(manifest)} samples")


def _from_table(
    data: str,
    table: str,
    columns: str,
    archives: str,
    delimiter: str | None,
    missing: "Missing",
    layout: str | None,
    changes: dict[str, Any],
    constants: dict[str, str],
) -> "Manifest":
    from fgbgnet.data.layouts import read_table

    if layout is not None or changes:
        raise InvalidArgumentError("--table lists the files; leave out --layout, patterns and rules")
    delimiter = "\t" if delimiter in ("tab", "\\t") else delimiter
    return read_table(
        table, _pairs(columns, "columns"), _pairs(archives, "archives"), delimiter, data, missing, True, **constants
    )


def _proposed(data: str, layout: str | None, missing: "Missing", constants: dict[str, str]) -> "Manifest":
    from fgbgnet.data.layouts import propose_layout

    if layout == "patterns":
        raise InvalidArgumentError("--layout patterns needs --bg, --fg_bg and --mask")
    proposal = propose_layout(data, missing=missing, progress=True)
    print(proposal.summary())
    found = proposal.manifest
    for name, value in constants.items():
        found = found.with_column(name, value)
    return found


def _from_names(
    data: str,
    layout: str | None,
    missing: "Missing",
    changes: dict[str, Any],
    constants: dict[str, str],
) -> "Manifest":
    from fgbgnet.data.layouts import Layout, index_layout
    from fgbgnet.data.layouts.index import get_layout

    if layout == "auto":
        raise InvalidArgumentError("--layout auto finds patterns and rules itself; leave them out, or name a layout")
    known = Layout("patterns", "patterns of one's own") if layout in (None, "patterns") else get_layout(str(layout))
    if known.note:
        print(f"Mind: {known.note}")
    return index_layout(data, known, missing=missing, progress=True, **changes, **constants)


def _pairs(text: str, option: str) -> dict[str, str]:
    """``fg_bg=overlay,mask=label`` as a dictionary."""
    pairs = [item.partition("=") for item in text.split(",") if item.strip()]
    wrong = next((name for name, _, value in pairs if not value), None)
    if wrong is not None:
        raise InvalidArgumentError(f"--{option} holds {wrong!r}; expected name=column, separated by commas")
    return {name.strip(): value.strip() for name, _, value in pairs}


__all__ = ["index"]
