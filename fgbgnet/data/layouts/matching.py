"""From patterns of names and a rule for the background to a manifest."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np

from fgbgnet.data.layouts.columns import further_column, own_columns
from fgbgnet.data.layouts.matched import Matched, Missing, log_unused, missing_message
from fgbgnet.data.layouts.orders import background_order
from fgbgnet.data.layouts.patterns import Found, Patterns, find, placeholders
from fgbgnet.data.layouts.positions import pair_by_position
from fgbgnet.data.layouts.rules import POSITION, BackgroundRule, Fields, InOrder, takes_columns
from fgbgnet.data.layouts.tree import Tree
from fgbgnet.data.layouts.values import (
    Indices,
    Values,
    common_codes,
    first_positions,
    to_value,
    to_values,
)
from fgbgnet.data.manifest import Manifest
from fgbgnet.errors import InvalidArgumentError, ManifestError, MissingFileError, UnknownNameError
from fgbgnet.types import PathInput

Background: TypeAlias = BackgroundRule | InOrder
PairBy: TypeAlias = Literal["names", "position"]

_log = logging.getLogger("fgbgnet")


def match_patterns(
    root: PathInput,
    bg: Patterns,
    fg_bg: Patterns,
    mask: Patterns,
    depth: Patterns | None = None,
    background: Background | None = None,
    *,
    pair_by: PairBy = "names",
    missing: Missing = "error",
    progress: bool = False,
    **columns: Any,  # noqa: ANN401 - further columns of the manifest
) -> Manifest:
    r"""Builds a manifest from the names of files in folders or zip archives.

    A pattern is a path below ``root`` with placeholders: ``"fg_bg/img_{n}.jpg"``, ``"fg_bg/{b}/{n}.jpg"``,
    ``"part{p}.zip/fg_bg/img_{n}.jpg"``. Digits are compared as numbers (``005`` is ``5``), and samples stand in
    numeric order. Every frame needs its mask and depth, found by the placeholders that the patterns share, and its
    background.

    ================= ==============================================================================================
    in a pattern      stands for
    ================= ==============================================================================================
    ``{n}``           anything within a name
    ``{n:\d+}``       what the regular expression says; it may not hold a slash
    ``{:fg|fgbg}``    the same without being a value
    ``*``             anything within a name
    ``**/``           any folders and archives, or none
    ``name/``         also the archive ``name.zip``
    ================= ==============================================================================================

    Args:
        root: Folder or zip archive that the patterns start from.
        bg: Pattern of the backgrounds, such as ``"bg/bg_{b}.jpg"``; of several the first counts that matches a file.
        fg_bg: Pattern of the frames. ``{fg}`` becomes the column ``fg_id``, ``{flip}`` the column ``flip``
            (``true`` or ``false``), ``{split}`` the column ``split``.
        mask: Pattern of the masks; its placeholders occur in ``fg_bg``.
        depth: Pattern of the depth maps, likewise; None if there are none.
        background: How a frame finds its background. None: by the placeholders of ``bg``, which ``fg_bg`` holds too.
            A function of the frame's placeholders that gives the value of the one placeholder of ``bg`` that
            ``fg_bg`` does not hold: `Blocks` and `Parts` for consecutive numbers, or any other. `InOrder` counts
            backgrounds instead of reading their names.
        pair_by: ``"position"`` pairs frames with masks and depth maps by their place in natural order, within the
            values of the placeholders that they share, where names have nothing more in common; their numbers must
            be the same.
        missing: ``"drop"`` leaves out frames without a partner, and logs how many.
        progress: Whether long listings show their progress on a terminal.
        **columns: Further columns of the manifest: a list, or a string for all rows (``depth_unit="metres"``), in
            which placeholders are filled in (``bg_id="{b}"``).

    Raises:
        MissingFileError: If a folder does not exist, a pattern matches no file, or partners of frames are missing.
        ManifestError: If two files have the same placeholders, the rule gives no background, or files are in archives
            that cannot be read in place.
        InvalidArgumentError: If the patterns do not fit together.

    >>> import pathlib, tempfile
    >>> from fgbgnet.data import Blocks
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("bg_1.jpg", "img_9.jpg", "img_10.jpg", "mask_09.png", "mask_10.png"):
    ...     (folder / name).touch()
    >>> manifest = match_patterns(folder, "bg_{b}.jpg", "img_{n}.jpg", "mask_{n}.png", background=Blocks(100))
    >>> manifest.column("id").tolist(), manifest.column("mask").tolist()
    (['img_9', 'img_10'], ['mask_09.png', 'mask_10.png'])
    """
    patterns = {"bg": bg, "fg_bg": fg_bg, "mask": mask} | ({"depth": depth} if depth else {})
    with Tree(root, progress) as tree:
        matched = match_tree(tree, patterns, background, pair_by)
    return build_manifest(matched, root, missing, columns)


def match_tree(tree: Tree, patterns: Mapping[str, Patterns], background: Background | None, pair_by: PairBy) -> Matched:
    """Finds the files of patterns by layer, and the partners of every frame."""
    if pair_by not in ("names", "position"):
        raise UnknownNameError("pair_by", pair_by, ("names", "position"))
    for layer in patterns:
        check_names(layer, patterns, background, pair_by)
    found = {layer: find(tree, layer, pattern) for layer, pattern in patterns.items()}
    return match_found(tree, found, background, pair_by)


def match_found(tree: Tree, found: dict[str, Found], background: Background | None, pair_by: PairBy) -> Matched:
    """Finds the partners of every frame among files that have been found."""
    frames = found["fg_bg"]
    partners: dict[str, Indices] = {}
    wanted: dict[str, dict[str, Values]] = {}
    for layer in ("mask", "depth", "bg"):
        if layer not in found:
            continue
        if layer == "bg" and background is not None:
            partners[layer], wanted[layer] = _by_rule(tree, frames, found["bg"], background)
        elif layer != "bg" and pair_by == "position":
            partners[layer], wanted[layer] = pair_by_position(frames, found[layer])
        else:
            _check_shared(frames, found[layer], found[layer].fields.keys() - frames.fields.keys())
            wanted[layer] = {name: frames.fields[name] for name in found[layer].fields}
            partners[layer] = look_up(found[layer], wanted[layer], len(frames))
    return Matched(found, partners, wanted)


def build_manifest(matched: Matched, root: PathInput, missing: Missing, columns: Mapping[str, Any]) -> Manifest:
    """A manifest of the frames that have all their partners."""
    keep = matched.complete
    if missing not in ("error", "drop"):
        raise UnknownNameError("missing", missing, ("error", "drop"))
    if not keep.all() and (missing == "error" or not keep.any()):
        raise MissingFileError(missing_message(matched, root))
    if not keep.all():
        _log.warning("%d of %d frames lack a partner and are left out", (~keep).sum(), len(keep))
    log_unused(matched)
    frames = matched.found["fg_bg"]
    rows: dict[str, Any] = {"bg": None, "fg_bg": frames.paths[keep]}
    for layer in [layer for layer in ("bg", "mask", "depth") if layer in matched.partners]:
        rows[layer] = matched.found[layer].paths[matched.partners[layer][keep]]
    fields = {name: values[keep] for name, values in frames.fields.items()}
    backgrounds = matched.partners["bg"][keep]
    fields = {name: values[backgrounds] for name, values in matched.found["bg"].fields.items()} | fields
    rows |= own_columns(fields, columns)
    for name, values in columns.items():
        rows[name] = further_column(values, fields, int(keep.sum()))
    return Manifest(rows, root)


def check_names(layer: str, patterns: Mapping[str, Patterns], background: Background | None, pair_by: PairBy) -> None:
    """Raises an error where the placeholders of a layer do not fit those of the frames."""
    frames = _each(patterns["fg_bg"])
    if layer == "fg_bg":
        bare = next((pattern for pattern in frames if not placeholders(pattern) and pair_by == "names"), None)
        if bare is not None:
            raise InvalidArgumentError(f"the pattern of fg_bg, {bare!r}, has no placeholder such as {{n}}")
        return
    known = {name for pattern in frames for name in placeholders(pattern)}
    for pattern in _each(patterns[layer]):
        unknown = [name for name in placeholders(pattern) if name not in known]
        if layer == "bg" and isinstance(background, InOrder):
            continue
        if layer == "bg" and background is not None:
            if len(unknown) != 1 and len(placeholders(pattern)) != 1:
                raise InvalidArgumentError(
                    f"the pattern of bg, {pattern!r}, has {len(unknown)} placeholders that fg_bg does not have; a "
                    "background rule gives the value of exactly one"
                )
        elif unknown and (layer == "bg" or pair_by == "names"):
            fix = ", or give background=Blocks(...) or another rule" if layer == "bg" else ""
            raise InvalidArgumentError(
                f"the pattern of {layer}, {pattern!r}, has {{{unknown[0]}}}, which the pattern of fg_bg, "
                f"{frames[0]!r}, does not have; use the same placeholder{fix}"
            )


def _check_shared(frames: Found, partners: Found, unknown: Iterable[str]) -> None:
    """Raises an error where, of several patterns, those that matched do not fit together."""
    names = sorted(unknown)
    if names:
        raise InvalidArgumentError(
            f"of the patterns of {partners.layer} and fg_bg, {partners.pattern!r} and {frames.pattern!r} match, but "
            f"the latter has no {{{names[0]}}}, so that files cannot be paired; they must be stored alike"
        )


def _each(patterns: Patterns) -> list[str]:
    return [patterns] if isinstance(patterns, str) else list(patterns)


def look_up(partners: Found, wanted: dict[str, Values], count: int) -> Indices:
    """Positions of the partners that have the wanted values, -1 where there is none."""
    columns = [partners.fields[name] for name in wanted]
    codes, known = common_codes(list(wanted.values()), columns, (count, len(partners)))
    return first_positions(codes, known)


def _by_rule(
    tree: Tree, frames: Found, backgrounds: Found, background: Background
) -> tuple[Indices, dict[str, Values]]:
    if isinstance(background, InOrder):
        order = background_order(tree, background, backgrounds)
        place = _ask(background.place, takes_columns(background), frames)
        if place.dtype != np.int64:
            raise ManifestError(f"the rule gives {place[0]!r} as the place of a background; expected whole numbers")
        outside = (place < 0) | (place >= len(order))
        partners = np.where(outside, -1, order[np.where(outside, 0, place)])
        return partners, {"place counted from 0:": place}
    own = [name for name in backgrounds.fields if name not in frames.fields] or list(backgrounds.fields)
    _check_shared(frames, backgrounds, set(own[1:]))
    values = _ask(background, takes_columns(background), frames)
    shared = {name: frames.fields[name] for name in backgrounds.fields if name not in own}
    wanted = shared | {own[0]: values}
    return look_up(backgrounds, wanted, len(frames)), wanted


def _ask(rule: Any, columns: bool, frames: Found) -> Values:  # noqa: ANN401 - a rule, or InOrder.place
    """What a rule says of every frame."""
    fields = frames.fields | {POSITION: np.arange(len(frames))}
    if columns:
        try:
            return np.asarray(rule(fields))
        except ManifestError:
            pass  # asked again frame by frame, it tells which one
    answers = []
    listed = {name: values.tolist() for name, values in fields.items()}
    for i, path in enumerate(frames.paths.tolist()):
        row: Fields = {name: values[i] for name, values in listed.items() if columns or name != POSITION}
        try:
            answers.append(to_value(str(rule(row))))
        except ManifestError as error:
            raise ManifestError(f"{path}: {error}") from error
    return to_values([str(answer) for answer in answers])


__all__ = [
    "Background",
    "Matched",
    "Missing",
    "PairBy",
    "build_manifest",
    "check_names",
    "look_up",
    "match_found",
    "match_patterns",
    "match_tree",
]
