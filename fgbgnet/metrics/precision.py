"""Where sums can be kept in float64: a million float32 terms lose the digits that models differ in."""

from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor

LayerT = TypeVar("LayerT", Tensor, Tensor | None)


def has_float64(device: torch.device) -> bool:
    """Whether a device computes in float64; Apple's ``mps`` does not, nor do some of Intel's.

    >>> has_float64(torch.device("cpu"))
    True
    """
    return device.type in ("cpu", "cuda") or _computes_float64(str(device))


@cache
def _computes_float64(device: str) -> bool:
    try:
        return torch.ones(2, dtype=torch.float64, device=device).sum().item() == 2
    except (TypeError, RuntimeError):
        return False


def for_float64(*layers: LayerT) -> Any:  # noqa: ANN401 - a tuple of as many of the same
    """The layers where they are if float64 can be computed there, on the CPU otherwise.

    Args:
        *layers: Tensors of one device; None stays None.
    """
    if all(layer is None or has_float64(layer.device) for layer in layers):
        return layers
    return tuple(layer if layer is None else layer.cpu() for layer in layers)


__all__ = ["for_float64", "has_float64"]
