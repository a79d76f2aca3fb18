"""One call from model and data to a run folder."""

import signal
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import nn

from fgbgnet.errors import InvalidArgumentError, TrainingError
from fgbgnet.models import DualHeadUNet, frozen
from fgbgnet.training.callbacks.checkpoints import KeepCheckpoints
from fgbgnet.training.config import FitConfig
from fgbgnet.training.datamodule import PairedFgBgDataModule, Transforms, count_samples, default_transforms, make_stages
from fgbgnet.training.engine import running
from fgbgnet.training.memory import keep_freed_memory
from fgbgnet.training.module import DualTaskModule, default_loss
from fgbgnet.training.priors import set_priors
from fgbgnet.training.processes import are_several, check_batch_sizes, is_lead_process
from fgbgnet.training.run_folder import RunFolder, describe
from fgbgnet.training.schedule import Progress
from fgbgnet.training.setup import Phase, make_trainer
from fgbgnet.training.trials.batch_size import chosen_batch_size
from fgbgnet.types import TASKS, PathInput, Task


@dataclass(frozen=True)
class FitResult:
    """What a run left behind.

    Attributes:
        model: The best model of the run by the monitored figure, in evaluation mode.
        folder: The run's folder: ``model/``, ``checkpoints/``, ``metrics.csv``, ``tensorboard/``, ``config.json``,
            and, for data with manifests, ``train.csv`` and ``val.csv``.
        steps: Optimiser steps of all phases.
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
    transforms: Transforms = default_transforms,
    resume: bool = False,
    overwrite: bool = False,
    metadata: dict[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> FitResult:
    """Trains a model with Lightning, and leaves a run folder.

    Keeps the best checkpoint, the last, and a few before it, and the model folder of the best. Ctrl-C and SIGTERM save
    and end the run; ``resume=True`` goes on from the last checkpoint, to the same weights, on a CPU to the last bit,
    as if nothing had happened. Branches that ``config.freeze`` names are frozen for the run; those that were frozen
    before stay so. Started by torchrun, or with ``config.devices``, several processes train together.

    Args:
        model: The model; it is trained in place.
        train: Training data, with its transform.
        val: Validation data, with its transform.
        out: The run's folder.
        config: The settings.
        loss: Replaces `default_loss`.
        transforms: From a size to the transforms of training and validation; used where the settings have a size.
        resume: Go on from the last checkpoint in ``out``: same settings, model and data; the length may change.
        overwrite: Remove the run that ``out`` holds.
        metadata: Facts to keep beside the weights.
        options: What the run was started with, to keep as ``train.yaml``.

    Returns:
        The best model and where it lies.

    Raises:
        KeyboardInterrupt: After Ctrl-C; the last checkpoint is saved.
        SystemExit: After SIGTERM, with code 143; the last checkpoint is saved.
        MissingFileError: If ``resume`` finds no checkpoint.
        InvalidArgumentError: If there are no samples, nothing is left to learn, the depth units of model and data
            differ, ``out`` holds a run, or the run to resume was made otherwise.
        TrainingError: If the loss is not finite any more; ``bad_batch.json`` names the samples.
    """
    config = config or FitConfig()
    folder = RunFolder(Path(out))
    phases = config.split_phases()
    for phase in phases:
        check_batch_sizes(phase)
        default_loss(phase, model.depth_unit)  # what is wrong with it is said before anything is written
        _check_data(model, train, val, phase)
        _check_learners(model, phase)
    record = describe(model, train, val, config, metadata or {})
    record["model"]["tasks"] = _tasks_afterwards(model, phases)
    lead = is_lead_process()  # the other processes share its folder
    if lead:
        resume = folder.claim(record, resume, overwrite)
    begun = not lead
    keep_freed_memory()
    steps, seconds = 0, 0.0
    tasks = tuple(task for task in TASKS if any(task in phase.tasks for phase in phases))
    for number, phase in enumerate(phases):
        done = folder.finished_phase(number, phase) if resume else None
        if done is None:
            run = Phase(phase, number, len(phases), tasks, folder, steps, metadata or {})
            begin = None if begun else lambda: folder.begin(record, train, val, resume, options)
            if lead and resume:
                folder.reopen_phase(number, len(phases))
            done = _run_phase(run, model, train, val, loss, transforms, resume, begin)
            begun = True
        steps, seconds = done["steps"], seconds + done["seconds"]
        model.load_weights(folder.model_after(number, len(phases)))
        model.tasks = tuple(done["tasks"])
    return FitResult(model.eval(), folder.path, steps, seconds)


def _run_phase(
    run: Phase,
    model: DualHeadUNet,
    train: Any,  # noqa: ANN401
    val: Any,  # noqa: ANN401
    loss: nn.Module | None,
    transforms: Transforms,
    resume: bool,
    begin: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """Trains one phase, and notes what came of it."""
    config = run.config
    # A phase begins alike whether the one before has just ended or was read from its folder.
    lightning.seed_everything((config.seed + run.number) % 2**32, verbose=False)
    with frozen(model, *config.freeze) if config.freeze else nullcontext():
        tasks = _tasks_afterwards(model, (config,))
        found = run.folder.found_batch_size(run.number) if resume else None
        batch_size = found or chosen_batch_size(model, train, val, config)
        config = replace(config, batch_size=batch_size)
        data = PairedFgBgDataModule(
            train, val, batch_size, config.num_workers, config.seed, make_stages(config, batch_size), transforms
        )
        lengths = [(data.steps_of(stage, are_several(config)), stage.epochs) for stage in data.stages]
        batches = None if config.minutes is not None else sum(n * epochs for n, epochs in lengths)
        progress = Progress(batches, None if config.minutes is None else 60 * config.minutes)
        trainer, kept = make_trainer(run, model, data, progress, lengths[0][0])
        checkpoint = kept.last if resume and kept.last.is_file() else None
        if begin is not None:
            begin()
        if run.config.batch_size == "auto" and not found:
            run.folder.note_batch_size(run.number, batch_size)
        if checkpoint is None:
            set_priors(model, data.training_data(data.stages[0]), config)
        model.tasks = tasks
        if not model.training:
            model.train()  # Lightning leaves the mode as it is
        model.to(memory_format=torch.channels_last)
        steps = None if batches is None else sum(-(-n // config.accumulate) * epochs for n, epochs in lengths)
        module = DualTaskModule(model, config, loss, progress, steps)
        try:
            if config.compile:
                model.compile()
            _run(trainer, module, data, checkpoint)
        finally:
            model._compiled_call_impl = None
    return _conclude(run, model, trainer, kept, tasks, progress.seconds_done)


def _conclude(
    run: Phase,
    model: DualHeadUNet,
    trainer: lightning.Trainer,
    kept: KeepCheckpoints,
    tasks: tuple[Task, ...],
    seconds: float,
) -> dict[str, Any]:
    """Notes what came of a phase, and keeps its best model apart from that of the next one."""
    if kept.best is None:
        raise TrainingError(f"{run.config.monitor} was never finite, so no model was saved; see {run.folder.metrics}")
    steps = run.steps_before + trainer.global_step
    done = {"tasks": list(tasks), "steps": steps, "seconds": seconds, "validation": kept.figures}
    if trainer.is_global_zero:
        if run.number + 1 < run.count:
            model.load_weights(run.folder.model)
            model.save_pretrained(run.folder.model_after(run.number, run.count))
        run.folder.finish_phase(run.number, run.config, done)
    trainer.strategy.barrier()  # nobody goes on to read what is not written yet
    return done


def _run(
    trainer: lightning.Trainer, module: DualTaskModule, data: PairedFgBgDataModule, checkpoint: Path | None
) -> None:
    with running(trainer):
        try:
            trainer.fit(module, data, ckpt_path=None if checkpoint is None else str(checkpoint))
        except Exception:
            launcher = trainer.strategy.launcher
            if launcher is not None:  # the processes that it started would wait for this one
                launcher.kill(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
            raise


def _check_data(model: DualHeadUNet, train: Any, val: Any, config: FitConfig) -> None:  # noqa: ANN401
    for name, data in (("train", train), ("val", val)):
        if data is None or count_samples(data) == 0:
            raise InvalidArgumentError(f"{name} has no samples; a run needs some to choose its best model by")
        unit = getattr(data, "depth_unit", model.depth_unit)
        if "depth" in config.tasks and unit != model.depth_unit:
            raise InvalidArgumentError(
                f"the depth of {name} is in {unit!r}, the model predicts {model.depth_unit!r}; "
                f"build the model with depth_unit={unit!r}"
            )


def _tasks_afterwards(model: DualHeadUNet, phases: tuple[FitConfig, ...]) -> tuple[Task, ...]:
    """What the model can be asked for after the run: a phase adds its task to those learned before."""
    before = () if model.untrained else model.tasks
    return tuple(task for task in TASKS if task in before or any(task in phase.tasks for phase in phases))


def _check_learners(model: DualHeadUNet, config: FitConfig) -> None:
    """Every task that is trained must reach a parameter that learns."""
    with frozen(model, *config.freeze) if config.freeze else nullcontext():
        for task in config.tasks:
            parts = [model.branches()[name] for name in ("shared", task)]
            if not any(parameter.requires_grad for part in parts for parameter in part.parameters()):
                raise InvalidArgumentError(
                    f"the task {task!r} is to be trained, but {model.frozen_branches} are frozen: "
                    "nothing is left to learn; freeze fewer branches"
                )


__all__ = ["FitConfig", "FitResult", "fit"]
