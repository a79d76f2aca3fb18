"""The batch size that a machine can take, and beyond which it gains nothing."""

import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.memory import is_oom_error
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from fgbgnet.errors import InvalidArgumentError, TrainingError
from fgbgnet.models import DualHeadUNet
from fgbgnet.training.config import FitConfig
from fgbgnet.training.datamodule import count_samples
from fgbgnet.training.trials.free_memory import PeakMemory, available_memory
from fgbgnet.training.trials.trial import copy_for_trial, make_trial_trainer, run_trial, trial_module

SMALLEST, LARGEST = 2, 1024
"""One pair is not tried: BatchNorm cannot learn from a single value per channel."""
ALWAYS_TAKEN = 8
"""Up to here what fits is taken even if it is no faster: below, the statistics of BatchNorm are noisy."""
MEMORY_SHARE = 0.8
"""Of the memory that is there: loaders and validation need some, too."""
GAIN = 1.05
TIMED_STEPS = 4


class Trial(NamedTuple):
    """What steps of one batch size cost."""

    batch_size: int
    images_per_second: float
    peak: int
    """Bytes on top of what was in use."""


def find_batch_size(
    model: DualHeadUNet, size: int, config: FitConfig | None = None, *, limit: int = LARGEST, quiet: bool = False
) -> int:
    """The largest power of two whose training step fits into memory, as long as doubling it makes training faster.

    A copy of the model is trained for a few steps on random pictures, beginning with 2 pairs. The next size is tried
    only if what it needs, by the growth so far, is at most 80 % of the memory that is available, so that the machine
    does not swap. It ends where that is not so, at ``limit``, and above 8 pairs where a doubling brings less than 5 %
    more images per second. The loader has no part in it. Model and random numbers are left as they are.

    Args:
        model: The model.
        size: Side of the pictures.
        config: The settings of the run; its ``batch_size`` is not read.
        limit: Largest batch size, such as the number of samples.
        quiet: Whether to keep what was tried from the terminal (standard error).

    Returns:
        Pairs per step of one device.

    Raises:
        InvalidArgumentError: If ``size`` or ``limit`` is less than 1.
        TrainingError: If not even two pairs fit.

    >>> from fgbgnet import create_model
    >>> find_batch_size(create_model("fgbgnet_xs"), 32, FitConfig(accelerator="cpu"), limit=8, quiet=True)
    8
    """
    if size < 1 or limit < 1:
        raise InvalidArgumentError(f"size={size}, limit={limit}; expected at least 1")
    if limit < SMALLEST:
        return limit
    config = config or FitConfig()
    trials: list[Trial] = []
    batch_size = SMALLEST
    with copy_for_trial(model, config) as trial_model:
        while batch_size <= limit:
            trial = _try(trial_model, size, config, batch_size, trials)
            _tell(trial or f"{batch_size} pairs need too much memory", quiet)
            if trial is None:
                break
            if batch_size > ALWAYS_TAKEN and trial.images_per_second < GAIN * trials[-1].images_per_second:
                break
            trials.append(trial)
            batch_size *= 2
    if not trials:
        raise TrainingError(
            f"not even {SMALLEST} pairs of {size} x {size} pixels fit into memory; take smaller pictures or a smaller "
            "model"
        )
    _tell(f"the batch size is {trials[-1].batch_size}", quiet)
    return trials[-1].batch_size


def chosen_batch_size(model: DualHeadUNet, train: Any, val: Any, config: FitConfig) -> int:  # noqa: ANN401
    """The batch size of the settings: their number, that of the first of several sizes, or one that is found.

    Args:
        model: The model.
        train: Training data; no batch is larger than they are.
        val: Validation data.
        config: The settings of one phase.
    """
    if config.sizes:
        return config.sizes[0][1]
    if config.batch_size != "auto":
        return config.batch_size
    size = config.size or int(max(max(data[0]["fg_bg"].shape[-2:]) for data in (train, val)))
    return find_batch_size(model, size, config, limit=min(LARGEST, count_samples(train)))


def predicted_peak(trials: list[Trial]) -> int:
    """What twice the batch size of the last trial will need, in bytes: a line through the last two.

    >>> predicted_peak([Trial(2, 1.0, 500)]), predicted_peak([Trial(2, 1.0, 500), Trial(4, 1.0, 600)])
    (1000, 800)
    """
    if len(trials) < 2:
        return 2 * trials[-1].peak if trials else 0
    return trials[-1].peak + 2 * max(0, trials[-1].peak - trials[-2].peak)


def _try(model: DualHeadUNet, size: int, config: FitConfig, batch_size: int, before: list[Trial]) -> Trial | None:
    """Trains for a few steps; None if that would need, or needed, too much memory."""
    if predicted_peak(before) > MEMORY_SHARE * available_memory(make_trial_trainer(config).strategy.root_device):
        return None
    try:
        return _make_steps(model, size, config, batch_size)
    except RuntimeError as error:
        if not is_oom_error(error):
            raise
        return None


def _make_steps(model: DualHeadUNet, size: int, config: FitConfig, batch_size: int) -> Trial:
    clock = _StepClock(config.accumulate + TIMED_STEPS)
    trainer = make_trial_trainer(config, [clock])
    peak = PeakMemory(trainer.strategy.root_device)
    batches = DataLoader(_RandomBatches(batch_size, model.in_channels, size), batch_size=None)
    run_trial(trainer, trial_module(model, config), batches)
    # The fastest step: others were held up by something that has nothing to do with the batch size.
    return Trial(batch_size, batch_size / min(clock.seconds[config.accumulate :]), peak.growth())


def _tell(what: Trial | str, quiet: bool) -> None:
    if isinstance(what, Trial):
        what = f"{what.batch_size} pairs: {what.images_per_second:.1f} images/s, {what.peak / 1e6:.0f} MB"
    if not quiet:
        print(f"batch size: {what}", file=sys.stderr)


class _StepClock(Callback):
    """Times steps and ends the training after some."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.seconds: list[float] = []
        self._start = 0.0

    def on_train_batch_start(self, trainer: lightning.Trainer, *args: Any) -> None:  # noqa: ANN401 - a hook
        self._start = _now(trainer.strategy.root_device)

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any) -> None:  # noqa: ANN401 - a hook
        self.seconds.append(_now(trainer.strategy.root_device) - self._start)
        trainer.should_stop = len(self.seconds) >= self.steps


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


class _RandomBatches(IterableDataset[dict[str, Any]]):
    """The same random batch without end; what is on it costs nothing to a step."""

    def __init__(self, batch_size: int, channels: int, size: int) -> None:
        bg, fg_bg = torch.rand(2, batch_size, channels, size, size)
        truth: Tensor = torch.rand(batch_size, 1, size, size)
        self.batch = {
            "bg": bg,
            "fg_bg": fg_bg,
            "mask": (truth > 0.8).float(),
            "depth": 0.2 + 0.6 * truth,
            "depth_valid": torch.ones_like(truth, dtype=torch.bool),
            "id": [str(number) for number in range(batch_size)],
        }

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            yield self.batch


__all__ = ["Trial", "chosen_batch_size", "find_batch_size", "predicted_peak"]
