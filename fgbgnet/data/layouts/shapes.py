"""Layouts that are read off the names themselves, where none that has a name fits.

Names that are the same but for their numbers make a pattern; words such as mask, depth, bg tell what its files are; and
which number leads to the background is left open: every possibility is a layout, and pictures have to decide.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from fgbgnet.data.layouts.layout import Layout
from fgbgnet.data.layouts.patterns import find
from fgbgnet.data.layouts.rules import Blocks, InOrder
from fgbgnet.data.layouts.tree import Tree, join
from fgbgnet.data.layouts.values import natural_key

SHAPE = "patterns"
"""Name of the layouts that are read off the names."""

NUMBER = "\0"
"""Stands for a number in a shape; no name of a file holds it."""

_SUFFIX = re.compile(r"\.(?:jpe?g|png|bmp|webp|tiff?|npy)$", re.IGNORECASE)
_SIZES = (1, 2, 4, 5, 8, 10, 16, 20, 25, 40, 50, 100, 200, 400, 500, 800, 1000, 2000, 4000, 5000, 8000)
_SAMPLED = 300  # names of a folder that are looked at
_FREE = 8  # names without a shape in common, above which their text is a value itself

_DEPTH = re.compile(r"depth|dense|dispar")
_MASK = re.compile(r"mask|matte|alpha|silhouette")
_FG = re.compile(r"fg|foreground|(?<![a-z])fore")
_BG = re.compile(r"bg|back(?:ground)?")
_FRAME = re.compile(r"overla|compos|image|img|frame|picture|photo|input|scene")


@dataclass(frozen=True)
class _Shape:
    """A pattern with `NUMBER` for every number, and about how many files have it."""

    text: str
    count: int
    free: bool = False
    """Whether the file's whole name is a value."""

    @property
    def numbers(self) -> int:
        """How many values there are in it."""
        return self.text.count(NUMBER) + self.free


def shape_layouts(tree: Tree) -> Iterator[Layout]:
    """Layouts that the names in a tree allow, simple ones first."""
    layers = _layers(_shapes(tree))
    if not {"bg", "fg_bg", "mask"} <= layers.keys():
        return
    frames, bg = layers["fg_bg"], layers["bg"]
    partners = {name: layers[name] for name in ("mask", "depth") if name in layers}
    if any(shape.numbers != frames.numbers or shape.free != frames.free for shape in partners.values()):
        return
    names = [f"v{i}" for i in range(1, frames.numbers + 1)]
    if not names:
        names, frames = ["v1"], _Shape(frames.text, frames.count)  # a single sample
    patterns = {layer: _pattern(shape, names) for layer, shape in ({"fg_bg": frames} | partners).items()}
    if "{" not in patterns["fg_bg"]:
        patterns["fg_bg"] = _one_sample(patterns["fg_bg"])
    yield from _with_backgrounds(tree, bg, frames, patterns, names)


def _with_backgrounds(
    tree: Tree, bg: _Shape, frames: _Shape, patterns: dict[str, str], names: list[str]
) -> Iterator[Layout]:
    def layout(pattern: str, rule: Blocks | InOrder | None, how: str) -> Layout:
        return Layout(SHAPE, how, pattern, patterns["fg_bg"], patterns["mask"], patterns.get("depth"), background=rule)

    if not bg.numbers:
        yield layout(_pattern(bg, []), None, "one background for all")
        return
    if bg.numbers > 1:
        if bg.numbers <= frames.numbers and not bg.free:
            yield layout(_pattern(bg, names[: bg.numbers]), None, "the leading numbers")
        return
    for name in names:
        yield layout(_pattern(bg, [name]), None, f"{name} is the background's")
    if frames.free:
        return
    pattern, field = _pattern(bg, ["b"]), names[-1]
    count = len(find(tree, "bg", pattern))
    for size in _SIZES:
        for base in (1, 0):
            for turns in (None, count):
                turn = f", {count} in turn" if turns else ""
                how = f"{size} frames per background{turn}, counted from {base}"
                if bg.free:
                    yield layout(pattern, InOrder(Blocks(size, 0, base, field, turns)), f"{how}, in natural order")
                    continue
                for first in (1, 0):
                    yield layout(pattern, Blocks(size, first, base, field, turns), f"{how}, backgrounds from {first}")


def frames_left_out(tree: Tree, used: set[str]) -> list[str]:
    """Pictures that are called like frames, but are not among those used; in natural order."""
    folders = [folder for folder in tree.walk() if tree.files(folder)]
    start = len(_common_folders([join(folder, "x") for folder in folders]))
    layers: dict[str, str | None] = {}
    left_out = []
    for folder in folders:
        for name in filter(_SUFFIX.search, tree.files(folder)):
            path = join(folder, name)
            if path in used:
                continue
            shape = re.sub(r"\d+", NUMBER, path[start:])
            if shape not in layers:
                layers[shape] = _layer_of(shape.lower())
            if layers[shape] == "fg_bg":
                left_out.append(path)
    return sorted(left_out, key=natural_key)


def _shapes(tree: Tree) -> list[_Shape]:
    counts: Counter[str] = Counter()
    free: Counter[str] = Counter()
    for folder in tree.walk():
        names = tree.files(folder)
        step = max(1, len(names) // _SAMPLED)
        sample = [name for name in names[::step] if _SUFFIX.search(name)]
        shapes = Counter(re.sub(r"\d+", NUMBER, name) for name in sample)
        where = re.sub(r"\d+", NUMBER, folder)
        if len(shapes) > _FREE and len(shapes) > len(sample) // 2:
            free[join(where, "")] += len(names)
            continue
        for shape, found in shapes.items():
            if re.search(r"[{}*]", where + shape):
                continue  # what would mean something in a pattern
            counts[join(where, shape)] += found * step
    return [_Shape(text, n) for text, n in counts.items()] + [_Shape(text, n, True) for text, n in free.items()]


def _layers(shapes: list[_Shape]) -> dict[str, _Shape]:
    """The most frequent shape of every layer."""
    common = _common_folders([shape.text for shape in shapes])
    layers: dict[str, _Shape] = {}
    for shape in sorted(shapes, key=lambda shape: -shape.count):
        layer = _layer_of(shape.text[len(common) :].lower())
        if layer is not None:
            layers.setdefault(layer, shape)
    return layers


def _common_folders(texts: list[str]) -> str:
    folders = [text.rpartition("/")[0].split("/") if "/" in text else [] for text in texts]
    common: list[str] = []
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return "".join(f"{part}/" for part in common)


def _layer_of(path: str) -> str | None:
    """What files are by the words in their path; None for cut-outs and what has no such word."""
    parts = _SUFFIX.sub("", path).split("/")
    both = any(_FG.search(part) and _BG.search(part) for part in parts)
    only_fg = any(_FG.search(part) for part in parts) and not both
    for layer, words in (("depth", _DEPTH), ("mask", _MASK)):
        if words.search(path):
            return None if only_fg and not any(_BG.search(part) for part in parts) else layer
    for part in parts:
        fg, bg = _FG.search(part), _BG.search(part)
        if fg and bg:
            return "fg_bg"
        if fg or bg:
            return "bg" if bg else None
        if _FRAME.search(part):
            return "fg_bg"
    return None


def _pattern(shape: _Shape, names: list[str]) -> str:
    values = iter(names)
    pieces = shape.text.split(NUMBER)
    text = pieces[0] + "".join(f"{{{next(values)}:\\d+}}{piece}" for piece in pieces[1:])
    return join(text, f"{{{next(values)}}}.*") if shape.free else text


def _one_sample(path: str) -> str:
    """A pattern for a single file: its name is the value."""
    folder, _, name = path.rpartition("/")
    return join(folder, f"{{v1:{re.escape(name)}}}")


__all__ = ["SHAPE", "shape_layouts"]
