"""Generated quadruples, and one way to spoil them for every kind of defect."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from fgbgnet.data import Manifest
from fgbgnet.synth import SceneGenerator

SIDE = 128
COLUMNS = ("bg", "fg_bg", "mask", "depth", "bg_id")


@dataclass
class Quadruples:
    """Files of a clean set, and their pixels."""

    root: Path
    rows: list[dict[str, str]] = field(default_factory=list)
    frames: list[np.ndarray] = field(default_factory=list)
    backgrounds: list[np.ndarray] = field(default_factory=list)
    masks: list[np.ndarray] = field(default_factory=list)
    depths: list[np.ndarray] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def visible(self, row: int) -> bool:
        """Whether anybody would see the foreground: a hundredth of the picture, and not camouflaged."""
        mask = self.masks[row] > 0
        difference = np.abs(self.frames[row].astype(int) - self.backgrounds[row]).max(2)
        return 0.015 < mask.mean() < 0.6 and np.median(difference[mask]) > 20

    def manifest(self, changes: dict[int, dict[str, str]]) -> Manifest:
        rows = [{**row, **changes.get(number, {})} for number, row in enumerate(self.rows)]
        columns = {name: [row[name] for row in rows] for name in COLUMNS}
        columns["id"] = [f"{number:04}" for number in range(len(rows))]
        return Manifest(columns, self.root)

    def write(self, name: str, content: bytes) -> str:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return name


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def make_quadruples(root: Path, count: int, per_background: int = 8, seed: int = 11) -> Quadruples:
    """Scenes as data sets have them: pictures as JPEG, masks as PNG, relative depth of 8 bits."""
    made = Quadruples(root)
    generator = SceneGenerator((SIDE, SIDE), seed)
    for start in range(0, count, per_background):
        numbers = range(start, min(start + per_background, count))
        batch = generator.batch(numbers, [start] * len(numbers))
        for k in range(len(numbers)):
            add_quadruple(
                made, {name: batch[name][k] for name in ("bg", "fg_bg", "mask", "depth", "depth_valid")}, start
            )
    return made


def add_quadruple(made: Quadruples, scene: dict[str, torch.Tensor], group: int) -> None:
    number = len(made.rows)
    bg, frame = ((scene[name] * 255).round().byte().permute(1, 2, 0).numpy() for name in ("bg", "fg_bg"))
    mask = (scene["mask"][0] * 255).byte().numpy()
    depth, valid = scene["depth"][0].numpy(), scene["depth_valid"][0].numpy()
    far = depth[valid].max() if valid.any() else 1.0
    depth = np.where(valid, depth, far)
    depth = np.rint((depth - depth.min()) / max(np.ptp(depth), 1e-6) * 255).astype(np.uint8)
    row = {"bg": f"bg/{group}.jpg", "bg_id": str(group)}
    if not (made.root / row["bg"]).exists():
        made.write(row["bg"], encoded(bg, "JPEG", quality=90))
    row["fg_bg"] = made.write(f"fg_bg/{number}.jpg", encoded(frame, "JPEG", quality=85))
    row["mask"] = made.write(f"mask/{number}.png", encoded(mask))
    row["depth"] = made.write(f"depth/{number}.png", encoded(depth))
    made.rows.append(row)
    made.frames.append(frame)
    made.backgrounds.append(bg)
    made.masks.append(mask)
    made.depths.append(depth)


ORIGINAL = "original"
"""Key of a row that must stay as it is, since another one copies it."""

Plant = Callable[[Quadruples, int, np.random.Generator], dict[str, str] | None]
"""(set, row, randomness) -> cells that change; None if the defect would make no difference to this row."""


def _another(made: Quadruples, row: int, rng: np.random.Generator, same_background: bool | None = None) -> int | None:
    own = made.rows[row]["bg"]
    rows = [
        other
        for other in range(len(made))
        if other != row and (same_background is None or (made.rows[other]["bg"] == own) == same_background)
    ]
    return int(rng.choice(rows)) if rows else None


def wrong_background(made, row, rng):
    if not made.visible(row):
        return None
    other = _another(made, row, rng, same_background=False)
    return {"bg": made.rows[other]["bg"], "bg_id": made.rows[other]["bg_id"]}


def mirrored_background(made, row, rng):
    bg = made.backgrounds[row]
    if not made.visible(row) or np.abs(bg.astype(int) - bg[:, ::-1]).mean() < 8:
        return None  # a symmetrical room
    return {"bg": made.write(f"mirrored/{made.rows[row]['bg_id']}.jpg", encoded(bg[:, ::-1], "JPEG", quality=90))}


def shifted_background(made, row, rng):
    rows, columns = rng.integers(3, 9, 2) * rng.choice([-1, 1], 2)
    bg = made.backgrounds[row]
    matrix = np.array([[1, 0, columns], [0, 1, rows]], np.float32)
    moved = cv2.warpAffine(bg, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT_101)
    if not made.visible(row) or np.median(np.abs(moved.astype(int) - bg).max(2)) < 8:
        return None  # a bare room
    return {"bg": made.write(f"shifted/{row}.jpg", encoded(moved, "JPEG", quality=90))}


def unchanged_frame(made, row, rng):
    if not made.visible(row):
        return None
    return {"fg_bg": made.write(f"unchanged/{row}.jpg", encoded(made.backgrounds[row], "JPEG", quality=80))}


def duplicate_frame(made, row, rng):
    other = _another(made, row, rng, same_background=True)
    return {**made.rows[other], ORIGINAL: str(other)} if made.visible(other) else None


def grey_mask(made, row, rng):
    if not made.visible(row):
        return None
    return {"mask": made.write(f"grey/{row}.jpg", encoded(cv2.GaussianBlur(made.masks[row], (0, 0), 1.5), "JPEG"))}


def dithered_mask(made, row, rng):
    if not made.visible(row):
        return None
    soft = Image.fromarray(cv2.GaussianBlur(made.masks[row], (0, 0), 2)).convert("1")
    return {"mask": made.write(f"dithered/{row}.png", encoded(np.asarray(soft.convert("L"))))}


def inverted_mask(made, row, rng):
    return _mask(made, row, "inverted", 255 - made.masks[row]) if made.visible(row) else None


def empty_mask(made, row, rng):
    return _mask(made, row, "empty", np.zeros_like(made.masks[row])) if made.visible(row) else None


def full_mask(made, row, rng):
    return _mask(made, row, "full", np.full_like(made.masks[row], 255))


def mirrored_mask(made, row, rng):
    return _elsewhere(made, row, "mask_mirrored", made.masks[row][:, ::-1])


def shifted_mask(made, row, rng):
    rows, columns = rng.integers(10, 25, 2) * rng.choice([-1, 1], 2)
    matrix = np.array([[1, 0, columns], [0, 1, rows]], np.float32)
    return _elsewhere(made, row, "mask_shifted", cv2.warpAffine(made.masks[row], matrix, (SIDE, SIDE)))


def mask_of_another(made, row, rng):
    return _elsewhere(made, row, "mask_swapped", made.masks[_another(made, row, rng)])


def misplaced_mask(made, row, rng):
    return (mirrored_mask, shifted_mask, mask_of_another)[row % 3](made, row, rng)


def unusable_mask(made, row, rng):
    return {"mask": made.write(f"unusable/{row}.png", encoded(cv2.GaussianBlur(made.frames[row], (0, 0), 1)))}


def _mask(made, row, name, pixels):
    return {"mask": made.write(f"mask_{name}/{row}.png", encoded(np.ascontiguousarray(pixels)))}


def _elsewhere(made, row, name, pixels):
    old, new = made.masks[row] > 0, pixels > 0
    if not made.visible(row) or new.mean() < 0.005 or (old & new).sum() > 0.7 * (old | new).sum():
        return None
    return _mask(made, row, name, pixels)


def coloured_depth(made, row, rng):
    coloured = cv2.applyColorMap(made.depths[row], cv2.COLORMAP_JET)
    return {"depth": made.write(f"coloured/{row}.png", encoded(coloured))}


def depth_margin(made, row, rng):
    width = int(rng.integers(2, 14))
    inner = cv2.resize(made.depths[row], (SIDE - 2 * width, SIDE - 2 * width))
    framed = np.pad(inner, width, constant_values=255)
    return {"depth": made.write(f"framed/{row}.jpg", encoded(framed, "JPEG", quality=85))}


def constant_depth(made, row, rng):
    return {"depth": made.write(f"constant/{row}.png", encoded(np.full((SIDE, SIDE), 90, np.uint8)))}


def opposite_depth(made, row, rng):
    return {"depth": made.write(f"opposite/{row}.png", encoded(255 - made.depths[row]))}


def depth_of_another(made, row, rng):
    other = _another(made, row, rng, same_background=row % 2 == 0)
    if not made.visible(row) or not made.visible(other):
        return None
    difference = np.abs(made.depths[row].astype(int) - made.depths[other])
    if np.quantile(difference, 0.97) < 25:
        return None
    return {"depth": made.rows[other]["depth"]}


def missing_file(made, row, rng):
    return {str(rng.choice(["bg", "fg_bg", "mask", "depth"])): f"nowhere/{row}.png"}


def truncated_file(made, row, rng):
    name = str(rng.choice(["bg", "fg_bg", "mask", "depth"]))
    content = (made.root / made.rows[row][name]).read_bytes()
    suffix = Path(made.rows[row][name]).suffix
    return {name: made.write(f"truncated/{row}{suffix}", content[: len(content) // 2])}


def other_shape(made, row, rng):
    return {"mask": made.write(f"cropped/{row}.png", encoded(made.masks[row][: SIDE // 2]))}


def other_size(made, row, rng):
    return {"depth": made.write(f"smaller/{row}.png", encoded(cv2.resize(made.depths[row], (SIDE // 2, SIDE // 2))))}


def other_mode(made, row, rng):
    return {"mask": made.write(f"rgb/{row}.png", encoded(np.repeat(made.masks[row][..., None], 3, axis=2)))}


def rotated_by_exif(made, row, rng):
    exif = Image.Exif()
    exif[274] = 6  # "rotate by 90 degrees clockwise to view"
    turned = np.ascontiguousarray(np.rot90(made.frames[row]))
    return {"fg_bg": made.write(f"exif/{row}.jpg", encoded(turned, "JPEG", quality=85, exif=exif))}


def duplicate_background(made, row, rng):
    group = made.rows[row]["bg_id"]
    copy = made.write(f"copies/{group}.jpg", encoded(made.backgrounds[row], "JPEG", quality=70))
    return {"bg": copy, "bg_id": f"copy of {group}"}


PLANTS: dict[str, Plant] = {
    "file_missing": missing_file,
    "file_unreadable": truncated_file,
    "file_shape_differs": other_shape,
    "file_size_differs": other_size,
    "file_mode_differs": other_mode,
    "file_rotated": rotated_by_exif,
    "bg_wrong": wrong_background,
    "bg_mirrored": mirrored_background,
    "bg_shifted": shifted_background,
    "fg_bg_unchanged": unchanged_frame,
    "fg_bg_duplicate": duplicate_frame,
    "mask_unusable": unusable_mask,
    "mask_grey": grey_mask,
    "mask_dithered": dithered_mask,
    "mask_inverted": inverted_mask,
    "mask_empty": empty_mask,
    "mask_full": full_mask,
    "mask_off_difference": misplaced_mask,
    "depth_coloured": coloured_depth,
    "depth_margin": depth_margin,
    "depth_constant": constant_depth,
    "depth_polarity": opposite_depth,
    "depth_of_another": depth_of_another,
    "group_duplicate": duplicate_background,
}


def plant(made: Quadruples, kinds: list[str], share: float, seed: int) -> tuple[Manifest, dict[str, set[int]]]:
    """Spoils a share of the rows with each of some kinds, no row with two of them.

    Returns:
        The manifest, and the rows that are spoiled by kind.
    """
    rng = np.random.default_rng(seed)
    wanted = max(1, round(share * len(made)))
    free = rng.permutation(len(made)).tolist()
    changes: dict[int, dict[str, str]] = {}
    spoiled: dict[str, set[int]] = {kind: set() for kind in kinds}
    for kind in sorted(kinds, key=lambda kind: kind != "fg_bg_duplicate"):  # it needs two rows each
        for row in list(free):
            if len(spoiled[kind]) == wanted:
                break
            cells = PLANTS[kind](made, row, rng)
            original = int((cells or {}).get(ORIGINAL, row))
            if cells is None or original not in free:
                continue
            changes[row] = cells
            spoiled[kind].add(row)
            free = [other for other in free if other not in (row, original)]
    return made.manifest(changes), spoiled
