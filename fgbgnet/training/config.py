"""The settings of a training run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.types import TASKS, Task

OptimizerName = Literal["adamw", "sgd"]
LearningRateSchedule = Literal["cosine", "one_cycle", "plateau", "constant"]
TaskSchedule = Literal["joint", "alternate"]
Anneal = Literal["cos", "linear"]

MONITORED_METRICS: dict[Task, tuple[str, ...]] = {"mask": ("iou", "f1"), "depth": ("rmse", "abs_rel", "d1")}
"""What a validation computes, by task."""
HIGHER_IS_BETTER = ("iou", "f1", "d1")
DEFAULT_EPOCHS = 20


@dataclass(frozen=True)
class FitConfig:
    """How to train; everything that `fit` needs beside the model and the data.

    Exactly one of ``epochs``, ``minutes`` and ``sizes`` bounds a phase; the learning rate follows the share of it that
    is done.

    Attributes:
        epochs: Passes over the training data.
        minutes: Wall-clock time, validation included. Twenty epochs are trained if nothing is given.
        size: Side of the square to which pictures are brought; None leaves them as the data sets give them.
        sizes: Progressive resizing in place of epochs: (size, batch size, epochs) one after another. Weights, optimiser
            and schedule go on from one to the next; validation is always at the last size.
        batch_size: Pairs per step, of all processes together; "auto" looks for the largest that helps.
        accumulate: Batches whose gradients are summed up for one step of the optimiser.
        schedule: "joint" trains the tasks together. "alternate" trains the depth with the mask frozen, then the
            mask with the rest frozen; each of these phases has the length that is given.
        phases: In place of that, a mapping of the settings that differ for each of several phases, which are trained
            one after another, each with an optimiser of its own from the best weights of the one before.
        tasks: What is trained; the other branch is not computed.
        freeze: Branches to freeze: of shared, mask, depth.
        optimizer: adamw or sgd.
        learning_rate: The highest rate of the schedule.
        momentum: Of sgd.
        weight_decay: As torch's optimisers take it; see decay_all.
        decay_all: Whether biases and normalisation layers decay, too.
        lr_schedule: "cosine" climbs linearly during the warm-up and falls along a cosine to zero, "one_cycle" is
            torch's OneCycleLR, "plateau" its ReduceLROnPlateau, "constant" changes nothing.
        warmup: Share of the run during which the rate climbs from a 25th of the highest; "plateau" has none.
        anneal: How one_cycle moves: "cos" or "linear".
        cycle_momentum: Whether one_cycle moves the momentum against the rate, from 0.95 to 0.85 and back.
        mask_loss: Weight of each term of the mask's loss, as arguments of MaskLoss; those that are not named are off.
        depth_loss: Weight of each term of the depth's loss, as arguments of DepthLoss.
        mask_weight: Weight of the mask's loss in the sum.
        depth_weight: Weight of the depth's loss in the sum.
        balance: How the two are brought to one scale before: fixed, normalised, uncertainty, dwa or random.
        consistency: Weight of the difference between the depth of the frame and that of the empty background, outside
            of the foreground and its shadow; costs a second forward pass.
        gradient_clip: Largest norm of the gradient; 0 does not clip.
        ema: Decay of an exponential moving average of the weights, which is then what is validated and kept; 0 is off.
        monitor: What the best model and plateau and patience go by: val/loss, or a metric such as val/mask_iou.
        patience: Validations without an improvement after which a phase ends; None trains to the end.
        validations: Least number of steps between two validations, in whole epochs.
        precision: Lightning's precision, e.g. 32-true or bf16-mixed.
        compile: Whether to compile the model with torch.compile.
        num_workers: Processes that load data, for each process that trains.
        accelerator: Lightning's accelerator, e.g. auto or cpu.
        devices: Lightning's devices: how many processes train on this machine, or auto.
        num_nodes: On how many machines.
        strategy: Lightning's strategy, e.g. auto or ddp.
        sync_batchnorm: Whether BatchNorm averages over the GPUs.
        checkpoint_minutes: Time between two checkpoints; there is also one after every epoch.
        keep_checkpoints: How many older checkpoints are kept beside the last and the best.
        pictures: Validation samples that are drawn after every validation.
        seed: Seed of the order, the augmentation, and the random layers.
    """

    epochs: int | None = None
    minutes: float | None = None
    size: int | None = None
    sizes: tuple[tuple[int, int, int], ...] = ()
    batch_size: int | Literal["auto"] = 16
    accumulate: int = 1
    schedule: TaskSchedule = "joint"
    phases: tuple[dict[str, Any], ...] = ()
    tasks: tuple[Task, ...] = TASKS
    freeze: tuple[str, ...] = ()
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 2e-3
    momentum: float = 0.9
    weight_decay: float = 1e-2
    decay_all: bool = False
    lr_schedule: LearningRateSchedule = "cosine"
    warmup: float = 0.1
    anneal: Anneal = "cos"
    cycle_momentum: bool = False
    mask_loss: dict[str, Any] = field(default_factory=lambda: {"bce": 1.0, "dice": 1.0})
    depth_loss: dict[str, Any] = field(default_factory=lambda: {"l1": 1.0, "gradient": 0.5})
    mask_weight: float = 1.0
    depth_weight: float = 1.0
    balance: str = "fixed"
    consistency: float = 0.0
    gradient_clip: float = 1.0
    ema: float = 0.0
    monitor: str = "val/loss"
    patience: int | None = None
    validations: int = 50
    precision: str = "32-true"
    compile: bool = False
    num_workers: int = 0
    accelerator: str = "auto"
    devices: int | str = "auto"
    num_nodes: int = 1
    strategy: str = "auto"
    sync_batchnorm: bool = False
    checkpoint_minutes: float = 5.0
    keep_checkpoints: int = 1
    pictures: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("sizes", "phases", "tasks", "freeze"):  # YAML and JSON know lists alone
            value = getattr(self, name)
            names = filter(None, map(str.strip, value.split(","))) if isinstance(value, str) else value
            object.__setattr__(self, name, tuple(names))
        object.__setattr__(self, "sizes", tuple(tuple(stage) for stage in self.sizes))
        self._check_types()
        self._check_length()
        self._check_numbers()
        self._check_names()
        self.split_phases()

    def _check_length(self) -> None:
        given = [name for name in ("epochs", "minutes") if getattr(self, name) is not None]
        given += ["sizes"] if self.sizes else []
        if len(given) > 1:
            raise InvalidArgumentError(
                f"{' and '.join(f'{name}={getattr(self, name)}' for name in given)} were given together; a run has one "
                "end, choose one"
            )
        if not given:
            object.__setattr__(self, "epochs", DEFAULT_EPOCHS)
        for stage in self.sizes:
            if len(stage) != 3 or not all(type(number) is int and number > 0 for number in stage):
                raise InvalidArgumentError(
                    f"sizes holds {stage}; expected (size, batch size, epochs), such as (64, 128, 2)"
                )
        if self.sizes and self.size is not None:
            raise InvalidArgumentError(f"size={self.size} and sizes={self.sizes} were both given; choose one")
        if self.schedule == "alternate" and set(self.tasks) != set(TASKS):
            raise InvalidArgumentError(f"schedule='alternate' with tasks={self.tasks}; it trains both, in turns")
        if self.phases and self.schedule != "joint":
            raise InvalidArgumentError(f"phases and schedule={self.schedule!r} were both given; choose one")

    def _check_types(self) -> None:
        numbers = (int, float, int | None, float | None, int | Literal["auto"])
        for setting in fields(self):
            value = getattr(self, setting.name)
            if setting.type in numbers and value not in (None, "auto") and not isinstance(value, int | float):
                hint = "; YAML takes 1e-3 for text, write 1.0e-3" if isinstance(value, str) and "e" in value else ""
                raise InvalidArgumentError(f"{setting.name}={value!r}; expected a number{hint}")

    def _check_numbers(self) -> None:
        for name in ("epochs", "minutes", "size", "batch_size", "accumulate", "learning_rate", "checkpoint_minutes",
                     "num_nodes", "validations", "patience"):  # fmt: skip
            value = getattr(self, name)
            if value not in (None, "auto") and not value > 0:
                raise InvalidArgumentError(f"{name}={value}; expected more than 0")
        for name in ("epochs", "size", "batch_size", "accumulate", "patience", "validations"):
            if isinstance(getattr(self, name), float):
                raise InvalidArgumentError(f"{name}={getattr(self, name)}; expected whole numbers")
        if not 0 <= self.seed < 2**32:
            raise InvalidArgumentError(f"seed={self.seed}; expected a whole number from 0 to {2**32 - 1}")
        for name in ("weight_decay", "mask_weight", "depth_weight", "consistency", "gradient_clip", "num_workers",
                     "keep_checkpoints", "pictures"):  # fmt: skip
            if not getattr(self, name) >= 0:
                raise InvalidArgumentError(f"{name}={getattr(self, name)}; expected 0 or more")
        for name in ("warmup", "momentum", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidArgumentError(f"{name}={getattr(self, name)}; expected at least 0 and less than 1")

    def _check_names(self) -> None:
        for name, kind in (
            ("optimizer", OptimizerName),
            ("lr_schedule", LearningRateSchedule),
            ("schedule", TaskSchedule),
            ("anneal", Anneal),
        ):
            if getattr(self, name) not in get_args(kind):
                raise UnknownNameError(name, str(getattr(self, name)), get_args(kind))
        for branch in self.freeze:
            if branch not in ("shared", *TASKS):
                raise UnknownNameError("branch to freeze", branch, ("shared", *TASKS))
        if not self.tasks:
            raise InvalidArgumentError("tasks is empty; expected 'mask', 'depth' or both")
        for task in self.tasks:
            if task not in TASKS:
                raise UnknownNameError("task", task, TASKS)
        if not self.phases and self.schedule == "joint":
            known = ("val/loss", *(f"val/{task}_{name}" for task in self.tasks for name in MONITORED_METRICS[task]))
            if self.monitor not in known:
                raise UnknownNameError("metric to monitor", self.monitor, known)

    def split_phases(self) -> "tuple[FitConfig, ...]":
        """One configuration for each phase; this one alone where there are no others.

        Raises:
            InvalidArgumentError: If a phase has a setting that belongs to the whole run.
            UnknownNameError: If a phase has a setting that does not exist.

        >>> [(p.tasks, p.freeze) for p in FitConfig(schedule="alternate").split_phases()]
        [(('depth',), ('mask',)), (('mask',), ('shared', 'depth'))]
        """
        if self.schedule == "alternate":
            # In the second phase what the depth needs is not to move any more.
            turns: tuple[tuple[Task, tuple[str, ...]], ...] = (("depth", ("mask",)), ("mask", ("shared", "depth")))
            changes: tuple[Mapping[str, Any], ...] = tuple(
                {"tasks": (task,), "freeze": tuple(dict.fromkeys((*self.freeze, *others)))} for task, others in turns
            )
        elif self.phases:
            changes = self.phases
        else:
            return (self,)
        return tuple(self._phase(number, change) for number, change in enumerate(changes, 1))

    def _phase(self, number: int, change: Mapping[str, Any]) -> "FitConfig":
        names = [f.name for f in fields(self)]
        for name in change:
            if name not in names:
                raise UnknownNameError(f"setting of phase {number}", name, names)
            if name in _OF_THE_RUN:
                raise InvalidArgumentError(f"phase {number} has its own {name}; it is one for the whole run")
        if {"epochs", "minutes", "sizes"} & change.keys():
            change = {"epochs": None, "minutes": None, "sizes": (), **change}
        if change.get("sizes"):
            change = {"size": None, **change}
        return replace(self, **{"phases": (), "schedule": "joint", **change})

    def to_dict(self) -> dict[str, Any]:
        """As plain types, for JSON and YAML."""
        return {name: _plain(value) for name, value in asdict(self).items()}


_OF_THE_RUN = ("phases", "schedule", "accelerator", "devices", "num_nodes", "strategy", "seed", "keep_checkpoints")


def _plain(value: Any) -> Any:  # noqa: ANN401
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


__all__ = [
    "HIGHER_IS_BETTER",
    "MONITORED_METRICS",
    "FitConfig",
    "LearningRateSchedule",
    "OptimizerName",
    "TaskSchedule",
]
