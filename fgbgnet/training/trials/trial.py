"""A few training steps on a copy of a model, with the engine and the settings of a run, that leave nothing behind."""

import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.seed import isolate_rng
from torch import nn

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.models import DualHeadUNet, frozen
from fgbgnet.training.config import FitConfig
from fgbgnet.training.memory import keep_freed_memory
from fgbgnet.training.module import DualTaskModule
from fgbgnet.training.schedule import Progress


@contextmanager
def copy_for_trial(model: DualHeadUNet, config: FitConfig) -> Iterator[DualHeadUNet]:
    """A copy of a model as `fit` trains it, and random numbers of its own; the model is not touched.

    Args:
        model: The model.
        config: Says what is frozen, and the seed.
    """
    with isolate_rng():
        lightning.seed_everything(config.seed, verbose=False)
        keep_freed_memory()
        trial = copy.deepcopy(model).train()
        trial.to(memory_format=torch.channels_last)
        with frozen(trial, *config.freeze) if config.freeze else nullcontext():
            if config.compile:
                trial.compile()
            yield trial


def make_trial_trainer(config: FitConfig, callbacks: Sequence[Callback] = (), **arguments: Any) -> lightning.Trainer:  # noqa: ANN401
    """A Lightning trainer on one device that goes on until a callback stops it.

    Args:
        config: Says how a step is made.
        callbacks: What watches it.
        **arguments: Of `lightning.Trainer`, to change or to add.

    Raises:
        InvalidArgumentError: If Lightning refuses the settings.
    """
    precision: Any = config.precision
    settings: dict[str, Any] = {
        "accelerator": config.accelerator,
        "devices": 1,
        "precision": precision,
        "max_epochs": -1,
        "accumulate_grad_batches": config.accumulate,
        "gradient_clip_val": config.gradient_clip or None,
        "callbacks": list(callbacks),
        "use_distributed_sampler": False,
        "limit_val_batches": 0,
        "num_sanity_val_steps": 0,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    try:
        return lightning.Trainer(**(settings | arguments))
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        raise InvalidArgumentError(
            f"Lightning refuses precision={config.precision!r} with accelerator={config.accelerator!r}: {error}"
        ) from error


def trial_module(model: DualHeadUNet, config: FitConfig, loss: nn.Module | None = None) -> DualTaskModule:
    """The module of a trial, which has no schedule, since nobody knows how long it goes on.

    Args:
        model: Of `copy_for_trial`.
        config: The settings of one phase.
        loss: Replaces the loss of the settings.
    """
    return DualTaskModule(model, replace(config, lr_schedule="constant", warmup=0.0), loss, Progress(steps=1), steps=1)


def run_trial(trainer: lightning.Trainer, module: DualTaskModule, data: Any) -> None:  # noqa: ANN401 - loader or module
    """Trains at the learning rate of the settings until a callback stops it.

    Args:
        trainer: Of `make_trial_trainer`.
        module: Of `trial_module`.
        data: A loader of batches, or a data module.

    Raises:
        KeyboardInterrupt: After Ctrl-C, which Lightning turns into an exit.
    """
    with without_hints():
        try:
            trainer.fit(module, data)
        except SystemExit as stop:
            if trainer.interrupted:
                raise KeyboardInterrupt from stop
            raise


@contextmanager
def without_hints() -> Iterator[None]:
    """Leaves out Lightning's hints that are meant for real runs."""
    hints = (
        ".*does not have many workers.*",
        ".*number of training batches.*",
        ".*in eval mode.*",
        ".*isinstance.treespec, LeafSpec.*",
        ".*defined.*validation.*",
        ".*max_epochs.*",
        ".*IterableDataset.*__len__.*",
    )
    with warnings.catch_warnings():
        for message in hints:
            warnings.filterwarnings("ignore", message=message)
        yield


__all__ = ["copy_for_trial", "make_trial_trainer", "run_trial", "trial_module", "without_hints"]
