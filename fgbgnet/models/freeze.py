"""Freezing a branch completely: parameters, gradients, BatchNorm statistics, dropout - and for good.

Clearing ``requires_grad`` alone leaves BatchNorm statistics drifting and dropout alive, and a gradient that was left
behind still moves the weights. A frozen branch here is bit-identical after any number of steps of another task.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Self, TypeVar

from torch import nn

from fgbgnet.errors import BranchError, InvalidArgumentError, UnknownNameError

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class Freezable(nn.Module):
    """Mix-in for a module whose named branches can be frozen.

    A subclass says in `branches` which sub-modules belong to which branch; `freeze_branch` does the rest.

    >>> class TwoHeads(Freezable):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.body, self.head = nn.Linear(2, 2), nn.Dropout()
    ...     def branches(self):
    ...         return {"body": self.body, "head": self.head}
    >>> model = freeze_branch(TwoHeads(), "head").train()
    >>> model.body.training, model.head.training
    (True, False)
    """

    def __init__(self) -> None:
        super().__init__()
        # Branch -> names of the parameters that freezing switched off, so that thawing restores just those.
        self._frozen: dict[str, list[str]] = {}

    def branches(self) -> Mapping[str, nn.Module]:
        """The branches by name; each owns its parameters alone."""
        raise BranchError(f"{type(self).__name__} does not say which branches it has: override branches()")

    def train(self, mode: bool = True) -> Self:
        """As `torch.nn.Module.train`, but frozen branches stay in evaluation mode."""
        super().train(mode)
        for name in self._frozen:
            self.branches()[name].eval()
        return self


def freeze_branch(model: ModuleT, *names: str) -> ModuleT:
    """Freezes branches of a model, completely and in place.

    Their parameters require no gradient and hold none, so that no optimiser with momentum or weight decay touches
    them; their BatchNorm and dropout layers go into evaluation mode and are kept there through ``model.train()``.
    Freezing a task's branch keeps its parameters; to keep its *output* too, freeze ``"shared"`` with it.

    Args:
        model: A `DualHeadUNet`, or any other `Freezable`. Under `torch.compile` the original module is meant.
        *names: For `DualHeadUNet` one or more of ``"shared"``, ``"mask"``, ``"depth"``.

    Returns:
        The model, for chaining. Freezing what is frozen already changes nothing.

    Raises:
        UnknownNameError: If there is no such branch.
        InvalidArgumentError: If no branch is named.
        BranchError: If the model has no branches, or is wrapped by DistributedDataParallel.

    >>> import fgbgnet
    >>> model = fgbgnet.DualHeadUNet("unet_small")
    >>> freeze_branch(model, "depth").frozen_branches
    ('depth',)
    """
    target = _unwrap(model)
    for name in _checked(target, names):
        branch = target.branches()[name]
        switched_off = target._frozen.get(name, [])
        for key, parameter in branch.named_parameters():
            if parameter.requires_grad:
                switched_off.append(key)
                parameter.requires_grad_(False)
            parameter.grad = None  # a stale gradient would still be applied
        target._frozen[name] = switched_off
        branch.eval()
    return model


def unfreeze_branch(model: ModuleT, *names: str) -> ModuleT:
    """Undoes `freeze_branch`: parameters learn again if they did before, modes follow the model's.

    Args:
        model: As for `freeze_branch`.
        *names: Branches; those that are not frozen stay as they are.

    Returns:
        The model, for chaining.
    """
    target = _unwrap(model)
    for name in _checked(target, names):
        branch = target.branches()[name]
        parameters = dict(branch.named_parameters())
        for key in target._frozen.pop(name, []):
            parameters[key].requires_grad_(True)
        branch.train(target.training)
    target.train(target.training)  # branches may nest
    return model


@contextmanager
def frozen(model: nn.Module, *names: str) -> Iterator[nn.Module]:
    """Freezes branches for the length of a ``with`` block.

    Branches that were frozen before stay so afterwards.

    >>> import fgbgnet
    >>> model = fgbgnet.DualHeadUNet("unet_small")
    >>> with frozen(model, "shared", "mask"):
    ...     frozen_branches(model)
    ('shared', 'mask')
    >>> frozen_branches(model)
    ()
    """
    before = frozen_branches(model)
    freeze_branch(model, *names)
    try:
        yield model
    finally:
        thaw = [name for name in names if name not in before]
        if thaw:
            unfreeze_branch(model, *thaw)


def frozen_branches(model: nn.Module) -> tuple[str, ...]:
    """Names of the branches that are frozen, in the model's order."""
    target = _unwrap(model)
    return tuple(name for name in target.branches() if name in target._frozen)


def _unwrap(model: nn.Module) -> Freezable:
    if isinstance(model, nn.parallel.DistributedDataParallel):
        raise BranchError(
            "the model is wrapped by DistributedDataParallel, which has fixed the set of gradients it waits for; "
            "freeze the bare model first and wrap it then"
        )
    target = getattr(model, "_orig_mod", model)
    if not isinstance(target, Freezable):
        raise BranchError(
            f"{type(target).__name__} has no named branches; derive it from fgbgnet.models.Freezable "
            "and override branches()"
        )
    return target


def _checked(model: Freezable, names: tuple[str, ...]) -> tuple[str, ...]:
    known = list(model.branches())
    if not names:
        raise InvalidArgumentError(f"no branch was named; expected one or more of {', '.join(map(repr, known))}")
    for name in names:
        if name not in known:
            raise UnknownNameError("branch", name, known)
    return names


__all__ = ["Freezable", "freeze_branch", "frozen", "frozen_branches", "unfreeze_branch"]
