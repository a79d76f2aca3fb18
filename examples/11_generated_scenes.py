"""
Generated scenes
================

Rooms and streets with something new in them: 64 of them, what belongs to one, and a data set for training that never
shows the same scene twice.
"""

import matplotlib
import numpy as np

from fgbgnet import SceneDataset
from fgbgnet.plotting import Panel, tile
from fgbgnet.synth import SceneGenerator


def pixels(picture):
    return (picture * 255).round().byte().permute(1, 2, 0).numpy().astype(np.uint8)


# %%
# Scene ``i`` of a seed is always the same picture, in any batch, order and process.

scenes = SceneGenerator(size=104, seed=0).batch(range(64))
tile([Panel("", pixels(picture)) for picture in scenes["fg_bg"]], columns=8)

# %%
# What belongs to a scene
# -----------------------
# The background and the frame; alpha with the soft edge of a lens, and the mask where it is at least one half; the
# depth in metres with and without the foreground. The sky has no depth.


def colours(depth, valid):
    # Near is bright; what is not valid is black.
    near = np.where(valid, 1 / np.maximum(depth, 0.5), 0)
    return (matplotlib.colormaps["magma"](near / near.max())[..., :3] * 255).astype(np.uint8)


panels = []
for k in (2, 11, 15, 23):
    depth, depth_bg, valid = (scenes[key][k, 0].numpy() for key in ("depth", "depth_bg", "depth_valid"))
    layers = {key: pixels(scenes[key][k].expand(3, -1, -1)) for key in ("bg", "fg_bg", "alpha", "mask")}
    panels += [Panel(key, layer) for key, layer in layers.items()]
    panels += [Panel("depth", colours(depth, valid)), Panel("depth_bg", colours(depth_bg, depth_bg > 0))]
tile(panels, columns=6)

# %%
# For training
# ------------
# ``fresh=True`` shows new scenes in every epoch. The groups stay, so that a split by background holds in all of them.

dataset = SceneDataset(1000, size=64, scenes_per_background=4, fresh=True)
first = dataset[0]["id"]
dataset.set_epoch(1)
print(first, "then", dataset[0]["id"], "| backgrounds:", len(set(dataset.group_ids("bg"))))
