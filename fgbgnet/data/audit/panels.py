"""The layers of a sample as small pictures, whatever state its files are in."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ParamSpec, TypeAlias

import cv2
import numpy as np
import torch
from PIL import Image

from fgbgnet.data.arrays import BoolArray, ByteArray
from fgbgnet.data.assemble import DepthDeclaration
from fgbgnet.data.audit.edits import edited_picture
from fgbgnet.data.audit.findings import Edit
from fgbgnet.data.audit.plan import CellRepair
from fgbgnet.data.decode import read_depth, read_mask, read_rgb
from fgbgnet.data.manifest import Manifest
from fgbgnet.data.manifest_checks import DECLARATION
from fgbgnet.errors import FgBgError
from fgbgnet.pictures import to_rgb
from fgbgnet.plotting import depth_to_rgb

SIDE = 160
"""Longer side of a small picture, in pixels; smaller pictures stay as they are."""
DIFFERENCE_GAIN = 4
"""So many times brighter than it is, the difference is shown: compression leaves a few levels, an object many."""

_CONTOUR = (255, 90, 0)
_DONE: dict[Edit, str] = {"mirror": "mirrored", "flip": "upside down", "turn": "turned", "invert": "inverted"}

P = ParamSpec("P")
Attempt: TypeAlias = ByteArray | str
"""A picture (H, W, 3) or a mask (H, W) with 0 and 1; or why there is none."""


@dataclass(frozen=True)
class Panel:
    """A small picture, or why there is none."""

    caption: str
    picture: Image.Image | None
    problem: str = ""
    sharp: bool = False
    """Whether compression with loss would spoil it."""


def layer_panels(manifest: Manifest, row: int) -> list[Panel]:
    """Background, frame, mask, their difference with the mask's contour, and depth if the row has it.

    Masks are shown as they are stored, grey and colours included; depth near = bright; if it cannot be read as depth,
    as it is stored.

    Args:
        manifest: The table.
        row: Number of the row.

    Returns:
        One panel per layer; a file that is missing or cannot be read gives a panel that says so.

    >>> [panel.caption for panel in layer_panels(Manifest.from_lists("no.png", ["no.png"], ["no.png"]), 0)]
    ['bg', 'fg_bg', 'mask', 'difference']
    """
    bg, fg_bg = (_attempt(read_rgb, _path(manifest, row, name)) for name in ("bg", "fg_bg"))
    stored = _attempt(_stored_mask, _path(manifest, row, "mask"))
    panels = [_panel("bg", bg), _panel("fg_bg", fg_bg), _panel("mask", stored, sharp=True)]
    panels.append(_difference("difference", bg, fg_bg, _attempt(read_mask, _path(manifest, row, "mask"))))
    if manifest.column("depth")[row]:
        panels.append(_depth("depth", manifest, row, str(manifest.column("depth_direction")[row])))
    return panels


def corrected_panels(manifest: Manifest, row: int, cells: Mapping[str, CellRepair], kind: str) -> list[Panel]:
    """What a repair of one kind of finding puts in the place of layers, and the difference that results in the end.

    Args:
        manifest: The audited table.
        row: Number of the row.
        cells: All that is corrected in the row, by column.
        kind: Only what is corrected for this kind has a panel, and only if it is a picture.
    """
    panels = []
    layers = {name: _attempt(read_rgb, _path(manifest, row, name)) for name in ("bg", "fg_bg")}
    mask = _attempt(read_mask, _path(manifest, row, "mask"))
    for column in ("bg", "fg_bg", "mask"):
        cell = cells.get(column)
        if cell is None or not cell.value:
            continue
        shown = _attempt(_corrected, str(manifest.resolve(cell.value)), column, cell.edits)
        if kind in cell.reasons:
            panels.append(_panel(f"{column}: {in_words(cell)}", shown, sharp=column == "mask"))
        if column == "mask":
            mask = shown if isinstance(shown, str) else (shown[..., 0] > 127).astype(np.uint8)
        else:
            layers[column] = shown
    if panels:
        panels.append(_difference("difference then", layers["bg"], layers["fg_bg"], mask))
    direction = cells.get("depth_direction")
    if direction is not None and kind in direction.reasons:
        panels.append(_depth(f"depth: {direction.value}", manifest, row, direction.value))
    return panels


def in_words(cell: CellRepair) -> str:
    """The new value of a cell in a few words: of a path the name, and what is done to it.

    >>> in_words(CellRepair("bg/room.png", ("mirror",)))
    'room.png, mirrored'
    """
    return ", ".join([PurePosixPath(cell.value.replace(os.sep, "/")).name, *(_DONE[edit] for edit in cell.edits)])


def _path(manifest: Manifest, row: int, column: str) -> str:
    return str(manifest.resolve(str(manifest.column(column)[row])))


def _attempt(load: Callable[P, ByteArray], *args: P.args, **kwargs: P.kwargs) -> Attempt:
    """What was loaded; or, of a broken file, what there is to say about it."""
    try:
        return load(*args, **kwargs)
    except FgBgError as error:
        return str(error)
    except Exception as error:  # whatever a broken file makes a decoder raise is what the page is there to show
        return f"cannot be read ({type(error).__name__}: {error})"


def _stored_mask(path: str) -> ByteArray:
    if path.lower().endswith(".npy"):
        return np.repeat(read_mask(path)[..., None] * np.uint8(255), 3, axis=2)
    rgb = read_rgb(path)
    # Masks of 0 and 1 mean that literally, and would be black.
    return rgb * np.uint8(255) if rgb.max() == 1 else rgb


def _corrected(path: str, column: str, edits: Sequence[Edit]) -> ByteArray:
    return to_rgb(edited_picture(path, column, edits))


def _depth(caption: str, manifest: Manifest, row: int, direction: str) -> Panel:
    path = _path(manifest, row, "depth")
    declared = {name: manifest.value(name, row) for name in DECLARATION} | {"depth_direction": direction}
    shown = _attempt(_coloured_depth, path, DepthDeclaration.from_row(declared))
    if isinstance(shown, str):
        stored = _attempt(read_rgb, path)
        return _panel(caption, shown) if isinstance(stored, str) else _panel(f"{caption} as stored", stored)
    return _panel(caption, shown)


def _coloured_depth(path: str, declaration: DepthDeclaration) -> ByteArray:
    depth, valid = read_depth(path, *declaration)
    return depth_to_rgb(torch.from_numpy(depth), torch.from_numpy(valid))


def _panel(caption: str, shown: Attempt, sharp: bool = False) -> Panel:
    if isinstance(shown, str):
        return Panel(caption, None, shown)
    picture = Image.fromarray(shown)
    size = _small(picture.size)
    # Averaging would make a smooth grey of a dithered mask, and hide what is wrong with it.
    small = picture.resize(size, Image.Resampling.NEAREST if sharp else Image.Resampling.BOX)
    return Panel(f"{caption} · {picture.width} x {picture.height}", small, sharp=sharp)


def _small(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _difference(caption: str, bg: Attempt, fg_bg: Attempt, mask: Attempt) -> Panel:
    """Largest difference of a channel, brightened, with the contour of the mask."""
    if isinstance(bg, str) or isinstance(fg_bg, str):
        return Panel(caption, None, "needs both pictures")
    height, width = fg_bg.shape[:2]
    matched = np.asarray(Image.fromarray(bg).resize((width, height), Image.Resampling.BILINEAR))
    difference = np.abs(fg_bg.astype(np.int16) - matched).max(axis=2)
    bright = Image.fromarray(np.minimum(difference * DIFFERENCE_GAIN, 255).astype(np.uint8))
    size = _small((width, height))
    shown = np.repeat(np.asarray(bright.resize(size, Image.Resampling.BOX))[..., None], 3, axis=2)
    if not isinstance(mask, str):
        inside = Image.fromarray(mask * np.uint8(255)).resize(size, Image.Resampling.BOX)
        shown[_contour(np.asarray(inside) > 127)] = _CONTOUR
    return Panel(caption, Image.fromarray(shown))


def _contour(inside: BoolArray) -> BoolArray:
    """The outermost pixels of a mask (H, W), those at the edge of the picture included."""
    kernel = np.ones((3, 3), np.uint8)
    inner = cv2.erode(inside.view(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    contour: BoolArray = inside & (np.asarray(inner) == 0)
    return contour


__all__ = ["DIFFERENCE_GAIN", "SIDE", "Panel", "corrected_panels", "in_words", "layer_panels"]
