"""Ctrl-C and SIGTERM: finish the step, save, and leave."""

import signal
import sys
import threading
from types import FrameType
from typing import Any

import lightning
from lightning.pytorch.callbacks import Checkpoint

from fgbgnet.training.callbacks.checkpoints import KeepCheckpoints, is_between_steps


class StopOnSignal(Checkpoint):  # those are called last, after what the module does at the end of an epoch
    """On SIGINT or SIGTERM lets the step finish, writes the last checkpoint, and ends the run.

    The checkpoint is one between two steps, from which a run goes on exactly. After the last step of an epoch, and
    during validation, the validation comes first. A second Ctrl-C ends the run at once. Of several processes a signal
    to any one is enough.

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
        if is_between_steps(trainer) and self._is_over(trainer):
            self.checkpoints.save_last(trainer)
            self._leave()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Leaves; the checkpoints, which come before, have been written."""
        if self._is_over(trainer):
            self._leave()

    def _is_over(self, trainer: lightning.Trainer) -> bool:
        return bool(trainer.strategy.reduce_boolean_decision(bool(self.received), all=False))

    def _leave(self) -> None:
        if self.received == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        raise KeyboardInterrupt

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stops listening, before Lightning does: its handlers, left behind, would call processes that are gone."""
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}


__all__ = ["StopOnSignal"]
