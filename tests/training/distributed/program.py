"""What the processes of these tests run: one training after another, with a note of every batch.

As a script it is given a JSON file with a list of runs; see `Run`.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import torch
from torch import nn

from fgbgnet.data import PairedFgBgDataset, PairedShardDataset, eval_transform
from fgbgnet.models import DualHeadUNet
from fgbgnet.training import DualTaskModule, FitConfig, fit

SIDE = 32


class Run(TypedDict):
    """One training."""

    data: str
    """A manifest, or the index of shards."""
    val: str
    out: str
    config: dict[str, Any]
    resume: NotRequired[bool]
    bad: NotRequired[tuple[int, int]]
    """(rank, step): there the loss of that process is no number."""
    slow: NotRequired[float]
    """Seconds that a step takes longer."""


def network() -> DualHeadUNet:
    """A small one without statistics of a batch: what it computes of a sample does not depend on the others."""
    torch.manual_seed(0)
    model = DualHeadUNet("unet_small", fusion="early_diff", input_size=SIDE)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, nn.GroupNorm(1, child.num_features))
    return model


def dataset(path: str, train: bool) -> PairedFgBgDataset | PairedShardDataset:
    """Whatever lies there, without augmentation."""
    if path.endswith(".json"):
        return PairedShardDataset(path, eval_transform(SIDE), shuffle_buffer=4 if train else 0)
    return PairedFgBgDataset(path, eval_transform(SIDE))


class Notes:
    """One line per batch in ``<out>.notes/<rank>.jsonl``, and what `Run` has in store."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.folder = Path(f"{run['out']}.notes")
        self.steps = 0
        self.original = DualTaskModule.training_step, DualTaskModule.validation_step

    def __enter__(self) -> None:
        self.folder.mkdir(exist_ok=True, parents=True)
        DualTaskModule.training_step = self._step(self.original[0], "train")
        DualTaskModule.validation_step = self._step(self.original[1], "val")

    def __exit__(self, *error: object) -> None:
        DualTaskModule.training_step, DualTaskModule.validation_step = self.original

    def _step(self, original: Any, stage: str) -> Any:
        def step(module: DualTaskModule, batch: dict[str, Any], batch_idx: int) -> Any:
            trainer = module.trainer
            note = {"stage": stage, "tasks": module.settings.tasks, "epoch": trainer.current_epoch, "ids": batch["id"]}
            note["seed"] = torch.initial_seed()
            with (self.folder / f"{trainer.global_rank}.jsonl").open("a") as file:
                file.write(json.dumps(note) + "\n")
            if stage == "train":
                self.steps += 1
                if self.run.get("bad") == [trainer.global_rank, self.steps]:
                    module.loss.register_forward_hook(lambda *call: {n: v * torch.nan for n, v in call[-1].items()})
                time.sleep(self.run.get("slow", 0))
            return original(module, batch, batch_idx)

        return step


def train(run: Run) -> None:
    """Does one of them."""
    data = dataset(run["data"], train=True), dataset(run["val"], train=False)
    with Notes(run):
        fit(
            network(),
            *data,
            run["out"],
            FitConfig(**run["config"]),
            # Augmented samples differ in their numbers of valid pixels, over which processes average by themselves.
            transforms=lambda side: (eval_transform(side), eval_transform(side)),
            resume=run.get("resume", False),
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    for run in json.loads(Path(sys.argv[1]).read_text()):
        train(run)
