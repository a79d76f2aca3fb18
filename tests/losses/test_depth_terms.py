import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy import stats

from fgbgnet.losses import (
    depth_berhu_loss,
    depth_gradient_loss,
    depth_l1_loss,
    depth_laplace_loss,
    depth_mse_loss,
    depth_multi_scale_gradient_loss,
    depth_silog_loss,
)


def depths(seed, batch=3, height=5, width=7):
    rng = np.random.default_rng(seed)
    prediction, target = rng.uniform(0.5, 5, (2, batch, 1, height, width))
    return prediction, target, rng.random(target.shape) < rng.random()


def tensors(*arrays):
    return [torch.from_numpy(array) for array in arrays]


@given(seed=st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_l1_matches_numpy(seed):
    prediction, target, valid = depths(seed)
    expected = np.abs(prediction - target)[valid].mean() if valid.any() else 0
    assert depth_l1_loss(*tensors(prediction, target, valid)).item() == pytest.approx(expected)


@given(seed=st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_mse_matches_numpy(seed):
    prediction, target, valid = depths(seed)
    expected = ((prediction - target)[valid] ** 2).mean() if valid.any() else 0
    assert depth_mse_loss(*tensors(prediction, target, valid)).item() == pytest.approx(expected)


@given(seed=st.integers(0, 999), threshold=st.floats(0.05, 1.5))
@settings(max_examples=30, deadline=None)
def test_berhu_and_its_gradient_match_numpy(seed, threshold):
    prediction, target, valid = depths(seed)
    error = np.where(valid, prediction - target, 0)
    limit, count = threshold * np.abs(error).max(), max(valid.sum(), 1)
    linear = np.abs(error) <= limit
    losses = np.where(linear, np.abs(error), (error**2 + limit**2) / (2 * limit or 1))
    leaf, *rest = tensors(prediction, target, valid)
    loss = depth_berhu_loss(leaf.requires_grad_(), *rest, threshold)
    loss.backward()
    assert loss.item() == pytest.approx(losses.sum() / count)
    slopes = np.where(linear, np.sign(error), error / (limit or 1)) / count  # with the limit as a constant
    np.testing.assert_allclose(leaf.grad.numpy(), slopes, atol=1e-12)


@given(seed=st.integers(0, 999), invariance=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_silog_matches_numpy_picture_by_picture(seed, invariance):
    prediction, target, valid = depths(seed)
    losses = []
    for p, t, v in zip(prediction, target, valid, strict=True):
        if v.any():
            d = np.log(p[v]) - np.log(t[v])
            losses.append((d**2).mean() - invariance * d.sum() ** 2 / d.size**2)
    value = depth_silog_loss(*tensors(prediction, target, valid), invariance)
    assert value.item() == pytest.approx(np.mean(losses) if losses else 0, abs=1e-12)


def test_silog_compares_all_pairs_of_pixels():
    prediction, target, _ = depths(1, batch=1)
    p, t = np.log(prediction).ravel(), np.log(target).ravel()
    pairs = ((p[:, None] - p) - (t[:, None] - t)) ** 2
    assert depth_silog_loss(*tensors(prediction, target), invariance=1.0).item() == pytest.approx(pairs.mean() / 2)


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


@given(seed=st.integers(0, 999), scales=st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_multi_scale_matches_numpy(seed, scales):
    prediction, target, valid = depths(seed, height=9, width=6)
    total = 0.0
    for scale in range(scales):
        e, v = ((a[:, 0, :: 2**scale, :: 2**scale]) for a in (prediction - target, valid))
        across = np.abs(e[:, :, 1:] - e[:, :, :-1])[v[:, :, 1:] & v[:, :, :-1]]
        down = np.abs(e[:, 1:] - e[:, :-1])[v[:, 1:] & v[:, :-1]]
        steps = np.concatenate([across, down])
        total += steps.mean() if steps.size else 0
    value = depth_multi_scale_gradient_loss(*tensors(prediction, target, valid), scales)
    assert value.item() == pytest.approx(total / scales, abs=1e-12)


def test_coarse_scales_see_a_ramp_that_fine_ones_hardly_do():
    ramp = 0.01 * torch.arange(64.0).expand(1, 1, 64, 64)
    fine, coarse = (depth_multi_scale_gradient_loss(ramp, torch.zeros_like(ramp), scales=n).item() for n in (1, 4))
    assert (fine, coarse) == (pytest.approx(0.005), pytest.approx(0.005 * (1 + 2 + 4 + 8) / 4))


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
