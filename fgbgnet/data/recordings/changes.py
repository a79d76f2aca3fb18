"""CDnet-2014 and SBM-RGBD: recordings of fixed cameras with ground truth for background subtraction."""

import re
from collections.abc import Sequence
from typing import get_args

from fgbgnet.data.manifest import Manifest
from fgbgnet.data.recordings.importing import Layout, Options, index_recordings
from fgbgnet.data.recordings.sequence import Bootstrapping
from fgbgnet.errors import UnknownNameError
from fgbgnet.types import DepthUnit, PathInput

_FILES = "<category>/<video>/{input/in000001.%s, groundtruth/gt000001.png, ROI.bmp, temporalROI.txt%s}"


def index_cdnet(
    root: PathInput,
    out: PathInput,
    *,
    every: int = 1,
    background_frames: int = 50,
    bootstrapping: Bootstrapping = "skip",
    only: Sequence[str] | None = None,
    progress: bool = True,
) -> Manifest:
    """Makes a manifest of CDnet-2014, as it is on disk.

    ``<category>/<video>/{input/in%06d.jpg, groundtruth/gt%06d.png, ROI.bmp, temporalROI.txt}``

    Every frame with ground truth inside ``temporalROI.txt`` becomes a sample. Label 255 is foreground; shadow (50) is
    background; 85, 170 and what lies outside ``ROI.bmp`` are not known (``mask_valid``). The background is the median
    of the frames labelled as empty before the first foreground; where there are none, of all frames before it, if
    there are at least 50. What a recording's background was made of, and why it was left out, stands in
    ``out/recordings.json``. The category PTZ is left out unless ``only`` names it: its cameras turn. Those of
    cameraJitter shake, so that their backgrounds do not lie exactly on the frames.

    Args:
        root: Folder of the data set, of a category, or of a video; may lie in a zip archive.
        out: Folder for the manifest, backgrounds and masks; frames stay where they are. An interrupted run goes on.
        every: Take every n-th frame with ground truth.
        background_frames: Most frames that make a background, evenly spaced.
        bootstrapping: What becomes of a recording without frames before the first foreground: ``"skip"`` leaves it out
            and says so; ``"masked_median"`` takes labelled frames of the whole recording, each where it shows
            background. Where none does, ``mask_valid`` is false.
        only: Categories or videos to take, such as ``["baseline", "shadow/bungalows"]``; all by default.
        progress: Whether to show a progress bar.

    Returns:
        The manifest, which is also ``out/manifest.csv``. ``bg_id`` is the video, so that splits hold out whole videos.

    Raises:
        MissingFileError: If there is no recording of that layout.
        ManifestError: If files of a recording do not fit together, or no sample is left.
        MaskError, PictureError: If a picture is not what it should be.
        InvalidArgumentError: If an argument is out of range, or ``out`` holds something else.
        UnknownNameError: If ``only`` names what there is not.
        OutputError: If the disk is full.

    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> office = pathlib.Path(tempfile.mkdtemp(), "baseline", "office")
    >>> for folder, prefix, suffix in (("input", "in", "jpg"), ("groundtruth", "gt", "png")):
    ...     (office / folder).mkdir(parents=True)
    ...     for number, level in ((1, 0), (2, 255)):
    ...         Image.new("L", (8, 8), level).save(office / folder / f"{prefix}{number:06d}.{suffix}")
    >>> index_cdnet(office, tempfile.mkdtemp(), progress=False).column("id").tolist()
    ['baseline/office/000001', 'baseline/office/000002']
    """
    layout = Layout("cdnet2014", _FILES % ("jpg", ""), ("input", "groundtruth"), lambda name: name)
    options = Options(every, background_frames, bootstrapping, only, progress)
    return index_recordings(root, out, layout, options)


def index_sbm_rgbd(
    root: PathInput,
    out: PathInput,
    *,
    depth_unit: DepthUnit | None = None,
    every: int = 1,
    background_frames: int = 50,
    bootstrapping: Bootstrapping = "skip",
    only: Sequence[str] | None = None,
    progress: bool = True,
) -> Manifest:
    """Makes a manifest of SBM-RGBD, as it is on disk.

    ``<category>/<video>/{input/in%06d.png, depth/d%06d.png, groundtruth/gt%06d.png, ROI.bmp, temporalROI.txt}``

    As `index_cdnet`, with depth: 16 bits are millimetres, 0 where the sensor saw nothing. Some videos have 8 bits:
    these are ``relative``, near = small, 0 not known, and ``recordings.json`` says which. A data set of both cannot be
    trained on; ``depth_unit`` chooses.

    ``bg_id`` is the source of a recording as far as names show it: videos of one name with different numbers are one
    (``genSeq1``, ``genSeq2``), so are those of the UR Fall Detection data (``fall01cam0``, ``adl24cam0``), whose
    cameras filmed the same people, and those of GSM (``_ds``).

    Args:
        root: As for `index_cdnet`.
        out: As for `index_cdnet`; depth stays where it is.
        depth_unit: List the depth of this unit only; videos in the other stay, without depth. By default both.
        every: As for `index_cdnet`.
        background_frames: As for `index_cdnet`.
        bootstrapping: As for `index_cdnet`.
        only: As for `index_cdnet`.
        progress: Whether to show a progress bar.

    Returns:
        The manifest, which is also ``out/manifest.csv``.

    Raises:
        FgBgError: As for `index_cdnet`.

    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> wall = pathlib.Path(tempfile.mkdtemp(), "DepthCamouflage", "Wall")
    >>> for folder, prefix in (("input", "in"), ("groundtruth", "gt"), ("depth", "d")):
    ...     (wall / folder).mkdir(parents=True)
    ...     Image.new("L", (8, 8)).save(wall / folder / f"{prefix}000001.png")
    >>> manifest = index_sbm_rgbd(wall, tempfile.mkdtemp(), progress=False)
    >>> manifest.column("depth_unit").tolist(), manifest.column("bg_id").tolist()
    (['relative'], ['Wall'])
    """
    if depth_unit is not None and depth_unit not in get_args(DepthUnit):
        raise UnknownNameError("depth_unit", str(depth_unit), get_args(DepthUnit))
    layout = Layout(
        "sbm-rgbd", _FILES % ("png", ", depth/d000001.png"), ("input", "groundtruth", "depth"), source_of, depth_unit
    )
    options = Options(every, background_frames, bootstrapping, only, progress)
    return index_recordings(root, out, layout, options)


def source_of(name: str) -> str:
    """What a video of SBM-RGBD was taken from, as far as its name shows it.

    >>> [source_of(f"Shadows/{video}") for video in ("fall01cam1", "genSeq2", "Shadows_ds", "Wall")]
    ['urfd', 'genSeq', 'gsm', 'Wall']
    """
    video = name.rsplit("/", 1)[-1]
    if re.fullmatch(r"(fall|adl)\d+cam\d+", video, re.IGNORECASE):
        return "urfd"
    return "gsm" if video.lower().endswith("_ds") else video.rstrip("0123456789") or video


__all__ = ["index_cdnet", "index_sbm_rgbd", "source_of"]
