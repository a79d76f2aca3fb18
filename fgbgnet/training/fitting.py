"""One call from model and data to a run folder."""

import logging
import math
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn

from fgbgnet.errors import InvalidArgumentError, TrainingError
from fgbgnet.models import DualHeadUNet, frozen
from fgbgnet.training.callbacks import ProgressLine, RunClock, SaveModel, SaveOnInterrupt
from fgbgnet.training.config import FitConfig
from fgbgnet.training.datamodule import PairedFgBgDataModule
from fgbgnet.training.memory import keep_freed_memory
from fgbgnet.training.metrics_file import MetricsFile
from fgbgnet.training.module import DualTaskModule
from fgbgnet.training.run_folder import RunFolder, describe
from fgbgnet.training.schedule import Progress
from fgbgnet.types import TASKS, PathInput, Task

MINIMUM_STEPS_BETWEEN_VALIDATIONS = 50
PRIOR_SAMPLES = 32


@dataclass(frozen=True)
class FitResult:
    """What a run left behind.

    Attributes:
        model: The best model of the run by its validation loss, in evaluation mode.
        folder: The run's folder: ``model/``, ``checkpoints/``, ``metrics.csv``, ``tensorboard/``, ``config.json``,
            and, for data with manifests, ``train.csv`` and ``val.csv``.
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
    overwrite: bool = False,
    metadata: dict[str, Any] | None = None,
) -> FitResult:
    """Trains a model with Lightning, on one device, and leaves a run folder.

    Keeps two checkpoints, the best and the last, and the model folder of the best. Ctrl-C saves the last checkpoint;
    ``resume=True`` goes on from there. Branches that ``config.freeze`` names are frozen for the run; those that were
    frozen before stay so.

    Args:
        model: The model; it is trained in place.
        train: Training data, with its transform.
        val: Validation data, with its transform.
        out: The run's folder.
        config: The settings.
        loss: Replaces `default_loss`.
        resume: Go on from the last checkpoint in ``out``: same settings, model and data; the length may change.
        overwrite: Remove the run that ``out`` holds.
        metadata: Facts to keep beside the weights.

    Returns:
        The best model and where it lies.

    Raises:
        KeyboardInterrupt: After Ctrl-C; the last checkpoint is saved.
        MissingFileError: If ``resume`` finds no checkpoint.
        InvalidArgumentError: If there are no samples, nothing is left to learn, the depth units of model and data
            differ, ``out`` holds a run, or the run to resume was made otherwise.
        TrainingError: If the loss is not finite any more.
    """
    config = config or FitConfig()
    folder = RunFolder(Path(out))
    _check_data(model, train, val, config)
    with frozen(model, *config.freeze) if config.freeze else nullcontext():
        _check_learners(model, config)
        tasks = _tasks_afterwards(model, config)
        record = describe(model, train, val, config, metadata or {})
        record["model"]["tasks"] = tasks
        folder.claim(record, resume, overwrite)
        lightning.seed_everything(config.seed, verbose=False)
        keep_freed_memory()
        data = PairedFgBgDataModule(train, val, config.batch_size, config.num_workers, config.seed)
        steps_per_epoch = len(data.train_dataloader())
        steps = None if config.epochs is None else config.epochs * steps_per_epoch
        progress = Progress(steps, None if config.minutes is None else 60 * config.minutes)
        best = SaveModel(model, folder.model, {"fit": config.to_dict(), **(metadata or {})})
        trainer = _trainer(config, folder, progress, best, steps_per_epoch)
        folder.begin(record, train, val, resume)
        if not resume:
            _set_priors(model, train, config)
        model.tasks = tasks
        if not model.training:
            model.train()  # Lightning leaves the mode as it is
        model.to(memory_format=torch.channels_last)
        _run(trainer, DualTaskModule(model, config, loss, progress), data, folder.last if resume else None)
    if not math.isfinite(best.best):
        raise TrainingError(f"the validation loss was never finite, so no model was saved; see {folder.metrics}")
    model.load_weights(folder.model)
    return FitResult(model.eval(), folder.path, trainer.global_step, progress.seconds_done)


def _run(
    trainer: lightning.Trainer, module: DualTaskModule, data: PairedFgBgDataModule, checkpoint: Path | None
) -> None:
    with warnings.catch_warnings():
        _ignore_hints()
        try:
            trainer.fit(module, data, ckpt_path=None if checkpoint is None else str(checkpoint))
        except SystemExit as stop:
            if trainer.interrupted:  # Lightning turns Ctrl-C into an exit; callers are to see what it was
                raise KeyboardInterrupt from stop
            raise


def _check_data(model: DualHeadUNet, train: Any, val: Any, config: FitConfig) -> None:  # noqa: ANN401
    for name, data in (("train", train), ("val", val)):
        if data is None or len(data) == 0:
            raise InvalidArgumentError(f"{name} has no samples; a run needs some to choose its best model by")
        unit = getattr(data, "depth_unit", model.depth_unit)
        if "depth" in config.tasks and unit != model.depth_unit:
            raise InvalidArgumentError(
                f"the depth of {name} is in {unit!r}, the model predicts {model.depth_unit!r}; "
                f"build the model with depth_unit={unit!r}"
            )


def _tasks_afterwards(model: DualHeadUNet, config: FitConfig) -> tuple[Task, ...]:
    """What the model can be asked for after the run: a second phase adds its task to those learned before."""
    if model.untrained:
        return config.tasks
    return tuple(task for task in TASKS if task in (*model.tasks, *config.tasks))


def _check_learners(model: DualHeadUNet, config: FitConfig) -> None:
    """Every task that is trained must reach a parameter that learns."""
    for task in config.tasks:
        parts = [model.branches()[name] for name in ("shared", task)]
        if not any(parameter.requires_grad for part in parts for parameter in part.parameters()):
            raise InvalidArgumentError(
                f"the task {task!r} is to be trained, but {model.frozen_branches} are frozen: "
                "nothing is left to learn; freeze fewer branches"
            )


def _set_priors(model: DualHeadUNet, data: Any, config: FitConfig) -> None:  # noqa: ANN401
    """Starts the heads of new tasks from the data's mean foreground share and median distance; never frozen ones."""
    learned = (*model.frozen_branches, *(() if model.untrained else model.tasks))
    new = [task for task in config.tasks if task not in learned]
    if not new:
        return
    if hasattr(data, "set_epoch"):
        data.set_epoch(0)  # whatever was done with the data before, the same run starts alike
    stride = max(1, len(data) // PRIOR_SAMPLES)
    samples = [data[index] for index in range(0, len(data), stride)][:PRIOR_SAMPLES]
    share = float(torch.stack([sample["mask"].mean() for sample in samples]).mean())
    valid = torch.cat([sample["depth"][sample["depth_valid"]] for sample in samples])
    depth = float(valid.median()) if valid.numel() else 1.0
    model.set_priors(min(max(share, 0.01), 0.99) if "mask" in new else None, depth if "depth" in new else None)


def _trainer(
    config: FitConfig, folder: RunFolder, progress: Progress, best: SaveModel, steps_per_epoch: int
) -> lightning.Trainer:
    checkpoint = ModelCheckpoint(
        folder.checkpoints, "best", monitor="val/loss", save_last=True, enable_version_counter=False
    )
    note_every = min(10, steps_per_epoch)
    precision: Any = config.precision  # Lightning checks it against its own list
    callbacks: list[Callback] = [
        RunClock(progress),
        ProgressLine(progress, config.batch_size),
        LearningRateMonitor("step"),
        MetricsFile(folder.metrics, config.tasks, note_every),
        best,
        checkpoint,
        SaveOnInterrupt(folder.last),
    ]
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    epochs_between = max(1, -(-MINIMUM_STEPS_BETWEEN_VALIDATIONS // steps_per_epoch))
    try:
        return lightning.Trainer(
            accelerator=config.accelerator,
            devices=1,  # the length of the run is counted for one process
            precision=precision,
            max_epochs=config.epochs or -1,
            check_val_every_n_epoch=min(epochs_between, config.epochs or epochs_between),
            gradient_clip_val=config.gradient_clip or None,
            callbacks=callbacks,
            logger=TensorBoardLogger(folder.path, "", "tensorboard"),
            log_every_n_steps=note_every,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        raise InvalidArgumentError(
            f"Lightning refuses precision={config.precision!r} with accelerator={config.accelerator!r}: {error}"
        ) from error


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
