"""
The recipe of 2020
==================

The course project that this library generalises trained its two tasks in turns: depth with the mask frozen, then the
mask with the depth frozen, small pictures first, full size from those weights. SGD with momentum 0.9, a one-cycle
learning rate that climbs for a third of the run to 0.02, weight decay 1e-4, binary cross-entropy for the mask, L1 for
the depth. All of that is in the recipe ``classic`` of the package.

The full mode takes the network of 2020 at full size: use a GPU.
"""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from fgbgnet import SceneDataset, create_model, eval_transform, seeded_split
from fgbgnet.plotting import plot_sample
from fgbgnet.training import FitConfig, fit, load_recipe

SHORT = bool(os.environ.get("FGBGNET_SHORT"))
SCENES = 24 if SHORT else 20_000

options = load_recipe("classic")
name = options.pop("model")
config = FitConfig(**options)
for phase in config.split_phases():
    print(phase.tasks, "with", phase.freeze, "frozen:", phase.sizes)

# %%
# The same recipe in small, for a look at it in seconds.

if SHORT:
    small = [{**phase, "sizes": ((size, 8, 1),)} for phase, size in zip(config.phases, (32, 32, 48, 48), strict=True)]
    config = replace(config, phases=tuple(small))

# %%
# One run, whose phases each start from the weights of the one before. What a phase freezes is not changed by a bit:
# while the mask learns, the shared stages keep still, too, so that the depth stays what it is. Killed in between, the
# same call with ``resume=True`` goes on. Whole backgrounds are held out, where the project split at random.

rooms = SceneDataset(SCENES, size=config.phases[-1]["sizes"][0][0], scenes_per_background=4)
train, val = seeded_split(rooms, (0.7, 0.3), seed=0)
torch.manual_seed(0)
model = create_model(name, depth_unit="metres", **({"encoder_name": "unet_small"} if SHORT else {}))
scratch = tempfile.TemporaryDirectory()
result = fit(model, train, val, Path(scratch.name, "run"), config)
print(f"{result.steps} steps")

# %%
# On the command line it is ``fgbgnet train --recipe classic --data manifest.csv --out runs/classic``.

sample = eval_transform(config.phases[-1]["sizes"][0][0])(val[0])
plot_sample(sample, model.predict(sample["bg"], sample["fg_bg"]))
