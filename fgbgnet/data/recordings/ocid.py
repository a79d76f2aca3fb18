"""OCID: objects put down one by one before a fixed camera."""

import os
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from fgbgnet.data.manifest import Manifest
from fgbgnet.data.recordings.output import Output, Report
from fgbgnet.data.recordings.tree import by_name, choose, find_recordings, named_files, parts_of
from fgbgnet.data.storage import read_bytes
from fgbgnet.errors import ManifestError, MaskError
from fgbgnet.files import full_disk_named
from fgbgnet.pictures import open_picture
from fgbgnet.types import PathInput

_EXPECTED = (
    "{ARID10,ARID20,YCB10}/{table,floor}/{top,bottom}/[<group>/]seq01/{rgb,depth,label}/result_*.png, with equal names "
    "in the three folders"
)
_PARTS = ("ARID10", "ARID20", "YCB10")
_VIEWS = ("top", "bottom")
Labels = npt.NDArray[np.int64]


def index_ocid(
    root: PathInput, out: PathInput, *, only: Sequence[str] | None = None, progress: bool = True
) -> Manifest:
    """Makes a manifest of OCID (Suchi et al., EasyLabel, 2019), as it is on disk.

    ``{ARID10,ARID20,YCB10}/{table,floor}/{top,bottom}/[<group>/]seqXX/{rgb,depth,label}/result_*.png``

    Between a frame and the next one object was put down. Frame k, from the second on, is a sample: its background is
    frame k - 1, its mask are the pixels whose label did not occur there. Where no label is new, the mask is empty.
    Depth is in millimetres, 0 where the sensor saw nothing.

    Args:
        root: Folder of the data set, of a part of it, or of a sequence; may lie in a zip archive.
        out: Folder for the manifest and the masks; pictures and depth stay where they are. An interrupted run goes on.
        only: Parts to take, such as ``["ARID20/floor"]``; all by default.
        progress: Whether to show a progress bar.

    Returns:
        The manifest, which is also ``out/manifest.csv``. ``bg_id`` is the sequence without ``top`` or ``bottom``: both
        cameras see the same objects.

    Raises:
        FgBgError: As for `index_cdnet`.

    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> sequence = pathlib.Path(tempfile.mkdtemp(), "ARID20", "floor", "top", "seq01")
    >>> for folder in ("rgb", "label"):
    ...     (sequence / folder).mkdir(parents=True)
    ...     for number in (1, 2):
    ...         Image.new("L", (8, 8), number).save(sequence / folder / f"result_{number}.png")
    >>> index_ocid(sequence, tempfile.mkdtemp(), progress=False).column("id").tolist()
    ['ARID20/floor/top/seq01/result_2']
    """
    top = os.path.abspath(root)  # noqa: PTH100 - strings: paths may lead into archives
    folders = find_recordings(root, ("rgb", "label"), _EXPECTED)
    places = by_name(root, [_name(folder, top) for folder in folders], folders)
    chosen = choose(list(places), only)
    output = Output(out, {"layout": "ocid", "root": top})
    with full_disk_named(out, "what is there is whole: make room, and repeat the same run to go on"):
        for name in tqdm(chosen, unit="sequence", disable=None if progress else True):
            output.reports.append(_add(name, places[name], output))
        return output.finish()


def _name(folder: str, top: str) -> str:
    """Parts of the path from that of the data set on; those below the root where there is no such part."""
    parts = parts_of(folder)
    starts = [index for index, part in enumerate(parts) if part in _PARTS]
    below = len(parts_of(top.rstrip("/\\")))
    return "/".join(parts[starts[-1] if starts else min(below, len(parts) - 1) :])


def _add(name: str, folder: str, output: Output) -> Report:
    """Adds the samples of a sequence."""
    rgb, labels, depths = (
        named_files(os.path.join(folder, part))  # noqa: PTH118 - may lead into an archive
        for part in ("rgb", "label", "depth")
    )
    alone = sorted(rgb.keys() ^ labels.keys())
    if alone:
        raise ManifestError(f"{alone[0]} is not in both rgb and label of {folder}; copy these folders again")
    report = Report(name, background="previous frame", depth_unit="metres" if depths else None)
    frames = list(rgb)
    if len(frames) < 2:
        report.left_out = f"{len(frames)} frames; a sample needs the frame before it"
    for previous, frame in pairwise(frames):
        before, now = _read_labels(labels[previous]), _read_labels(labels[frame])
        stem = os.path.splitext(frame)[0]  # noqa: PTH122 - a string
        row = {
            "id": f"{name}/{stem}",
            "bg": rgb[previous],
            "fg_bg": rgb[frame],
            "mask": output.store(name, f"mask_{stem}", ~np.isin(now, np.unique(before))),
            "bg_id": "/".join(part for part in name.split("/") if part not in _VIEWS),
            "category": name.rsplit("/", 1)[0],
        }
        if frame in depths:
            row |= {"depth": depths[frame], "depth_unit": "metres"}
        output.add(row)
        report.samples += 1
    return report


def _read_labels(path: str) -> Labels:
    """Instance labels, integers (H, W), as they are stored."""
    picture = open_picture(read_bytes(path), path)
    labels = np.asarray(picture)
    if labels.ndim != 2 or labels.dtype.kind not in "uib":
        raise MaskError(f"{path} is of mode {picture.mode}; expected instance labels as one channel of integers")
    return labels.astype(np.int64)


__all__ = ["index_ocid"]
