"""How the losses of the two tasks become one number while training.

Every balance is a module called as ``balance(losses, weights)``. What it learns or counts is in its parameters and
buffers, so that a checkpoint holds it, moves in training mode only, and is the same on all processes of a distributed
run. In evaluation mode each of them gives the plain weighted sum: validation losses of different epochs, and of runs
with different balances, are the same figure.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.types import TASKS

TINY = 1e-8


class FixedBalance(nn.Module):
    """The weighted sum with the weights as they are; the base of the other balances.

    A balance of one's own overrides `combine`, and `observe` if it has a state.

    Example:
        >>> import torch
        >>> losses = {"mask": torch.tensor(0.5), "depth": torch.tensor(4.0)}
        >>> FixedBalance()(losses, {"mask": 1.0, "depth": 0.25}).item()
        1.5
    """

    def forward(self, losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
        """Combine the losses of one batch.

        Args:
            losses: Scalar of every task that was computed: ``"mask"``, ``"depth"`` or both.
            weights: Weight per task.

        Returns:
            Scalar, to call ``backward()`` on.
        """
        names = [task for task in TASKS if task in losses]
        weighted = torch.stack([weights[task] * losses[task] for task in names])
        if not self.training:
            return weighted.sum()
        # A slice, not a list: indexing with a list makes the host wait for a GPU.
        tasks = slice(TASKS.index(names[0]), TASKS.index(names[-1]) + 1)
        self.observe(torch.stack([losses[task].detach() for task in names]), tasks)
        return self.combine(weighted, tasks)

    def observe(self, values: Tensor, tasks: slice) -> None:
        """Take note of the unweighted losses of a training step, before `combine`.

        Args:
            values: Losses of this process, (T,); what is kept of them goes through `mean_over_processes`.
            tasks: Their places in ``("mask", "depth")``.
        """

    def combine(self, weighted: Tensor, tasks: slice) -> Tensor:
        """The total of a training step.

        Args:
            weighted: Losses times their weights, (T,).
            tasks: Their places in ``("mask", "depth")``.

        Returns:
            Scalar.
        """
        return weighted.sum()

    def end_epoch(self) -> None:
        """Called when an epoch of training has ended."""


class NormalisedBalance(FixedBalance):
    """Each loss divided by its running mean, then weighted: weights are shares, whatever the units.

    A loss in metres and one between 0 and 1 pull alike. The mean is an exponential one of absolute values and starts
    with the first loss.

    Args:
        momentum: Share of the running mean that stays in each step, in [0, 1).

    Raises:
        InvalidArgumentError: ``momentum`` is outside.

    Example:
        >>> import torch
        >>> losses = {"mask": torch.tensor(0.5), "depth": torch.tensor(4.0)}
        >>> NormalisedBalance()(losses, {"mask": 1.0, "depth": 1.0}).item()
        2.0
    """

    scales: Tensor

    def __init__(self, momentum: float = 0.99) -> None:
        super().__init__()
        if not 0 <= momentum < 1:
            raise InvalidArgumentError(f"momentum={momentum!r}; expected a share of 0 or more and less than 1.")
        self.momentum = momentum
        self.register_buffer("scales", torch.zeros(len(TASKS)))  # 0: nothing seen yet

    def observe(self, values: Tensor, tasks: slice) -> None:
        """Update the running means; a loss that is not finite changes nothing."""
        old, new = self.scales[tasks], mean_over_processes(values).abs().to(self.scales.dtype)
        mixed = torch.where(old > 0, torch.lerp(new, old, self.momentum), new)
        self.scales[tasks] = torch.where(new.isfinite(), mixed, old)

    def combine(self, weighted: Tensor, tasks: slice) -> Tensor:
        """Weighted losses over their running means."""
        return (weighted / self.scales[tasks].to(weighted.dtype).clamp(min=TINY)).sum()


class UncertaintyBalance(FixedBalance):
    """Weights learned as the uncertainty of each task, after Kendall, Gal and Cipolla (2018).

    ``exp(-s_m) L_mask + exp(-s_d) L_depth / 2 + (s_m + s_d) / 2`` with ``s`` the logarithm of the variance:
    the paper's classification for the mask and its regression for depth. The total may be negative. ``log_variance``
    is a parameter that the optimiser has to get, without weight decay.

    Example:
        >>> import torch
        >>> losses = {"mask": torch.tensor(0.5), "depth": torch.tensor(4.0)}
        >>> UncertaintyBalance()(losses, {"mask": 1.0, "depth": 1.0}).item()
        2.5
    """

    factor: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(len(TASKS)))
        self.register_buffer("factor", torch.tensor([0.5 if t == "depth" else 1.0 for t in TASKS]), persistent=False)

    def combine(self, weighted: Tensor, tasks: slice) -> Tensor:
        """The likelihood of the tasks that came."""
        log_variance = self.log_variance[tasks].to(weighted.dtype)
        factor = self.factor[tasks].to(weighted.dtype)
        return (factor * (-log_variance).exp() * weighted + log_variance / 2).sum()


class DynamicWeightAverage(FixedBalance):
    """A task that improves more slowly gets more weight, after Liu, Johns and Davison (2019).

    ``K softmax(r / T)`` with ``r`` the ratio of a task's mean losses of the last two epochs and ``K`` the number of
    tasks; 1 each in the first two epochs. The weights of the tasks multiply these. `end_epoch` has to be called after
    every epoch.

    Args:
        temperature: ``T``: large for even weights.

    Raises:
        InvalidArgumentError: ``temperature`` is not above 0.

    Example:
        >>> import torch
        >>> balance = DynamicWeightAverage()
        >>> for mask, depth in ((1.0, 1.0), (0.5, 1.0)):
        ...     _ = balance({"mask": torch.tensor(mask), "depth": torch.tensor(depth)}, {"mask": 1.0, "depth": 1.0})
        ...     balance.end_epoch()
        >>> balance.factors(slice(0, 2))
        tensor([0.8756, 1.1244])
    """

    mean: Tensor
    counts: Tensor
    past: Tensor

    def __init__(self, temperature: float = 2.0) -> None:
        super().__init__()
        if not 0 < temperature < float("inf"):
            raise InvalidArgumentError(f"temperature={temperature!r}; expected a finite number above 0.")
        self.temperature = temperature
        self.register_buffer("mean", torch.zeros(len(TASKS)))  # of the epoch that is under way
        self.register_buffer("counts", torch.zeros(len(TASKS), dtype=torch.int64))
        self.register_buffer("past", torch.zeros(2, len(TASKS)))  # of the last epoch, and the one before; 0: none

    def observe(self, values: Tensor, tasks: slice) -> None:
        """Update the mean of the epoch."""
        self.counts[tasks] += 1
        values = mean_over_processes(values).to(self.mean.dtype)
        self.mean[tasks] += (values - self.mean[tasks]) / self.counts[tasks]

    def end_epoch(self) -> None:
        """The mean of the epoch becomes the last one; a task that was not trained keeps its own."""
        self.past.copy_(torch.where(self.counts > 0, torch.stack([self.mean, self.past[0]]), self.past))
        self.mean.zero_()
        self.counts.zero_()

    def factors(self, tasks: slice) -> Tensor:
        """What multiplies each loss in this epoch, (T,); they sum to T."""
        last, before = self.past[:, tasks].abs()
        ratios = torch.where(before > 0, last / before.clamp(min=TINY), 1)
        return len(ratios) * torch.softmax(ratios / self.temperature, 0)

    def combine(self, weighted: Tensor, tasks: slice) -> Tensor:
        """Weighted losses times the factors of this epoch."""
        return (weighted * self.factors(tasks).to(weighted.dtype)).sum()


class RandomBalance(FixedBalance):
    """Weights drawn anew in every step, after Lin et al. (2022): ``K softmax(z)`` with ``z`` normal.

    Scaled by the number of tasks ``K``, so that each is 1 on average. The draw is a function of (seed, step): a run
    that is resumed goes on with it, and all processes draw alike.

    Args:
        seed: 0 or more.

    Raises:
        InvalidArgumentError: ``seed`` is negative.

    Example:
        >>> import torch
        >>> balance = RandomBalance(seed=1)
        >>> losses = {"mask": torch.tensor(1.0), "depth": torch.tensor(3.0)}
        >>> totals = [balance(losses, {"mask": 1.0, "depth": 1.0}).item() for _ in range(3)]
        >>> len(set(totals)), all(2 < total < 6 for total in totals)
        (3, True)
    """

    steps: Tensor

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        if seed < 0:
            raise InvalidArgumentError(f"seed={seed!r}; expected 0 or more.")
        self.seed = seed
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def observe(self, values: Tensor, tasks: slice) -> None:
        """Count the step."""
        self.steps += 1

    def combine(self, weighted: Tensor, tasks: slice) -> Tensor:
        """Weighted losses times the factors of this step."""
        normal = np.random.default_rng((self.seed, int(self.steps))).standard_normal(len(TASKS))
        factors = len(weighted) * torch.softmax(torch.from_numpy(normal)[tasks], 0)
        return (weighted * factors.to(weighted)).sum()


BALANCES: dict[str, Callable[[], FixedBalance]] = {
    "fixed": FixedBalance,
    "normalised": NormalisedBalance,
    "uncertainty": UncertaintyBalance,
    "dwa": DynamicWeightAverage,
    "random": RandomBalance,
}


def make_balance(name: str, seed: int = 0) -> FixedBalance:
    """A balance by its name, with its default settings.

    Args:
        name: ``"fixed"``, ``"normalised"``, ``"uncertainty"``, ``"dwa"`` or ``"random"``.
        seed: Of ``"random"``; the others draw nothing.

    Returns:
        The module.

    Raises:
        UnknownNameError: There is no balance of that name.

    Example:
        >>> make_balance("dwa")
        DynamicWeightAverage()
    """
    if name not in BALANCES:
        raise UnknownNameError("balance", name, BALANCES)
    return RandomBalance(seed) if name == "random" else BALANCES[name]()


def mean_over_processes(values: Tensor) -> Tensor:
    """The mean over the processes of a distributed run; the values themselves in a run of one process.

    Args:
        values: Detached, same shape on all processes.

    Returns:
        Same shape.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return values
    total = values.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


__all__ = [
    "BALANCES",
    "DynamicWeightAverage",
    "FixedBalance",
    "NormalisedBalance",
    "RandomBalance",
    "UncertaintyBalance",
    "make_balance",
    "mean_over_processes",
]
