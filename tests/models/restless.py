"""A tiny network in which everything moves that can: what freezing is tested on."""

import torch
from timm.layers import DropPath
from torch import nn

from fgbgnet.models import DualHeadUNet, StagedEncoder


class Wanderer(nn.Module):
    """Subtracts a moving average, written in place, and counts its calls in a buffer that is replaced.

    Args:
        channels: Of its input.
        always: Whether it goes on in evaluation mode.
    """

    def __init__(self, channels, always):
        super().__init__()
        self.always = always
        self.register_buffer("average", torch.zeros(channels))
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, x):
        if self.training or self.always:
            self.average.lerp_(x.detach().float().mean((0, 2, 3)).to(self.average.dtype), 0.1)
            self.calls = self.calls + 1
        return x - self.average[:, None, None] * (1 + self.calls.remainder(3))


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.body = nn.Conv2d(channels, channels, 1)
        self.drop = DropPath(0.3)

    def forward(self, x):
        return x + self.drop(self.body(x))


def stage(incoming, outgoing):
    return nn.Sequential(
        nn.Conv2d(incoming, outgoing, 3, 2, 1),
        nn.BatchNorm2d(outgoing),
        Residual(outgoing),
        nn.Dropout2d(0.2),
        Wanderer(outgoing, always=False),
        Wanderer(outgoing, always=True),
    )


def restless(seed=0, **arguments):
    """Two stages, the first of which is shared; the second and the decoder exist once per task."""
    torch.manual_seed(seed)
    channels = 3 if arguments.get("fusion") == "siamese" else 6
    encoder = StagedEncoder([stage(channels, 4), stage(4, 6)], out_channels=(4, 6), strides=(2, 4))
    return DualHeadUNet(encoder, shared_stages=1, decoder_channels=(4,), upsampling=2, **arguments)
