"""
Train, and evaluate beside the floors
=====================================

One call trains with Lightning and leaves a run folder. One call judges the model, with the clean background and with an
imperfect one, beside what can be had without any network.
"""

import os
import tempfile
from pathlib import Path

import torch

from fgbgnet import SceneDataset, create_model, eval_transform, evaluate, seeded_split, train_transform
from fgbgnet.evaluation import write_report
from fgbgnet.plotting import overview, plot_sample
from fgbgnet.training import FitConfig, fit

SHORT = bool(os.environ.get("FGBGNET_SHORT"))
SCENES, SIZE = (48, 48) if SHORT else (6000, 64)

scratch = tempfile.TemporaryDirectory()
folder = Path(scratch.name)  # or "runs/first", to keep it

# %%
# Three sides: training, validation (chooses the best model), test. No background stands on two of them.

rooms = SceneDataset(SCENES, size=SIZE, scenes_per_background=4)
plain = eval_transform(SIZE)
train, val, test = split = seeded_split(rooms, (0.8, 0.1, 0.1), transforms=(train_transform(SIZE), plain, plain))
print(split.summary())

# %%
# A run ends after a number of epochs or after some minutes; the learning rate follows the share of it that is done.

torch.manual_seed(0)
model = create_model("fgbgnet_xs", input_size=SIZE)
config = FitConfig(epochs=2) if SHORT else FitConfig(minutes=4)
result = fit(model, train, val, folder / "run", config)
print(sorted(path.name for path in result.folder.iterdir()))

# %%
# The floors are fitted on the training set. They see the same perturbed backgrounds as the model.

floor_data = train.with_transform(plain)
evaluations = {
    "clean background": evaluate(result.model, test, floor_data=floor_data, progress=False),
    "imperfect background": evaluate(
        result.model, test, floor_data=floor_data, perturbation=("mixed", 3), progress=False
    ),
}
for name, evaluation in evaluations.items():
    print(name, evaluation.summary(), sep="\n", end="\n\n")

# %%
# The report is one HTML file with tables, verdicts and pictures.

sample = test[0]
prediction = result.model.predict(sample["bg"], sample["fg_bg"])
layers = {name: layer for name, layer in sample.items() if name != "id"}
picture = overview(**layers, prediction=prediction)
write_report(folder / "report.html", evaluations, pictures=[(picture, sample["id"])])
plot_sample(sample, prediction)
