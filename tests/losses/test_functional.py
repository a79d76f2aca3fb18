import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy import stats

from fgbgnet.losses import (
    align_scale_shift,
    depth_gradient_loss,
    depth_l1_loss,
    depth_laplace_loss,
    log_depth,
    mask_bce_loss,
    mask_dice_loss,
)


def masks(seed, batch=3, height=5, width=7):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (batch, 1, height, width))
    return logits, (rng.random(logits.shape) < rng.random()).astype(float)


def depths(seed, batch=3, height=5, width=7):
    rng = np.random.default_rng(seed)
    prediction, target = rng.uniform(0.5, 5, (2, batch, 1, height, width))
    return prediction, target, rng.random(target.shape) < rng.random()


def tensors(*arrays):
    return [torch.from_numpy(array) for array in arrays]


@given(seed=st.integers(0, 999), weight=st.none() | st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_bce_matches_numpy(seed, weight):
    logits, target = masks(seed)
    p = 1 / (1 + np.exp(-logits))
    expected = -((weight or 1) * target * np.log(p) + (1 - target) * np.log(1 - p)).mean()
    assert mask_bce_loss(*tensors(logits, target), positive_weight=weight).item() == pytest.approx(expected)


@given(seed=st.integers(0, 999), smooth=st.floats(1e-4, 1))
@settings(max_examples=30, deadline=None)
def test_dice_matches_numpy_picture_by_picture(seed, smooth):
    logits, target = masks(seed)
    losses = []
    for z, t in zip(logits, target, strict=True):
        p, s = 1 / (1 + np.exp(-z)), smooth * z.size
        losses.append(1 - (2 * (p * t).sum() + s) / (p.sum() + t.sum() + s))
    assert mask_dice_loss(*tensors(logits, target), smooth=smooth).item() == pytest.approx(np.mean(losses))


def test_dice_of_an_empty_picture_punishes_false_alarms_with_a_gradient():
    empty = torch.zeros(1, 1, 64, 64)
    alarm = torch.full_like(empty, -20)
    alarm[..., :8, :8] = 2.0
    alarm.requires_grad_()
    loss = mask_dice_loss(alarm, empty)
    loss.backward()
    assert loss.item() > 0.9
    assert (alarm.grad[..., :8, :8] > 1e-6).all()
    assert mask_dice_loss(torch.full_like(empty, -20), empty).item() < 1e-4


def test_dice_means_the_same_at_every_size():
    logits, target = (torch.from_numpy(a) for a in masks(0, height=6, width=6))
    double = [t.repeat_interleave(2, -1).repeat_interleave(2, -2) for t in (logits, target)]
    torch.testing.assert_close(mask_dice_loss(*double), mask_dice_loss(logits, target))


@given(seed=st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_l1_matches_numpy(seed):
    prediction, target, valid = depths(seed)
    expected = np.abs(prediction - target)[valid].mean() if valid.any() else 0
    assert depth_l1_loss(*tensors(prediction, target, valid)).item() == pytest.approx(expected)


@given(seed=st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_gradient_matches_a_loop_over_pairs(seed):
    prediction, target, valid = depths(seed, batch=2, height=4, width=3)
    error, terms = prediction - target, []
    for b in range(2):
        for y in range(4):
            for x in range(3):
                for dy, dx in ((0, 1), (1, 0)):
                    if y + dy < 4 and x + dx < 3 and valid[b, 0, y, x] and valid[b, 0, y + dy, x + dx]:
                        terms.append(abs(error[b, 0, y + dy, x + dx] - error[b, 0, y, x]))
    expected = np.mean(terms) if terms else 0
    assert depth_gradient_loss(*tensors(prediction, target, valid)).item() == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 1, 1, 5), (2, 1, 5, 1)])
def test_gradient_of_pictures_one_pixel_thin(shape):
    prediction = torch.rand(shape, requires_grad=True)
    depth_gradient_loss(prediction, torch.zeros(shape)).backward()
    assert torch.isfinite(prediction.grad).all()


@given(seed=st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_alignment_is_the_least_squares_solution(seed):
    prediction, target, valid = depths(seed)
    target = 0.3 * target + prediction  # so that prediction and target run the same way
    valid[:, :, 0] = True
    aligned = align_scale_shift(*tensors(prediction, target, valid)).numpy()
    for p, t, v, a in zip(prediction, target, valid, aligned, strict=True):
        (scale, shift), *_ = np.linalg.lstsq(np.stack([p[v], np.ones(v.sum())], 1), t[v], rcond=None)
        assert scale > 0
        np.testing.assert_allclose(a, scale * p + shift, rtol=1e-9, atol=1e-9)


def test_alignment_without_a_useful_scale_only_shifts():
    truth = torch.arange(16.0).view(1, 1, 4, 4)
    constant, reversed_ = torch.full_like(truth, 3.0), -truth
    one = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    one[..., 1, 1] = True
    assert torch.equal(align_scale_shift(constant, truth), torch.full_like(truth, 7.5))
    torch.testing.assert_close(align_scale_shift(reversed_, truth), 15 - truth)
    torch.testing.assert_close(align_scale_shift(truth * 2, truth, one), truth * 2 - 5)
    assert torch.equal(align_scale_shift(constant, truth, torch.zeros_like(one)), constant)


def test_log_depth_matches_numpy_and_continues_as_a_line():
    values = np.array([1e-3, 0.5, 80.0])
    np.testing.assert_allclose(log_depth(torch.from_numpy(values)).numpy(), np.log(values))
    below = torch.tensor([-2.0, 0.0], requires_grad=True)
    log_depth(below, minimum=0.1).sum().backward()
    assert torch.allclose(below.grad, torch.tensor([10.0, 10.0]))
    step = torch.tensor([0.1 - 1e-6, 0.1 + 1e-6], dtype=torch.float64)
    assert log_depth(step, minimum=0.1).diff().item() == pytest.approx(2e-5, rel=1e-3)


@pytest.mark.parametrize("with_valid", [True, False])
@pytest.mark.parametrize("function", [depth_l1_loss, depth_gradient_loss, align_scale_shift])
def test_gradcheck_depth(function, with_valid):
    prediction, target, valid = tensors(*depths(5, batch=2, height=3, width=4))
    target = target + 2 * prediction
    prediction.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: function(p, target, valid if with_valid else None), prediction)


@pytest.mark.parametrize("function", [mask_bce_loss, mask_dice_loss])
def test_gradcheck_mask(function):
    logits, target = tensors(*masks(5, batch=2, height=3, width=4))
    assert torch.autograd.gradcheck(lambda z: function(z, target), logits.requires_grad_())


def test_laplace_loss_is_scipys_negative_log_likelihood():
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randn(2, 2, 1, 5, 6, generator=generator, dtype=torch.float64)
    scale = torch.rand(2, 1, 5, 6, generator=generator, dtype=torch.float64) + 0.1
    valid = torch.rand(2, 1, 5, 6, generator=generator) > 0.4
    expected = -stats.laplace.logpdf(target[valid], prediction[valid], scale[valid]).mean() - math.log(2)
    assert depth_laplace_loss(prediction, target, scale, valid).item() == pytest.approx(expected, rel=1e-12)
    nothing = depth_laplace_loss(prediction, torch.full_like(target, torch.nan), scale, torch.zeros_like(valid))
    assert nothing.item() == 0
    for tensor in (prediction, scale):
        tensor.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda p, s: depth_laplace_loss(p, target, s, valid), (prediction, scale))
