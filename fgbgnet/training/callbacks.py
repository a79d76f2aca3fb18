"""What happens around the steps: the clock, the progress line, the model folder."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from tqdm import tqdm

from fgbgnet.models import DualHeadUNet
from fgbgnet.training.schedule import Progress


class RunClock(Callback):
    """Advances a `Progress`, keeps it in the checkpoints, and ends a run whose time is up."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Starts the clock."""
        self.progress.start()

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Has the last epoch validated, whatever the interval."""
        if trainer.max_epochs == trainer.current_epoch + 1:
            trainer.check_val_every_n_epoch = 1

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


class ProgressLine(Callback):
    """One line on the terminal: share done, images per second, losses, validation metrics, time left.

    Args:
        progress: The run's clock.
        batch_size: Pairs per step.
    """

    def __init__(self, progress: Progress, batch_size: int) -> None:
        self.progress = progress
        self.batch_size = batch_size
        self._bar: Any = None
        self._first = (0, 0.0)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Opens the line."""
        if not trainer.is_global_zero:
            return
        pace = 0.5 if sys.stderr.isatty() else 15  # seconds; a log file is not flooded
        layout = "{desc} {percentage:3.0f}% |{bar}| {postfix}"
        self._bar = tqdm(
            total=1.0, desc="train", bar_format=layout, file=sys.stderr, dynamic_ncols=True, mininterval=pace
        )
        self._first = (self.progress.steps_done, self.progress.seconds_done)

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any) -> None:  # noqa: ANN401 - a hook
        """Moves the line."""
        if self._bar is None:
            return
        steps, seconds = self.progress.steps_done - self._first[0], self.progress.seconds_done - self._first[1]
        rate = steps * self.batch_size * trainer.world_size / max(seconds, 1e-9)
        self._bar.set_postfix_str(
            f"{rate:.0f} images/s, {_numbers(trainer.callback_metrics)}, {_minutes(self.progress.seconds_left)} left",
            refresh=False,
        )
        self._bar.update(self.progress.share - self._bar.n)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Closes the line."""
        self._close()

    def on_exception(self, *args: Any) -> None:  # noqa: ANN401 - a hook
        """Closes the line before an error is printed."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class SaveOnInterrupt(Callback):
    """Writes the last checkpoint when a run is interrupted, so that it can be resumed from there.

    Args:
        path: The checkpoint.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Saves after Ctrl-C or a request to end; after an error the state is not to be trusted."""
        if isinstance(exception, KeyboardInterrupt | SystemExit):
            trainer.save_checkpoint(self.path)


class SaveModel(Callback):
    """Writes the model folder whenever the validation loss is the lowest so far.

    Args:
        model: The bare model.
        folder: Where it goes.
        metadata: Facts to keep beside the weights.
    """

    def __init__(self, model: DualHeadUNet, folder: Path, metadata: Mapping[str, Any]) -> None:
        self.model = model
        self.folder = folder
        self.metadata = dict(metadata)
        self.best = float("inf")

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Saves if there is reason to."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        figures = {name: float(v) for name, v in trainer.callback_metrics.items() if name.startswith("val/")}
        if figures.get("val/loss", float("inf")) < self.best:
            self.best = figures["val/loss"]
            known = {name: value for name, value in figures.items() if value == value}  # JSON has no NaN
            facts = {**self.metadata, "epoch": trainer.current_epoch, "step": trainer.global_step, "validation": known}
            self.model.save_pretrained(self.folder, metadata=facts)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from a checkpoint."""
        self.best = float(state_dict["best"])


_SHOWN = {
    "train/mask_loss": "mask loss",
    "train/depth_loss": "depth loss",
    "val/mask_iou": "val IoU",
    "val/depth_abs_rel": "val AbsRel",
}


def _numbers(metrics: Mapping[str, Any]) -> str:
    return ", ".join(f"{label} {float(metrics[name]):.3f}" for name, label in _SHOWN.items() if name in metrics)


def _minutes(seconds: float) -> str:
    if seconds == float("inf"):
        return "?"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


__all__ = ["ProgressLine", "RunClock", "SaveModel", "SaveOnInterrupt"]
