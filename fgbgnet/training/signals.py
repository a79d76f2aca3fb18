"""Ctrl-C and SIGTERM: finish the step, save, and leave."""

import signal
import sys
import threading
from types import FrameType
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from fgbgnet.training.checkpoints import KeepCheckpoints


class StopOnSignal(Callback):
    """On SIGINT or SIGTERM lets the step finish, writes the last checkpoint, and ends the run.

    The checkpoint is one between two steps, from which a run goes on exactly. A second Ctrl-C ends it at once. A
    signal during validation ends the run after the batch, with the checkpoint that is there. Of several processes one
    signal to any is enough.

    Args:
        checkpoints: Writes the last checkpoint.
    """

    def __init__(self, checkpoints: KeepCheckpoints) -> None:
        self.checkpoints = checkpoints
        self.received = 0
        self._former: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Listens."""
        if threading.current_thread() is threading.main_thread():  # only there can handlers be set
            for number in (signal.SIGINT, signal.SIGTERM):
                self._former[number] = signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
        print(f"\n{signal.Signals(number).name}: saving after this step ...", file=sys.stderr)

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any) -> None:  # noqa: ANN401 - a hook
        """Saves and leaves, unless the epoch ends here: then after its validation."""
        if not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch and self._is_over(trainer):
            self.checkpoints.save_last(trainer)
            self._leave()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Leaves; the checkpoints, which come before, have been written."""
        if self._is_over(trainer):
            self._leave()

    def on_validation_batch_end(self, trainer: lightning.Trainer, *args: Any) -> None:  # noqa: ANN401 - a hook
        """Leaves, if all processes were told: each has its own number of batches here."""
        if self.received and trainer.world_size == 1 and self.checkpoints.last.is_file():
            self._leave()

    def _is_over(self, trainer: lightning.Trainer) -> bool:
        return bool(trainer.strategy.reduce_boolean_decision(bool(self.received), all=False))

    def _leave(self) -> None:
        if self.received == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        raise KeyboardInterrupt

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Stops listening."""
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}


__all__ = ["StopOnSignal"]
