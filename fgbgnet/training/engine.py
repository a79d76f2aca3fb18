"""Lightning's trainer as all trainings here use it, with its errors and interruptions in our words."""

import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning
from lightning.fabric.utilities.exceptions import MisconfigurationException

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.training.config import FitConfig

_HINTS = (
    ".*does not have many workers.*",
    ".*[Tt]he number of training batches.*",
    ".*Checkpoint directory.*exists.*",
    ".*in eval mode.*",
    ".*isinstance.treespec, LeafSpec.*",
    ".*sync_dist=True.*",
    ".*IterableDataset.*__len__.*",
    ".*defined.*validation.*",
    ".*max_epochs.*",
)
"""Of Lightning, whose subject is decided here: workers, short epochs, frozen branches, its own internals."""


def make_engine(config: FitConfig, **arguments: Any) -> lightning.Trainer:  # noqa: ANN401 - Lightning's own
    """A Lightning trainer with what the settings say of a step; what is shown and kept is for callbacks to say.

    Args:
        config: The settings of one phase.
        **arguments: Of `lightning.Trainer`, to add or to change.

    Raises:
        InvalidArgumentError: If Lightning refuses them.
    """
    precision: Any = config.precision  # Lightning checks it against its own list
    settings: dict[str, Any] = {
        "accelerator": config.accelerator,
        "precision": precision,
        "accumulate_grad_batches": config.accumulate,
        "gradient_clip_val": config.gradient_clip or None,
        "use_distributed_sampler": False,  # loaders share the samples themselves, without doubles
        "num_sanity_val_steps": 0,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    try:
        return lightning.Trainer(**(settings | arguments))
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        raise InvalidArgumentError(
            f"Lightning refuses precision={config.precision!r} with accelerator={config.accelerator!r}, "
            f"devices={config.devices!r}, strategy={config.strategy!r}: {error}"
        ) from error


@contextmanager
def running(trainer: lightning.Trainer) -> Iterator[None]:
    """Around a run of a trainer: no hints, and Ctrl-C as what it is.

    Args:
        trainer: What runs.

    Raises:
        KeyboardInterrupt: After Ctrl-C, which Lightning turns into an exit.
    """
    with without_hints():
        try:
            yield
        except SystemExit as stop:
            if trainer.interrupted and stop.code != 128 + signal.SIGTERM:
                raise KeyboardInterrupt from stop
            raise


@contextmanager
def without_hints() -> Iterator[None]:
    """Leaves out Lightning's hints on what is decided here."""
    with warnings.catch_warnings():
        for message in _HINTS:
            warnings.filterwarnings("ignore", message=message)
        yield


__all__ = ["make_engine", "running", "without_hints"]
