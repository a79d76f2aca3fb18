"""
Watch a training
================

Before a run: which learning rate, which batch size, and where the time of a step goes. After it, or while it goes on:
curves, and the same validation samples as the network sees them later and later.
"""

import os
import tempfile
from pathlib import Path

from PIL import Image

from fgbgnet import SceneDataset, create_model
from fgbgnet.training import FitConfig, find_batch_size, fit, lr_range_test, plot_curves, profile_training

SHORT = bool(os.environ.get("FGBGNET_SHORT"))
SCENES, SIZE, EPOCHS = (24, 32, 3) if SHORT else (4000, 64, 8)

train, val = SceneDataset(SCENES, size=SIZE), SceneDataset(24, size=SIZE, seed=1)
model = create_model("fgbgnet_xs", input_size=SIZE)
config = FitConfig(batch_size=8, epochs=EPOCHS, validations=3, pictures=3)

# %%
# Four steps of each batch size, as long as memory allows and doubling it pays.

print(find_batch_size(model, SIZE, config, limit=4 if SHORT else 64, quiet=True))

# %%
# The learning rate grows from step to step. The suggestion is where half of what can be won is won: high enough to
# learn fast, with room above it. This and what follows trains copies; the model stays as it is.

found = lr_range_test(model, train, config, steps=20 if SHORT else 120)
found.plot()

# %%
# Every moment of a step belongs to one part of it. Below the table stands what to change.

print(profile_training(model, train, config, val=val, steps=3 if SHORT else 30, warmup=1).table())

# %%
# A run draws its curves when it ends, however it ends; ``plot_curves`` draws them at any time.

scratch = tempfile.TemporaryDirectory()
run = fit(model, train, val, Path(scratch.name) / "run", config).folder
plot_curves(run / "metrics.csv")

# %%
# The first and the last picture of the same three samples.

pictures = sorted((run / "pictures").iterdir())
Image.open(pictures[0])

# %%

Image.open(pictures[-1])
