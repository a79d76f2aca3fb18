"""The pictures that composites are made of: found, each tried once, and all bad ones refused at a time."""

import warnings
from pathlib import Path

from fgbgnet.errors import FgBgError, FgBgWarning, PictureError
from fgbgnet.synth.composites.composer import Composer
from fgbgnet.synth.composites.cutouts import find_pictures
from fgbgnet.synth.composites.style import CompositeStyle
from fgbgnet.types import PathInput

_NAMED = 20
"""How many files a message names."""


def gather(
    backgrounds: PathInput, cutouts: PathInput, size: tuple[int, int], seed: int, style: CompositeStyle, *,
    skip_bad: bool, memory: int,
) -> Composer:  # fmt: skip
    """A composer of all pictures of two folders that can be used.

    Args:
        backgrounds: Folder of photographs, or one.
        cutouts: Folder of cut-outs, or one.
        size: Height and width in pixels.
        seed: Of the composer.
        style: Of the composer.
        skip_bad: Whether to leave out what cannot be used, with a `FgBgWarning` that names it.
        memory: Of the composer.

    Raises:
        MissingFileError: If there is no such folder or file.
        InvalidArgumentError: If a folder holds no picture.
        PictureError: If pictures cannot be used; the first 20 are named. With ``skip_bad`` if none can.
    """
    photos, things = find_pictures(backgrounds, "backgrounds"), find_pictures(cutouts, "cutouts")
    composer = Composer(photos, things, size, seed, style, memory=memory)
    bad: dict[Path, str] = {}
    halos = []
    for index, path in enumerate(photos):
        try:
            composer.background(index)
        except FgBgError as error:
            bad[path] = f"backgrounds: {error}. Expected photographs"
    for index, path in enumerate(things):
        try:
            if composer.cutout(index).halo:
                halos.append(path.name)
        except FgBgError as error:
            bad[path] = f"cutouts: {error}. Expected pictures with alpha around the thing"
    good = [p for p in photos if p not in bad], [p for p in things if p not in bad]
    if bad and not (skip_bad and all(good)):
        more = "" if skip_bad else ". Mend or remove them, or leave them out with skip_bad=True"
        raise PictureError(f"{len(bad)} pictures cannot be used: {listing(list(bad.values()))}{more}")
    if bad:
        warnings.warn(f"{len(bad)} pictures are left out: {listing(list(bad.values()))}", FgBgWarning, stacklevel=3)
        composer = Composer(*good, size, seed, style, memory=memory)
    if halos:
        warnings.warn(
            f"{len(halos)} cut-outs have a white halo; its colour is replaced by that of the inside: {listing(halos)}",
            FgBgWarning,
            stacklevel=3,
        )
    return composer


def listing(items: list[str]) -> str:
    """The first of some items, and how many more there are."""
    more = f"; and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return "; ".join(items[:_NAMED]) + more


__all__ = ["gather", "listing"]
