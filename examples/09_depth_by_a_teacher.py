"""
Depth by a teacher
==================

Photographs come without depth. A depth-estimation network, or any function that returns a depth map, can stand in: it
is run over a manifest, and its guesses become the depth to learn from.

This script runs offline. Its first teacher is a formula, its second a tiny network with random weights, which guesses
nothing: with a published model in its place the lines are the same.
"""

import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from fgbgnet import Manifest, PairedFgBgDataset, SceneDataset
from fgbgnet.synth import annotate, load_teacher, write_scenes

short = os.environ.get("FGBGNET_SHORT") == "1"
scratch = tempfile.TemporaryDirectory()
root = Path(scratch.name)

# %%
# Pictures to begin with. Yours would be composites of :func:`fgbgnet.compose`, or photographs of a fixed camera.

size = 64 if short else 128
rooms = SceneDataset(4 if short else 12, size=size, scenes_per_background=4)
scenes = write_scenes(rooms, root / "scenes", num_workers=0, progress=False)

# %%
# Any function
# ------------
# It takes uint8 pictures (B, 3, H, W) and returns depth (B, h, w). What its values mean has to be said: here metres.
# The formula is that of flat ground below a camera 1.5 m high, with the horizon a third from the top. What is farther
# than 65.535 m, here all above the horizon, is not valid: 16 bits of millimetres end there.


def flat_ground(pictures):
    height, width = pictures.shape[2:]
    below = (torch.arange(height) + 0.5) / height - 1 / 3
    distance = torch.where(below > 0, 1.5 / below, 1000.0)
    return distance.view(1, height, 1).expand(len(pictures), height, width)


teacher = load_teacher(flat_ground, unit="metres")
print(teacher)
manifest = annotate(scenes, teacher, root / "ground", progress=False)
dataset = PairedFgBgDataset(manifest)
sample = dataset[0]
print(dataset.depth_unit, f"{sample['depth_valid'].float().mean():.0%} of the pixels are valid")

# %%
# A model of Hugging Face
# -----------------------
# With the extra ``depth`` and a network it takes one line:
#
# .. code-block:: python
#
#     teacher = load_teacher("depth-anything/Depth-Anything-V2-Small-hf")  # Apache-2.0
#
# Without a network it takes the folder of a model. This one is made here, with random weights.

from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessor

torch.manual_seed(0)
config = DPTConfig(
    hidden_size=16, intermediate_size=32, num_hidden_layers=4, num_attention_heads=2, image_size=64, patch_size=8,
    backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8] * 4, fusion_hidden_size=8, initializer_range=0.2,
)  # fmt: skip
DPTForDepthEstimation(config).save_pretrained(root / "model")
DPTImageProcessor(size={"height": 64, "width": 64}).save_pretrained(root / "model")

network = load_teacher(root / "model")
print(network)

# %%
# Unit and direction come from the model's configuration: a DPT gives inverse depth of unknown scale. All maps share one
# range, so that they stay comparable. A run that was interrupted goes on where it stopped; another teacher in the same
# folder is refused.

guessed = PairedFgBgDataset(annotate(scenes, network, root / "guessed", progress=False))

# %%
# The empty scenes, each estimated once however many samples show it:

backgrounds = Manifest.read(annotate(scenes, network, root / "backgrounds", of="bg", progress=False))
print(len(set(backgrounds.column("depth_bg").tolist())), "maps for", len(backgrounds), "samples")

# %%
# The frame, its true depth, flat ground, and what random weights guess. Black is not valid.

columns = (
    ("frame", sample["fg_bg"].permute(1, 2, 0)),
    ("truth", PairedFgBgDataset(scenes)[0]),
    ("flat ground", sample),
    ("random weights", guessed[0]),
)
figure, axes = plt.subplots(1, len(columns), figsize=(10, 3), layout="constrained")
for axis, (title, shown) in zip(axes, columns, strict=True):
    if isinstance(shown, dict):
        shown = shown["depth"][0].where(shown["depth_valid"][0], torch.nan)
        axis.set_facecolor("black")
    axis.imshow(shown, cmap="turbo")
    axis.set(title=title, xticks=[], yticks=[])
