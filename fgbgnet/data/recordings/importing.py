"""From recordings with ground truth in the labels of CDnet to a manifest."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import get_args

import numpy as np
from tqdm.auto import tqdm

from fgbgnet.data.arrays import BoolArray
from fgbgnet.data.manifest import Manifest
from fgbgnet.data.masks import read_mask
from fgbgnet.data.recordings.background import spread
from fgbgnet.data.recordings.labels import FOREGROUND, is_known
from fgbgnet.data.recordings.output import Output, Report
from fgbgnet.data.recordings.sequence import Bootstrapping, Recording
from fgbgnet.data.recordings.tree import by_name, choose, find_recordings, parts_of
from fgbgnet.data.storage import read_bytes
from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.files import full_disk_named
from fgbgnet.pictures import open_picture
from fgbgnet.types import DepthUnit, PathInput

_BOOTSTRAPPING = (
    "no frame is known to be without foreground (bootstrapping); bootstrapping='masked_median' makes a background of "
    "the labelled frames without their foreground"
)
_TURNS = "the camera turns, so that no background is fixed; name it in only= to take it all the same"


@dataclass(frozen=True)
class Layout:
    """How a data set stores its recordings.

    Args:
        name: Of the data set.
        expected: The files of a recording, for errors.
        holding: Folders of a recording.
        source: Name of a recording -> what its background is grouped by.
        depth_unit: Unit of the depth that is listed; None lists any.
    """

    name: str
    expected: str
    holding: tuple[str, ...]
    source: Callable[[str], str]
    depth_unit: DepthUnit | None = None


@dataclass(frozen=True)
class Options:
    """What a caller chooses; see `index_cdnet`."""

    every: int
    background_frames: int
    bootstrapping: Bootstrapping
    only: Sequence[str] | None
    progress: bool

    def __post_init__(self) -> None:
        for name in ("every", "background_frames"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < 1:
                raise InvalidArgumentError(f"{name} is {value!r}; expected a whole number, at least 1")
        if self.bootstrapping not in get_args(Bootstrapping):
            raise UnknownNameError("bootstrapping", str(self.bootstrapping), get_args(Bootstrapping))


def index_recordings(root: PathInput, out: PathInput, layout: Layout, options: Options) -> Manifest:
    """Makes the manifest of all recordings of a layout; see `index_cdnet`."""
    folders = find_recordings(root, layout.holding, layout.expected)
    places = by_name(root, ["/".join(parts_of(folder)[-2:]) for folder in folders], folders)
    recordings = [Recording.find(name, places[name]) for name in choose(list(places), options.only)]
    output = Output(
        out,
        {
            "layout": layout.name,
            "root": os.path.abspath(root),  # noqa: PTH100 - strings: paths may lead into archives
            "background_frames": options.background_frames,
            "bootstrapping": options.bootstrapping,
        },
    )
    total = sum(len(_taken(recording, options)) for recording in recordings)
    with (
        full_disk_named(out, "what is there is whole: make room, and repeat the same run to go on"),
        tqdm(total=total, unit="frame", disable=None if options.progress else True) as bar,
    ):
        for recording in recordings:
            bar.set_description(recording.name)
            output.reports.append(_add(recording, output, layout, options, bar.update))
        return output.finish()


def _taken(recording: Recording, options: Options) -> list[int]:
    """Numbers of the frames that may become samples."""
    return list(recording.truths)[:: options.every]


def _add(
    recording: Recording, output: Output, layout: Layout, options: Options, advance: Callable[[], object]
) -> Report:
    """Adds the samples of a recording."""
    report = Report(recording.name, notes=list(recording.notes))
    category = recording.name.split("/")[0]
    if category == "cameraJitter":
        report.notes.append("the camera shakes: the background does not lie exactly on the frames")
    if category == "PTZ" and options.only is None:
        report.left_out = _TURNS
    elif not recording.truths:
        report.left_out = "no frame has ground truth"
    if report.left_out:
        return report
    shape = recording.labels(next(iter(recording.truths))).shape
    region = recording.region(shape)
    made = _background(recording, output, region, options)
    if made is None:
        report.left_out = _BOOTSTRAPPING
        return report
    bg, region, report.background, report.background_frames = made
    common = {"bg": bg, "bg_id": layout.source(recording.name), "category": category}
    meaning = _depth_meaning(recording, layout, report)
    for number in _taken(recording, options):
        advance()
        labels = recording.labels(number, shape)
        valid = is_known(labels) & region
        if not valid.any():
            report.dropped += 1
            continue
        depth = recording.depths.get(number) if meaning else None
        output.add(
            {
                "id": f"{recording.name}/{number:06d}",
                "fg_bg": recording.frames[number],
                "mask": output.store(recording.name, f"mask_{number:06d}", labels == FOREGROUND),
                "mask_valid": output.store(recording.name, f"valid_{number:06d}", valid),
                **common,
                **({"depth": depth, **meaning} if depth else {}),
            }
        )
        report.samples += 1
    if not report.samples:
        report.left_out = "no pixel of its ground truth counts"
    return report


def _background(
    recording: Recording, output: Output, region: BoolArray, options: Options
) -> tuple[str, BoolArray, str, int] | None:
    """Path of the background, where in the region it is known, what it was made of, and of how many frames."""
    numbers, source = recording.frames_before_foreground(region)
    masked = not numbers
    if masked:
        if options.bootstrapping == "skip":
            return None
        numbers, source = list(recording.truths), options.bootstrapping
    numbers = spread(numbers, options.background_frames)
    names = ("background_known", "background")
    if not all(output.has(recording.name, name) for name in names):
        picture, known = recording.background(numbers, region.shape, masked)
        output.store(recording.name, names[0], known)
        output.store(recording.name, names[1], picture)
    known_path, path = (str(output.path_of(recording.name, name)) for name in names)
    return path, region & read_mask(known_path).view(np.bool_), source, len(numbers)


def _depth_meaning(recording: Recording, layout: Layout, report: Report) -> dict[str, str]:
    """What the depth of a recording means, as columns of the manifest; nothing if it is not listed."""
    if "depth" not in layout.holding or not recording.depths:
        return {}
    first = next(iter(recording.depths.values()))
    wide = open_picture(read_bytes(first), first).mode.startswith("I")
    # Without a scale, 16 bits are millimetres, and a file of 8 bits among them is an error rather than 0.255 m.
    meaning = (
        {"depth_unit": "metres"}
        if wide
        else {"depth_unit": "relative", "depth_direction": "near_small", "depth_invalid": "0"}
    )
    report.depth_unit = meaning["depth_unit"]
    if not wide:
        report.notes.append("depth has 8 bits: relative, not metres")
    missing = len(recording.truths.keys() - recording.depths.keys())
    if missing:
        report.notes.append(f"{missing} frames with ground truth have no depth")
    if layout.depth_unit in (None, report.depth_unit):
        return meaning
    report.notes.append(f"depth in {report.depth_unit} units is not listed")
    return {}


__all__ = ["Layout", "Options", "index_recordings"]
