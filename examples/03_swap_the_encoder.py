"""
Swap the encoder
================

Any encoder of segmentation-models-pytorch, any pyramid-shaped one of timm (prefix ``tu-``), or the plain U-Net; and
three ways for the two pictures to meet.
"""

import torch

from fgbgnet import DualHeadUNet, list_encoders
from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.models import count_parameters

# %%
# Names
# -----
# Patterns are those of the shell. Each line has parameters, strides, whether the encoder can be split between the
# tasks, and its pretrained weights with their licences.

for encoder in list_encoders("unet*") + list_encoders("resnet?*") + list_encoders("tu-mobilenetv3_small*"):
    print(encoder)

# %%
# Filters narrow it down: weights that are there, under a licence that suits, in an encoder that can be split.

free = list_encoders("tu-convnext_*", pretrained=True, license=["apache*", "mit", "bsd*"], splittable=True)
print(len(free), "encoders, among them", free[0].name, free[0].licenses)

# %%
# A misspelt name is an error that lists the nearest.

try:
    DualHeadUNet("resnet43")
except UnknownNameError as error:
    print(error)

# %%
# One argument
# ------------
# Everything else stays as it is: two pictures of any size in, mask and depth of that size out.
# ``encoder_weights=None`` starts from random weights; ``"imagenet"`` fetches pretrained ones.

bg, fg_bg = torch.rand(2, 1, 3, 75, 101)
for name in ("unet_small", "resnet18", "tu-mobilenetv3_small_050"):
    model = DualHeadUNet(name, encoder_weights=None).eval()
    with torch.inference_mode():
        outputs = model(bg, fg_bg)
    shapes = {task: tuple(layer.shape) for task, layer in outputs.items()}
    print(f"{name:26}{count_parameters(model):>12,} parameters  {shapes}")

# %%
# Fusion
# ------
# ``early`` stacks the two pictures, ``early_diff`` adds their signed difference, ``siamese`` sends each through the
# same encoder and merges the features.

for fusion in ("early", "early_diff", "siamese"):
    model = DualHeadUNet("resnet18", fusion=fusion)
    stem = next(layer for layer in model.modules() if isinstance(layer, torch.nn.Conv2d))
    print(f"{fusion:12}first convolution reads {stem.in_channels} channels")

# %%
# Pretrained filters know one picture, a stack holds two or three. ``fusion_init="difference"`` spreads them so that
# the first layer sees what is new, and two identical pictures cancel:

model = DualHeadUNet("resnet18", fusion_init="difference")
stem = next(layer for layer in model.modules() if isinstance(layer, torch.nn.Conv2d))
assert torch.equal(stem.weight[:, :3], -stem.weight[:, 3:])

# %%
# What is shared
# --------------
# By default both tasks share the whole encoder. ``shared_stages`` splits it: the first stages run once, the deeper ones
# exist once per task. The network of the 2020 project shares three stages of the plain U-Net; most encoders of both
# libraries can be split the same way, and pretrained weights go into both copies.

for name in ("unet", "resnet18"):
    print(DualHeadUNet(name, shared_stages=3).summary(size=64))

# %%
# One that cannot says so, and names some that can.

try:
    DualHeadUNet("tu-hrnet_w18_small", shared_stages=3)
except InvalidArgumentError as error:
    print(error)
