"""Two tiny photographs, two cut-outs, and what comes of them: for the tests of composites."""

import numpy as np
from PIL import Image

from fgbgnet.synth import compose


def disc(size=40, colour=(200, 40, 30)):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    alpha = np.clip((0.4 * size - np.hypot(x, y)) + 0.5, 0, 1)
    rgba = np.zeros((size, size, 4), np.uint8)
    rgba[..., :3] = colour
    rgba[..., 3] = np.rint(255 * alpha)
    return Image.fromarray(rgba)


def two_of_each(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "bg").mkdir()
    (tmp_path / "fg").mkdir()
    for k in (2, 10):
        pixels = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((90, 60)).save(tmp_path / "bg" / f"room{k}.png")
    disc().save(tmp_path / "fg" / "red.png")
    disc(60, (20, 90, 220)).save(tmp_path / "fg" / "blue.png")
    return tmp_path


def run(folders, out="out", **arguments):
    settings = {"per_pair": 2, "size": 48, "num_workers": 0, "progress": False, **arguments}
    return compose(folders / "bg", folders / "fg", folders / out, **settings)


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
