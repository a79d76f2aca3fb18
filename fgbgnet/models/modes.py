"""Evaluation mode for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode for the length of a ``with`` block; afterwards every sub-module has the mode it had before.

    Module by module, since a part that is frozen, or that its user set to evaluation, stays so while the rest trains.

    >>> model = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout())
    >>> _ = model[0].eval()
    >>> with evaluating(model):
    ...     model[1].training
    False
    >>> model[0].training, model[1].training
    (False, True)
    """
    modes = [(part, part.training) for part in module.modules()]
    try:
        module.eval()
        yield
    finally:
        for part, training in modes:
            part.training = training


__all__ = ["evaluating"]
