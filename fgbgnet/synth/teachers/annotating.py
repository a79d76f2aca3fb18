"""Depth maps for the pictures of a manifest."""

import json
import math
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from fgbgnet.errors import FgBgError, FgBgWarning, InvalidArgumentError, UnknownNameError
from fgbgnet.files import full_disk_named, write_json
from fgbgnet.synth.arguments import allowed_cpus, integer
from fgbgnet.synth.folders import claim
from fgbgnet.synth.teachers.levels import is_flat, to_millimetres, to_own_shares, to_shares
from fgbgnet.synth.teachers.maps import Coding, MapWriter
from fgbgnet.synth.teachers.teacher import Teacher
from fgbgnet.types import PathInput

if TYPE_CHECKING:
    from fgbgnet.data.manifest import Manifest

Of: TypeAlias = Literal["fg_bg", "bg"]
Normalise: TypeAlias = Literal["per_image"]

ANNOTATOR_VERSION = 1
"""To be raised whenever the same estimates are stored in another way, so that no folder holds two kinds."""

RANGE_PICTURES = 100
"""How many pictures, spread evenly over the manifest, tell the range of a relative teacher."""
RANGE_MARGIN = 0.25
"""Added to that range at both ends, as a share of it; of 65536 levels there is no lack."""

_COLUMNS = {"fg_bg": "depth", "bg": "depth_bg"}
_RANGE = "range.json"


def annotate(
    manifest: "Manifest | PathInput",
    teacher: Teacher,
    out: PathInput,
    of: Of = "fg_bg",
    batch_size: int = 8,
    normalise: Normalise | None = None,
    progress: bool = True,
    *,
    value_range: tuple[float, float] | None = None,
) -> Path:
    """Lets a teacher guess the depth of a manifest's pictures, and writes 16-bit PNGs and a new manifest.

    ============================ ======================================================= ==========================
    teacher                      stored                                                  ``depth_unit``
    ============================ ======================================================= ==========================
    metres                       millimetres; 0: not valid, < 1 mm or > 65.535 m         ``metres``
    relative                     share of one range for the whole data set               ``relative``
    any, ``"per_image"``         share of the picture's own range, as the data of 2020   ``relative``
    ============================ ======================================================= ==========================

    ``depth_direction`` is the teacher's. The range of a relative teacher is ``value_range``, or that of up to
    `RANGE_PICTURES` pictures spread evenly over the manifest and widened by `RANGE_MARGIN` at both ends; it is kept in
    ``range.json``. What lies outside is stored at its ends, and a `FgBgWarning` says how much that was.

    Every file is whole or not there. A run that was interrupted goes on where it stopped, with the same result; so does
    one with a manifest that has grown, in the range of the first. Another teacher, other settings or a manifest that
    lacks earlier samples are refused. A picture that many samples show is put before the teacher once.

    Args:
        manifest: A `Manifest`, or the path of one; its pictures may lie in zip archives.
        teacher: Of `load_teacher`.
        out: Folder, new or empty or of an earlier run; made if needed.
        of: ``"fg_bg"`` writes the column ``depth`` anew, for training. ``"bg"`` adds the columns ``depth_bg``,
            ``depth_bg_unit`` and ``depth_bg_direction``: the depth of the empty scenes, and leaves ``depth`` as it is.
        batch_size: Pictures before the teacher at a time. Another batch size may round a few levels differently.
        normalise: ``"per_image"`` stretches every map to the full range: neither unit nor scale is kept.
        progress: Whether to show a progress bar.
        value_range: Smallest and largest value of a relative teacher, to give several data sets one range.

    Returns:
        Path of the new manifest, ``manifest.csv`` in ``out``. All other columns are kept; pictures that lie outside
        ``out`` are listed with their full path, so the maps move with the manifest and the pictures stay.

    Raises:
        MissingFileError, ManifestError, PictureError: If the manifest or a picture cannot be read.
        InvalidArgumentError: If an argument is out of range, ``out`` holds anything but the same run, or the teacher
            returns anything but depth.
        UnknownNameError: If there is no such ``of`` or ``normalise``.
        OutputError: If the disk is full.

    >>> import tempfile
    >>> from fgbgnet.synth import SceneDataset, load_teacher, write_scenes
    >>> teacher = load_teacher(lambda pictures: 2 + pictures[:, 0] / 255, unit="metres", name="two metres and red")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scenes = write_scenes(SceneDataset(2, size=32), f"{folder}/scenes", num_workers=0, progress=False)
    ...     annotate(scenes, teacher, f"{folder}/depth", progress=False).read_text().split(",")[0]
    'id'
    """
    from fgbgnet.data.manifest import Manifest  # here: the data room needs albumentations

    table = manifest if isinstance(manifest, Manifest) else Manifest.read(manifest)
    _check(teacher, of, normalise, value_range)
    batch_size, out = integer("batch_size", batch_size, 1), Path(out)
    with full_disk_named(out, "the maps there are whole: make room, and repeat the same run to go on"):
        claim(
            out,
            {"kind": "depth", "annotator_version": ANNOTATOR_VERSION, "teacher": teacher.fingerprint,
             "unit": teacher.unit, "direction": teacher.direction, "of": of, "normalise": normalise,
             "value_range": None if value_range is None else [float(value) for value in value_range]},
            "a run with the same teacher and settings and at least the same samples",
        )  # fmt: skip
        _refuse_fewer(out, table)
        with ThreadPoolExecutor(min(8, allowed_cpus())) as pool:
            writer = MapWriter(teacher, batch_size, pool, progress)
            if value_range is None and normalise is None and teacher.unit == "relative":
                value_range = _common_range(out / _RANGE, table, of, writer)
            coding = _coding(value_range, normalise)
            pictures = list(dict.fromkeys(table.column(of).tolist()))
            names = writer.write([table.resolve(picture) for picture in pictures], out / _COLUMNS[of], coding)
        _warn(writer, value_range)
        unit = "relative" if normalise else teacher.unit
        depth = dict(zip(pictures, names, strict=True))
        columns = _with_depth(table, of, depth, out, {"unit": unit, "direction": teacher.direction})
        return Manifest(columns, table.root).write(out / "manifest.csv")


def _check(teacher: object, of: str, normalise: str | None, value_range: object) -> None:
    if not isinstance(teacher, Teacher):
        raise InvalidArgumentError(f"teacher is a {type(teacher).__name__}; expected what load_teacher(...) returns")
    if of not in get_args(Of):
        raise UnknownNameError("of", str(of), get_args(Of))
    if normalise is not None and normalise not in get_args(Normalise):
        raise UnknownNameError("normalise", str(normalise), get_args(Normalise))
    if value_range is None:
        return
    if teacher.unit != "relative" or normalise is not None:
        raise InvalidArgumentError(
            "value_range is given, but metres are stored as millimetres and normalise='per_image' takes the picture's "
            "own range; leave value_range out"
        )
    try:
        low, high = (float(value) for value in value_range)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not (low < high and math.isfinite(low) and math.isfinite(high)):
        raise InvalidArgumentError(f"value_range is {value_range!r}; expected two rising finite numbers")


def _refuse_fewer(out: Path, table: "Manifest") -> None:
    """Refuses a manifest without the samples of the one that is there, which would be lost."""
    from fgbgnet.data.manifest import Manifest

    try:
        there = Manifest.read(out / "manifest.csv").column("id").tolist()
    except FgBgError:  # not there yet, or damaged: it is made again
        return
    _refuse_lost(there, table, out)


def _refuse_lost(there: list[str], table: "Manifest", out: Path) -> None:
    known = set(table.column("id").tolist())
    lost = [name for name in there if name not in known]
    if lost:
        raise InvalidArgumentError(
            f"{out} was made with other samples, of which {len(lost)} are not in this manifest (the first is "
            f"{lost[0]!r}); give another folder, or remove this one"
        )


def _common_range(record: Path, table: "Manifest", of: Of, writer: MapWriter) -> tuple[float, float]:
    """The range of a relative teacher on this data set, found in the first run and kept for all others."""
    if record.exists():
        try:
            content = json.loads(record.read_text(encoding="utf-8"))
            low, high, ids = float(content["low"]), float(content["high"]), list(content["ids"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidArgumentError(
                f"{record} is damaged ({error}), so the range of the maps there is not known; remove {record.parent}"
            ) from error
        _refuse_lost(ids, table, record.parent)
        return low, high
    rows = np.unique(np.linspace(0, len(table) - 1, min(len(table), RANGE_PICTURES)).round().astype(int))
    pictures = list(dict.fromkeys(table.column(of)[rows].tolist()))
    low, high = writer.extremes([table.resolve(picture) for picture in pictures])
    if is_flat(low, high):
        raise InvalidArgumentError(f"the teacher {writer.teacher.name!r} gives {low:g} everywhere; expected depth")
    margin = RANGE_MARGIN * (high - low)
    low, high = low - margin, high + margin
    write_json(record, {"low": low, "high": high, "ids": table.column("id")[rows].tolist()})
    return low, high


def _coding(value_range: tuple[float, float] | None, normalise: Normalise | None) -> Coding:
    if value_range is not None:
        return partial(to_shares, low=float(value_range[0]), high=float(value_range[1]))
    return to_millimetres if normalise is None else to_own_shares


def _warn(writer: MapWriter, value_range: tuple[float, float] | None) -> None:
    """Says what was lost; what a few clouds lose in metres is no news."""
    if value_range is not None and writer.outside:
        share = 100 * writer.outside / writer.maps
        warnings.warn(
            f"{share:.2g} % of the pixels lie outside the range from {value_range[0]:g} to {value_range[1]:g} and are "
            "stored at its ends; give a wider value_range and another folder if they matter",
            FgBgWarning,
            stacklevel=3,
        )
    if value_range is None and writer.blank:
        warnings.warn(
            f"{writer.blank} of {writer.maps} maps hold no value from 0.001 to 65.535 m and are not valid anywhere",
            FgBgWarning,
            stacklevel=3,
        )


def _with_depth(
    table: "Manifest", of: Of, names: dict[str, str], out: Path, meaning: dict[str, str]
) -> dict[str, Any]:  # fmt: skip
    """The columns of a manifest with those of the new maps."""
    column = _COLUMNS[of]
    folder = out.absolute() / column
    columns: dict[str, Any] = {name: table.column(name) for name in table.names}
    columns[column] = [str(folder / names[picture]) for picture in table.column(of).tolist()]
    columns |= {f"{column}_{key}": [value] * len(table) for key, value in meaning.items()}
    for name in ("scale", "invalid"):
        columns.pop(f"{column}_{name}", None)  # those of other maps
    return columns


__all__ = ["ANNOTATOR_VERSION", "RANGE_MARGIN", "RANGE_PICTURES", "annotate"]
