"""How weights lie in memory, which decides what convolutions compute in."""

import torch
from torch import nn


def is_channels_last(module: nn.Module) -> bool:
    """Whether a module was brought to ``torch.channels_last``.

    Weights of a size of 1 lie the same in both formats and say nothing.

    >>> convolution = nn.Conv2d(3, 4, 3)
    >>> is_channels_last(convolution), is_channels_last(convolution.to(memory_format=torch.channels_last))
    (False, True)
    """
    return any(
        weight.dim() == 4 and weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
        for weight in module.parameters()
    )


__all__ = ["is_channels_last"]
