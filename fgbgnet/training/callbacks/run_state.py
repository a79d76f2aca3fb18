"""What a run is besides weights: its clock, its random numbers, and its place in the epoch."""

import random
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from fgbgnet.training.datamodule import PairedFgBgDataModule
from fgbgnet.training.schedule import Progress


class RunClock(Callback):
    """Advances a `Progress`, keeps it in the checkpoints, and ends a run whose time is up.

    Args:
        progress: The clock; that of the first process counts for all.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Starts the clock."""
        self.progress.start()
        self._validate_the_end(trainer)  # a run that goes on within an epoch is not told that it starts

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Has the last epoch validated, whatever the interval."""
        self._validate_the_end(trainer)

    def _validate_the_end(self, trainer: lightning.Trainer) -> None:
        if trainer.max_epochs == trainer.current_epoch + 1:
            trainer.check_val_every_n_epoch = 1

    def on_train_batch_start(self, trainer: lightning.Trainer, *args: Any) -> None:  # noqa: ANN401 - a hook
        """Has one clock count for all: learning rate and end follow it, and must be the same everywhere."""
        if trainer.world_size > 1 and self.progress.seconds is not None:
            self.progress.hold(trainer.strategy.broadcast(self.progress.seconds_done))

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any) -> None:  # noqa: ANN401 - a hook
        """Counts the step."""
        self.progress.advance()
        if self.progress.seconds is not None and self.progress.share >= 1:
            trainer.check_val_every_n_epoch = 1  # a run is validated where it ends
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return self.progress.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from a checkpoint."""
        self.progress.load_state_dict(state_dict)


class RunState(Callback):
    """Keeps random states of all processes, and how far the epoch has come, so that a run resumes to the last bit.

    Args:
        data: Whose loader goes on there.
    """

    def __init__(self, data: PairedFgBgDataModule) -> None:
        self.data = data
        self._states: list[dict[str, Any]] = []

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Adds both to a checkpoint."""
        states: list[Any] = [_random_state()]
        if trainer.world_size > 1:
            states = [None] * trainer.world_size
            torch.distributed.all_gather_object(states, _random_state())
        loop = trainer.fit_loop
        epoch: int = loop.epoch_progress.current.processed  # type: ignore[attr-defined]
        batches: int = loop.epoch_loop.batch_progress.current.processed  # type: ignore[attr-defined]
        if loop.epoch_progress.current.ready == epoch:  # between two epochs
            batches = 0
        # Lightning's own note of the place counts what was fetched ahead, too.
        checkpoint["loops"]["fit_loop"].pop("combined_loader", None)
        checkpoint["fgbgnet"] = {"random": states, "epoch": epoch, "batches": batches}

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Has the loader start there."""
        kept = checkpoint["fgbgnet"]
        self._states = kept["random"]
        self.data.start = (kept["epoch"], kept["batches"])

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Restores random states, last of all that happens before the first step."""
        if len(self._states) == trainer.world_size:  # with another number of processes there is no like state
            _restore(self._states[trainer.global_rank])
        elif trainer.global_rank:  # one seed for all would have them drop out the same
            torch.manual_seed(torch.initial_seed() + trainer.global_rank)
        self._states = []


def _random_state() -> dict[str, Any]:
    state = {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _restore(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())


__all__ = ["RunClock", "RunState"]
