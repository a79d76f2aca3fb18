"""Small networks for the tests of export, and how near a file must be to them."""

import torch

from fgbgnet import DualHeadUNet
from fgbgnet.models import PredictMixin

SIZES = [(1, 64, 96), (3, 33, 50), (2, 101, 75), (1, 40, 40), (1, 1, 1), (2, 3, 70)]
"""Batch, height, width: what fits the strides, what does not, one pixel, and narrower than the deepest stride."""


def pair(batch, height, width, channels=3, seed=0):
    return torch.rand(2, batch, channels, height, width, generator=torch.Generator().manual_seed(seed)).unbind()


def trained(*arguments, steps=3, size=(64, 96), **options):
    """A network after a few steps, so that normalisations have statistics and outputs are not near zero."""
    torch.manual_seed(0)
    model = DualHeadUNet(*arguments, **options).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step in range(steps):
        bg, fg_bg = pair(2, *size, channels=model.in_channels, seed=step)
        outputs = model(bg, fg_bg)
        target = (fg_bg - bg).abs().mean(1, keepdim=True)
        wanted = {"mask": 8 * target, "depth": 3 + target}
        loss = sum((outputs[task] - layer).abs().mean() for task, layer in wanted.items() if task in outputs)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def apart(outputs, expected):
    """The largest difference of all outputs, relative where the expected value is above 1."""
    assert list(outputs) == list(expected)
    return max(
        ((outputs[name] - layer).abs() / layer.abs().clamp(min=1)).max().item() for name, layer in expected.items()
    )


class SizeDependent(PredictMixin):
    """Says something else for wide pictures: a graph holds one of the two."""

    def forward(self, bg, fg_bg, tasks=None):
        factor = 2.0 if bg.shape[-1] > 40 else 1.0
        return {"mask": (fg_bg - bg).mean(1, keepdim=True) * factor}


class ContentDependent(PredictMixin):
    """Asks what the pictures show: there is no graph of that."""

    def forward(self, bg, fg_bg, tasks=None):
        if bg.mean() > 0.5:
            return {"mask": bg[:, :1]}
        return {"mask": fg_bg[:, :1]}
