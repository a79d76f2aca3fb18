"""From file names to a manifest: patterns for the four kinds of file, and a rule for the background."""

import difflib
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, TypeAlias

from fgbgnet.data.manifest import Manifest
from fgbgnet.data.storage import is_folder, list_names
from fgbgnet.errors import InvalidArgumentError, ManifestError, MissingFileError
from fgbgnet.types import PathInput

Value: TypeAlias = int | str
Fields: TypeAlias = dict[str, Value]
"""What the placeholders of a pattern stand for in one path; digits are numbers."""
BackgroundRule: TypeAlias = Callable[[Fields], Value]

_PLACEHOLDER = re.compile(r"\{(\w+)\}|(\*)")
_FIRST = 5
_log = logging.getLogger("fgbgnet")


@dataclass(frozen=True)
class Blocks:
    """Background rule of numbered frames: ``size`` consecutive numbers share a background.

    The background of frame ``n`` is ``first + (n - base) // size``.

    Args:
        size: Frames per background.
        first: Number of the first background.
        base: Number of the first frame.
        field: Placeholder of the frame's number; by default the only one, or ``n``.

    >>> Blocks(4000)({"n": 26682})
    7
    """

    size: int = 4000
    first: int = 1
    base: int = 1
    field: str | None = None

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InvalidArgumentError(f"size is {self.size}; expected at least 1 frame per background")

    def __call__(self, fields: Fields) -> int:
        """Number of the background of a frame."""
        name = self.field or (next(iter(fields)) if len(fields) == 1 else "n")
        number = fields.get(name)
        if not isinstance(number, int):
            known = ", ".join(f"{{{key}}} = {value!r}" for key, value in fields.items())
            raise ManifestError(
                f"Blocks needs the number of a frame in {{{name}}}, but the name gives {known or 'nothing'}; name the "
                "placeholder with Blocks(field=...)"
            )
        if number < self.base:
            raise ManifestError(f"frame {number} lies before the first one, {self.base}; set Blocks(base=...)")
        return self.first + (number - self.base) // self.size


def match_patterns(
    root: PathInput,
    bg: str,
    fg_bg: str,
    mask: str,
    depth: str | None = None,
    background: BackgroundRule | None = None,
    **columns: Any,  # noqa: ANN401 - further columns of the manifest
) -> Manifest:
    """Builds a manifest from the names of files in folders or zip archives.

    A pattern is a path below ``root`` with placeholders: ``"fg_bg/img_{n}.jpg"``, ``"fg_bg/{b}/{n}.jpg"``,
    ``"part{p}.zip/fg_bg/img_{n}.jpg"``. ``*`` stands for anything within a name. Digits are compared as numbers
    (``005`` is ``5``), and samples stand in numeric order. Every frame needs its mask and depth, found by the
    placeholders that the patterns share, and its background.

    Args:
        root: Folder that the patterns start from.
        bg: Pattern of the backgrounds, such as ``"bg/bg_{b}.jpg"``.
        fg_bg: Pattern of the frames. A placeholder ``{fg}`` becomes the column ``fg_id``.
        mask: Pattern of the masks; its placeholders occur in ``fg_bg``.
        depth: Pattern of the depth maps, likewise; None if there are none.
        background: How a frame finds its background. None: by the placeholders of ``bg``, which ``fg_bg`` holds too.
            A function of the frame's placeholders that gives the value of the only placeholder of ``bg``; for
            consecutive numbers `Blocks`.
        **columns: Further columns of the manifest; a single string stands for all rows (``depth_unit="metres"``).

    Raises:
        MissingFileError: If a folder does not exist, a pattern matches no file, or partners of frames are missing.
        ManifestError: If two files have the same placeholders, or the rule gives no background.
        InvalidArgumentError: If the patterns do not fit together.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("bg_1.jpg", "img_9.jpg", "img_10.jpg", "mask_09.png", "mask_10.png"):
    ...     (folder / name).touch()
    >>> manifest = match_patterns(folder, "bg_{b}.jpg", "img_{n}.jpg", "mask_{n}.png", background=Blocks(100))
    >>> manifest.column("id").tolist(), manifest.column("mask").tolist()
    (['img_9', 'img_10'], ['mask_09.png', 'mask_10.png'])
    """
    patterns = {"bg": bg, "fg_bg": fg_bg, "mask": mask} | ({"depth": depth} if depth else {})
    names = {layer: _placeholders(pattern) for layer, pattern in patterns.items()}
    _check_names(names, patterns, background)
    files = {layer: _index(root, layer, pattern, names[layer]) for layer, pattern in patterns.items()}
    frames = sorted(files["fg_bg"].items(), key=lambda item: [_natural(value) for value in item[0]])
    rows: dict[str, list[str]] = {layer: [] for layer in patterns}
    missing: list[str] = []
    for key, path in frames:
        fields = dict(zip(names["fg_bg"], key, strict=True))
        for layer in patterns:
            wanted = _key(layer, fields, names, background, path)
            partner = files[layer].get(wanted)
            if partner is None:
                missing.append(f"{layer} of {path} ({_fill(patterns[layer], names[layer], wanted)})")
            rows[layer].append(partner or "")
    if missing:
        more = f", and {len(missing) - _FIRST} more" if len(missing) > _FIRST else ""
        raise MissingFileError(
            f"{len(missing)} partners are missing below {os.fspath(root)}: {', '.join(missing[:_FIRST])}{more}; "
            "complete the files, or correct the patterns or the background rule"
        )
    _log_unused(files, rows)
    if "fg" in names["fg_bg"]:
        position = names["fg_bg"].index("fg")
        columns.setdefault("fg_id", [str(key[position]) for key, _ in frames])
    return Manifest.from_lists(**rows, root=root, **columns)


def _placeholders(pattern: str) -> list[str]:
    return list(dict.fromkeys(match[1] for match in _PLACEHOLDER.finditer(pattern) if match[1]))


def _check_names(names: dict[str, list[str]], patterns: dict[str, str], background: BackgroundRule | None) -> None:
    if not names["fg_bg"]:
        raise InvalidArgumentError(f"the pattern of fg_bg, {patterns['fg_bg']!r}, has no placeholder such as {{n}}")
    for layer in patterns:
        unknown = [name for name in names[layer] if name not in names["fg_bg"]]
        if layer == "bg" and background is not None:
            if len(names["bg"]) != 1:
                raise InvalidArgumentError(
                    f"the pattern of bg, {patterns['bg']!r}, has {len(names['bg'])} placeholders; a background rule "
                    "gives the value of exactly one"
                )
        elif unknown:
            fix = ", or give background=Blocks(...) or another rule" if layer == "bg" else ""
            raise InvalidArgumentError(
                f"the pattern of {layer}, {patterns[layer]!r}, has {{{unknown[0]}}}, which the pattern of fg_bg, "
                f"{patterns['fg_bg']!r}, does not have; use the same placeholder{fix}"
            )


def _key(
    layer: str, fields: Fields, names: dict[str, list[str]], background: BackgroundRule | None, path: str
) -> tuple[Value, ...]:
    if layer != "bg" or background is None:
        return tuple(fields[name] for name in names[layer])
    try:
        return (_value(background(dict(fields))),)
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error


def _value(value: object) -> Value:
    """Digits as a number: 005 is 5."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else text


def _natural(value: Value) -> list[tuple[int, int, str]]:
    """Sort key: numbers before text, numbers inside text by value."""
    parts = re.split(r"(\d+)", str(value))
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def _index(root: PathInput, layer: str, pattern: str, names: list[str]) -> dict[tuple[Value, ...], str]:
    """Paths by the values of their placeholders."""
    segments = pattern.replace("\\", "/").strip("/").split("/")
    found: dict[tuple[Value, ...], str] = {}
    for path, fields in _expand(os.fspath(root), "", segments, {}):
        key = tuple(fields[name] for name in names)
        if key in found:
            raise ManifestError(
                f"the pattern of {layer}, {pattern!r}, matches both {found[key]} and {path} with the same values; "
                "make the pattern more exact"
            )
        found[key] = path
    if not found:
        raise MissingFileError(f"no file matches the pattern of {layer}, {pattern!r}{_what_is_there(root, segments)}")
    return found


def _expand(root: str, path: str, segments: list[str], fields: Fields) -> Iterator[tuple[str, Fields]]:
    """Walks a pattern one folder at a time."""
    # A segment without placeholder in mid-path is entered without listing its parent.
    if len(segments) > 1 and not _PLACEHOLDER.search(segments[0]):
        yield from _expand(root, _join(path, segments[0]), segments[1:], fields)
        return
    expression = _expression(segments[0])
    for name in list_names(_join(root, path)):
        match = expression.fullmatch(name)
        if match is None:
            continue
        here = {key: _value(text) for key, text in match.groupdict().items()}
        if any(fields.get(key, value) != value for key, value in here.items()):
            continue  # {b} in a folder and {b} in a file name are the same
        merged = fields | here
        if len(segments) == 1:
            yield _join(path, name), merged
        elif is_folder(_join(root, _join(path, name, *_fixed(segments[1:])))):
            # Files and folders that only look like those of the pattern are passed over.
            yield from _expand(root, _join(path, name), segments[1:], merged)


def _fixed(segments: list[str]) -> list[str]:
    """The folders that a pattern enters without listing their parents."""
    return list(takewhile(lambda segment: not _PLACEHOLDER.search(segment), segments[:-1]))


def _join(folder: str, *names: str) -> str:
    return "/".join([folder.rstrip("/"), *names] if folder else names)


def _expression(segment: str) -> re.Pattern[str]:
    parts, end, seen = [], 0, set()
    for match in _PLACEHOLDER.finditer(segment):
        parts.append(re.escape(segment[end : match.start()]))
        name, end = match[1], match.end()
        parts.append(".*" if name is None else f"(?P={name})" if name in seen else f"(?P<{name}>.+?)")
        seen.add(name)
    return re.compile("".join(parts) + re.escape(segment[end:]), re.DOTALL)


def _fill(pattern: str, names: list[str], values: tuple[Value, ...]) -> str:
    filled = dict(zip(names, map(str, values), strict=True))
    return _PLACEHOLDER.sub(lambda match: filled.get(match[1], match[0]), pattern)


def _what_is_there(root: PathInput, segments: list[str]) -> str:
    """Names in the last folder of a pattern that has no placeholder: what the pattern should have looked like."""
    fixed = next(i for i, s in enumerate(segments) if i == len(segments) - 1 or _PLACEHOLDER.search(s))
    folder = "/".join([os.fspath(root), *segments[:fixed]])
    names = sorted(list_names(folder), key=_natural)
    near = difflib.get_close_matches(segments[fixed], names[:2000], n=3, cutoff=0.3) or names[:3]
    return (
        f"; {folder} holds {len(names)} names, such as {', '.join(map(repr, near))}"
        if names
        else f"; {folder} is empty"
    )


def _log_unused(files: dict[str, dict[tuple[Value, ...], str]], rows: dict[str, list[str]]) -> None:
    for layer, found in files.items():
        unused = sorted(set(found.values()) - set(rows[layer]))
        if unused:
            _log.info("%d files of %s belong to no frame, such as %s", len(unused), layer, unused[0])


__all__ = ["BackgroundRule", "Blocks", "Fields", "match_patterns"]
