"""The last convolution of each task."""

import math
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from fgbgnet.errors import UnknownNameError
from fgbgnet.types import DepthUnit

DepthActivation: TypeAlias = Literal["log", "sigmoid", "linear"]
DEPTH_ACTIVATIONS = ("log", "sigmoid", "linear")
DEFAULT_ACTIVATIONS: dict[DepthUnit, DepthActivation] = {"metres": "log", "relative": "sigmoid"}
LOG_RANGE = 10.0
"""Predicted log-distances are kept within ± this, so that half precision (65,504) never overflows."""


class MaskHead(nn.Conv2d):
    """Features (B, C, H, W) -> mask logits (B, 1, H, W)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels, 1, 1)

    def set_prior(self, foreground: float) -> None:
        """Starts from this share of foreground everywhere."""
        _constant(self, math.log(foreground / (1 - foreground)))


class DepthHead(nn.Conv2d):
    """Features (B, C, H, W) -> distances (B, 1, H, W).

    Args:
        in_channels: Channels of the features.
        activation: ``"log"``: exp of the convolution, always positive; ``"sigmoid"``: in (0, 1); ``"linear"``.
    """

    def __init__(self, in_channels: int, activation: str = "log") -> None:
        if activation not in DEPTH_ACTIVATIONS:
            raise UnknownNameError("depth_activation", activation, DEPTH_ACTIVATIONS)
        super().__init__(in_channels, 1, 1)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Features -> distances."""
        x = super().forward(x)
        if self.activation == "log":
            return x.float().clamp(-LOG_RANGE, LOG_RANGE).exp()
        return x.sigmoid() if self.activation == "sigmoid" else x

    def set_prior(self, depth: float) -> None:
        """Starts from this distance everywhere."""
        if self.activation == "log":
            depth = math.log(max(depth, 1e-4))
        elif self.activation == "sigmoid":
            share = min(max(depth, 1e-3), 1 - 1e-3)
            depth = math.log(share / (1 - share))
        _constant(self, depth)


def _constant(convolution: nn.Conv2d, value: float) -> None:
    if convolution.bias is not None:
        torch.nn.init.constant_(convolution.bias, value)


__all__ = ["DEPTH_ACTIVATIONS", "DepthActivation", "DepthHead", "MaskHead"]
