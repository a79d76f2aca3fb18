"""
Bring your own transforms, loss, encoder
========================================

Each piece has a small contract, and anything that keeps it fits in.
"""

import os

import torch
from torch import nn
from torchvision.transforms import v2

from fgbgnet import DualHeadUNet, DualTaskLoss, SceneDataset, make_loader
from fgbgnet.models import Encoder, StagedEncoder
from fgbgnet.plotting import plot_sample

SHORT = bool(os.environ.get("FGBGNET_SHORT"))
STEPS = 3 if SHORT else 100

# %%
# Transforms of torchvision
# -------------------------
# A v2 transform is given as it is. The layers are wrapped as ``Image`` and ``Mask``, so that one draw moves all of
# them and masks are not interpolated. The draw follows (seed, epoch, id) as with the library's own transforms.

geometry = v2.Compose([v2.RandomResizedCrop(64, scale=(0.5, 1), antialias=True), v2.RandomHorizontalFlip()])
rooms = SceneDataset(16, size=96, transform=geometry)
plot_sample(rooms[3])

# %%
# Any function from sample to sample will do as well. This one darkens the background alone, as if the light had been
# off when it was taken.


def lights_off(sample):
    return {**sample, "bg": sample["bg"] * torch.empty(1).uniform_(0.3, 1)}


plot_sample(rooms.with_transform(lights_off)[3])

# %%
# A loss
# ------
# ``DualTaskLoss`` takes any module ``mask(logits, target)`` and any ``depth(prediction, target, valid)``.


class FocalLoss(nn.Module):
    """Cross-entropy that looks away from what is easy (Lin et al., 2017)."""

    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits, target):
        entropy = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return ((1 - (-entropy).exp()) ** self.gamma * entropy).mean()


loss_function = DualTaskLoss(mask=FocalLoss(), weights={"mask": 10.0})

# %%
# An encoder
# ----------
# An ``Encoder`` returns features from shallow to deep and says how many channels they have and at which strides. It
# reads the stack of both pictures: six channels with ``fusion="early"``.


class Pyramid(Encoder):
    """Strided convolutions, one per level."""

    out_channels = (16, 32, 64)
    strides = (2, 4, 8)

    def __init__(self, in_channels=6):
        super().__init__()
        widths = (in_channels, *self.out_channels)
        self.levels = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.SiLU())
            for a, b in zip(widths, self.out_channels, strict=False)
        )

    def forward(self, x):
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


torch.manual_seed(0)
model = DualHeadUNet(Pyramid(), fusion="early")
print(model.summary(size=64))

# %%
# These features are each made from the one before. Said in stages, the same encoder can be split: here the tasks share
# the first two stages, and each has the third for itself.

staged = StagedEncoder(list(Pyramid().levels), Pyramid.out_channels, Pyramid.strides)
print(DualHeadUNet(staged, shared_stages=2).summary(size=64))

# %%
# Together
# --------

optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
batch = next(iter(make_loader(rooms, batch_size=8, train=True, seed=0)))
for _ in range(STEPS):
    losses = loss_function(model(batch["bg"], batch["fg_bg"]), batch)
    optimizer.zero_grad()
    losses["total"].backward()
    optimizer.step()
print({name: round(value.item(), 3) for name, value in losses.items()})
