import math

import pytest
import torch

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.losses import (
    DepthLoss,
    align_scale_shift,
    depth_berhu_loss,
    depth_gradient_loss,
    depth_l1_loss,
    depth_mse_loss,
    depth_multi_scale_gradient_loss,
    depth_scale_shift_invariant_loss,
    depth_silog_loss,
    depth_smoothness_loss,
    depth_ssim_loss,
)

NOTHING = {"l1": 0.0, "gradient": 0.0}
ALONE = ["mse", "berhu", "silog", "ssim", "multi_scale", "scale_shift_invariant"]
CONFIGURATIONS = [
    {"space": space, "alignment": alignment, **terms}
    for space in ("linear", "log")
    for alignment in ("none", "scale_shift")
    for terms in ({"gradient": 0.0}, {"gradient": 0.5}, *({**NOTHING, term: 1.0} for term in ALONE))
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


@pytest.mark.parametrize("configuration", [c for c in CONFIGURATIONS if "berhu" not in c])  # its limit is a constant
def test_gradcheck(configuration):
    prediction, target, valid = (t.double() if t.is_floating_point() else t for t in example(size=4))
    target = prediction + 0.4 * target  # the same way round: at a change of the alignment's sign there is no gradient
    loss = DepthLoss(**configuration)
    assert torch.autograd.gradcheck(lambda p: loss(p, target, valid), prediction.requires_grad_())


@pytest.mark.parametrize(("term", "function"), [
    ("mse", depth_mse_loss), ("berhu", depth_berhu_loss), ("silog", depth_silog_loss), ("ssim", depth_ssim_loss),
    ("multi_scale", depth_multi_scale_gradient_loss), ("scale_shift_invariant", depth_scale_shift_invariant_loss),
])  # fmt: skip
def test_every_term_is_its_function_times_its_weight(term, function):
    prediction, target, valid = example()
    loss = DepthLoss(**NOTHING, **{term: 0.5})(prediction, target, valid)
    torch.testing.assert_close(loss, 0.5 * function(prediction, target, valid))
    both = DepthLoss(gradient=0.0, **{term: 2.0})(prediction, target, valid)
    torch.testing.assert_close(both, 4 * loss + depth_l1_loss(prediction, target, valid))


def test_settings_reach_their_terms():
    prediction, target, valid = example()
    for arguments, expected in (
        ({"berhu": 1, "berhu_threshold": 0.7}, depth_berhu_loss(prediction, target, valid, 0.7)),
        ({"silog": 1, "silog_invariance": 1.0}, depth_silog_loss(prediction, target, valid, 1.0)),
        ({"ssim": 1, "ssim_window": 3}, depth_ssim_loss(prediction, target, valid, 3)),
        ({"scale_shift_invariant": 1, "trim": 0.4}, depth_scale_shift_invariant_loss(prediction, target, valid, 0.4)),
        ({"multi_scale": 1, "scales": 2}, depth_multi_scale_gradient_loss(prediction, target, valid, 2)),
    ):
        torch.testing.assert_close(DepthLoss(**NOTHING, **arguments)(prediction, target, valid), expected)


def test_silog_compares_logarithms_once_in_every_space():
    prediction, target, valid = example()
    expected = depth_silog_loss(prediction, target, valid)
    for space in ("linear", "log"):
        loss = DepthLoss(**NOTHING, silog=1.0, space=space, alignment="scale_shift")
        torch.testing.assert_close(loss(prediction, target, valid), expected)


def test_smoothness_takes_the_picture_and_the_space():
    prediction, target, valid = example()
    picture = torch.rand(2, 3, 8, 8)
    for space, values in (("linear", prediction), ("log", prediction.log())):
        loss = DepthLoss(**NOTHING, smoothness=2.0, space=space)
        expected = 2 * depth_smoothness_loss(values, picture)
        torch.testing.assert_close(loss(prediction, target, valid, picture=picture), expected)
    prediction.requires_grad_()
    nothing = loss(prediction, target, torch.zeros_like(valid), picture=picture)
    nothing.backward()
    assert nothing.item() == 0
    assert (prediction.grad == 0).all()
    with pytest.raises(InvalidArgumentError, match="needs the picture"):
        loss(prediction, target, valid)
    with pytest.raises(InvalidArgumentError, match=r"the picture has shape \(2, 3, 4, 4\)"):
        loss(prediction, target, valid, picture=picture[..., ::2, ::2])


def test_an_uncertainty_that_no_term_trains_is_refused():
    prediction, target, valid = example()
    with pytest.raises(InvalidArgumentError, match="only the term l1 trains it"):
        DepthLoss(l1=0)(prediction, target, valid, torch.ones_like(target))


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
        ({"mse": "much"}, InvalidArgumentError, "mse='much'"),
        ({"berhu_threshold": 0.0}, InvalidArgumentError, "berhu_threshold"),
        ({"silog_invariance": 1.1}, InvalidArgumentError, "silog_invariance=1.1"),
        ({"ssim_window": 4}, InvalidArgumentError, "expected an odd number"),
        ({"ssim_window": 7.0}, InvalidArgumentError, "ssim_window"),
        ({"scales": 0}, InvalidArgumentError, "scales=0"),
        ({"trim": 1.0}, InvalidArgumentError, "trim=1.0"),
        ({"space": "logs"}, UnknownNameError, "'log'"),
        ({"alignment": "median"}, UnknownNameError, "scale_shift"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        DepthLoss(**arguments)
