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
    training = [part for part in module.modules() if part.training]
    try:
        if training:  # walking through a network takes longer than looking at a small picture
            module.eval()
        yield
    finally:
        for part in training:
            part.training = True


__all__ = ["evaluating"]
