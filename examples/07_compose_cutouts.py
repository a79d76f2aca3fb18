"""
Compose your own data
=====================

From a folder of photographs and a folder of cut-outs to quadruples: every cut-out on every background, plain and
mirrored, at random places and sizes, with exact masks.
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from fgbgnet import ComposedDataset, PairedFgBgDataset, compose, seeded_split
from fgbgnet.plotting import overview

scratch = tempfile.TemporaryDirectory()
root = Path(scratch.name)

# %%
# Take your own photographs and your own cut-outs, which are pictures with an alpha channel. These toys stand in for
# them.

rng = np.random.default_rng(0)
for name in ("photographs", "cutouts"):
    (root / name).mkdir()

for n in range(4):
    low, high = np.sort(rng.uniform(40, 230, (2, 3)), axis=0)
    ramp = np.linspace(high, low, 160)[:, None, :].repeat(200, axis=1)
    stripes = 12 * np.sin(np.arange(200) * rng.uniform(0.1, 0.5))[None, :, None]
    pixels = np.clip(ramp + stripes + rng.normal(0, 3, ramp.shape), 0, 255)
    Image.fromarray(pixels.astype(np.uint8)).save(root / f"photographs/room_{n}.jpg")

for n in range(3):
    thing = Image.new("RGBA", (90, 120))
    draw = ImageDraw.Draw(thing)
    colour = tuple(int(value) for value in rng.integers(30, 226, 3))
    draw.ellipse((10, 30, 80, 115), fill=(*colour, 255))
    draw.ellipse((28, 4, 62, 40), fill=(*colour[::-1], 255))
    thing.save(root / f"cutouts/thing_{n}.png")

# %%
# Composing
# ---------
# Blending happens in linear light. Outside the cut-out and its shadow the frame equals the background bit for bit,
# before the pictures are compressed. On the command line: ``fgbgnet compose --backgrounds photographs --cutouts
# cutouts ...``

manifest = compose(
    root / "photographs", root / "cutouts", root / "composites", per_pair=2, flip=True, size=128, progress=False
)
dataset = PairedFgBgDataset(manifest)
print(dataset, dataset.manifest.names, sep="\n")

# %%
# Without depth maps of the backgrounds, composites have no depth: ``depth_valid`` is false everywhere, and ``fgbgnet
# train`` trains the mask alone.

sample = dataset[5]
assert not sample["depth_valid"].any()
overview(sample["bg"], sample["fg_bg"], sample["mask"])

# %%
# With depth
# ----------
# Each cut-out stands like a billboard on the depth of its background. The toy photographs are floors all over: with the
# horizon at a quarter of the height and the camera 1.5 metres above the floor, depth follows from the row.

(root / "depth").mkdir()
below = np.maximum((np.arange(160) + 0.5) / 160 - 0.25, 0.03)
metres = np.repeat(1.5 / below[:, None], 200, axis=1)
for n in range(4):
    Image.fromarray((1000 * metres).astype(np.uint16)).save(root / f"depth/room_{n}.png")

# %%
# Nothing has to be stored: `ComposedDataset` makes samples when they are asked for, and new ones in every epoch.

fresh = ComposedDataset(
    root / "photographs", root / "cutouts", size=128, n=100, max_cutouts=3, horizon=0.25,
    depth=root / "depth", depth_unit="metres",
)  # fmt: skip
sample = fresh[1]
assert sample["depth_valid"].all()
overview(sample["bg"], sample["fg_bg"], sample["mask"], sample["depth"])

# %%
# Backgrounds and cut-outs are recorded, so both can be held out.

train, test = split = seeded_split(dataset, (0.6, 0.4), group_by=("bg", "fg"))
print(split.summary())
