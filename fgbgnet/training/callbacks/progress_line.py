"""One line that says how far a run is and how it goes, on a terminal and in a log file."""

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from tqdm import tqdm

from fgbgnet.training.schedule import Progress

TERMINAL_INTERVAL, LOG_INTERVAL = 0.5, 30.0
"""Seconds between two states of the line: where it is overwritten, and where each one stays."""

_SHOWN = {
    "train/mask_loss": "mask loss",
    "train/depth_loss": "depth loss",
    "val/mask_iou": "val IoU",
    "val/depth_abs_rel": "val AbsRel",
}


class ProgressLine(Callback):
    """Share done, phase, images per second, losses, metrics of the last validation, time left.

    On a terminal it is one line that is overwritten. Elsewhere, as in a log file, a line is added twice a minute and
    after every validation. ``TQDM_DISABLE=1`` silences it, as it silences the library's other bars.

    Args:
        progress: The run's clock.
        label: What is said of the phase, such as ``"phase 2/3, 96 px"``.
    """

    def __init__(self, progress: Progress, label: str = "") -> None:
        self.progress = progress
        self.label = label
        self._bar: Any = None
        self._shown_at = 0.0
        self._shown_share = 0.0
        self._open = False

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Opens the line."""
        self._open = trainer.is_global_zero and os.environ.get("TQDM_DISABLE", "0") in ("", "0")
        self._shown_at = time.monotonic()
        if self._open and sys.stderr.isatty():
            layout = "{desc} {percentage:3.0f}% |{bar:20}| {postfix}"
            self._bar = tqdm(total=1.0, desc="train", bar_format=layout, file=sys.stderr, dynamic_ncols=True)

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any) -> None:  # noqa: ANN401 - a hook
        """Shows the state if it is time; reading a loss makes a GPU wait, so not at every step."""
        interval = LOG_INTERVAL if self._bar is None else TERMINAL_INTERVAL
        if self._open and time.monotonic() - self._shown_at >= interval:
            self._show(trainer)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Shows the figures of the validation."""
        if self._open and not trainer.sanity_checking:
            self._show(trainer)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Shows the last state, unless a validation just did, and closes the line."""
        if self._open and self._shown_share < self.progress.share:
            self._show(trainer)
        self._close()

    def on_exception(self, *args: Any) -> None:  # noqa: ANN401 - a hook
        """Closes the line before an error is printed."""
        self._close()

    def _show(self, trainer: lightning.Trainer) -> None:
        self._shown_at, self._shown_share = time.monotonic(), self.progress.share
        text = state_of_run(trainer.callback_metrics, self.progress.seconds_left, self.label)
        if self._bar is None:
            print(f"train {self.progress.share:4.0%}  {text}", file=sys.stderr, flush=True)
        else:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.n = self.progress.share
            self._bar.refresh()

    def _close(self) -> None:
        self._open = False
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def state_of_run(metrics: Mapping[str, Any], seconds_left: float, label: str = "") -> str:
    """The figures of a run in words.

    Args:
        metrics: Logged figures by name; those that are missing are left out.
        seconds_left: Time to the end; infinity if it is not known.
        label: What comes first.

    >>> state_of_run({"time/images_per_second": 81.6, "train/mask_loss": 0.25}, 75, "64 px")
    '64 px, 82 images/s, mask loss 0.250, 1:15 left'
    """
    parts = [label] if label else []
    if "time/images_per_second" in metrics:
        parts.append(f"{float(metrics['time/images_per_second']):.0f} images/s")
    parts += [f"{words} {float(metrics[name]):.3f}" for name, words in _SHOWN.items() if name in metrics]
    return ", ".join([*parts, f"{_clock(seconds_left)} left"])


def _clock(seconds: float) -> str:
    if seconds == float("inf"):
        return "?"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


__all__ = ["LOG_INTERVAL", "TERMINAL_INTERVAL", "ProgressLine", "state_of_run"]
