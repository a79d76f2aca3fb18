"""The last convolution of each task, and what its output means."""

import math
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.types import DepthUnit

DepthActivation: TypeAlias = Literal["log", "sigmoid", "linear"]
DEPTH_ACTIVATIONS = ("log", "sigmoid", "linear")
DEFAULT_ACTIVATIONS: dict[DepthUnit, DepthActivation] = {"metres": "log", "relative": "sigmoid"}
LOG_RANGE = 10.0
"""Predicted log-distances are kept within ± this, so that half precision (65,504) never overflows."""
LOG_SCALE_RANGE = 7.0
"""Predicted logarithms of an uncertainty are kept within ± this: a thousandth to a thousand."""
UPSAMPLINGS = (1, 2, 4)


class TaskHead(nn.Module):
    """A 1 × 1 convolution to one value per pixel, and on request a second one, the logarithm of its uncertainty.

    With ``upsampling`` above 1 the features have that stride, and the convolution predicts all pixels of a cell at
    once (sub-pixel convolution, Shi et al., 2016). It starts with the same filter for each of them, so that the first
    predictions have no checkerboard (ICNR, Aitken et al., 2017).

    Args:
        in_channels: Channels of the features.
        upsampling: 1, 2 or 4.
        uncertainty: Whether the second value is there.
    """

    def __init__(self, in_channels: int, upsampling: int = 1, uncertainty: bool = False) -> None:
        super().__init__()
        if upsampling not in UPSAMPLINGS:
            raise InvalidArgumentError(f"upsampling={upsampling!r}; expected one of {UPSAMPLINGS}")
        self.uncertainty = uncertainty
        cells = upsampling**2
        self.convolution = nn.Conv2d(in_channels, (2 if uncertainty else 1) * cells, 1)
        self.shuffle = nn.PixelShuffle(upsampling) if upsampling > 1 else nn.Identity()
        with torch.no_grad():
            for parameter in (self.convolution.weight, self._bias):
                parameter.copy_(parameter[::cells].repeat_interleave(cells, dim=0))

    @property
    def _bias(self) -> Tensor:
        bias = self.convolution.bias
        assert bias is not None  # nn.Conv2d has one unless told not to
        return bias

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, h, w) -> raw values (B, 1 or 2, H, W), where the meaning of `interpret` starts from."""
        result: Tensor = self.shuffle(self.convolution(x))
        return result

    @torch.no_grad()
    def _set_constant(self, value: float) -> None:
        cells = len(self._bias) // (2 if self.uncertainty else 1)
        self._bias[:cells] = value


class MaskHead(TaskHead):
    """Features -> mask logits.

    With uncertainty, the logit of a pixel is a Gaussian of mean f and standard deviation s, and the probability of
    foreground its mean through the sigmoid, for which MacKay (1992) gives sigmoid(f / sqrt(1 + π s² / 8)). What is
    returned as logits is that quotient, so that every mask loss trains both.
    """

    def interpret(self, raw: Tensor) -> tuple[Tensor, Tensor | None]:
        """Raw values -> logits (B, 1, H, W), and the standard deviation of the logit if there is one."""
        if not self.uncertainty:
            return raw, None
        value, log_scale = raw[:, :1], raw[:, 1:]
        scale = log_scale.float().clamp(-LOG_SCALE_RANGE, LOG_SCALE_RANGE).exp()
        return value / (1 + math.pi / 8 * scale.square()).sqrt(), scale

    def set_prior(self, foreground: float) -> None:
        """Starts from this share of foreground everywhere."""
        self._set_constant(math.log(foreground / (1 - foreground)))


class DepthHead(TaskHead):
    """Features -> distances.

    Args:
        in_channels: Channels of the features.
        activation: ``"log"``: exp of the convolution, always positive; ``"sigmoid"``: in (0, 1); ``"linear"``.
        upsampling: As for `TaskHead`.
        uncertainty: As for `TaskHead`; the scale of a Laplace distribution of the logarithm of the distance with
            ``"log"``, else of the distance itself.
    """

    def __init__(
        self, in_channels: int, activation: str = "log", upsampling: int = 1, uncertainty: bool = False
    ) -> None:
        if activation not in DEPTH_ACTIVATIONS:
            raise UnknownNameError("depth_activation", activation, DEPTH_ACTIVATIONS)
        super().__init__(in_channels, upsampling, uncertainty)
        self.activation = activation

    def interpret(self, raw: Tensor) -> tuple[Tensor, Tensor | None]:
        """Raw values -> distances (B, 1, H, W), and their Laplace scale if there is one."""
        value = raw[:, :1] if self.uncertainty else raw
        if self.activation == "log":
            value = value.float().clamp(-LOG_RANGE, LOG_RANGE).exp()
        elif self.activation == "sigmoid":
            value = value.sigmoid()
        if not self.uncertainty:
            return value, None
        return value, raw[:, 1:].float().clamp(-LOG_SCALE_RANGE, LOG_SCALE_RANGE).exp()

    def set_prior(self, depth: float) -> None:
        """Starts from this distance everywhere."""
        if self.activation == "log":
            depth = math.log(max(depth, 1e-4))
        elif self.activation == "sigmoid":
            share = min(max(depth, 1e-3), 1 - 1e-3)
            depth = math.log(share / (1 - share))
        self._set_constant(depth)


__all__ = ["DEPTH_ACTIVATIONS", "DepthActivation", "DepthHead", "MaskHead", "TaskHead"]
