"""What a model consists of, as a table."""

from typing import Any

import torch
from torch import Tensor, nn

from fgbgnet.models.freeze import Freezable
from fgbgnet.models.modes import evaluating


def count_parameters(module: nn.Module) -> int:
    """Number of parameters, frozen ones included.

    >>> count_parameters(nn.Linear(3, 2))
    8
    """
    return sum(parameter.numel() for parameter in module.parameters())


def summarize(model: Freezable, size: tuple[int, int]) -> str:
    """Branches with their parameters and the multiply-accumulates of their convolutions and linear layers.

    Args:
        model: A model with forward(bg, fg_bg) and ``in_channels``.
        size: (H, W) of the pictures, one pair of them.
    """
    macs = _multiply_accumulates(model, size)
    rows = []
    for name, branch in model.branches().items():
        branch_macs = sum(macs.get(module, 0) for module in branch.modules())
        state = "frozen" if name in model._frozen else "trained"
        rows.append((name, count_parameters(branch), branch_macs, state))
    rows.append(("total", count_parameters(model), sum(macs.values()), ""))
    height, width = size
    kind, channels = type(model).__name__, model.in_channels
    head = f"{kind}: bg, fg_bg ({channels}, {height}, {width}) -> mask, depth (1, {height}, {width})"
    lines = [head, f"{'branch':8}{'parameters':>14}{'GMACs':>10}  state"]
    lines += [
        f"{name:8}{parameters:>14,}{amount / 1e9:>10.3f}  {state}".rstrip() for name, parameters, amount, state in rows
    ]
    return "\n".join(lines)


def _multiply_accumulates(model: nn.Module, size: tuple[int, int]) -> dict[nn.Module, int]:
    counts: dict[nn.Module, int] = {}

    def count(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        weight: Any = module.weight
        per_output = weight[0].numel()  # filter taps of one output value
        counts[module] = counts.get(module, 0) + per_output * output[0].numel()

    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    channels: Any = model.in_channels
    picture = torch.zeros(1, channels, *size, device=next(model.parameters()).device)
    try:
        with evaluating(model), torch.no_grad():
            model(picture, picture)
    finally:
        for handle in handles:
            handle.remove()
    return counts


__all__ = ["count_parameters", "summarize"]
