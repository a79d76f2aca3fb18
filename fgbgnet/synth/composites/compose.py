"""Cut-outs on photographs: quadruples from two folders."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fgbgnet.files import full_disk_named
from fgbgnet.synth.arguments import Size, allowed_cpus, height_and_width, integer, truth
from fgbgnet.synth.folders import claim
from fgbgnet.synth.streams import stream
from fgbgnet.synth.teachers import Teacher
from fgbgnet.types import DepthDirection, DepthUnit, PathInput

if TYPE_CHECKING:
    from fgbgnet.synth.composites.encoding import Chroma, Quality
    from fgbgnet.synth.teachers.teacher import Estimate

COMPOSER_VERSION = 2
"""To be raised whenever the same arguments give other composites, so that no folder holds two kinds."""

_MEMORY = 2**28
"""Bytes of backgrounds, and of cut-outs, that each process keeps decoded."""


def compose(
    backgrounds: PathInput, cutouts: PathInput, out: PathInput, per_pair: int = 20, flip: bool = True,
    size: Size = 224, seed: int = 0, *,
    depth: "PathInput | Estimate | Teacher | None" = None, depth_mode: Literal["billboard", "teacher"] = "billboard",
    depth_unit: DepthUnit | None = None, depth_direction: DepthDirection | None = None,
    depth_scale: float | None = None,
    quality: "Quality" = 92, chroma: "Chroma | tuple[Chroma, ...]" = "4:2:0",
    bg_quality: "Quality | EllipsisType" = ..., bg_chroma: "Chroma | tuple[Chroma, ...] | EllipsisType" = ...,
    shard: int | None = None, limit: int | None = None, skip_bad: bool = False,
    num_workers: int | None = None, progress: bool = True,
    **style: Any,  # noqa: ANN401 - the fields of CompositeStyle
) -> Path:  # fmt: skip
    """Pastes every cut-out on every background and writes ``bg/``, ``fg_bg/``, ``mask/``, ``alpha/``, ``manifest.csv``.

    Each pair gives ``per_pair`` samples, and as many mirrored ones. Sample ``k`` is a function of (seed, k) and the
    pictures, whatever the number of workers. Blending happens in linear light. The mask is where alpha is at least one
    half; a shadow is in ``fg_bg`` and not in the mask. Masks and alpha are PNG.

    Every picture is checked before the first file is written. Every file is whole or not there; a run that was
    interrupted goes on where it stopped, with the same result, and so does one with a larger ``limit``. Other
    arguments, or pictures that changed since, are refused. When the disk is full, the manifest lists what is whole.

    A cut-out that is too thin at this size has no pixel with an alpha of one half, or loses them all to ``erode``; a
    `FgBgWarning` names those of which samples have an empty mask.

    Args:
        backgrounds: Folder of photographs, or one photograph; the middle part of the right shape is used.
        cutouts: Folder of pictures with alpha, or one of them. White halos are removed, with a warning.
        out: Folder, new or empty or of an earlier run; made if needed.
        per_pair: Samples of each cut-out on each background.
        flip: Whether to make as many again with the cut-out mirrored.
        size: Height and width in pixels, or one number for both.
        seed: Another seed draws other places.
        depth: None; or a folder of depth maps, one for each background, of the same name up to the suffix; or a depth
            teacher: of `load_teacher`, or what it takes, a function, a model's folder, or its id.
        depth_mode: ``"billboard"`` stands every cut-out upright at the depth of the ground under its foot, on the depth
            of the background (which a teacher guesses once); see `fgbgnet.synth.composites.billboards.stand`.
            ``"teacher"`` asks the teacher for every composite instead, as was done in 2020.
        depth_unit: Of the maps (``"relative"`` by default) or the teacher (its own by default). Metres are written as
            millimetres in 16 bits, 0 beyond 65.535 m; of relative depth the range of all backgrounds becomes 0 to
            65535.
        depth_direction: Of the maps or the teacher; what is written is always near = small.
        depth_scale: Factor for the values of the maps; see `fgbgnet.data.read_depth`.
        quality: JPEG quality of ``fg_bg``, a range to draw from for each picture, or None for PNG.
        chroma: Chroma sub-sampling of ``fg_bg``: one of ``"4:2:0"``, ``"4:2:2"``, ``"4:4:4"``, or several to draw from.
        bg_quality: The same of ``bg``, which is compressed once for each background; that of ``fg_bg`` by default.
        bg_chroma: The same.
        shard: Writes zip archives of so many samples, with their backgrounds, instead of folders; they are read in
            place.
        limit: Only so many samples, drawn at random from all of them; a smaller limit draws some of a larger one's.
            With ``depth_mode="teacher"`` and relative depth a folder has one limit, since the range depends on it.
        skip_bad: Leaves out pictures that cannot be used, with a warning that names them.
        num_workers: Processes; by default one for each CPU that this process may use. 0 works in this process.
        progress: Whether to show a progress bar.
        **style: What is drawn for every sample: the fields of `CompositeStyle`, such as ``horizon``, ``scale``,
            ``anywhere``, ``max_cutouts``, ``shadow``.

    Returns:
        Path of the manifest. Its columns ``fg_ids``, ``boxes`` (x0 y0 x1 y1 in pixels) and those of the numbers of
        `fgbgnet.synth.composites.placement.Placement` have one value for each cut-out, the farthest first, with ``/``
        between them. ``fg_id`` is the cut-out of the pair: with ``max_cutouts`` above 1, samples with another ``fg_id``
        may show it, too, so that foregrounds are held out by composing from two folders.

    Raises:
        MissingFileError: If a folder or file does not exist.
        PictureError: If pictures cannot be read, or cut-outs have no alpha, nothing in it, or nothing cut out; the
            first 20 are named.
        InvalidArgumentError: If a value is out of its range, or ``out`` holds anything but the same run.
        OutputError: If the disk is full.

    >>> import tempfile
    >>> from PIL import Image
    >>> folder = tempfile.mkdtemp()
    >>> Image.new("RGB", (64, 48), "olive").save(f"{folder}/room.png")
    >>> thing = Image.new("RGBA", (20, 30))
    >>> thing.paste("navy", (2, 2, 18, 28))
    >>> thing.save(f"{folder}/thing.png")
    >>> manifest = compose(f"{folder}/room.png", f"{folder}/thing.png", f"{folder}/out", per_pair=2, progress=False)
    >>> len(manifest.read_text().splitlines())
    5
    """
    from fgbgnet.synth.composites.depth_sources import depth_source, maps_on_disk, source_fingerprints, taught
    from fgbgnet.synth.composites.encoding import Codec
    from fgbgnet.synth.composites.files import Maker, Scheme  # here: OpenCV is heavy
    from fgbgnet.synth.composites.gathering import gather
    from fgbgnet.synth.composites.run import fingerprints, run
    from fgbgnet.synth.composites.style import CompositeStyle

    looks, sides, seed = CompositeStyle.of(style), height_and_width(size), integer("seed", seed)
    per_pair, flip = integer("per_pair", per_pair, 1), truth("flip", flip)
    frame = Codec("quality", quality, chroma)
    clean = Codec(
        "bg_quality", quality if isinstance(bg_quality, EllipsisType) else bg_quality,
        chroma if isinstance(bg_chroma, EllipsisType) else bg_chroma,
    )  # fmt: skip
    limit = None if limit is None else integer("limit", limit, 1)
    shard = None if shard is None else integer("shard", shard, 1)
    workers = allowed_cpus() if num_workers is None else integer("num_workers", num_workers, 0)
    composer = gather(backgrounds, cutouts, sides, seed, looks, skip_bad=skip_bad, memory=_MEMORY)
    scheme = Scheme(len(composer.things), per_pair, flip)
    total = len(composer.photos) * len(composer.things) * scheme.per_both
    numbers = _chosen(total, limit, seed)
    source = depth_source(depth, composer.photos, depth_mode, depth_unit, depth_direction, depth_scale)
    ranged = depth_mode == "teacher" and source is not None and source.unit == "relative"
    settings = {
        "kind": "composites", "composer_version": COMPOSER_VERSION, "size": sides, "seed": seed, "per_pair": per_pair,
        "flip": flip, **asdict(looks), "quality": quality, "chroma": chroma, "bg_quality": clean.quality,
        "bg_chroma": clean.chroma, "shard": shard, "limit": limit if ranged or shard is not None else None,
        "depth_mode": None if source is None else depth_mode,
        "depth": None if source is None else source_fingerprints(source),
        "backgrounds": fingerprints(composer.photos), "cutouts": fingerprints(composer.things),
    }  # fmt: skip
    with full_disk_named(out, "nothing is lost: make room, and repeat the same run"):
        claim(
            Path(out), settings,
            "a run with the same pictures and arguments, where only num_workers and progress may differ, and limit may "
            "be larger unless shard is given, or a teacher judges every composite in relative depth",
        )  # fmt: skip
    if source is not None and depth_mode == "billboard":
        composer.use_depth(maps_on_disk(source, composer, Path(out), progress))
    manifest = run(Maker(composer, scheme, frame, clean), Path(out), numbers, shard, workers, progress)
    return taught(manifest, source, progress) if isinstance(source, Teacher) and depth_mode == "teacher" else manifest


def _chosen(total: int, limit: int | None, seed: int) -> Sequence[int]:
    if limit is None or limit >= total:
        return range(total)
    # The beginning of one permutation: a larger limit adds to a smaller one's.
    return np.sort(stream(seed, "limit").permutation(total)[:limit]).tolist()  # type: ignore[no-any-return]


__all__ = ["COMPOSER_VERSION", "compose"]
