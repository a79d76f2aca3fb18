"""Losses from plain settings, as a configuration file holds them."""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.losses.balance import make_balance
from fgbgnet.losses.depth import DepthLoss
from fgbgnet.losses.dual import DualTaskLoss
from fgbgnet.losses.mask import MaskLoss
from fgbgnet.types import DepthUnit


def make_loss(
    mask_loss: Mapping[str, Any] | None = None,
    depth_loss: Mapping[str, Any] | None = None,
    weights: Mapping[str, float] | None = None,
    balance: str | nn.Module = "fixed",
    depth_unit: DepthUnit = "relative",
    seed: int = 0,
) -> DualTaskLoss:
    """A `DualTaskLoss` from weights of terms and settings.

    Metres span orders of magnitude, so they are compared as logarithms unless ``depth_loss`` names another ``space``:
    an error of a tenth counts alike near and far. Relative depth spans [0, 1] with true zeros, so it is compared as it
    is.

    Args:
        mask_loss: Weights of terms and settings, by the names of the arguments of `MaskLoss`. If it names a term, the
            terms that it does not name are left out; if it names none, those of `MaskLoss()` are taken.
        depth_loss: The same for `DepthLoss`.
        weights: Weight per task.
        balance: A name of `make_balance`, or a module.
        depth_unit: The unit of the model's depth.
        seed: Of the balance ``"random"``.

    Raises:
        UnknownNameError: A term, setting, task or balance that does not exist.
        InvalidArgumentError: A value that the term cannot use.

    Example:
        >>> make_loss({"dice": 1, "focal": 5}).mask
        MaskLoss(dice=1.0, focal=5.0)
    """
    space = {"space": "log" if depth_unit == "metres" else "linear"}
    return DualTaskLoss(
        mask=MaskLoss(**_arguments("mask", MaskLoss, mask_loss or {})),
        depth=DepthLoss(**{**space, **_arguments("depth", DepthLoss, depth_loss or {})}),
        weights=weights,
        balance=make_balance(balance, seed) if isinstance(balance, str) else balance,
    )


def _arguments(task: str, module: type[MaskLoss] | type[DepthLoss], given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, checked by name, with weight 0 for the terms that it leaves out."""
    if not isinstance(given, Mapping):
        raise InvalidArgumentError(f"{task}_loss={given!r}; expected a mapping from names of terms to weights.")
    known = list(inspect.signature(module).parameters)
    for name in given:
        if name not in known:
            raise UnknownNameError(f"term or setting of the {task} loss", str(name), known)
    unnamed = dict.fromkeys(module.TERMS, 0.0) if set(given) & set(module.TERMS) else {}
    return {**unnamed, **given}


__all__ = ["make_loss"]
