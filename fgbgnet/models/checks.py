"""What a model refuses, and how it says so."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import get_args

import torch
from torch import Tensor, nn

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.types import TASKS, DepthUnit, Task

RANGE_TOLERANCE = 1e-2
"""How far from [0, 1] pixels may lie: resizing overshoots a little, a wrong scale or a normalisation by far."""


def checked_tasks(tasks: Sequence[Task] | Task) -> tuple[Task, ...]:
    """Tasks as a tuple; a lone name counts as one.

    Raises:
        UnknownNameError: If a task is unknown.
        InvalidArgumentError: If there is none.

    >>> checked_tasks("mask")
    ('mask',)
    """
    names: tuple[Task, ...] = (tasks,) if isinstance(tasks, str) else tuple(tasks)
    if not names:
        raise InvalidArgumentError(f"no task was named; expected one or more of {', '.join(map(repr, TASKS))}")
    for name in names:
        if name not in TASKS:
            raise UnknownNameError("task", str(name), TASKS)
    return names


def checked_depth_unit(unit: DepthUnit) -> DepthUnit:
    """The unit, if it is one.

    Raises:
        UnknownNameError: If it is unknown.
    """
    if unit not in get_args(DepthUnit):
        raise UnknownNameError("depth_unit", str(unit), get_args(DepthUnit))
    return unit


def checked_count(name: str, value: int) -> int:
    """A whole number of at least 1.

    Raises:
        InvalidArgumentError: If it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgumentError(f"{name}={value!r}; expected a whole number of at least 1")
    return value


def per_channel(statistics: Sequence[float], channels: int) -> Tensor:
    """Mean or standard deviation of each channel, (1, ``channels``, 1, 1); of other than RGB pictures the average.

    >>> per_channel((0.2, 0.4, 0.6), 1).flatten().tolist()
    [0.4000000059604645]
    """
    values = list(statistics)
    if len(values) != channels:
        values = [sum(values) / len(values)] * channels
    return torch.tensor(values).reshape(1, -1, 1, 1)


def check_disjoint(branches: Mapping[str, nn.Module]) -> None:
    """Each branch owns its parameters and buffers alone: only then can one be frozen without the others.

    Raises:
        InvalidArgumentError: If two branches hold the same tensor.
    """
    tensors = {name: _tensors(branch) for name, branch in branches.items()}
    for one, other in combinations(tensors, 2):
        common = tensors[one].keys() & tensors[other].keys()
        if common:
            entry = tensors[one][next(iter(common))]
            raise InvalidArgumentError(
                f"the branches {one!r} and {other!r} share {entry!r}: the encoder uses one module in several stages. "
                "Give each stage modules of its own, or share all stages with shared_stages=None"
            )


def _tensors(branch: nn.Module) -> dict[int, str]:
    named: Iterable[tuple[str, Tensor]] = (*branch.named_parameters(), *branch.named_buffers())
    return {id(tensor): name for name, tensor in named}


def check_pair(bg: Tensor, fg_bg: Tensor, channels: int) -> None:
    """Shapes and types of two batches of pictures; cheap, and made for `torch.compile`.

    Raises:
        InvalidArgumentError: If a shape or type does not fit.
    """
    if bg.shape != fg_bg.shape or bg.ndim != 4 or bg.shape[1] != channels:
        raise InvalidArgumentError(
            f"bg has shape {tuple(bg.shape)} and fg_bg {tuple(fg_bg.shape)}; expected the same "
            f"(B, {channels}, H, W) for both"
        )
    for name, picture in (("bg", bg), ("fg_bg", fg_bg)):
        if not picture.is_floating_point():
            raise InvalidArgumentError(
                f"{name} has type {picture.dtype}; expected floats in [0, 1]. "
                "Divide bytes by 255, or give them to predict, which takes them as they are"
            )


def check_range(bg: Tensor, fg_bg: Tensor) -> None:
    """Pictures must lie in [0, 1], give or take `RANGE_TOLERANCE`. Reads the pixels: an accelerator has to wait.

    Raises:
        InvalidArgumentError: If they do not, or hold NaN.
    """
    for name, picture in (("bg", bg), ("fg_bg", fg_bg)):
        if not picture.numel():
            continue
        low, high = (limit.item() for limit in picture.detach().aminmax())
        if not (low >= -RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE):  # also catches NaN
            raise InvalidArgumentError(
                f"{name} holds values from {low:g} to {high:g}; expected [0, 1]. Divide bytes by 255; "
                "do not normalise, the model does that itself"
            )


def reads_values(picture: Tensor) -> bool:
    """Whether there are pixels to read: not while a graph is compiled, exported or traced, or shapes propagated."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
        return False
    return picture.device.type != "meta" and not hasattr(picture, "fake_mode")


__all__ = [
    "RANGE_TOLERANCE",
    "check_disjoint",
    "check_pair",
    "check_range",
    "checked_count",
    "checked_depth_unit",
    "checked_tasks",
    "per_channel",
    "reads_values",
]
