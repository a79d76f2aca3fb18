"""The contracting path of the classic U-Net."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from fgbgnet.models.decoder import DoubleConv
from fgbgnet.models.encoders.protocol import StagedEncoder

PLAIN_ENCODERS = {"unet": (64, 128, 256, 512, 512), "unet_small": (16, 32, 64, 128, 128)}
"""Channels of the plain U-Net's stages; ``"unet"`` is the seed's network of 2020."""


class PlainEncoder(StagedEncoder):
    """The contracting path of the classic U-Net: double convolutions and max pooling.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the stages; the strides are 1, 2, 4, ...
    """

    def __init__(self, in_channels: int, channels: Sequence[int]) -> None:
        stages: list[nn.Module] = [DoubleConv(in_channels, channels[0], bias=True)]
        for incoming, outgoing in pairwise(channels):
            stages.append(nn.Sequential(nn.MaxPool2d(2), DoubleConv(incoming, outgoing, bias=True)))
        super().__init__(stages, channels, [2**i for i in range(len(channels))])


__all__ = ["PLAIN_ENCODERS", "PlainEncoder"]
