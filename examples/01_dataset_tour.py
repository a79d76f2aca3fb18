"""
A tour of a data set
====================

From a folder of pictures to batches: a manifest, a look at the samples, their statistics, splits that do not leak, and
augmentation that keeps the four layers together.
"""

# %%
# A folder as many have it: numbered frames, and a few backgrounds, each of which belongs to a block of frames. Here
# it is filled with generated rooms.

import tempfile
from pathlib import Path

import torch
from PIL import Image
from torchvision.utils import save_image

from fgbgnet import (
    Blocks,
    Manifest,
    PairedFgBgDataset,
    SceneDataset,
    eval_transform,
    make_loader,
    match_patterns,
    seeded_split,
    train_transform,
)

scratch = tempfile.TemporaryDirectory()
root = Path(scratch.name)
for layer in ("bg", "fg_bg", "mask", "depth"):
    (root / layer).mkdir()

FRAMES_PER_BACKGROUND = 4
rooms = SceneDataset(24, size=128, scenes_per_background=FRAMES_PER_BACKGROUND)
for index in range(len(rooms)):
    sample, n = rooms[index], index + 1
    save_image(sample["bg"], root / f"bg/bg_{1 + index // FRAMES_PER_BACKGROUND}.png")
    save_image(sample["fg_bg"], root / f"fg_bg/img_{n}.jpg")
    save_image(sample["mask"], root / f"mask/mask_{n}.png")
    millimetres = (1000 * sample["depth"][0]).round().clamp(0, 65535).numpy().astype("uint16")
    Image.fromarray(millimetres).save(root / f"depth/depth_{n}.png")

# %%
# The manifest
# ------------
# One table says which four files make a sample and what the depth means. ``Blocks`` is the rule that finds the
# background of a frame: frames 1 to 4 belong to background 1, and so on. Numbers are compared as numbers, so
# ``img_10`` never meets the background of ``img_1``, and a frame without its partner is an error.

manifest = match_patterns(
    root,
    bg="bg/bg_{b}.png",
    fg_bg="fg_bg/img_{n}.jpg",
    mask="mask/mask_{n}.png",
    depth="depth/depth_{n}.png",
    background=Blocks(size=FRAMES_PER_BACKGROUND),
    depth_unit="metres",
)
manifest.write(root / "manifest.csv")
print((root / "manifest.csv").read_text()[:300])

# %%
# Look at it
# ----------
# A wrong pair shows at a glance: the two pictures must be the same place, the mask must lie on what is new.

dataset = PairedFgBgDataset(root / "manifest.csv")
dataset.plot(9)

# %%
# Statistics of each layer. The models normalise by themselves; these figures tell whether the data are what you think
# they are: how much of the pictures is foreground, how many masks are empty, how far the depth reaches.

statistics = dataset.statistics()
print("mask ", statistics["mask"])
print("depth", statistics["depth"])

# %%
# Splits
# ------
# By default whole backgrounds are held out: no room is on both sides.

train, val = split = seeded_split(
    dataset, (0.7, 0.3), seed=0, group_by="bg", transforms=(train_transform(96), eval_transform(96))
)
print(split.summary())
print(sorted(set(train.group_ids("bg")) & set(val.group_ids("bg"))), "backgrounds on both sides")

# %%
# ``"fg"`` holds out foregrounds, and ``("bg", "fg")`` both. Samples that mix a training and a test group then belong
# to neither side; the split says how many. Twelve people on each of ten backgrounds show it. A split reads no
# picture, so these files need not exist:

pairs = [(b, f) for b in range(10) for f in range(12)]
names = [f"{b}_{f}.png" for b, f in pairs]
people = Manifest.from_lists(
    bg=[f"bg_{b}.png" for b, _ in pairs], fg_bg=names, mask=names, fg_id=[f"person_{f}" for _, f in pairs]
)
for groups in ("bg", "fg", ("bg", "fg"), None):
    print(seeded_split(PairedFgBgDataset(people), (0.7, 0.3), group_by=groups).summary())

# %%
# Augmentation
# ------------
# The training transform moves all layers together, changes the colours of both pictures alike, and then makes the
# background alone imperfect: moved, re-exposed, shadowed, compressed. The random draw is a function of seed, epoch
# and id, whatever the number of workers.

train.plot(0)

# %%
# Another epoch, another draw; the same epoch, the same draw.

first = train[0]["bg"]
train.set_epoch(1)
assert not torch.equal(train[0]["bg"], first)
train.set_epoch(0)
assert torch.equal(train[0]["bg"], first)

# %%
# Batches
# -------

batch = next(iter(make_loader(train, batch_size=4, train=True)))
print({name: tuple(layer.shape) for name, layer in batch.items() if name != "id"}, batch["id"])
