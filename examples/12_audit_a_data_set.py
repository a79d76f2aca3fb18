"""
Audit a data set
================

Wrong pairs, masks of another cut-out and depth maps the wrong way round do not stop a training: they spoil it. Here a
small set is made, spoiled in four ways, audited, and repaired as far as anything can be proven.
"""

import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from fgbgnet import Manifest, PairedFgBgDataset, SceneDataset
from fgbgnet.synth import write_scenes

short = os.environ.get("FGBGNET_SHORT") == "1"
scratch = tempfile.TemporaryDirectory()
root = Path(scratch.name)

# %%
# Sixty-four scenes, eight on each background, with depth in metres.

scenes = SceneDataset(16 if short else 64, size=96 if short else 160, seed=4, scenes_per_background=8)
clean = Manifest.read(write_scenes(scenes, root / "scenes", num_workers=0, progress=False))

# %%
# Spoil some: another background, a mirrored background, a mirrored mask, an inverted mask.

columns = {name: clean.column(name).tolist() for name in (*clean.names, "bg_id")}
columns["bg"][3], columns["bg_id"][3] = columns["bg"][-1], columns["bg_id"][-1]


def spoil(column, row, change):
    pixels = np.asarray(Image.open(clean.resolve(columns[column][row])))
    columns[column][row] = f"{column}_{row}.png"
    Image.fromarray(np.ascontiguousarray(change(pixels))).save(root / "scenes" / columns[column][row])


spoil("bg", 5, lambda pixels: pixels[:, ::-1])
spoil("mask", 9, lambda pixels: pixels[:, ::-1])
spoil("mask", 11, lambda pixels: 255 - pixels)
spoiled = PairedFgBgDataset(Manifest(columns, clean.root))

# %%
# The audit opens every file once. A defect is a finding, never an exception.

audit = spoiled.check(progress=False)
print(audit.summary(width=110))

# %%
# What each finding is about, as a dictionary that can be written to JSON:

for finding in audit.to_json()["findings"]:
    print(finding["kind"], finding["ids"], finding["message"], sep="\n   ")

# %%
# A page with the worst pictures of every finding, in one file:

audit.write_page(root / "audit.html")

# %%
# The repair writes a new manifest with what is proven: the right background, mirrored and inverted copies. The audited
# files stay as they are.

repaired = PairedFgBgDataset(audit.repaired(root / "repaired.csv"))
print(repaired.check(progress=False).summary(width=110))

# %%
# Before and after: background, frame, mask, and what differs.


def difference(sample):
    return (sample["fg_bg"] - sample["bg"]).abs().amax(0)


rows = [3, 5, 9, 11]
figure, axes = plt.subplots(len(rows), 6, figsize=(11, 7.5), layout="constrained")
titles = ("background", "frame", "mask", "difference", "background, repaired", "mask, repaired")
after = {id: position for position, id in enumerate(repaired.ids.tolist())}
for line, row in zip(axes, rows, strict=True):
    before, then = spoiled[row], repaired[after[spoiled.ids[row]]]
    shown = (before["bg"], before["fg_bg"], before["mask"][0], difference(before), then["bg"], then["mask"][0])
    for axis, picture in zip(line, shown, strict=True):
        axis.imshow(picture.permute(1, 2, 0) if picture.ndim == 3 else picture, cmap="gray", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
for axis, title in zip(axes[0], titles, strict=True):
    axis.set_title(title, fontsize=9)
