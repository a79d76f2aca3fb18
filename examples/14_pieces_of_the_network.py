"""
The network in pieces
=====================

Shared features and one task from them, how sure the network is, two equal pictures, and a camera that does not move.
"""

import os

import numpy as np
import torch

from fgbgnet import DepthLoss, DualHeadUNet, DualTaskLoss, SceneDataset, eval_transform, make_loader, train_transform
from fgbgnet.plotting import Panel, depth_to_rgb, tile

SHORT = bool(os.environ.get("FGBGNET_SHORT"))
SCENES, SIZE, EPOCHS = (32, 48, 1) if SHORT else (600, 64, 6)

# %%
# A siamese network encodes each picture with the same encoder. ``cross_task`` ties the tasks together,
# ``uncertainty`` makes them say how sure they are.

torch.manual_seed(0)
model = DualHeadUNet("unet_small", fusion="siamese", cross_task=True, uncertainty=("mask", "depth"))
model.set_priors(foreground=0.1, depth=3.0)

rooms = SceneDataset(SCENES, size=SIZE, scenes_per_background=4, transform=train_transform(SIZE))
loader = make_loader(rooms, batch_size=16, train=True)
loss_function = DualTaskLoss(depth=DepthLoss(space="log"))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=EPOCHS * len(loader))
for epoch in range(EPOCHS):
    rooms.set_epoch(epoch)
    for batch in loader:
        losses = loss_function(model(batch["bg"], batch["fg_bg"]), batch)
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
        schedule.step()
    print(f"epoch {epoch}: mask {losses['mask'].item():.3f}, depth {losses['depth'].item():.3f}")
model.eval()

# %%
# Encode once, decode what is needed
# ----------------------------------
# ``forward`` is these two calls. A branch that is not asked for is not computed.

unseen = SceneDataset(4, size=SIZE, seed=99, transform=eval_transform(SIZE))
batch = next(iter(make_loader(unseen, batch_size=4, train=False)))
bg, frames = batch["bg"], batch["fg_bg"]
with torch.no_grad():
    features = model.encode(bg, frames)
    print([tuple(level.shape) for level in features.pair.levels])
    assert torch.equal(model.decode(features, "depth"), model(bg, frames, tasks="depth")["depth"])

# %%
# How sure it is
# --------------
# Bright is unsure: contours of the mask, and depth where it jumps.

with torch.no_grad():
    outputs = model(bg, frames)


def pixels(picture):
    return (picture * 255).round().byte().permute(1, 2, 0).numpy().astype(np.uint8)


def grey(layer):
    layer = layer[0]
    return pixels(((layer - layer.min()) / (layer.max() - layer.min()).clamp(min=1e-6)).expand(3, -1, -1))


panels = []
for k in range(len(frames)):
    panels += [
        Panel("frame", pixels(frames[k])),
        Panel("mask", pixels(outputs["mask"][k].sigmoid().expand(3, -1, -1))),
        Panel("mask_uncertainty", grey(outputs["mask_uncertainty"][k].log())),
        Panel("depth", depth_to_rgb(outputs["depth"][k])),
        Panel("depth_uncertainty", grey(outputs["depth_uncertainty"][k].log())),
    ]
tile(panels, columns=5)

# %%
# Two equal pictures
# ------------------
# With ``cross_task`` they give an empty mask and the background's own depth, whatever the weights are.

with torch.no_grad():
    equal = model(bg, bg)
print(f"largest probability of foreground in equal pictures: {equal['mask'].sigmoid().max().item():.4f}")
assert not (equal["mask"] > 0).any()

# %%
# A camera that does not move
# ---------------------------
# The background's features are computed once; single frames give the same bits.

camera = model.fix_background(bg[0])
with torch.no_grad():
    expected = model(bg[:1], frames[:1])
assert all(torch.equal(layer, expected[key]) for key, layer in camera(frames[:1]).items())
