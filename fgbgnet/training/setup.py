"""The trainer of a phase, with everything that happens around its steps."""

import shutil
import sys
from dataclasses import dataclass
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, EarlyStopping, LearningRateMonitor
from lightning.pytorch.utilities import rank_zero_warn

from fgbgnet.errors import FgBgWarning
from fgbgnet.models import DualHeadUNet
from fgbgnet.training.callbacks.bad_batch import NameBadBatch
from fgbgnet.training.callbacks.board import RunBoard
from fgbgnet.training.callbacks.checkpoints import AtomicCheckpointIO, KeepCheckpoints, disk_bound
from fgbgnet.training.callbacks.curves import DrawCurves
from fgbgnet.training.callbacks.ema import AverageWeights
from fgbgnet.training.callbacks.meter import StepMeter
from fgbgnet.training.callbacks.metrics_file import MetricsFile
from fgbgnet.training.callbacks.progress_line import ProgressLine
from fgbgnet.training.callbacks.run_state import RunClock, RunState
from fgbgnet.training.callbacks.sample_pictures import ValidationPictures
from fgbgnet.training.callbacks.signals import StopOnSignal
from fgbgnet.training.config import FitConfig
from fgbgnet.training.datamodule import PairedFgBgDataModule
from fgbgnet.training.engine import make_engine
from fgbgnet.training.optimizers import is_higher_better
from fgbgnet.training.processes import choose_devices, choose_strategy, is_lead_process
from fgbgnet.training.run_folder import RunFolder
from fgbgnet.training.schedule import Progress
from fgbgnet.types import TASKS, Task


@dataclass(frozen=True)
class Phase:
    """One phase of a run.

    Attributes:
        config: Its settings.
        number: From 0.
        count: How many there are.
        tasks: Those of all phases.
        folder: Of the run.
        steps_before: Optimiser steps of the phases before.
        metadata: Facts to keep beside the weights.
    """

    config: FitConfig
    number: int
    count: int
    tasks: tuple[Task, ...]
    folder: RunFolder
    steps_before: int
    metadata: dict[str, Any]


def make_trainer(
    run: Phase, model: DualHeadUNet, data: PairedFgBgDataModule, progress: Progress, steps_per_epoch: int
) -> tuple[lightning.Trainer, KeepCheckpoints]:
    """The trainer of a phase, and what writes its checkpoints.

    Args:
        run: The phase.
        model: The bare model.
        data: What it is trained on.
        progress: The clock of the phase.
        steps_per_epoch: Batches of its first epoch.
    """
    config = run.config
    facts = {"fit": config.to_dict(), **run.metadata}
    kept = KeepCheckpoints(
        run.folder.checkpoints_of(run.number, run.count),
        config.checkpoint_minutes,
        config.keep_checkpoints,
        config.monitor,
        model,
        run.folder.model,
        facts,
    )
    note_every = min(10, -(-steps_per_epoch // config.accumulate))
    epochs = sum(stage.epochs for stage in data.stages) if config.minutes is None else None
    epochs_between = max(1, -(-config.validations // steps_per_epoch))
    devices, nodes = choose_devices(config)
    idle = any(task not in config.tasks and task not in model.frozen_branches for task in TASKS)
    trainer = make_engine(
        config,
        devices=devices,
        num_nodes=nodes,
        strategy=choose_strategy(config, idle),
        sync_batchnorm=config.sync_batchnorm,
        max_epochs=epochs or -1,
        check_val_every_n_epoch=min(epochs_between, epochs or epochs_between),
        reload_dataloaders_every_n_epochs=int(len(data.stages) > 1),
        callbacks=_callbacks(run, model, data, progress, kept, note_every),
        plugins=[AtomicCheckpointIO()],
        logger=RunBoard(run.folder.path, run.steps_before),
        log_every_n_steps=note_every,
    )
    _tell_disk(run, model)
    return trainer, kept


def _callbacks(
    run: Phase,
    model: DualHeadUNet,
    data: PairedFgBgDataModule,
    progress: Progress,
    kept: KeepCheckpoints,
    note_every: int,
) -> list[Callback]:
    """In the order in which they act: what counts, what shows, what ends a run early, what saves, what leaves."""
    config = run.config
    average: list[Callback] = [AverageWeights(model, config.ema)] if config.ema else []
    pictures: list[Callback] = []
    if config.pictures:
        shown = ValidationPictures(
            data.validation_set(), run.folder.pictures, config.pictures,
            depth_unit=model.depth_unit, steps_before=run.steps_before,
        )  # fmt: skip
        pictures.append(shown)
    patience: list[Callback] = []
    if config.patience is not None:
        mode = "max" if is_higher_better(config.monitor) else "min"
        patience.append(EarlyStopping(config.monitor, patience=config.patience, mode=mode, strict=False))
    return [
        RunClock(progress),
        StepMeter(note_every),
        ProgressLine(progress, f"phase {run.number + 1}/{run.count}" if run.count > 1 else ""),
        LearningRateMonitor("step"),
        MetricsFile(run.folder.metrics, run.tasks, note_every, run.steps_before, run.number + 1),
        DrawCurves(run.folder.metrics, run.folder.curves),
        *pictures,
        *patience,
        NameBadBatch(run.folder.path),
        *average,
        RunState(data),
        kept,
        StopOnSignal(kept),
    ]


def _tell_disk(run: Phase, model: DualHeadUNet) -> None:
    """Says before the start how much room a run takes at most."""
    if run.number or not is_lead_process():
        return
    config, path = run.config, run.folder.path
    bound = disk_bound(model, config.optimizer, config.ema > 0, config.keep_checkpoints, run.count)
    total = bound.total
    print(
        f"{path} takes at most {total / 1e6:.0f} MB: up to {bound.checkpoints} checkpoints of "
        f"{bound.checkpoint / 1e6:.1f} MB, and the best model; pictures and TensorBoard come on top",
        file=sys.stderr,
    )
    place = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if free < total:
        rank_zero_warn(
            f"{path} may take {total / 1e6:.0f} MB, but only {free / 1e6:.0f} MB are free; make room, or keep fewer "
            "checkpoints",
            category=FgBgWarning,
        )


__all__ = ["Phase", "make_trainer"]
