"""A few training steps on a copy of a model, with the engine and the settings of a run, that leave nothing behind."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.seed import isolate_rng
from torch import nn

from fgbgnet.models import DualHeadUNet, frozen
from fgbgnet.training.config import FitConfig
from fgbgnet.training.engine import make_engine, running
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
    settings: dict[str, Any] = {
        "devices": 1,
        "max_epochs": -1,
        "callbacks": list(callbacks),
        "limit_val_batches": 0,
        "logger": False,
        "enable_checkpointing": False,
    }
    return make_engine(config, **(settings | arguments))


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
    with running(trainer):
        trainer.fit(module, data)


__all__ = ["copy_for_trial", "make_trial_trainer", "run_trial", "trial_module"]
