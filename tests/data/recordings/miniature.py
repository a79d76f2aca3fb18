"""Tiny copies of CDnet-2014, SBM-RGBD and OCID with exactly their trees, drawn from a few numbers."""

from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 24, 32
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]

ROI = COLUMNS - ROWS // 4 >= 4
"""No rectangle: cut off on the left by a slanted line."""


def scene(seed):
    """A background: smooth, so that JPEG keeps it within a few levels; uint8 (H, W, 3)."""
    phases = np.random.default_rng(seed).uniform(0, 6, 3)
    return np.stack([120 + 60 * np.sin(COLUMNS / 9 + ROWS / 13 + phase) for phase in phases], -1).astype(np.uint8)


def box(left, top=6, width=8, height=10):
    """Where a box stands, bool (H, W)."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return (columns >= left) & (columns < left + width) & (rows >= top) & (rows < top + height)


def frame(background, number, inside=None):
    """A frame: noise that cancels over any three consecutive ones, and perhaps a yellow box."""
    picture = background.astype(int) + (-2, 0, 2)[number % 3]
    if inside is not None:
        picture = np.where(inside[..., None], (250, 240, 10), picture)
    return picture.clip(0, 255).astype(np.uint8)


def truth(left):
    """Labels of a box: 255, with unknown columns (170) beside it and a shadow (50) below."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[box(left - 1, width=10)] = 170
    labels[box(left, top=16, height=3)] = 50
    labels[box(left)] = 255
    return labels


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def video(folder: Path, background, boxes, truths, span, suffix="png", roi=ROI, depth=None):
    """Writes a recording.

    Args:
        folder: Of the video.
        background: The scene.
        boxes: Number of a frame -> left edge of the box that it shows, or None for none.
        truths: Number of a frame -> its labels.
        span: Text of temporalROI.txt.
        suffix: Of the frames.
        roi: Region of interest, bool.
        depth: Number -> depth map, of any type.
    """
    for number, left in boxes.items():
        picture = frame(background, number, None if left is None else box(left))
        save(
            folder / "input" / f"in{number:06d}.{suffix}",
            picture,
            **({"quality": 100, "subsampling": 0} if suffix == "jpg" else {}),
        )
    for number, labels in truths.items():
        save(folder / "groundtruth" / f"gt{number:06d}.png", labels)
    for number in boxes if depth else ():
        save(folder / "depth" / f"d{number:06d}.png", depth(number))
    save(folder / "ROI.bmp", roi.astype(np.uint8) * 255)
    (folder / "temporalROI.txt").write_text(span)
    (folder / "input" / "Thumbs.db").write_bytes(b"no picture")


OUTSIDE = np.full((HEIGHT, WIDTH), 85, np.uint8)
EMPTY = np.zeros((HEIGHT, WIDTH), np.uint8)
UNKNOWN = np.full((HEIGHT, WIDTH), 170, np.uint8)


def cdnet(root: Path) -> Path:
    """Four videos in four categories.

    highway: frames 1 to 3 are not labelled and show a box; 4 to 6 are empty; 7 to 11 have a box, of 10 nothing is
    known; 12 lies outside the temporal region. bungalows: 60 unlabelled frames, through which a box moves, then two
    with foreground. sofa: foreground from the first frame on, always on the columns 20 to 22. continuousPan: turns.
    """
    boxes = {1: 12, 2: 12, 3: 12, 4: None, 5: None, 6: None, 7: 8, 8: 10, 9: 12, 10: 14, 11: 16, 12: 18}
    truths = {number: OUTSIDE if left is None or number < 4 else truth(left) for number, left in boxes.items()}
    truths |= dict.fromkeys((4, 5, 6), np.where(ROI, 0, 85).astype(np.uint8)) | {10: UNKNOWN}
    video(root / "baseline" / "highway", scene(1), boxes, truths, "4 11", "jpg")
    boxes = {number: number % 30 for number in range(1, 61)} | {61: 12, 62: 14}
    video(root / "shadow" / "bungalows", scene(2), boxes, {61: truth(12), 62: truth(14)}, "61 62\n", "jpg")
    boxes = {number: 15 + (number - 1) % 6 for number in range(1, 13)}
    truths = {number: truth(left) for number, left in boxes.items()}
    video(root / "intermittentObjectMotion" / "sofa", scene(3), boxes, truths, "1 12", "jpg", np.ones_like(ROI))
    video(root / "PTZ" / "continuousPan", scene(4), {1: None, 2: 9}, {1: EMPTY, 2: truth(9)}, "1 2", "jpg")
    return root


def millimetres(number):
    """Depth in 16 bits: a ramp with a hole of the sensor."""
    depth = (1000 + 100 * COLUMNS + number).astype(np.uint16)
    depth[:2, :3] = 0
    return depth


def levels(number):
    """Depth in 8 bits, with a hole."""
    depth = (51 + COLUMNS).astype(np.uint8)
    depth[:2, :3] = 0
    return depth


def sbm_rgbd(root: Path) -> Path:
    """Four videos: two of one source with depth in 16 and in 8 bits and sparse ground truth, two of URFD."""
    boxes = dict.fromkeys(range(1, 7)) | {7: 8, 8: 10, 9: 12}
    truths = {2: EMPTY, 5: EMPTY, 7: truth(8), 9: truth(12)}
    video(root / "Shadows" / "genSeq1", scene(1), boxes, truths, "1 9", depth=millimetres)
    video(root / "IlluminationChanges" / "genSeq2", scene(2), boxes, truths, "1 9", depth=levels)
    video(root / "Shadows" / "fall01cam1", scene(3), boxes, truths, "1 9", depth=millimetres)
    boxes = dict.fromkeys(range(1, 61), 12)
    video(root / "Bootstrapping" / "fall01cam0", scene(4), boxes, {60: truth(12)}, "1 60", depth=millimetres)
    return root


def ocid(root: Path) -> Path:
    """Two sequences: ARID20/floor/top/seq01 of four frames, YCB10/table/bottom/mixed/seq02 of two.

    Frame 1 shows an empty floor (labels 0 and 1), frame 2 an object (2); in frame 3 nothing is new; in frame 4 an
    object (3) stands before the first. Names sort as text in another order.
    """
    steps = {
        "result_1": [],
        "result_2": [(2, box(8))],
        "result_9": [(2, box(8))],
        "result_10": [(2, box(8)), (3, box(12))],
    }
    for folder, names in (
        (root / "ARID20/floor/top/seq01", list(steps)),
        (root / "YCB10/table/bottom/mixed/seq02", ["result_1", "result_10"]),
    ):
        for number, name in enumerate(names):
            labels = (ROWS > 20).astype(np.uint8)
            picture = scene(5)
            for label, inside in steps[name]:
                labels[inside] = label
                picture = np.where(inside[..., None], 60 * label, picture).astype(np.uint8)
            save(folder / "rgb" / f"{name}.png", picture)
            save(folder / "label" / f"{name}.png", labels)
            save(folder / "depth" / f"{name}.png", millimetres(number))
            (folder / "pcd").mkdir(exist_ok=True)
            (folder / "pcd" / f"{name}.pcd").write_bytes(b"points")
    return root
