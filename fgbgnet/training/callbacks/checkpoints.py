"""Checkpoints that are whole or not there, few enough to fit on the disk, and never the cause of an end."""

import io
import math
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import lightning
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities import rank_zero_warn

from fgbgnet.errors import FgBgWarning, TrainingError
from fgbgnet.files import atomic_path, is_full_disk, write_bytes
from fgbgnet.models import DualHeadUNet
from fgbgnet.training.optimizers import is_higher_better


def survives_full_disk(what: str, write: Callable[[], object]) -> bool:
    """Writes something; a full disk is told about and does not end the run.

    Args:
        what: What is written, and what is there instead, for the message.
        write: Writes it whole or not at all.

    Returns:
        Whether it was written.
    """
    try:
        write()
    except OSError as error:
        if not is_full_disk(error):
            raise
        rank_zero_warn(f"the disk is full: {what}; make room, training goes on", category=FgBgWarning)
        return False
    return True


def is_between_steps(trainer: lightning.Trainer) -> bool:
    """Whether, at the end of a batch, a checkpoint can be taken from which a run goes on exactly.

    Not while gradients are accumulated, which no checkpoint holds; nor at the end of an epoch, before its validation.
    """
    progress = trainer.fit_loop.epoch_loop.batch_progress
    return not progress.is_last_batch and progress.current.ready % trainer.accumulate_grad_batches == 0


def has_finite_weights(model: torch.nn.Module) -> bool:
    """Whether no parameter holds infinity or NaN."""
    return all(bool(parameter.isfinite().all()) for parameter in model.parameters())


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint to a temporary file, synchronises it, and renames it; a full disk leaves the former one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ANN401
        """Writes a checkpoint."""
        buffer = io.BytesIO()  # torch's own writer turns a full disk into an error without a number
        torch.save(checkpoint, buffer)
        kept = "the former one is kept" if Path(path).is_file() else "there is none yet"
        survives_full_disk(
            f"the checkpoint {Path(path).name} of step {checkpoint.get('global_step')} was not written, {kept}",
            lambda: write_bytes(path, buffer.getvalue()),
        )

    def load_checkpoint(
        self,
        path: Any,  # noqa: ANN401
        map_location: Any = lambda storage, _: storage,  # noqa: ANN401
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Reads a checkpoint of one's own run: it holds random states, which are no tensors."""
        checkpoint: dict[str, Any] = torch.load(path, map_location, weights_only=False)
        return checkpoint


class KeepCheckpoints(Checkpoint):
    """Writes ``last.ckpt`` from time to time and after every epoch, ``best.ckpt``, and keeps some older ones.

    The older ones, ``step_00001200.ckpt``, are links to what ``last.ckpt`` was after a validation. A validation that is
    better than all before also writes the model folder.

    Args:
        folder: Where checkpoints go.
        minutes: Time between two writes of ``last.ckpt``.
        keep: How many older ones are kept.
        monitor: The figure that the best is chosen by.
        model: The bare model.
        model_folder: Where the best one goes.
        metadata: Facts to keep beside its weights.
    """

    def __init__(
        self,
        folder: Path,
        minutes: float,
        keep: int,
        monitor: str,
        model: DualHeadUNet,
        model_folder: Path,
        metadata: Mapping[str, Any],
    ) -> None:
        self.folder = folder
        self.seconds = 60 * minutes
        self.keep = keep
        self.monitor = monitor
        self.model = model
        self.model_folder = model_folder
        self.metadata = dict(metadata)
        self.best: float | None = None
        self.figures: dict[str, float] = {}
        """Of the best validation."""
        self._improved = self._validated = False
        self._written = time.monotonic()

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return self.folder / "last.ckpt"

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Starts the clock."""
        self._written = time.monotonic()

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any) -> None:  # noqa: ANN401 - a hook
        """Writes the last checkpoint when it is time. At the end of an epoch validation comes first."""
        if not is_between_steps(trainer):
            return
        if trainer.strategy.reduce_boolean_decision(time.monotonic() - self._written >= self.seconds, all=False):
            self.save_last(trainer)

    def save_last(self, trainer: lightning.Trainer) -> bool:
        """Writes the last checkpoint now; all processes call it together.

        Returns:
            Whether it was written; a full disk keeps the former one.

        Raises:
            TrainingError: If weights are not finite any more; the former checkpoint is kept.
        """
        if not has_finite_weights(self.model):
            raise TrainingError(
                f"weights are not finite after step {trainer.global_step}: a gradient was not, though the loss was; "
                "the last checkpoint is from before; lower the learning rate, or clip the gradient"
            )
        before = self.last.stat().st_ino if self.last.is_file() else None
        trainer.save_checkpoint(self.last)
        self._written = time.monotonic()
        return self.last.is_file() and self.last.stat().st_ino != before  # a new file has taken its place

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Writes the model if it is the best so far: here averaged weights are in place."""
        if trainer.sanity_checking:
            return
        self._validated = True
        figures = {name: float(v) for name, v in trainer.callback_metrics.items() if name.startswith("val/")}
        value = figures.get(self.monitor, math.nan)
        sign = -1 if is_higher_better(self.monitor) else 1
        if not math.isfinite(value) or (self.best is not None and sign * value >= sign * self.best):
            return
        known = {name: figure for name, figure in figures.items() if math.isfinite(figure)}
        # Only a model that was written counts: the next that is better than what is there takes its place.
        self._improved = trainer.strategy.broadcast(trainer.is_global_zero and self._save_model(trainer, known))
        if self._improved:
            self.best, self.figures = value, known

    def _save_model(self, trainer: lightning.Trainer, figures: dict[str, float]) -> bool:
        facts = {**self.metadata, "epoch": trainer.current_epoch, "step": trainer.global_step, "validation": figures}
        kept = "the best one before is kept" if self.model_folder.is_dir() else "there is none yet"
        return survives_full_disk(
            f"the model of step {trainer.global_step} was not written, {kept}",
            lambda: self.model.save_pretrained(self.model_folder, metadata=facts),
        )

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Writes the last checkpoint, and links to it."""
        written = self.save_last(trainer)
        if written and self._validated and trainer.is_global_zero:
            if self.keep:
                self._link(self.folder / f"step_{trainer.global_step:08}.ckpt")
                for old in sorted(self.folder.glob("step_*.ckpt"))[: -self.keep]:
                    old.unlink()
            if self._improved:
                self._link(self.folder / "best.ckpt")
        self._improved = self._validated = False

    def _link(self, path: Path) -> None:
        """Another name for the last checkpoint, which takes no room until the last one is replaced."""

        def write() -> None:
            with atomic_path(path) as temporary:
                try:
                    temporary.hardlink_to(self.last)
                except OSError:  # a file system without links
                    shutil.copyfile(self.last, temporary)

        survives_full_disk(f"{path.name} was not written", write)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"best": self.best, "figures": self.figures}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from a checkpoint."""
        self.best, self.figures = state_dict["best"], state_dict["figures"]


class DiskBound(NamedTuple):
    """The most that checkpoints and models of a run take on the disk."""

    total: int
    """Bytes in all."""
    checkpoints: int
    """How many there are at once, one that is being written among them."""
    checkpoint: int
    """Bytes of one."""


def disk_bound(model: torch.nn.Module, optimizer: str, ema: bool, keep: int, phases: int = 1) -> DiskBound:
    """The most that a run's checkpoints and models take on the disk.

    Args:
        model: What is trained; as if all of it learned.
        optimizer: "adamw" keeps two numbers for each weight, "sgd" one.
        ema: Whether averaged weights are kept.
        keep: Older checkpoints that are kept, beside the last and the best.
        phases: How many phases there are; each keeps its own.

    >>> disk_bound(torch.nn.Linear(9, 1, bias=False), "adamw", ema=False, keep=1)
    DiskBound(total=504, checkpoints=4, checkpoint=108)
    """
    weights = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    parameters = sum(p.numel() * p.element_size() for p in model.parameters())
    checkpoint = weights + parameters * (2 if optimizer == "adamw" else 1) + (parameters if ema else 0)
    checkpoints = phases * (2 + keep) + 1
    # The best model of each phase, and the one that is being written.
    return DiskBound(checkpoints * checkpoint + (phases + 1) * weights, checkpoints, checkpoint)


__all__ = [
    "AtomicCheckpointIO",
    "DiskBound",
    "KeepCheckpoints",
    "disk_bound",
    "has_finite_weights",
    "is_between_steps",
    "survives_full_disk",
]
