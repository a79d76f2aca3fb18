"""Cut-outs on photographs: quadruples without depth from two folders."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from fgbgnet.errors import FgBgError, InvalidArgumentError, PictureError
from fgbgnet.pictures import open_picture, to_rgb
from fgbgnet.synth.arguments import Size, check_quality, height_and_width, integer
from fgbgnet.synth.blending import Placement, blend, draw_placement
from fgbgnet.synth.cutouts import SUFFIXES, Shelf, find_pictures, load_background, load_cutout, premultiplied
from fgbgnet.synth.folders import claim, encode, present, put
from fgbgnet.synth.streams import stream
from fgbgnet.types import PathInput

COMPOSER_VERSION = 1
"""To be raised whenever the same arguments give other composites, so that no folder holds two kinds."""

_MEMORY = 256 * 2**20
"""Bytes of cut-outs that are kept decoded."""


@dataclass(frozen=True)
class _Settings:
    """Everything but the pictures that decides what sample ``k`` looks like."""

    size: tuple[int, int]
    seed: int
    per_pair: int
    flip: bool
    anywhere: bool
    scale: tuple[float, float]
    blur: float
    shadow: float
    quality: int | None

    def __post_init__(self) -> None:
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1] <= 2:
            raise InvalidArgumentError(f"scale is {self.scale}; expected two rising numbers above 0 and up to 2")
        for name, value in (("blur", self.blur), ("shadow", self.shadow)):
            if not 0 <= value <= 1:
                raise InvalidArgumentError(f"{name} is {value}; expected a probability from 0 to 1")
        check_quality(self.quality)

    @property
    def per_both(self) -> int:
        """Samples of a cut-out on a background, mirrored ones included."""
        return self.per_pair * (1 + self.flip)

    def place(self, number: int, cutout: Tensor) -> Placement:
        """Where sample ``number`` has its cut-out."""
        mirrored = number % self.per_both >= self.per_pair
        return draw_placement(
            self.seed, number, (cutout.shape[1], cutout.shape[2]), self.size, mirrored=mirrored,
            anywhere=self.anywhere, scale=self.scale, blur=self.blur, shadow=self.shadow,
        )  # fmt: skip


def compose(
    backgrounds: PathInput, cutouts: PathInput, out: PathInput, per_pair: int = 20, flip: bool = True,
    size: Size = 224, seed: int = 0, *, anywhere: bool = False,
    scale: tuple[float, float] = (0.2, 0.7), blur: float = 0.5,
    shadow: float = 0.5, quality: int | None = 92, limit: int | None = None, progress: bool = True,
) -> Path:  # fmt: skip
    """Pastes every cut-out on every background and writes ``bg/``, ``fg_bg/``, ``mask/`` and ``manifest.csv``.

    Each pair gives ``per_pair`` samples, and as many mirrored ones. Sample ``k`` is a function of (seed, k) and the two
    pictures. Every picture is checked before the first file is written. Every file is whole or not there; a run that
    was interrupted goes on where it stopped, with the same result, and so does one with a larger ``limit``. Other
    arguments, or pictures that changed since, are refused. The mask is where alpha is at least one half, as PNG; a
    shadow is in ``fg_bg`` and not in the mask.

    Args:
        backgrounds: Folder of photographs, or one photograph; the middle part of the right shape is used.
        cutouts: Folder of pictures with alpha, or one of them.
        out: Folder, new or empty or of an earlier run; made if needed.
        per_pair: Samples of each cut-out on each background.
        flip: Whether to make as many again with the cut-out mirrored.
        size: Height and width in pixels, or one number for both.
        seed: Another seed draws other places.
        anywhere: Also in the air; by default things stand on the lower part.
        scale: Range of the cut-outs' height relative to the background's, drawn log-uniformly.
        blur: Probability of a blurred edge.
        shadow: Probability of a soft shadow on the ground.
        quality: JPEG quality of ``bg`` and ``fg_bg``, or None for PNG.
        limit: Only so many samples, drawn at random from all of them; a smaller limit draws some of a larger one's.
        progress: Whether to show a progress bar.

    Returns:
        Path of the manifest. Its further columns are `Placement`'s numbers.

    Raises:
        MissingFileError: If a folder or file does not exist.
        PictureError: If a picture cannot be read, or a cut-out has no alpha, nothing in it, or nothing cut out.
        InvalidArgumentError: If a number is out of its range, or ``out`` holds anything but the same run.
    """
    from fgbgnet.data.manifest import Manifest  # here: the data room needs albumentations

    settings = _Settings(
        height_and_width(size), integer("seed", seed), integer("per_pair", per_pair, 1), bool(flip), bool(anywhere),
        scale, blur, shadow, quality,
    )  # fmt: skip
    limit = None if limit is None else integer("limit", limit, 1)
    out = Path(out)
    photos, things = find_pictures(backgrounds, "backgrounds"), find_pictures(cutouts, "cutouts")
    longest = 2 * max(settings.size)
    thing = Shelf(lambda index: load_cutout(things[index], longest), _MEMORY)
    _verify(photos, things, thing)
    numbers = _chosen(len(photos) * len(things) * settings.per_both, limit, settings.seed)
    claim(
        out,
        {"kind": "composites", "composer_version": COMPOSER_VERSION, **asdict(settings),
         "backgrounds": [_fingerprint(path) for path in photos], "cutouts": [_fingerprint(path) for path in things]},
        "a run with the same pictures and arguments, where only limit may be larger and progress differ",
    )  # fmt: skip
    _refuse_fewer(out, len(numbers))
    table: dict[str, list[Any]] = {}
    work = _write(out, numbers, settings, photos, things, thing)
    for row in tqdm(work, total=len(numbers), unit="sample", disable=not progress):
        for key, value in row.items():
            table.setdefault(key, []).append(value)
    return Manifest(table, out).write(out / "manifest.csv")


def _verify(photos: Sequence[Path], things: Sequence[Path], thing: Shelf) -> None:
    """Decodes every picture once, so that a bad one is named before anything is written."""
    for path in photos:
        try:
            to_rgb(open_picture(path))
        except PictureError as error:
            raise PictureError(f"backgrounds: {error}. Expected photographs ({', '.join(sorted(SUFFIXES))})") from error
    for index in range(len(things)):
        try:
            thing(index)
        except PictureError as error:
            raise PictureError(f"cutouts: {error}. Expected pictures with alpha around the thing") from error


def _fingerprint(path: Path) -> str:
    content = path.read_bytes()
    return f"{path.name} ({len(content)} bytes, {blake2b(content, digest_size=8).hexdigest()})"


def _chosen(total: int, limit: int | None, seed: int) -> Sequence[int]:
    if limit is None or limit >= total:
        return range(total)
    # The beginning of one permutation: a larger limit adds to a smaller one's.
    return np.sort(stream(seed, "limit").permutation(total)[:limit]).tolist()  # type: ignore[no-any-return]


def _refuse_fewer(out: Path, count: int) -> None:
    """The table is written anew: it must not lose samples of an earlier run that came to its end."""
    from fgbgnet.data.manifest import Manifest

    if not present(out / "manifest.csv"):
        return
    try:
        there = len(Manifest.read(out / "manifest.csv"))
    except FgBgError:  # damaged: it is made again
        return
    if count < there:
        raise InvalidArgumentError(
            f"{out} holds {there} samples and this run makes only {count}; give a limit of {there} or more to go on "
            "there, or another folder"
        )


def _write(
    out: Path, numbers: Sequence[int], settings: _Settings, photos: Sequence[Path], things: Sequence[Path], thing: Shelf
) -> Iterator[dict[str, Any]]:
    """Makes what is missing and yields the row of every sample."""

    @lru_cache(maxsize=4)
    def background(index: int) -> Tensor:
        return torch.from_numpy(load_background(photos[index], settings.size)).permute(2, 0, 1).contiguous()

    @lru_cache(maxsize=1)  # neighbours in the order of the samples show the same cut-out
    def light(index: int) -> Tensor:
        return premultiplied(thing(index))

    suffix = ".png" if settings.quality is None else ".jpg"
    for number in numbers:
        b, c = divmod(number // settings.per_both, len(things))
        placement = settings.place(number, thing(c))
        row: dict[str, Any] = {
            "id": f"sample_{number:08d}",
            "bg": f"bg/{b:05d}_{photos[b].stem}{suffix}",
            "fg_bg": f"fg_bg/sample_{number:08d}{suffix}",
            "mask": f"mask/sample_{number:08d}.png",
            "bg_id": photos[b].name,
            "fg_id": things[c].name,
            **{key: int(v) if isinstance(v, bool) else f"{v:.5f}" for key, v in placement._asdict().items()},
        }
        if not present(out / row["bg"]):
            put(out / row["bg"], encode(background(b).permute(1, 2, 0).numpy(), settings.quality))
        if not (present(out / row["mask"]) and present(out / row["fg_bg"])):
            picture, alpha = blend(background(b), light(c), placement)
            put(out / row["fg_bg"], encode(picture.permute(1, 2, 0).numpy(), settings.quality))
            put(out / row["mask"], encode((alpha >= 0.5).numpy().astype(np.uint8) * 255))
        yield row


__all__ = ["COMPOSER_VERSION", "compose"]
