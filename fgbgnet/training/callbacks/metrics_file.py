"""``metrics.csv`` of a run: one row per noted step or validation; it grows through interruptions."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from fgbgnet.files import atomic_path
from fgbgnet.training.callbacks.checkpoints import survives_full_disk
from fgbgnet.training.config import MONITORED_METRICS
from fgbgnet.types import Task

_FURTHER = ("gradient_norm", "consistency_loss")
_TIMES = ("time/images_per_second", "time/loader_wait")


class MetricsFile(Callback):
    """Appends losses, learning rate, gradient norm, speed and validation figures to a CSV file.

    Lightning's own logger starts its file anew when a run is resumed; this one goes on, without the rows that lie
    behind the checkpoint.

    Args:
        path: The file.
        tasks: The tasks that are trained.
        every: Steps between two rows of the training.
        steps_before: Steps of earlier phases, from which it counts on.
        phase: Number of this phase, from 1.
    """

    def __init__(
        self, path: Path, tasks: Sequence[Task], every: int = 10, steps_before: int = 0, phase: int = 1
    ) -> None:
        self.path = path
        self.steps_before = steps_before
        self.every = every
        self._noted = 0
        self.phase = phase
        losses = ["loss", *(f"{task}_loss" for task in tasks)]
        metrics = [f"{task}_{name}" for task in tasks for name in MONITORED_METRICS[task]]
        self.train_names = [f"train/{name}" for name in (*losses, *_FURTHER)] + list(_TIMES)
        self.val_names = [f"val/{name}" for name in (*losses, *metrics)]
        self._columns = ["epoch", "step", "phase", "size", "learning_rate", *self.train_names, *self.val_names]

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keeps the rows up to the step from which the run goes on, none in a new run."""
        if not trainer.is_global_zero:
            return
        self._noted = trainer.global_step
        kept: list[dict[str, str]] = []
        steps = self.steps_before + trainer.global_step
        if steps and self.path.is_file():
            with self.path.open(newline="") as file:
                kept = [row for row in csv.DictReader(file) if is_whole(row) and int(row["step"]) <= steps]
        with atomic_path(self.path) as path, path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(kept)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: object,
        batch: Any,  # noqa: ANN401 - a hook
        batch_idx: int,
    ) -> None:
        """Notes the losses of every n-th step."""
        if trainer.global_step != self._noted and trainer.global_step % self.every == 0:  # not while gradients add up
            self._noted = trainer.global_step
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            size = "x".join(str(side) for side in dict.fromkeys(batch["fg_bg"].shape[-2:]))
            self._append(trainer, self.train_names, {"learning_rate": f"{rate:.4g}", "size": size})

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Notes the figures of a validation."""
        if not trainer.sanity_checking:
            self._append(trainer, self.val_names, {})

    def _append(self, trainer: lightning.Trainer, names: Sequence[str], values: dict[str, str]) -> None:
        if not trainer.is_global_zero:
            return
        figures = {name: trainer.callback_metrics[name] for name in names if name in trainer.callback_metrics}
        row = {"epoch": str(trainer.current_epoch), "step": str(self.steps_before + trainer.global_step)}
        row |= {"phase": str(self.phase), **values}
        row |= {name: f"{torch.as_tensor(value).item():.6g}" for name, value in figures.items()}
        survives_full_disk("a row of metrics.csv was not written", lambda: self._write(row))

    def _write(self, row: dict[str, str]) -> None:
        text = io.StringIO()
        csv.DictWriter(text, self._columns).writerow(row)
        with self.path.open("ab", buffering=0) as file:
            end = file.tell()
            try:
                file.write(text.getvalue().encode())
            except OSError:
                file.truncate(end)  # no half of a row
                raise


def is_whole(row: Mapping[str | Any, Any]) -> bool:
    """Whether a row of the file was written to its end: a loss of power may leave half of the last one."""
    return None not in row and None not in row.values() and str(row["step"]).isdigit()


__all__ = ["MetricsFile", "is_whole"]
