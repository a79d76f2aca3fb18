"""Patterns of paths with placeholders, and what they match in a tree of names."""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import TypeAlias

import numpy as np

from fgbgnet.data.layouts.tree import Tree, join
from fgbgnet.data.layouts.values import (
    Indices,
    Value,
    Values,
    common_codes,
    join_values,
    natural_key,
    natural_order,
    to_strings,
    to_value,
    to_values,
)
from fgbgnet.errors import InvalidArgumentError, ManifestError, MissingFileError

Patterns: TypeAlias = str | Sequence[str]
"""A pattern, or several of which the first counts that matches a file."""

_PLACEHOLDER = re.compile(r"\{(\w*)(?::((?:[^{}/]|\{[^{}/]*\})*))?\}|(\*)")


@dataclass(frozen=True)
class Found:
    """Files that a pattern matches, in natural order.

    Attributes:
        layer: What the files are: ``"bg"``, ``"fg_bg"``, ``"mask"``, ``"depth"``.
        pattern: The pattern.
        paths: Paths, strings.
        fields: Values of the placeholders, one per path, by name.
    """

    layer: str
    pattern: str
    paths: Values
    fields: dict[str, Values]

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, rows: Indices) -> "Found":
        """The files at some positions."""
        return Found(self.layer, self.pattern, self.paths[rows], {k: v[rows] for k, v in self.fields.items()})

    def check_unique(self) -> None:
        """Raises an error where two files have the same values."""
        columns = list(self.fields.values())
        codes, _ = common_codes(columns, [values[:0] for values in columns], (len(self), 0))
        order = np.argsort(codes, kind="stable")
        same = np.flatnonzero(codes[order][1:] == codes[order][:-1])
        if len(same):
            first, second = self.paths[order[same[0]]], self.paths[order[same[0] + 1]]
            raise ManifestError(
                f"the pattern of {self.layer}, {self.pattern!r}, matches both {first} and {second} with the same "
                f"values ({len(same)} times in all); make the pattern more exact, or start from a folder that holds "
                "only one of them"
            )

    def positions(self, within: Sequence[str]) -> Indices:
        """Place of every file, from 0, among those that have the same values of some placeholders."""
        columns = [self.fields[name] for name in within]
        codes, _ = common_codes(columns, [values[:0] for values in columns], (len(self), 0))
        order = np.argsort(codes, kind="stable")
        starts = np.searchsorted(codes[order], codes[order])
        places = np.empty(len(self), dtype=np.int64)
        places[order] = np.arange(len(self)) - starts
        return places


def placeholders(pattern: str) -> list[str]:
    """Names of the placeholders of a pattern, each once, in order.

    >>> placeholders("**/{kind:mask|masks}/bg_{b}/{:img_?}{n}.*")
    ['kind', 'b', 'n']
    """
    return list(dict.fromkeys(match[1] for match in _PLACEHOLDER.finditer(pattern) if match[1]))


def fill(pattern: str, values: dict[str, str]) -> str:
    """A pattern with its placeholders replaced by values; what has no value stays.

    >>> fill("bg/{b:[0-9]+}.*", {"b": "7"})
    'bg/7.*'
    """
    return _PLACEHOLDER.sub(lambda match: values.get(match[1] or "", match[0]), pattern)


def find(tree: Tree, layer: str, patterns: Patterns) -> Found:
    """Files of a tree that match the first of the patterns that matches any.

    Raises:
        MissingFileError: If there are none; the message shows names that are there.
        ManifestError: If two files have the same values, or there are only archives that cannot be read in place.
        InvalidArgumentError: If a pattern is not one.
    """
    candidates = [patterns] if isinstance(patterns, str) else list(patterns)
    for pattern in candidates:
        found = _match(tree, layer, pattern)
        if found is not None:
            found.check_unique()
            return found
    tree.refuse_foreign()
    first, *others = candidates
    nor = f", nor {', '.join(map(repr, others))}" if others else ""
    raise MissingFileError(f"no file matches the pattern of {layer}, {first!r}{nor}{_what_is_there(tree, first)}")


def _match(tree: Tree, layer: str, pattern: str) -> Found | None:
    names = placeholders(pattern)
    paths: list[Values] = []
    columns: dict[str, list[Values]] = {name: [] for name in names}
    seen: set[str] = set()
    segments = _segments(pattern)
    literal = max(_PLACEHOLDER.sub("\0", segments[-1]).split("\0"), key=len)
    for folder, outer in _expand(tree, "", segments[:-1], {}):
        if folder in seen or not tree.mentions(folder, literal):
            continue  # ** reaches a folder in more than one way
        matched, inner = _match_files(tree.files(folder), segments[-1], outer)
        if not matched:
            continue
        seen.add(folder)
        paths.append(np.strings.add(f"{folder}/", to_strings(matched)) if folder else to_strings(matched))
        for name in names:
            column = inner.get(name)
            columns[name].append(_repeated(outer[name], len(matched)) if column is None else column)
    if not paths:
        return None
    fields = {name: join_values(parts) for name, parts in columns.items()}
    all_paths = join_values(paths)
    order = natural_order(list(fields.values()), len(all_paths))
    return Found(layer, pattern, all_paths[order], {name: values[order] for name, values in fields.items()})


def _match_files(files: list[str], segment: str, outer: dict[str, Value]) -> tuple[list[str], dict[str, Values]]:
    """Names of a folder that the last segment matches, and the values in them."""
    expression = _expression(segment)
    matched = [match for match in map(expression.fullmatch, files) if match]
    groups = list(expression.groupindex)
    inner = {name: to_values([match[name] for match in matched]) for name in groups}
    agree = np.ones(len(matched), dtype=bool)
    for name in outer.keys() & inner.keys():  # {b} in a folder and {b} in a file name are the same
        agree &= inner[name] == outer[name] if inner[name].dtype == np.int64 else inner[name] == str(outer[name])
    names = [match.string for match in matched]
    if agree.all():
        return names, inner
    return [name for name, keep in zip(names, agree, strict=True) if keep], {k: v[agree] for k, v in inner.items()}


def _repeated(value: Value, count: int) -> Values:
    one = to_values([str(value)])  # more digits than a number holds are text
    return np.repeat(one, count)


def _expand(
    tree: Tree, path: str, segments: list[str], fields: dict[str, Value]
) -> Iterator[tuple[str, dict[str, Value]]]:
    """Folders that all segments but the last one of a pattern lead to, with the values on the way."""
    if not segments:
        yield path, fields
        return
    head, *rest = segments
    if head == "**":
        for folder in tree.walk(path):
            yield from _expand(tree, folder, rest, fields)
        return
    if not _PLACEHOLDER.search(head):
        for name in (head, f"{head}.zip", f"{head}.ZIP"):
            # A segment without placeholder is entered without listing its parent.
            if tree.is_folder(join(path, name)):
                yield from _expand(tree, join(path, name), rest, fields)
        return
    expression = _expression(head)
    for name in tree.folders(path):
        match = _match_folder(expression, name)
        if match is None:
            continue
        here = {key: to_value(text) for key, text in match.groupdict().items()}
        if all(fields.get(key, value) == value for key, value in here.items()):
            yield from _expand(tree, join(path, name), rest, fields | here)


def _match_folder(expression: re.Pattern[str], name: str) -> re.Match[str] | None:
    """An archive also matches without its suffix."""
    stem = name[:-4] if name.lower().endswith(".zip") else name
    return expression.fullmatch(stem) or (expression.fullmatch(name) if stem != name else None)


def _segments(pattern: str) -> list[str]:
    parts, end = [], 0
    for match in _PLACEHOLDER.finditer(pattern):
        parts += [pattern[end : match.start()].replace("\\", "/"), match[0]]
        end = match.end()
    return "".join([*parts, pattern[end:].replace("\\", "/")]).strip("/").split("/")


@lru_cache(maxsize=512)
def _expression(segment: str) -> re.Pattern[str]:
    parts, end, seen = [], 0, set()
    for match in _PLACEHOLDER.finditer(segment):
        parts.append(re.escape(segment[end : match.start()]))
        name, inner, end = match[1], match[2], match.end()
        if name is None:
            parts.append(".*")
        elif not name:
            parts.append(f"(?:{inner})")
        elif name in seen:
            parts.append(f"(?P={name})")
        else:
            parts.append(f"(?P<{name}>{inner or '.+?'})")
            seen.add(name)
    try:
        return re.compile("".join(parts) + re.escape(segment[end:]), re.DOTALL)
    except re.error as error:
        raise InvalidArgumentError(
            f"the pattern {segment!r} holds a wrong regular expression ({error}); a placeholder is {{name}} or "
            "{name:expression}"
        ) from error


def _what_is_there(tree: Tree, pattern: str) -> str:
    """Names in the last folder of a pattern that has no placeholder: what the pattern should have looked like."""
    segments = _segments(pattern)
    fixed = list(takewhile(lambda s: not _PLACEHOLDER.search(s), segments[:-1]))
    for depth in range(len(fixed)):
        path = join(*fixed[: depth + 1])
        if not tree.is_folder(path) and not tree.is_folder(f"{path}.zip"):
            return f"; no folder at {join(tree.root, path)}{tree.nearest(path)}"
    path = join(*fixed)
    names = [*tree.folders(path), *sorted(tree.files(path)[:2000], key=natural_key)]
    folder = join(tree.root, path)
    if not names:
        return f"; {folder} is empty" if tree.is_folder(path) else f"; no folder at {folder}"
    near = difflib.get_close_matches(segments[len(fixed)], names, n=3, cutoff=0.3) or names[:3]
    return f"; {folder} holds {len(names)} names, such as {', '.join(map(repr, near))}"


__all__ = ["Found", "Patterns", "fill", "find", "placeholders"]
