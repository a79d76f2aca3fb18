"""Both tasks together."""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.losses.balance import make_balance
from fgbgnet.losses.depth import DepthLoss
from fgbgnet.losses.mask import MaskLoss
from fgbgnet.losses.validation import check_weight
from fgbgnet.types import TASKS


class DualTaskLoss(nn.Module):
    """Balanced sum of a mask loss and a depth loss, of the tasks that the model returned.

    Args:
        mask: Module called as ``mask(logits, target)``, with the batch's ``mask_valid`` as third argument where it has
            one; None is ``MaskLoss()``.
        depth: Module called as ``depth(prediction, target, depth_valid)``, with the outputs' ``depth_uncertainty`` as
            fourth argument where there is one, and the batch's ``fg_bg`` as ``picture`` if it takes an argument of
            that name; None is ``DepthLoss()``.
        weights: Weight per task; a task that is left out has weight 1.
        balance: How the weighted losses become one: a name of `make_balance`, or a module called as
            ``balance(losses, weights)`` such as `FixedBalance`.

    Raises:
        InvalidArgumentError: A weight is negative or not finite.
        UnknownNameError: A weight for a task, or a balance, that does not exist.

    Example:
        >>> import torch
        >>> outputs = {"mask": torch.zeros(1, 1, 4, 4), "depth": torch.ones(1, 1, 4, 4)}
        >>> batch = {"mask": torch.zeros(1, 1, 4, 4), "depth": torch.full((1, 1, 4, 4), 3.0),
        ...          "depth_valid": torch.ones(1, 1, 4, 4, dtype=torch.bool)}
        >>> losses = DualTaskLoss(weights={"depth": 0.5})(outputs, batch)
        >>> sorted(losses), losses["depth"].item()
        (['depth', 'mask', 'total'], 2.0)
        >>> bool(losses["total"] == losses["mask"] + 0.5 * losses["depth"])
        True
    """

    def __init__(
        self,
        mask: nn.Module | None = None,
        depth: nn.Module | None = None,
        weights: Mapping[str, float] | None = None,
        balance: str | nn.Module = "fixed",
    ) -> None:
        super().__init__()
        self.mask = MaskLoss() if mask is None else mask
        self.depth = DepthLoss() if depth is None else depth
        self.weights = dict.fromkeys(TASKS, 1.0)
        for task, weight in (weights or {}).items():
            if task not in TASKS:
                raise UnknownNameError("task in weights", task, TASKS)
            self.weights[task] = check_weight(f"weights[{task!r}]", weight)
        self.balance = make_balance(balance) if isinstance(balance, str) else balance

    def forward(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Compute the losses of one batch.

        Args:
            outputs: What the model returned: ``"mask"`` logits and ``"depth"``, or one of them, (B, 1, H, W).
            batch: The batch: ``"mask"``, ``"depth"`` and ``"depth_valid"`` as far as the outputs need them, and perhaps
                ``"mask_valid"`` and ``"fg_bg"``.

        Returns:
            ``"total"``, to call ``backward()`` on, and the *unweighted* loss of each task that is in ``outputs``.

        Raises:
            InvalidArgumentError: No task in the outputs, a key of the batch is missing, or it has ``"mask_valid"`` but
                the mask loss takes two arguments alone, or the outputs have ``"depth_uncertainty"`` but the depth loss
                takes three.
        """
        present = [task for task in TASKS if task in outputs]
        if not present:
            raise InvalidArgumentError(f"the outputs hold {sorted(outputs)}; expected 'mask', 'depth' or both.")
        losses: dict[str, Tensor] = {}
        if "mask" in present:
            losses["mask"] = self._mask_loss(outputs["mask"], batch)
        if "depth" in present:
            losses["depth"] = self._depth_loss(outputs, batch)
        return {"total": self.balance(losses, self.weights), **losses}

    def end_epoch(self) -> None:
        """Tell the balance that an epoch of training has ended; `DynamicWeightAverage` needs it."""
        end_epoch = getattr(self.balance, "end_epoch", None)
        if callable(end_epoch):
            end_epoch()

    def _mask_loss(self, logits: Tensor, batch: Mapping[str, Any]) -> Tensor:
        arguments = [logits, _get(batch, "mask")]
        if "mask_valid" in batch:
            arguments.append(batch["mask_valid"])
            if not _takes(self.mask, len(arguments)):
                raise InvalidArgumentError(
                    f"the batch has 'mask_valid', but {type(self.mask).__name__} takes no third argument and would "
                    "learn from pixels without a label; give its forward(logits, target, valid=None), or use MaskLoss()"
                )
        loss: Tensor = self.mask(*arguments)
        return loss

    def _depth_loss(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Any]) -> Tensor:
        arguments = [outputs["depth"], _get(batch, "depth"), _get(batch, "depth_valid")]
        if "depth_uncertainty" in outputs:
            arguments.append(outputs["depth_uncertainty"])
            if not _takes(self.depth, len(arguments)):
                raise InvalidArgumentError(
                    f"the model returned 'depth_uncertainty', but {type(self.depth).__name__} takes no fourth argument "
                    "and would leave it untrained; give its forward(prediction, target, valid, scale), or use "
                    "DepthLoss()"
                )
        extra = {"picture": batch.get("fg_bg")} if "picture" in _parameters(self.depth) else {}
        loss: Tensor = self.depth(*arguments, **extra)
        return loss

    def extra_repr(self) -> str:
        """The arguments, for ``print(loss)``."""
        return f"weights={self.weights}"


def _parameters(module: nn.Module) -> Mapping[str, inspect.Parameter]:
    """The arguments of a module's forward, by name."""
    return inspect.signature(module.forward).parameters


def _takes(module: nn.Module, count: int) -> bool:
    """Whether a module can be called with so many arguments."""
    try:
        inspect.signature(module.forward).bind(*range(count))
    except TypeError:
        return False
    return True


def _get(batch: Mapping[str, Any], key: str) -> Tensor:
    if key not in batch:
        raise InvalidArgumentError(
            f"the batch has no {key!r}, it holds {sorted(batch)}. Add it, or compute only the other task: "
            "model(bg, fg_bg, tasks=...)."
        )
    tensor: Tensor = batch[key]
    return tensor


__all__ = ["DualTaskLoss"]
