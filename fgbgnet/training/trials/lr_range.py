"""Which learning rates a model can be trained with: a range test, and its plot."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import lightning
import numpy as np
import numpy.typing as npt
from lightning.pytorch.callbacks import Callback
from torch import nn
from tqdm import tqdm

from fgbgnet.errors import InvalidArgumentError, MissingExtraError, NonFiniteLossError, TrainingError
from fgbgnet.models import DualHeadUNet
from fgbgnet.training.config import FitConfig
from fgbgnet.training.datamodule import PairedFgBgDataModule, Transforms, default_transforms, make_stages
from fgbgnet.training.priors import set_priors
from fgbgnet.training.trials.trial import copy_for_trial, make_trial_trainer, run_trial, trial_module

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEWEST_STEPS = 20
_BANDWIDTH = 0.2
"""Of the smoothing, in decades of the rate."""
_START = 5
"""Steps whose mean loss says whether it has diverged."""


@dataclass(frozen=True)
class LrRange:
    """Losses of a training whose learning rate grew from step to step.

    Attributes:
        rates: The rates, growing by the same factor.
        losses: The loss of the batch at each rate, before the step that is made with it.
        diverged: Whether it ended early because the loss grew without bound.

    >>> rates = [10 ** (-5 + 0.05 * step) for step in range(80)]
    >>> found = LrRange(tuple(rates), tuple(1 / (1 + rate / 1e-3) for rate in rates), diverged=False)
    >>> 5e-4 < found.suggestion < 2e-3  # where this curve is half way down
    True
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    diverged: bool

    @cached_property
    def smoothed(self) -> tuple[float, ...]:
        """The losses without their noise, by `local_lines`."""
        return tuple(self._values.tolist())

    @cached_property
    def lowest(self) -> float:
        """The rate at which the smoothed loss is lowest; a training at this rate is about to diverge."""
        return self.rates[int(np.argmin(self._values))]

    @cached_property
    def suggestion(self) -> float:
        """The rate at which half of what is won is won: the highest rate of a schedule, with some room above it.

        On a curve that falls like a step over the logarithm of the rate that is where it is steepest, but noise moves
        it less. The start of the curve is the mean of its first decade.

        Raises:
            TrainingError: If the loss never falls by more than its noise.
        """
        values = self._values
        lowest = int(np.argmin(values))
        noise = float(np.std(np.array(self.losses[: lowest + 1]) - values[: lowest + 1]))
        first = np.array(self.rates[: max(1, lowest)]) <= 10 * self.rates[0]
        start = float(values[: len(first)][first].mean())  # of the first decade
        if lowest == 0 or start - values[lowest] <= noise:
            raise TrainingError(
                f"the loss does not fall between the rates {self.rates[0]:g} and {self.rates[-1]:g} (from {start:.4g} "
                f"to at best {values[lowest]:.4g}, with a noise of {noise:.2g}): take a larger batch, more steps or a "
                "wider range, or a model that has still something to learn"
            )
        above = np.flatnonzero(values[:lowest] > (start + values[lowest]) / 2)  # one of the first decade at least is
        return self.rates[int(above[-1]) + 1]

    def plot(self) -> "Figure":
        """Losses over rates, with the suggestion, as a matplotlib figure; it is not shown.

        Raises:
            MissingExtraError: If matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:  # pragma: no cover - every development environment has it
            raise MissingExtraError("A plot", "train") from error
        figure = Figure(figsize=(6.4, 4), layout="constrained")
        axis = figure.subplots()
        axis.plot(self.rates, self.losses, ".", color="0.7", label="loss of a batch")
        axis.plot(self.rates, self.smoothed, color="C0", label="smoothed")
        try:
            axis.axvline(self.suggestion, color="C1", label=f"suggestion {self.suggestion:.2g}")
        except TrainingError:
            axis.set_title("the loss does not fall")
        axis.set_xscale("log")
        low, high = min(self.smoothed), max(self.losses[: len(self.losses) // 2])
        axis.set_ylim(low - 0.1 * (high - low), high + 0.3 * (high - low))  # where it diverges is not worth the paper
        axis.set_xlabel("learning rate")
        axis.set_ylabel("loss")
        axis.legend()
        return figure

    @cached_property
    def _values(self) -> npt.NDArray[np.float64]:
        return local_lines(np.log10(self.rates), np.array(self.losses), _BANDWIDTH)[0]


def lr_range_test(
    model: DualHeadUNet,
    train: Any,  # noqa: ANN401 - any dataset of samples
    config: FitConfig | None = None,
    *,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 120,
    loss: nn.Module | None = None,
    transforms: Transforms = default_transforms,
) -> LrRange:
    """Trains a copy of a model while the learning rate grows from step to step, and notes the losses.

    Smith, Cyclical Learning Rates for Training Neural Networks (2017), with a rate that grows exponentially. Steps are
    those of `fit`: optimiser, precision, clipping, frozen branches, first size of several. It ends early when the loss
    has grown to twice what it was. The model and random numbers are left as they are.

    Args:
        model: The model.
        train: Training data.
        config: The settings of one phase; its learning rate is not read.
        lowest: The first rate.
        highest: The last rate.
        steps: Steps of the optimiser.
        loss: Replaces `default_loss`.
        transforms: As for `fit`.

    Raises:
        InvalidArgumentError: If a number is out of range, the batch size is "auto", or there are several phases.
        TrainingError: If the loss is not finite from the start.

    >>> from fgbgnet import SceneDataset, create_model
    >>> data, config = SceneDataset(8, size=32), FitConfig(batch_size=4, accelerator="cpu")
    >>> found = lr_range_test(create_model("fgbgnet_xs"), data, config, steps=20)
    >>> len(found.losses) <= 20, round(found.rates[0], 9)
    (True, 1e-06)
    """
    config = one_phase(config or FitConfig())
    if not 0 < lowest < highest or steps < FEWEST_STEPS:
        raise InvalidArgumentError(
            f"lowest={lowest}, highest={highest}, steps={steps}; expected 0 < lowest < highest, and at least "
            f"{FEWEST_STEPS} steps"
        )
    stages = make_stages(config, int(config.batch_size))
    data = PairedFgBgDataModule(train, None, stages[0].batch_size, config.num_workers, config.seed, stages, transforms)
    sweep = _Sweep([lowest * (highest / lowest) ** (step / (steps - 1)) for step in range(steps)])
    config = replace(config, learning_rate=lowest)
    with copy_for_trial(model, config) as trial:
        set_priors(trial, data.training_data(stages[0]), config)
        try:
            run_trial(make_trial_trainer(config, [sweep]), trial_module(trial, config, loss), data)
        except NonFiniteLossError as error:
            if len(sweep.losses) < FEWEST_STEPS // 2:
                raise TrainingError(f"{error} That was at the rate {sweep.rate:g}, in a range test") from error
            sweep.diverged = True
    return LrRange(tuple(sweep.rates[: len(sweep.losses)]), tuple(sweep.losses), sweep.diverged)


def one_phase(config: FitConfig) -> FitConfig:
    """The settings of a trial, which has one phase and a batch size.

    Raises:
        InvalidArgumentError: If there are several phases, or the batch size is still to be found.
    """
    phases = config.split_phases()
    if len(phases) > 1:
        raise InvalidArgumentError(
            f"the settings have {len(phases)} phases; try each of them: config.split_phases()[0] and so on"
        )
    if phases[0].batch_size == "auto":
        raise InvalidArgumentError("batch_size is 'auto'; give a number, such as find_batch_size(model, size, config)")
    return phases[0]


def local_lines(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], bandwidth: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Values and slopes of straight lines through the neighbourhood of each point (Cleveland, 1979).

    Unlike a running mean they do not lag behind, and at the ends they are not biased.

    Args:
        x: Positions, (N,).
        y: Values, (N,).
        bandwidth: Standard deviation of the Gaussian weights.

    >>> values, slopes = local_lines(np.arange(9.0), 3 * np.arange(9.0) - 1, bandwidth=2)
    >>> bool(np.allclose(values, 3 * np.arange(9.0) - 1)), bool(np.allclose(slopes, 3))
    (True, True)
    """
    weights = np.exp(-0.5 * ((x[:, None] - x[None]) / bandwidth) ** 2)
    weights /= weights.sum(1, keepdims=True)
    x_mean, y_mean = weights @ x, weights @ y
    covariance = (weights * (x[None] - x_mean[:, None]) * (y[None] - y_mean[:, None])).sum(1)
    variance = (weights * (x[None] - x_mean[:, None]) ** 2).sum(1)
    slopes = covariance / np.maximum(variance, 1e-12)
    return y_mean + slopes * (x - x_mean), slopes


class _Sweep(Callback):
    """Sets the rate before each step of the optimiser, notes the loss, and stops at the end or when it diverges."""

    def __init__(self, rates: list[float]) -> None:
        self.rates = rates
        self.losses: list[float] = []
        self.diverged = False
        self.rate = rates[0]
        self._batch_losses: list[float] = []
        self._bar: Any = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._bar = tqdm(total=len(self.rates), desc="learning rates", disable=None)

    def on_train_batch_start(self, trainer: lightning.Trainer, *args: Any) -> None:  # noqa: ANN401 - a hook
        self.rate = self.rates[len(self.losses)]
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = self.rate

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,  # noqa: ANN401 - a hook
        batch: object,
        batch_idx: int,
    ) -> None:
        self._batch_losses.append(float(outputs["loss"]) * trainer.accumulate_grad_batches)
        if trainer.global_step == len(self.losses):  # gradients are still summed up
            return
        self.losses.append(sum(self._batch_losses) / len(self._batch_losses))
        self._batch_losses = []
        self._bar.update()
        self.diverged = _has_diverged(self.losses)
        trainer.should_stop = self.diverged or len(self.losses) == len(self.rates)

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        if self._bar is not None:
            self._bar.close()


def _has_diverged(losses: list[float]) -> bool:
    """Whether the last losses have risen above the first by as much as those are, or by as much as was won since."""
    if len(losses) < 2 * _START:
        return False
    means = [sum(losses[k : k + _START]) / _START for k in range(len(losses) - _START + 1)]
    start, now = means[0], means[-1]
    return not math.isfinite(now) or now > start + max(abs(start), start - min(means))


__all__ = ["LrRange", "local_lines", "lr_range_test", "one_phase"]
