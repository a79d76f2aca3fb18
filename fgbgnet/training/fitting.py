"""One call from model and data to a run folder."""

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn

from fgbgnet.errors import InvalidArgumentError, MissingFileError
from fgbgnet.files import write_json
from fgbgnet.models import DualHeadUNet, freeze_branch
from fgbgnet.training.callbacks import ProgressLine, RunClock, SaveModel, SaveOnInterrupt
from fgbgnet.training.config import FitConfig
from fgbgnet.training.datamodule import PairedFgBgDataModule
from fgbgnet.training.memory import keep_freed_memory
from fgbgnet.training.metrics_file import MetricsFile
from fgbgnet.training.module import DualTaskModule
from fgbgnet.training.schedule import Progress
from fgbgnet.types import PathInput, Task

MINIMUM_STEPS_BETWEEN_VALIDATIONS = 50
PRIOR_SAMPLES = 32


@dataclass(frozen=True)
class FitResult:
    """What a run left behind.

    Attributes:
        model: The best model of the run by its validation loss, in evaluation mode.
        folder: The run's folder: ``model/``, ``checkpoints/``, ``metrics.csv``, ``tensorboard/``, ``config.json``.
        steps: Optimiser steps.
        seconds: Wall-clock time.
    """

    model: DualHeadUNet
    folder: Path
    steps: int
    seconds: float


def fit(
    model: DualHeadUNet,
    train: Any,  # noqa: ANN401 - any dataset of samples
    val: Any,  # noqa: ANN401
    out: PathInput,
    config: FitConfig | None = None,
    *,
    loss: nn.Module | None = None,
    resume: bool = False,
    metadata: dict[str, Any] | None = None,
) -> FitResult:
    """Trains a model with Lightning and leaves a run folder.

    Keeps two checkpoints, the best and the last, and the model folder of the best. Ctrl-C saves the last checkpoint;
    ``resume=True`` goes on from there.

    Args:
        model: The model; it is trained in place.
        train: Training data, with its transform.
        val: Validation data, with its transform.
        out: The run's folder.
        config: The settings.
        loss: Replaces `default_loss`.
        resume: Go on from the last checkpoint in ``out``, with the same settings.
        metadata: Facts to keep beside the weights.

    Returns:
        The best model and where it lies.

    Raises:
        KeyboardInterrupt: After Ctrl-C; the last checkpoint is saved.
        MissingFileError: If ``resume`` finds no checkpoint.
        InvalidArgumentError: If there are no samples, or all trained branches are frozen.
    """
    config = config or FitConfig()
    out = Path(out)
    last = out / "checkpoints" / "last.ckpt"
    _check(train, val, config, last, resume)
    lightning.seed_everything(config.seed, verbose=False)
    keep_freed_memory()
    if model.untrained and not resume:
        _set_priors(model, train)
    for task in config.freeze:
        freeze_branch(model, task)
    model.tasks = _trained_tasks(model, config.tasks)
    model.to(memory_format=torch.channels_last)

    data = PairedFgBgDataModule(train, val, config.batch_size, config.num_workers, config.seed)
    steps_per_epoch = len(data.train_dataloader())
    steps = None if config.epochs is None else config.epochs * steps_per_epoch
    progress = Progress(steps, None if config.minutes is None else 60 * config.minutes)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "config.json", {"fit": config.to_dict(), "model": model.config, **(metadata or {})})
    best = SaveModel(model, out / "model", {"fit": config.to_dict(), **(metadata or {})})
    trainer = _trainer(config, out, progress, best, steps_per_epoch)
    module = DualTaskModule(model, config, loss, progress)
    with warnings.catch_warnings():
        _ignore_hints()
        try:
            trainer.fit(module, data, ckpt_path=str(last) if resume else None)
        except SystemExit as stop:
            if trainer.interrupted:  # Lightning turns Ctrl-C into an exit; callers are to see what it was
                raise KeyboardInterrupt from stop
            raise
    model.load_weights(best.folder)
    return FitResult(model.eval(), out, trainer.global_step, progress.seconds_done)


def _check(train: Any, val: Any, config: FitConfig, last: Path, resume: bool) -> None:  # noqa: ANN401
    for name, data in (("train", train), ("val", val)):
        if len(data) == 0:
            raise InvalidArgumentError(f"{name} has no samples")
    if set(config.tasks) <= set(config.freeze) and "shared" in config.freeze:
        raise InvalidArgumentError(
            f"tasks={config.tasks} and freeze={config.freeze}: nothing is left to learn; freeze fewer branches"
        )
    if resume and not last.is_file():
        raise MissingFileError(f"nothing to resume: no checkpoint at {last}")


def _trained_tasks(model: DualHeadUNet, tasks: tuple[Task, ...]) -> tuple[Task, ...]:
    """Tasks that the model can be asked for afterwards: those of this run, and the frozen ones of runs before."""
    known = [*tasks, *(task for task in model.frozen_branches if task != "shared")]
    return tuple(task for task in ("mask", "depth") if task in known)


def _set_priors(model: DualHeadUNet, data: Any) -> None:  # noqa: ANN401
    """Starts the heads from the data's mean foreground share and median distance."""
    if hasattr(data, "set_epoch"):
        data.set_epoch(0)  # whatever was done with the data before, the same run starts alike
    stride = max(1, len(data) // PRIOR_SAMPLES)
    samples = [data[index] for index in range(0, len(data), stride)][:PRIOR_SAMPLES]
    share = float(torch.stack([sample["mask"].mean() for sample in samples]).mean())
    valid = torch.cat([sample["depth"][sample["depth_valid"]] for sample in samples])
    depth = float(valid.median()) if valid.numel() else 1.0
    model.set_priors(foreground=min(max(share, 0.01), 0.99), depth=depth)


def _trainer(
    config: FitConfig, out: Path, progress: Progress, best: SaveModel, steps_per_epoch: int
) -> lightning.Trainer:
    checkpoint = ModelCheckpoint(
        out / "checkpoints", "best", monitor="val/loss", save_last=True, enable_version_counter=False
    )
    note_every = min(10, steps_per_epoch)
    precision: Any = config.precision  # Lightning checks it against its own list
    callbacks: list[Callback] = [
        RunClock(progress),
        ProgressLine(progress, config.batch_size),
        LearningRateMonitor("step"),
        MetricsFile(out / "metrics.csv", config.tasks, note_every),
        best,
        checkpoint,
        SaveOnInterrupt(out / "checkpoints" / "last.ckpt"),
    ]
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    epochs_between = max(1, -(-MINIMUM_STEPS_BETWEEN_VALIDATIONS // steps_per_epoch))
    return lightning.Trainer(
        accelerator=config.accelerator,
        precision=precision,
        max_epochs=config.epochs or -1,
        check_val_every_n_epoch=min(epochs_between, config.epochs or epochs_between),
        gradient_clip_val=config.gradient_clip or None,
        callbacks=callbacks,
        logger=TensorBoardLogger(out, "", "tensorboard"),
        log_every_n_steps=note_every,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=True,
    )


def _ignore_hints() -> None:
    """Hints of Lightning whose subject is decided here: workers, short epochs, frozen branches, its own internals."""
    for message in (
        ".*does not have many workers.*",
        ".*The number of training batches.*",
        ".*Checkpoint directory.*exists.*",
        ".*in eval mode at the start of training.*",
        ".*isinstance.treespec, LeafSpec.*",
    ):
        warnings.filterwarnings("ignore", message=message)


__all__ = ["FitConfig", "FitResult", "fit"]
