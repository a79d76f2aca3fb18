"""The optimiser and the learning rate of a phase; both are torch's own."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from fgbgnet.training.config import HIGHER_IS_BETTER, FitConfig
from fgbgnet.training.schedule import RunShare, warm_cosine

TIMED_STEPS = 10_000
"""Into so many steps `OneCycleLR`, which counts, divides a run that is bounded by time."""
PLATEAU_FACTOR, PLATEAU_PATIENCE = 0.3, 5


def make_optimizer(model: nn.Module, loss: nn.Module, config: FitConfig) -> torch.optim.Optimizer:
    """The optimiser over all that is not frozen; a loss may have parameters, too, which do not decay.

    Args:
        model: What is trained.
        loss: What it minimises.
        config: The settings.
    """
    groups = _parameter_groups(model, config)
    own = [parameter for parameter in loss.parameters() if parameter.requires_grad]
    groups += [{"params": own, "weight_decay": 0.0}] if own else []
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.learning_rate)
    return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)


def make_scheduler(optimizer: torch.optim.Optimizer, config: FitConfig, progress: RunShare, steps: int | None) -> Any:  # noqa: ANN401
    """The learning rate schedule.

    Args:
        optimizer: What it moves.
        config: The settings.
        progress: The share of the run that is done.
        steps: Optimiser steps of the run; None if it is bounded by time.

    Returns:
        One of torch's schedulers; `advance` moves it.
    """
    if config.lr_schedule == "plateau":
        mode = "max" if is_higher_better(config.monitor) else "min"
        return ReduceLROnPlateau(optimizer, mode, factor=PLATEAU_FACTOR, patience=PLATEAU_PATIENCE)  # type: ignore[arg-type]
    if config.lr_schedule == "one_cycle":
        total = max(2, TIMED_STEPS if steps is None else steps)
        # torch divides by the length of the climb, which is nothing where the first step is the top of it.
        climb = 1.001 / total if abs(config.warmup * total - 1) < 1e-6 else config.warmup
        return OneCycleLR(
            optimizer,
            config.learning_rate,
            total_steps=total,
            pct_start=climb,
            anneal_strategy=config.anneal,
            cycle_momentum=config.cycle_momentum,
        )
    if config.lr_schedule == "constant":
        return LambdaLR(optimizer, lambda _: warm_cosine(progress.share, config.warmup, fall=False))
    return LambdaLR(optimizer, lambda _: warm_cosine(progress.share, config.warmup))


def advance(scheduler: LRScheduler, progress: RunShare) -> None:
    """One step of a scheduler that follows the run.

    Args:
        scheduler: Of `make_scheduler`, no plateau.
        progress: Says where a run is that is bounded by time, or that goes on for longer than it was meant to.
    """
    if isinstance(scheduler, OneCycleLR):
        last = scheduler.total_steps - 1
        wanted = round(progress.share * last) if progress.seconds is not None else scheduler.last_epoch + 1
        scheduler.last_epoch = min(wanted, last) - 1
    scheduler.step()


def is_higher_better(metric: str) -> bool:
    """Whether a monitored figure is to grow: ``val/mask_iou`` is, ``val/loss`` is not."""
    return metric.rpartition("_")[2] in HIGHER_IS_BETTER


def _parameter_groups(model: nn.Module, config: FitConfig) -> list[dict[str, Any]]:
    """Weights decay; biases and normalisation layers, which have one dimension, do not unless all are to."""
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def group(parameters: Iterable[nn.Parameter], decay: float) -> dict[str, Any]:
        return {"params": list(parameters), "weight_decay": decay}

    if config.decay_all:
        return [group(learning, config.weight_decay)]
    return [
        group((p for p in learning if p.ndim > 1), config.weight_decay),
        group((p for p in learning if p.ndim <= 1), 0.0),
    ]


__all__ = ["advance", "is_higher_better", "make_optimizer", "make_scheduler"]
