import math

import pytest
import torch
import torch.nn.functional as F
from scipy import integrate, stats

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.losses import DualTaskLoss
from fgbgnet.models import DualHeadUNet
from fgbgnet.models.heads import DepthHead, MaskHead


@pytest.mark.parametrize("upsampling", [1, 2, 4])
@pytest.mark.parametrize("uncertainty", [False, True])
def test_a_new_head_is_the_smooth_one_enlarged(upsampling, uncertainty):
    """Every sub-pixel starts with the same filter: the result is the coarse map with its pixels repeated."""
    head = MaskHead(5, upsampling, uncertainty)
    x = torch.randn(2, 5, 4, 6)
    raw = head(x)
    assert raw.shape == (2, 1 + uncertainty, 4 * upsampling, 6 * upsampling)
    coarse = raw[..., ::upsampling, ::upsampling]
    assert torch.equal(raw, F.interpolate(coarse, scale_factor=upsampling, mode="nearest"))
    weight, bias = head.convolution.weight, head.convolution.bias
    cells = upsampling**2
    assert torch.allclose(coarse[:, 0], torch.einsum("bchw,c->bhw", x, weight[0, :, 0, 0]) + bias[0], atol=1e-6)
    assert not uncertainty or not torch.equal(weight[0], weight[cells])  # value and scale are two filters


def test_sub_pixels_become_different_by_learning():
    head = MaskHead(3, 2)
    checkerboard = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(2, 2)[None, None]
    F.binary_cross_entropy_with_logits(head(torch.ones(1, 3, 2, 2)), checkerboard).backward()
    gradients = head.convolution.bias.grad
    assert gradients[0] * gradients[1] < 0


@pytest.mark.parametrize("mean", [-3.0, -0.5, 0.0, 2.0])
@pytest.mark.parametrize("deviation", [0.1, 1.0, 3.0])
def test_mask_probability_is_that_of_an_uncertain_logit(mean, deviation):
    """Against numerical integration of the sigmoid over the Gaussian; MacKay's formula is good to two hundredths."""
    raw = torch.tensor([mean, math.log(deviation)]).reshape(1, 2, 1, 1)
    logits, scale = MaskHead(4, uncertainty=True).interpret(raw)
    expected, _ = integrate.quad(
        lambda z: stats.norm.pdf(z, mean, deviation) / (1 + math.exp(-z)), -40, 40, points=[mean]
    )
    assert logits.sigmoid().item() == pytest.approx(expected, abs=0.02)
    assert scale.item() == pytest.approx(deviation, rel=1e-5)


def test_uncertainty_is_finite_in_half_precision():
    raw = torch.tensor([1000.0, 60000.0, -1000.0, -60000.0]).half().reshape(2, 2, 1, 1)
    for head in (MaskHead(4, uncertainty=True), DepthHead(4, uncertainty=True)):
        value, scale = head.interpret(raw)
        assert value.isfinite().all()
        assert scale.isfinite().all()
        assert (scale > 0).all()


def test_uncertain_models_return_two_more_keys_and_learn_where_they_err():
    torch.manual_seed(0)
    model = DualHeadUNet("unet_small", uncertainty=("mask", "depth"), depth_activation="linear", depth_unit="relative")
    model.train()
    bg = torch.rand(4, 3, 32, 32)
    noisy = torch.zeros(4, 1, 32, 32, dtype=torch.bool)
    noisy[..., 16:] = True
    frame = torch.where(noisy, bg, bg.flip(0))  # the network can see which half is which
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(1)
    for _ in range(60):
        depth = 0.5 + noisy * 0.4 * torch.randn(noisy.shape, generator=generator)
        batch = {"mask": torch.zeros(noisy.shape), "depth": depth, "depth_valid": torch.ones_like(noisy)}
        outputs = model(bg, frame)
        losses = DualTaskLoss()(outputs, batch)
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
    assert set(outputs) == {"mask", "depth", "mask_uncertainty", "depth_uncertainty"}
    scale = outputs["depth_uncertainty"].detach()
    assert scale[..., 20:].mean() > 2 * scale[..., :12].mean()
    assert set(model(bg, frame, tasks="mask")) == {"mask", "mask_uncertainty"}
    prediction = model.predict(bg[0], frame[0])
    assert prediction.depth_uncertainty.shape == prediction.mask_uncertainty.shape == (32, 32)


@pytest.mark.parametrize("upsampling", [2, 4])
@pytest.mark.parametrize("block", ["double", "separable"])
def test_models_whose_decoders_stop_early_return_full_size(upsampling, block):
    model = DualHeadUNet("resnet18", decoder_block=block, upsampling=upsampling)
    outputs = model(*torch.rand(2, 2, 3, 45, 70))
    assert {tuple(layer.shape) for layer in outputs.values()} == {(2, 1, 45, 70)}
    model.set_priors(foreground=0.2, depth=0.7)
    for branch in model.task_branches().values():
        torch.nn.init.zeros_(branch.head.convolution.weight)
    outputs = model(*torch.rand(2, 2, 3, 45, 70))
    assert torch.allclose(outputs["mask"].sigmoid(), torch.tensor(0.2), atol=1e-6)
    assert torch.allclose(outputs["depth"], torch.tensor(0.7), atol=1e-6)


def test_wrong_upsampling():
    with pytest.raises(InvalidArgumentError, match=r"upsampling=3; expected one of \(1, 2, 4\)"):
        MaskHead(4, 3)
