"""The settings of a training run."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.types import TASKS, Task

OptimizerName = Literal["adamw", "sgd"]


@dataclass(frozen=True)
class FitConfig:
    """How to train; everything that `fit` needs beside the model and the data.

    Exactly one of ``epochs`` and ``minutes`` bounds the run; the learning rate follows the share of it that is done.

    Attributes:
        epochs: Passes over the training data.
        minutes: Wall-clock time, validation included. Twenty epochs are trained if neither is given.
        batch_size: Pairs per step.
        optimizer: ``"adamw"``, or ``"sgd"`` with momentum 0.9.
        learning_rate: The highest rate of the schedule.
        weight_decay: As torch's optimisers take it; not applied to biases and normalisation layers.
        warmup: Share of the run during which the rate climbs linearly from a 25th of the highest; it then falls
            to zero along a cosine (Smith and Topin's one-cycle policy in two phases).
        tasks: What is trained; the other branch is not computed.
        freeze: Branches to freeze: of ``"shared"``, ``"mask"``, ``"depth"``.
        mask_weight: Weight of the mask's loss in the sum.
        depth_weight: Weight of the depth's loss in the sum.
        gradient_clip: Largest norm of the gradient; 0 does not clip.
        num_workers: Processes that load data.
        precision: Lightning's ``precision``, e.g. ``"32-true"`` or ``"bf16-mixed"``.
        accelerator: Lightning's ``accelerator``, e.g. ``"auto"`` or ``"cpu"``.
        seed: Seed of the order, the augmentation, and the random layers.
    """

    epochs: int | None = None
    minutes: float | None = None
    batch_size: int = 16
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup: float = 0.1
    tasks: tuple[Task, ...] = TASKS
    freeze: tuple[str, ...] = ()
    mask_weight: float = 1.0
    depth_weight: float = 1.0
    gradient_clip: float = 1.0
    num_workers: int = 0
    precision: str = "32-true"
    accelerator: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs is None and self.minutes is None:
            object.__setattr__(self, "epochs", 20)
        if self.epochs is not None and self.minutes is not None:
            raise InvalidArgumentError(
                f"epochs={self.epochs} and minutes={self.minutes} were both given; a run has one end, choose one"
            )
        for name in ("epochs", "minutes", "batch_size", "learning_rate"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidArgumentError(f"{name}={value}; expected more than 0")
        if isinstance(self.epochs, float) or isinstance(self.batch_size, float):
            raise InvalidArgumentError(f"epochs={self.epochs}, batch_size={self.batch_size}; expected whole numbers")
        if not 0 <= self.seed < 2**32:
            raise InvalidArgumentError(f"seed={self.seed}; expected a whole number from 0 to {2**32 - 1}")
        for name in ("weight_decay", "mask_weight", "depth_weight", "gradient_clip", "num_workers"):
            if not getattr(self, name) >= 0:
                raise InvalidArgumentError(f"{name}={getattr(self, name)}; expected 0 or more")
        if not 0 <= self.warmup < 1:
            raise InvalidArgumentError(f"warmup={self.warmup}; expected a share of the run, at least 0 and less than 1")
        if self.optimizer not in ("adamw", "sgd"):
            raise UnknownNameError("optimizer", self.optimizer, ("adamw", "sgd"))
        for branch in self.freeze:
            if branch not in ("shared", *TASKS):
                raise UnknownNameError("branch to freeze", branch, ("shared", *TASKS))
        if not self.tasks:
            raise InvalidArgumentError("tasks is empty; expected 'mask', 'depth' or both")
        for task in self.tasks:
            if task not in TASKS:
                raise UnknownNameError("task", task, TASKS)

    def to_dict(self) -> dict[str, Any]:
        """As plain types, for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


__all__ = ["FitConfig", "OptimizerName"]
