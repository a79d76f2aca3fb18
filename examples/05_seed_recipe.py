"""
The recipe of 2020
==================

The course project that this library generalises trained its two tasks in turns: depth with the mask frozen, then the
mask with the depth frozen, small pictures first, full size from those weights. SGD with momentum 0.9, a one-cycle
learning rate that climbs for a third of the run to 0.02, weight decay 1e-4, binary cross-entropy for the mask, L1 for
the depth.

The full mode takes the network of 2020 at full size: use a GPU.
"""

import os
import tempfile
from pathlib import Path

import torch

from fgbgnet import (
    DepthLoss,
    DualTaskLoss,
    MaskLoss,
    SceneDataset,
    create_model,
    eval_transform,
    seeded_split,
    train_transform,
)
from fgbgnet.plotting import plot_sample
from fgbgnet.training import FitConfig, fit

SHORT = bool(os.environ.get("FGBGNET_SHORT"))
SCENES = 24 if SHORT else 20_000
STAGES = [(32, 8), (48, 8)] if SHORT else [(64, 128), (224, 32)]  # size, batch
PHASES = [("depth", "mask", 1 if SHORT else 4), ("mask", "depth", 1 if SHORT else 3)]  # trained, frozen, epochs

torch.manual_seed(0)
model = create_model("classic", depth_unit="metres", **({"encoder_name": "unet_small"} if SHORT else {}))
loss = DualTaskLoss(MaskLoss(bce=1, dice=0), DepthLoss(l1=1, gradient=0))

# %%
# Four runs, each from the weights of the one before. The branch that a run freezes is not changed by a bit; the three
# shared stages go on learning, so its *output* drifts. Add ``"shared"`` to ``freeze`` in a second phase to keep that
# too.

scratch = tempfile.TemporaryDirectory()
for size, batch_size in STAGES:
    rooms = SceneDataset(SCENES, size=size, scenes_per_background=4)
    transforms = (train_transform(size), eval_transform(size))
    train, val = seeded_split(rooms, (0.7, 0.3), seed=0, transforms=transforms)
    model.input_size = size
    for task, other, epochs in PHASES:
        config = FitConfig(
            epochs=epochs,
            batch_size=batch_size,
            optimizer="sgd",
            learning_rate=0.02,
            weight_decay=1e-4,
            warmup=1 / 3,
            gradient_clip=0,
            tasks=(task,),
            freeze=(other,),
        )
        result = fit(model, train, val, Path(scratch.name, f"{task}_{size}"), config, loss=loss)
        print(f"{size} px, {task}: {result.steps} steps")

# %%
# Two deliberate differences: the learning rate falls along a cosine instead of a straight line, and weight decay
# leaves biases and normalisation layers alone. And whole backgrounds are held out, where the project split at random.

sample = val[0]
plot_sample(sample, model.predict(sample["bg"], sample["fg_bg"]))
