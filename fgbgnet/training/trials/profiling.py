"""Measures where the steps of a training go."""

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import lightning
import torch
from lightning.pytorch.callbacks import Callback, LearningRateMonitor
from torch import nn
from tqdm import tqdm

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.models import DualHeadUNet
from fgbgnet.training.callbacks.board import RunBoard
from fgbgnet.training.callbacks.ema import AverageWeights
from fgbgnet.training.callbacks.meter import StepMeter
from fgbgnet.training.callbacks.metrics_file import MetricsFile
from fgbgnet.training.config import FitConfig
from fgbgnet.training.datamodule import PairedFgBgDataModule, Transforms, default_transforms, make_stages
from fgbgnet.training.engine import without_hints
from fgbgnet.training.module import DualTaskModule
from fgbgnet.training.trials.diagnosis import PartTime, TrainingProfile
from fgbgnet.training.trials.lr_range import one_phase
from fgbgnet.training.trials.step_profiler import FORWARD, LOGGING, LOSS, METRICS, StepProfiler
from fgbgnet.training.trials.trial import copy_for_trial, make_trial_trainer, run_trial, trial_module

VALIDATION_BATCHES = 10
_SECONDS_FOR_SAMPLES = 3.0


def profile_training(
    model: DualHeadUNet,
    train: Any,  # noqa: ANN401 - any dataset of samples
    config: FitConfig | None = None,
    *,
    val: Any = None,  # noqa: ANN401
    steps: int = 30,
    warmup: int = 5,
    loss: nn.Module | None = None,
    transforms: Transforms = default_transforms,
) -> TrainingProfile:
    """Trains a copy of a model for some steps and measures the parts of each.

    Steps are those of `fit` on one device, at the first size of several, with its loader, averaged weights, logger and
    file of metrics, in a temporary folder; checkpoints and pictures, which are rare, are left out. On a GPU, which
    works behind its queue, images per second are measured first, in free run; then the queue is emptied after every
    part, in as many steps again. What a sample costs to make is measured beside it, in this process with one thread:
    the wait of a step says only what workers left over. The model and random numbers are left as they are.

    Args:
        model: The model.
        train: Training data.
        config: The settings of one phase.
        val: Validation data; some batches are measured, too, if there are any.
        steps: Steps that are measured.
        warmup: Steps before them, which include the start of the workers.
        loss: Replaces `default_loss`.
        transforms: As for `fit`.

    Raises:
        InvalidArgumentError: If a number is out of range, the batch size is "auto", or there are several phases.

    >>> from fgbgnet import SceneDataset, create_model
    >>> config = FitConfig(batch_size=4, accelerator="cpu")
    >>> profile = profile_training(create_model("fgbgnet_xs"), SceneDataset(8, size=32), config, steps=3, warmup=1)
    >>> round(sum(part.share for part in profile.parts.values()), 6), profile.size
    (1.0, (32, 32))
    """
    config = one_phase(config or FitConfig())
    if steps < 1 or warmup < 0:
        raise InvalidArgumentError(f"steps={steps}, warmup={warmup}; expected at least 1 step, and no negative warm-up")
    stages = make_stages(config, int(config.batch_size))
    batch_size = stages[0].batch_size
    data = PairedFgBgDataModule(train, val, batch_size, config.num_workers, config.seed, stages, transforms)
    alone = PairedFgBgDataModule(train, None, batch_size, 0, config.seed, stages, transforms)
    with copy_for_trial(model, config) as trial:
        measured = _measure(trial_module(trial, config, loss), data, config, steps, warmup)
    return TrainingProfile(
        device=measured.device,
        batch_size=batch_size,
        size=measured.size,
        num_workers=config.num_workers,
        cores=_cores(),
        threads=torch.get_num_threads(),
        precision=config.precision,
        compiled=config.compile,
        images_per_second=batch_size * steps / sum(sum(step.values()) for step in measured.free_run),
        step=_quartiles([sum(step.values()) for step in measured.steps], 1.0),
        parts=summarize_parts(measured.steps),
        sample_seconds=_seconds_per_sample(alone.train_dataloader()),
        validation=summarize_parts(measured.validation),
    )


class _Measured(NamedTuple):
    """Seconds by part of each step: in free run, with the queue emptied, and of a validation; and what was seen."""

    device: str
    size: tuple[int, int]
    free_run: list[dict[str, float]]
    steps: list[dict[str, float]]
    validation: list[dict[str, float]]


def _measure(
    module: DualTaskModule, data: PairedFgBgDataModule, config: FitConfig, steps: int, warmup: int
) -> _Measured:
    profiler = StepProfiler()
    with tempfile.TemporaryDirectory() as folder:
        watch = _Watch(profiler, warmup, steps)
        callbacks = [*_usual_callbacks(module, config, Path(folder)), watch]
        trainer = make_trial_trainer(config, callbacks, **_usual(profiler, folder))
        _attach(profiler, module, trainer)
        run_trial(trainer, module, data)
        free_run, measured = profiler.steps[warmup : warmup + steps], profiler.steps[-steps:]
        validation = _validate(profiler, trainer, module, data) if data.val_data is not None else []
    return _Measured(trainer.strategy.root_device.type, watch.size, free_run, measured, validation)


def summarize_parts(steps: Sequence[dict[str, float]]) -> dict[str, PartTime]:
    """Median, quartiles and share of each part over some steps.

    Args:
        steps: Seconds by part of each step.

    >>> summarize_parts([{"forward": 1.0}, {"forward": 3.0, "loss": 4.0}])["forward"]
    PartTime(median=2.0, low=1.5, high=2.5, share=0.5)
    """
    whole = sum(sum(step.values()) for step in steps)
    names = dict.fromkeys(itertools.chain.from_iterable(steps))
    columns = {name: [step.get(name, 0.0) for step in steps] for name in names}
    return {name: _quartiles(values, sum(values) / whole) for name, values in columns.items()}


def _quartiles(values: list[float], share: float) -> PartTime:
    if len(values) == 1:
        return PartTime(values[0], values[0], values[0], share)
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return PartTime(median, low, high, share)


def _usual(profiler: StepProfiler, folder: str) -> dict[str, Any]:
    """What `fit` logs with, so that it is measured."""
    return {
        "profiler": profiler,
        "logger": RunBoard(Path(folder)),
        "log_every_n_steps": 10,
        "limit_val_batches": VALIDATION_BATCHES,
        "check_val_every_n_epoch": 1 << 30,  # afterwards, on its own
    }


def _usual_callbacks(module: DualTaskModule, config: FitConfig, folder: Path) -> list[Callback]:
    average: list[Callback] = [AverageWeights(module.model, config.ema)] if config.ema else []
    return [StepMeter(), LearningRateMonitor("step"), MetricsFile(folder / "metrics.csv", config.tasks), *average]


def _attach(profiler: StepProfiler, module: DualTaskModule, trainer: lightning.Trainer) -> None:
    """Has the profiler see what Lightning does not tell."""
    profiler.device = trainer.strategy.root_device
    profiler.watch(module.model, FORWARD)
    profiler.watch(module.loss, LOSS)
    for metric in module.val_metrics.values():
        metric.update = profiler.timed(metric.update, METRICS)
        metric.compute = profiler.timed(metric.compute, METRICS)
    for logger in trainer.loggers:
        logger.log_metrics = profiler.timed(logger.log_metrics, LOGGING)  # type: ignore[method-assign]


def _validate(
    profiler: StepProfiler, trainer: lightning.Trainer, module: DualTaskModule, data: PairedFgBgDataModule
) -> list[dict[str, float]]:
    """Parts of the batches of a validation, without the first, which starts the workers, if there are more.

    The last one includes what ends a validation: the metrics are computed.
    """
    profiler.restart()
    with without_hints():
        trainer.validate(module, data, verbose=False)
    profiler.finish()
    return profiler.steps[1:] or profiler.steps


def _seconds_per_sample(batches: Iterable[Any]) -> float:
    """Median over some batches, made in this process as a worker makes them."""
    seconds: list[float] = []
    with _one_thread():
        start = begin = time.perf_counter()
        for batch in batches:
            now = time.perf_counter()
            seconds.append((now - start) / len(batch["fg_bg"]))
            start = now
            if now - begin > _SECONDS_FOR_SAMPLES and len(seconds) > 1:
                break
    return statistics.median(seconds)


@contextmanager
def _one_thread() -> Iterator[None]:
    import cv2

    threads, cv_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(cv_threads)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Watch(Callback):
    """Shows how far it is, notes the size of the pictures, and ends the training after the steps that are measured."""

    def __init__(self, profiler: StepProfiler, warmup: int, steps: int) -> None:
        self.profiler = profiler
        self.free_until = warmup + steps
        self.steps = steps
        self.size = (0, 0)
        self._bar: Any = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        again = trainer.strategy.root_device.type == "cuda"
        self._bar = tqdm(total=self.free_until + again * self.steps + 1, desc="profile", disable=None)
        self._done = 0

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,  # noqa: ANN401
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        self._done += 1
        self._bar.update()
        self.size = (batch["fg_bg"].shape[-2], batch["fg_bg"].shape[-1])
        self.profiler.synchronize = self._done >= self.free_until
        trainer.should_stop = self._done == self._bar.total  # one more than is measured, to see where the last one ends

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._bar.close()

    def on_exception(self, *args: Any) -> None:  # noqa: ANN401 - a hook
        if self._bar is not None:
            self._bar.close()


__all__ = ["profile_training", "summarize_parts"]
