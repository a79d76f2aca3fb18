"""Where the depth of composites comes from: a folder of maps, or a teacher."""

import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.files import full_disk_named
from fgbgnet.synth.composites.composer import Composer
from fgbgnet.synth.composites.depth_maps import TOGETHER, DepthArrays, DepthFolder, DepthMaps, guesses, span_of
from fgbgnet.synth.composites.run import fingerprints
from fgbgnet.synth.folders import present, put
from fgbgnet.synth.teachers import Teacher, annotate, load_teacher
from fgbgnet.synth.teachers.teacher import Estimate
from fgbgnet.types import DepthDirection, DepthUnit, PathInput

Source: TypeAlias = DepthFolder | Teacher

MODES = ("billboard", "teacher")
_GUESSED = "depth_bg"
_TAUGHT = "teacher"


def depth_source(
    depth: PathInput | Estimate | Teacher | None, photos: Sequence[Path], mode: str, unit: DepthUnit | None,
    direction: DepthDirection | None, scale: float | None,
) -> Source | None:  # fmt: skip
    """What a caller calls depth: nothing, a folder of maps, or anything that `load_teacher` takes.

    A folder that holds a ``config.json`` is a model.

    Raises:
        UnknownNameError: If there is no such mode.
        InvalidArgumentError: If an argument does not go with the source, or the scale is no positive number.
        MissingFileError: If a background has no map.
    """
    if mode not in MODES:
        raise UnknownNameError("depth_mode", str(mode), MODES)
    if scale is not None and not (isinstance(scale, int | float) and 0 < scale < math.inf):
        raise InvalidArgumentError(
            f"depth_scale is {scale!r}; expected a positive number, such as 0.001 for millimetres"
        )
    if depth is None:
        options = {"depth_unit": unit, "depth_direction": direction, "depth_scale": scale}
        given = [name for name, value in options.items() if value is not None]
        if given or mode != MODES[0]:
            raise InvalidArgumentError(
                f"{', '.join(given) or 'depth_mode'} came without depth; give depth=, a folder of maps or a teacher"
            )
        return None
    if isinstance(depth, str | os.PathLike) and Path(depth).is_dir() and not (Path(depth) / "config.json").exists():
        if mode == "teacher":
            raise InvalidArgumentError(
                f"depth is the folder {depth} of maps with depth_mode='teacher'; that mode needs a function or a model"
            )
        return DepthFolder.find(depth, photos, unit or "relative", direction or "near_small", scale)
    if scale is not None:
        raise InvalidArgumentError(f"depth_scale is {scale}; expected it with a folder of maps, not with a teacher")
    return load_teacher(depth, unit=unit, direction=direction)


def source_fingerprints(source: Source) -> list[str]:
    """What distinguishes a source from every other."""
    if isinstance(source, Teacher):
        return [source.fingerprint, source.unit, source.direction]
    return [source.unit, source.direction, str(source.scale), *fingerprints(source.paths)]


def maps_on_disk(source: Source, composer: Composer, out: Path, progress: bool) -> DepthFolder:
    """The maps of a source as files; those of a teacher are guessed once and kept in ``depth_bg``."""
    if isinstance(source, DepthFolder):
        return source
    paths = tuple(out / _GUESSED / f"{index:05d}.npy" for index in range(len(composer.photos)))
    # Whole batches, since a network rounds differently in batches of another size.
    batches = [range(k, min(k + TOGETHER, len(paths))) for k in range(0, len(paths), TOGETHER)]
    missing = [k for batch in batches if not all(present(paths[k]) for k in batch) for k in batch]
    with full_disk_named(out, "make room, and repeat the same run"):
        for index, depth in guesses(source, composer.background, missing, progress=progress):
            content = io.BytesIO()
            np.save(content, depth)
            put(paths[index], content.getvalue())
    span = None if source.unit == "metres" else span_of([np.load(path) for path in paths])
    return DepthFolder(paths, source.unit, "near_small", None, span)


def maps_in_memory(source: Source, composer: Composer) -> DepthMaps:
    """The maps of a source; those of a teacher are guessed now."""
    if isinstance(source, DepthFolder):
        return source
    return DepthArrays.taught(source, composer.background, len(composer.photos))


def taught(manifest: Path, teacher: Teacher, progress: bool) -> Path:
    """Lets a teacher guess the depth of every composite; path of the manifest that lists it."""
    return annotate(manifest, teacher, manifest.parent / _TAUGHT, progress=progress)


__all__ = ["MODES", "Source", "depth_source", "maps_in_memory", "maps_on_disk", "source_fingerprints", "taught"]
