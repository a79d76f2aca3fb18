"""Freezing a branch completely: parameters, gradients, BatchNorm statistics, dropout - and for good.

Clearing ``requires_grad`` alone leaves BatchNorm statistics drifting and dropout alive, and a gradient that was left
behind still moves the weights. A frozen branch here is bit-identical after any number of steps of another task.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self, TypeVar

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from fgbgnet.errors import BranchError, InvalidArgumentError, UnknownNameError
from fgbgnet.models.still_buffers import hold_buffers, release_buffers
from fgbgnet.models.wrappers import check_not_distributed, unwrapped

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
        self._frozen: dict[str, set[str]] = {}
        self._guard: RemovableHandle | None = None

    def branches(self) -> Mapping[str, nn.Module]:
        """The branches by name; each owns its parameters alone."""
        raise BranchError(f"{type(self).__name__} does not say which branches it has: override branches()")

    def train(self, mode: bool = True) -> Self:
        """As `torch.nn.Module.train`, but frozen branches stay frozen, whatever was done to them meanwhile."""
        super().train(mode)
        self._hold_still()
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """As `torch.nn.Module.requires_grad_`, but what is frozen follows when it is unfrozen."""
        super().requires_grad_(requires_grad)
        for switched_off in self._frozen.values():
            switched_off.clear()
        self._hold_still()
        return self

    def _hold_still(self) -> None:
        """Makes the frozen branches what frozen branches are; the same thing when repeated."""
        branches = self.branches() if self._frozen else {}
        for name, switched_off in self._frozen.items():
            branch = branches[name]
            branch.eval()
            for module in branch.modules():
                module.training = False  # also where a module's own train() does not listen
            hold_buffers(branch)
            for key, parameter in branch.named_parameters():
                if parameter.requires_grad:
                    switched_off.add(key)
                    parameter.requires_grad_(False)
                parameter.grad = None  # a stale gradient would still be applied
        if self._frozen and self._guard is None:
            self._guard = self.register_forward_pre_hook(_hold_again)
        elif not self._frozen and self._guard is not None:
            self._guard.remove()
            self._guard = None


def _hold_again(model: Freezable, _: object) -> None:
    """Looks before every pass whether somebody thawed a part of what is frozen, e.g. a callback for fine-tuning."""
    if torch.compiler.is_compiling():
        return  # a graph cannot change what learns; train() looks as well
    frozen = [model.branches()[name] for name in model._frozen]
    if any(module.training for branch in frozen for module in branch.modules()) or any(
        parameter.requires_grad for branch in frozen for parameter in branch.parameters()
    ):
        model._hold_still()


def freeze_branch(model: ModuleT, *names: str) -> ModuleT:
    """Freezes branches of a model, completely and in place.

    Their parameters require no gradient and hold none, so that no optimiser with momentum or weight decay touches
    them; their BatchNorm and dropout layers go into evaluation mode and are kept there through ``model.train()``;
    their buffers keep their values whatever a forward pass writes. ``model.requires_grad_(True)`` and callbacks that
    switch parameters on do not thaw them: frozen is frozen until `unfreeze_branch`.

    Freezing a task's branch keeps its parameters; to keep its *output* too, freeze ``"shared"`` with it.

    Args:
        model: A `DualHeadUNet`, or any other `Freezable`. Under `torch.compile` and DataParallel the model inside is
            meant.
        *names: For `DualHeadUNet` one or more of ``"shared"``, ``"mask"``, ``"depth"``.

    Returns:
        The model, for chaining. Freezing what is frozen already changes nothing.

    Raises:
        UnknownNameError: If there is no such branch.
        InvalidArgumentError: If no branch is named.
        BranchError: If the model has no branches, or is wrapped by DistributedDataParallel or FSDP.

    >>> import fgbgnet
    >>> model = fgbgnet.DualHeadUNet("unet_small")
    >>> freeze_branch(model, "depth").frozen_branches
    ('depth',)
    """
    target = _freezable(model)
    names = _checked(target, names)
    check_not_distributed(target)
    for name in names:
        target._frozen.setdefault(name, set())
    target._hold_still()
    return model


def unfreeze_branch(model: ModuleT, *names: str) -> ModuleT:
    """Undoes `freeze_branch`: parameters learn again if they did before, modes follow the model's.

    An optimiser that held momentum for them goes on with it.

    Args:
        model: As for `freeze_branch`.
        *names: Branches; those that are not frozen stay as they are.

    Returns:
        The model, for chaining.

    Raises:
        UnknownNameError: If there is no such branch.
        InvalidArgumentError: If no branch is named.
        BranchError: If the model has no branches, or is wrapped by DistributedDataParallel or FSDP.
    """
    target = _freezable(model)
    names = _checked(target, names)
    check_not_distributed(target)
    _thaw(target, names)
    return model


def _thaw(model: Freezable, names: Sequence[str]) -> None:
    for name in names:
        if name not in model._frozen:
            continue
        branch, switched_off = model.branches()[name], model._frozen.pop(name)
        for key, parameter in branch.named_parameters():
            if key in switched_off:
                parameter.requires_grad_(True)
        release_buffers(branch)
        branch.train(model.training)
    model._hold_still()  # branches may nest


@contextmanager
def frozen(model: nn.Module, *names: str) -> Iterator[nn.Module]:
    """Freezes branches for the length of a ``with`` block.

    Branches that were frozen before stay so afterwards. A wrapper of DistributedDataParallel or FSDP that was made
    inside the block must not be used after it.

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
        _thaw(_freezable(model), [name for name in names if name not in before])


def frozen_branches(model: nn.Module) -> tuple[str, ...]:
    """Names of the branches that are frozen, in the model's order."""
    target = _freezable(model)
    return tuple(name for name in target.branches() if name in target._frozen)


def _freezable(model: nn.Module) -> Freezable:
    target = unwrapped(model)
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
