"""TensorBoard for a run: one row of steps through all phases, and no end of the run when the disk is full."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger

from fgbgnet.training.callbacks.checkpoints import survives_full_disk


class RunBoard(TensorBoardLogger):
    """Lightning's logger, whose steps count on from those of earlier phases.

    A full disk is told about once; from then on nothing more is logged, since a file that was cut off in the middle of
    a record is of no use to TensorBoard.

    Args:
        folder: Of the run; the events go to ``tensorboard/`` in it.
        steps_before: Steps of earlier phases.
    """

    def __init__(self, folder: Path, steps_before: int = 0) -> None:
        super().__init__(folder, "", "tensorboard")
        self.steps_before = steps_before
        self.stopped = False

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Logs figures."""
        log: Any = super().log_metrics
        self._attempt(lambda: log(metrics, None if step is None else self.steps_before + step))

    def add_image(self, name: str, picture: Any, step: int) -> None:  # noqa: ANN401 - an array (H, W, 3)
        """Logs a picture at a step that counts all phases."""
        self._attempt(lambda: self.experiment.add_image(name, picture, step, dataformats="HWC"))

    def save(self) -> None:
        """Writes what is waiting."""
        self._attempt(super().save)

    def finalize(self, status: str) -> None:
        """Closes the file."""
        self._attempt(lambda: super(RunBoard, self).finalize(status))

    def _attempt(self, write: Callable[[], object]) -> None:
        if not self.stopped:
            self.stopped = not survives_full_disk("nothing more is written for TensorBoard", lambda: _unwrapped(write))


def _unwrapped(write: Callable[[], object]) -> None:
    try:
        write()
    except ValueError as error:  # Lightning turns whatever a writer raises into one
        raise (error.__cause__ if isinstance(error.__cause__, OSError) else error) from error


__all__ = ["RunBoard"]
