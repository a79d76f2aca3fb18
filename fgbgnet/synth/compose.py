"""Cut-outs on photographs: quadruples without depth from two folders."""

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth.cutouts import find_pictures, load_background, load_cutout, resize, to_linear, to_srgb
from fgbgnet.synth.streams import stream
from fgbgnet.synth.writing import check_quality, claim, encode, put
from fgbgnet.types import PathInput


class Placement(NamedTuple):
    """How a cut-out lies on a background; lengths relative to the background's height and width."""

    scale: float
    """Height of the cut-out."""
    left: float
    """Its left side; negative = cut by the frame."""
    top: float
    mirrored: bool
    blur: float
    """How much of a 3 x 3 binomial blur its edge gets, 0 to 1."""
    shadow: float
    """Strength of the soft shadow under it, 0 = none."""


def draw_placement(
    seed: int, number: int, shape: tuple[int, int], size: tuple[int, int], *, mirrored: bool, anywhere: bool = False,
    scale: tuple[float, float] = (0.2, 0.7), blur: float = 0.5, shadow: float = 0.5,
) -> Placement:  # fmt: skip
    """Where sample ``number`` of a seed goes: a function of its arguments alone.

    Args:
        seed: Any integer.
        number: Which sample.
        shape: Height and width of the cut-out in pixels.
        size: Height and width of the background.
        mirrored: Whether it is shown mirrored.
        anywhere: Anywhere in the picture; otherwise it stands on the lower two fifths.
        scale: Range of its height relative to the background's.
        blur: Probability of a blurred edge.
        shadow: Probability of a shadow.
    """
    u = stream(seed, "compose", number).random(7)
    high = math.exp(math.log(scale[0]) + u[0] * math.log(scale[1] / scale[0]))
    wide = high * shape[1] / shape[0] * size[0] / size[1]
    if wide > 0.95:  # a long thing is limited by the width
        high, wide = high * 0.95 / wide, 0.95
    left = -0.2 * wide + u[1] * (1 - 0.6 * wide)
    top = -0.1 * high + u[2] * (1 - 0.8 * high) if anywhere else 0.6 + 0.42 * u[2] - high
    strength = 0.25 + 0.45 * u[6] if u[5] < shadow else 0.0
    return Placement(high, left, max(top, -0.2 * high), mirrored, u[4] if u[3] < blur else 0.0, strength)


def blend(background: Tensor, cutout: Tensor, placement: Placement) -> tuple[Tensor, Tensor]:
    """Lays a cut-out over a background, in linear light.

    Args:
        background: uint8 (3, H, W), sRGB.
        cutout: float32 (4, h, w) of `load_cutout`: linear RGB times alpha, alpha.
        placement: Where and how.

    Returns:
        The picture, uint8 (3, H, W), equal to the background bit for bit where neither cut-out nor shadow falls; and
        the alpha, float32 (H, W).
    """
    height, width = background.shape[1:]
    layers = resize(
        cutout, (round(placement.scale * height), round(placement.scale * height * cutout.shape[2] / cutout.shape[1]))
    )
    if placement.mirrored:
        layers = layers.flip(2)
    rows, columns = layers.shape[1:]
    margin = 2 + (rows + columns) // 16 if placement.shadow else 2
    layers = F.pad(layers, (margin,) * 4)
    if placement.blur:
        soft = F.avg_pool2d(F.avg_pool2d(F.pad(layers, (1, 1, 1, 1)), 2, 1), 2, 1)
        layers = layers + placement.blur * (soft - layers)
    left, top = round(placement.left * width) - margin, round(placement.top * height) - margin
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + columns + 2 * margin, width), min(top + rows + 2 * margin, height)
    alpha = torch.zeros(height, width)
    result = background.clone()
    if x0 >= x1 or y0 >= y1:
        return result, alpha
    window = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    part = layers[:, *window]
    below = result[:, y0:y1, x0:x1]
    light = to_linear(below)
    if placement.shadow:
        light = light * (1 - placement.shadow * _shadow(layers[3], margin)[window])
    mixed = to_srgb(part[:3] + light * (1 - part[3]))
    # Rounding to light and back must not touch what is not covered.
    untouched = (part[3] == 0) & (light == to_linear(below)).all(0)
    result[:, y0:y1, x0:x1] = torch.where(untouched, below, mixed)
    alpha[y0:y1, x0:x1] = part[3]
    return result, alpha


def _shadow(alpha: Tensor, margin: int) -> Tensor:
    """Soft shadow on the ground: the silhouette squashed onto the bottom of the cut-out, and blurred; (h, w)."""
    rows, columns = alpha.shape
    flat = max(2, (rows - 2 * margin) // 5)
    squashed = F.interpolate(alpha[None, None], (flat, columns), mode="area")[0, 0]
    ground = torch.zeros_like(alpha)
    bottom = min(rows, rows - margin + flat // 3)
    ground[max(bottom - flat, 0) : bottom] = squashed[-min(flat, bottom) :]
    reach = max(1, margin // 3)
    for _ in range(2):
        # Two passes of one direction each are one of both, at a fraction of the cost.
        ground = F.avg_pool2d(ground[None, None], (1, 2 * reach + 1), 1, (0, reach))[0, 0]
        ground = F.avg_pool2d(ground[None, None], (2 * reach + 1, 1), 1, (reach, 0))[0, 0]
    return (1.5 * ground).clamp_(0, 1)


def compose(
    backgrounds: PathInput, cutouts: PathInput, out: PathInput, per_pair: int = 20, flip: bool = True,
    size: int | tuple[int, int] = 224, seed: int = 0, *, anywhere: bool = False,
    scale: tuple[float, float] = (0.2, 0.7), blur: float = 0.5,
    shadow: float = 0.5, quality: int | None = 92, limit: int | None = None, progress: bool = True,
) -> Path:  # fmt: skip
    """Pastes every cut-out on every background and writes ``bg/``, ``fg_bg/``, ``mask/`` and ``manifest.csv``.

    Each pair gives ``per_pair`` samples, and as many mirrored ones. Sample ``k`` is a function of (seed, k) and the two
    pictures. Every file is whole or not there; a run that was interrupted goes on where it stopped, with the same
    result. The mask is where alpha is at least one half, as PNG; a shadow is in ``fg_bg`` and not in the mask.

    Args:
        backgrounds: Folder of photographs, or one photograph; the middle part of the right shape is used.
        cutouts: Folder of pictures with alpha, or one of them.
        out: Folder; made if needed.
        per_pair: Samples of each cut-out on each background.
        flip: Whether to make as many again with the cut-out mirrored.
        size: Height and width in pixels, or one number for both.
        seed: Another seed draws other places.
        anywhere: Also in the air; by default things stand on the lower part.
        scale: Range of the cut-outs' height relative to the background's, drawn log-uniformly.
        blur: Probability of a blurred edge.
        shadow: Probability of a soft shadow on the ground.
        quality: JPEG quality of ``bg`` and ``fg_bg``, or None for PNG.
        limit: Only so many samples, drawn at random from all of them.
        progress: Whether to show a progress bar.

    Returns:
        Path of the manifest. Its further columns are `Placement`'s numbers.

    Raises:
        MissingFileError: If a folder or file does not exist.
        PictureError: If a picture cannot be read, or a cut-out has no alpha, nothing in it, or nothing cut out.
        InvalidArgumentError: If a number is out of its range, or ``out`` was made with other settings.
    """
    from fgbgnet.data.manifest import Manifest  # here: the data room imports fgbgnet.synth.perturb

    height, width = (size, size) if isinstance(size, int) else size
    _check(per_pair, (height, width), scale, {"blur": blur, "shadow": shadow}, quality, limit)
    out = Path(out)
    photos, things = find_pictures(backgrounds, "backgrounds"), find_pictures(cutouts, "cutouts")
    total = len(photos) * len(things) * per_pair * (1 + flip)
    names = {"backgrounds": [p.name for p in photos], "cutouts": [p.name for p in things]}
    claim(out, {"kind": "composites", "size": [height, width], "seed": seed, "per_pair": per_pair, "flip": flip,
                "limit": limit, "anywhere": anywhere, "scale": list(scale), "blur": blur, "shadow": shadow,
                "quality": quality, **names})  # fmt: skip

    @lru_cache(maxsize=4)
    def background(index: int) -> Tensor:
        return torch.from_numpy(load_background(photos[index], (height, width))).permute(2, 0, 1).contiguous()

    @lru_cache(maxsize=256)
    def thing(index: int) -> Tensor:
        return load_cutout(things[index], 2 * max(height, width))

    for index in range(len(things)):
        thing(index)  # every bad cut-out is named before the first sample is made
    suffix = ".png" if quality is None else ".jpg"
    table: dict[str, list[Any]] = {}
    numbers: Sequence[int] = range(total)
    if limit is not None and limit < total:
        numbers = np.sort(stream(seed, "limit").choice(total, limit, replace=False)).tolist()
    for number in tqdm(numbers, unit="sample", disable=not progress):
        pair, repeat = divmod(number, per_pair * (1 + flip))
        b, c = divmod(pair, len(things))
        cutout = thing(c)
        placement = draw_placement(
            seed, number, (cutout.shape[1], cutout.shape[2]), (height, width), mirrored=repeat >= per_pair,
            anywhere=anywhere, scale=scale, blur=blur, shadow=shadow,
        )  # fmt: skip
        row = {
            "id": f"sample_{number:08d}",
            "bg": f"bg/{b:05d}_{photos[b].stem}{suffix}",
            "fg_bg": f"fg_bg/sample_{number:08d}{suffix}",
            "mask": f"mask/sample_{number:08d}.png",
            "bg_id": photos[b].name,
            "fg_id": things[c].name,
            **{key: int(v) if isinstance(v, bool) else f"{v:.5f}" for key, v in placement._asdict().items()},
        }
        for key, value in row.items():
            table.setdefault(key, []).append(value)
        if not (out / row["bg"]).exists():
            put(out / row["bg"], encode(background(b).permute(1, 2, 0).numpy(), quality))
        if (out / row["mask"]).exists() and (out / row["fg_bg"]).exists():
            continue
        picture, alpha = blend(background(b), cutout, placement)
        put(out / row["fg_bg"], encode(picture.permute(1, 2, 0).numpy(), quality))
        put(out / row["mask"], encode((alpha >= 0.5).numpy().astype(np.uint8) * 255))
    return Manifest(table, out).write(out / "manifest.csv")


def _check(
    per_pair: int, size: tuple[int, int], scale: tuple[float, float], probabilities: dict[str, float],
    quality: int | None, limit: int | None,
) -> None:  # fmt: skip
    for name, count in (("per_pair", per_pair), ("limit", 1 if limit is None else limit), ("size", min(size) // 16)):
        if count < 1:
            raise InvalidArgumentError(f"{name} is too small; expected at least {16 if name == 'size' else 1}")
    if not 0 < scale[0] <= scale[1] <= 2:
        raise InvalidArgumentError(f"scale is {scale}; expected two rising numbers above 0 and up to 2")
    for name, value in probabilities.items():
        if not 0 <= value <= 1:
            raise InvalidArgumentError(f"{name} is {value}; expected a probability from 0 to 1")
    check_quality(quality)


__all__ = ["Placement", "blend", "compose", "draw_placement"]
