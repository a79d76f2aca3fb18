import math

import pytest
import torch

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.losses import DepthLoss, align_scale_shift, depth_gradient_loss, depth_l1_loss

CONFIGURATIONS = [
    {"space": space, "alignment": alignment, "gradient": gradient}
    for space in ("linear", "log")
    for alignment in ("none", "scale_shift")
    for gradient in (0.0, 0.5)
]


def example(batch=2, size=8):
    generator = torch.Generator().manual_seed(0)
    prediction, target = 0.5 + 4 * torch.rand(2, batch, 1, size, size, generator=generator)
    return prediction, target, torch.rand(batch, 1, size, size, generator=generator) > 0.3


def test_is_the_weighted_sum_of_its_terms():
    prediction, target, valid = example()
    loss = DepthLoss(l1=2.0, gradient=0.25)(prediction, target, valid)
    torch.testing.assert_close(
        loss, 2 * depth_l1_loss(prediction, target, valid) + 0.25 * depth_gradient_loss(prediction, target, valid)
    )
    log = DepthLoss(gradient=0.0, space="log")(prediction, target, valid)
    torch.testing.assert_close(log, (prediction[valid].log() - target[valid].log()).abs().mean())
    aligned = align_scale_shift(prediction, target, valid)
    torch.testing.assert_close(
        DepthLoss(gradient=0.0, alignment="scale_shift")(prediction, target, valid),
        depth_l1_loss(aligned, target, valid),
    )


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_nothing_valid_is_exactly_zero_and_back_propagates(configuration):
    prediction, _, _ = example()
    prediction.requires_grad_()
    target = torch.full_like(prediction, math.nan)
    loss = DepthLoss(**configuration)(prediction, target, torch.zeros_like(prediction, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert (prediction.grad == 0).all()


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@pytest.mark.parametrize("rubbish", [0.0, -1e9, math.inf, math.nan])
def test_invalid_truth_changes_nothing(configuration, rubbish):
    prediction, target, valid = example()
    gradients, losses = [], []
    for truth in (target, torch.where(valid, target, rubbish)):
        leaf = prediction.clone().requires_grad_()
        losses.append(DepthLoss(**configuration)(leaf, truth, valid))
        losses[-1].backward()
        gradients.append(leaf.grad)
    assert torch.equal(*losses)
    assert torch.equal(*gradients)
    assert (gradients[0][valid] != 0).any()


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@pytest.mark.parametrize("value", [0.0, 0.7])
def test_a_constant_prediction_is_finite_and_learns(configuration, value):
    _, target, valid = example()
    prediction = torch.full_like(target, value, requires_grad=True)
    loss = DepthLoss(**configuration)(prediction, target, valid)
    loss.backward()
    assert loss.isfinite()
    assert prediction.grad.isfinite().all()
    assert prediction.grad.abs().sum() > 0


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_finite(configuration, dtype):
    prediction, target, valid = example(size=256)
    prediction = (prediction * 100).to(dtype).requires_grad_()
    loss = DepthLoss(**configuration)(prediction, target * 100, valid)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    assert prediction.grad.isfinite().all()


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_gradcheck(configuration):
    prediction, target, valid = (t.double() if t.is_floating_point() else t for t in example(size=4))
    target = prediction + 0.4 * target  # the same way round: at a change of the alignment's sign there is no gradient
    loss = DepthLoss(**configuration)
    assert torch.autograd.gradcheck(lambda p: loss(p, target, valid), prediction.requires_grad_())


def test_affine_truth_costs_nothing_after_alignment():
    prediction, _, valid = example()
    assert DepthLoss(alignment="scale_shift")(prediction, 0.2 * prediction + 3, valid) < 1e-6
    assert DepthLoss(alignment="scale_shift", space="log")(prediction, 3 * prediction**0.5, valid) < 1e-6


@pytest.mark.parametrize(
    ("prediction", "target", "valid", "message"),
    [
        (torch.rand(1, 1, 4, 4), torch.rand(1, 4, 4), None, r"depth target has shape \(1, 4, 4\)"),
        (torch.rand(1, 1, 4, 4), torch.rand(1, 1, 8, 8), None, "must be equal"),
        (torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4), torch.ones(1, 1, 4, 4), "expected torch.bool"),
        (torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4), torch.ones(1, 1, 8, 8).bool(), "depth_valid has shape"),
        (torch.ones(1, 1, 4, 4).int(), torch.rand(1, 1, 4, 4), None, "floating-point"),
    ],
)
def test_wrong_inputs(prediction, target, valid, message):
    with pytest.raises(InvalidArgumentError, match=message):
        DepthLoss()(prediction, target, valid)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"l1": -1.0}, InvalidArgumentError, "l1"),
        ({"l1": 0.0, "gradient": 0.0}, InvalidArgumentError, "nothing to minimise"),
        ({"minimum": 0.0}, InvalidArgumentError, "minimum"),
        ({"space": "logs"}, UnknownNameError, "'log'"),
        ({"alignment": "median"}, UnknownNameError, "scale_shift"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        DepthLoss(**arguments)
