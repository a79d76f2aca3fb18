"""What the first convolution sees of stacked pictures."""

from typing import Literal, TypeAlias

import torch
from torch import nn

from fgbgnet.errors import InvalidArgumentError, UnknownNameError

Fusion: TypeAlias = Literal["early", "early_diff", "siamese"]
FusionInit: TypeAlias = Literal["mean", "difference", "frame"]

FUSIONS = ("early", "early_diff", "siamese")
FUSION_INITS = ("mean", "difference", "frame")

# Weight of (bg, fg_bg, fg_bg - bg) in the first convolution; for two pictures the third is dropped.
_INIT_WEIGHTS = {
    ("early", "mean"): (0.5, 0.5),
    ("early", "difference"): (-1.0, 1.0),
    ("early", "frame"): (0.0, 1.0),
    ("early_diff", "mean"): (1 / 3, 1 / 3, 1 / 3),
    ("early_diff", "difference"): (0.0, 0.0, 1.0),
    ("early_diff", "frame"): (0.0, 1.0, 0.0),
}


def fused_channels(fusion: str, in_channels: int) -> int:
    """Channels that the encoder receives.

    >>> [fused_channels(fusion, 3) for fusion in FUSIONS]
    [6, 9, 3]
    """
    if fusion not in FUSIONS:
        raise UnknownNameError("fusion", fusion, FUSIONS)
    return {"early": 2, "early_diff": 3, "siamese": 1}[fusion] * in_channels


def init_first_convolution(
    encoder: nn.Module, fusion: str, fusion_init: str, in_channels: int, pretrained: bool = True
) -> None:
    """Spreads the filters of one picture over the stacked ones, in place.

    segmentation-models-pytorch and timm repeat pretrained filters over all input channels and divide them by the
    number of repeats (``"mean"``): the network then starts blind to the difference, the very signal of the pair.

    Args:
        encoder: An encoder whose first convolution takes the stack.
        fusion: ``"early"`` or ``"early_diff"``.
        fusion_init: ``"mean"`` (every picture counts alike), ``"difference"`` (the filters see ``fg_bg - bg``), or
            ``"frame"`` (the filters see ``fg_bg``; the background starts at zero weight).
        in_channels: Channels of one picture.
        pretrained: Whether the filters were repeated from pretrained ones, and scaled down.

    Raises:
        InvalidArgumentError: If no convolution takes the stack.
    """
    if fusion_init not in FUSION_INITS:
        raise UnknownNameError("fusion_init", fusion_init, FUSION_INITS)
    weights = _INIT_WEIGHTS[fusion, fusion_init]
    stack = len(weights) * in_channels
    readers = [m for m in encoder.modules() if isinstance(m, nn.Conv2d) and m.in_channels == stack and m.groups == 1]
    if not readers:
        raise InvalidArgumentError(f"the encoder has no convolution with {stack} input channels to initialise")
    scale = len(weights) if pretrained else 1
    with torch.no_grad():
        # Re-parametrised stems read the input with several convolutions in parallel, of the same width.
        for stem in (m for m in readers if m.out_channels == readers[0].out_channels):
            picture = stem.weight[:, :in_channels] * scale
            stem.weight.copy_(torch.cat([weight * picture for weight in weights], dim=1))


__all__ = ["FUSIONS", "FUSION_INITS", "Fusion", "FusionInit", "fused_channels", "init_first_convolution"]
