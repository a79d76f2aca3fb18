import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from fgbgnet.losses import depth_smoothness_loss, depth_ssim_loss


def example(seed, batch=2, height=9, width=7):
    rng = np.random.default_rng(seed)
    prediction, target = rng.uniform(0.5, 5, (2, batch, 1, height, width))
    valid = rng.random(target.shape) < 0.7
    valid[:, :, 4, 3] = True
    return prediction, target, valid


def ssim_by_windows(prediction, target, valid, window):
    """Pixel by pixel, over the valid pixels of its window that lie in the picture."""
    values, half = [], window // 2
    for p, t, v in zip(prediction[:, 0], target[:, 0], valid[:, 0], strict=True):
        low, span = t[v].min(), max(np.ptp(t[v]), 1e-3)
        for y, x in zip(*np.nonzero(v), strict=True):
            around = np.s_[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]
            a, b = ((layer[around][v[around]] - low) / span for layer in (p, t))
            covariance = ((a - a.mean()) * (b - b.mean())).mean()
            luminance = (2 * a.mean() * b.mean() + 0.01**2) / (a.mean() ** 2 + b.mean() ** 2 + 0.01**2)
            values.append(luminance * (2 * covariance + 0.03**2) / (a.var() + b.var() + 0.03**2))
    return np.array(values)


@given(seed=st.integers(0, 999), window=st.sampled_from([1, 3, 7, 11]))
@settings(max_examples=15, deadline=None)
def test_ssim_matches_numpy_window_by_window(seed, window):
    prediction, target, valid = example(seed)
    expected = (1 - ssim_by_windows(prediction, target, valid, window)).mean() / 2
    value = depth_ssim_loss(*(torch.from_numpy(a) for a in (prediction, target, valid)), window)
    assert value.item() == pytest.approx(expected, abs=1e-9)


def test_ssim_does_not_see_the_unit():
    prediction, target, valid = (torch.from_numpy(a) for a in example(3))
    loss = depth_ssim_loss(prediction, target, valid)
    torch.testing.assert_close(depth_ssim_loss(1000 * prediction + 7, 1000 * target + 7, valid), loss)


@given(seed=st.integers(0, 999))
@settings(max_examples=15, deadline=None)
def test_ssim_stays_in_its_range(seed):
    prediction, target, valid = (torch.from_numpy(a) for a in example(seed))
    for other in (prediction, -target, torch.full_like(target, 3), 1e6 * prediction):
        assert 0 <= depth_ssim_loss(other, target, valid) <= 1
    assert depth_ssim_loss(target, target, valid) < 1e-12


def test_smoothness_matches_a_loop():
    rng = np.random.default_rng(0)
    depth, picture = rng.uniform(size=(2, 1, 4, 5)), rng.uniform(size=(2, 3, 4, 5))
    losses = []
    for d, i in zip(depth, picture, strict=True):
        across = [
            abs(d[0, y, x + 1] - d[0, y, x]) * np.exp(-np.abs(i[:, y, x + 1] - i[:, y, x]).mean())
            for y in range(4)
            for x in range(4)
        ]
        down = [
            abs(d[0, y + 1, x] - d[0, y, x]) * np.exp(-np.abs(i[:, y + 1, x] - i[:, y, x]).mean())
            for y in range(3)
            for x in range(5)
        ]
        losses.append(np.mean(across) + np.mean(down))
    tensors = torch.from_numpy(depth), torch.from_numpy(picture)
    assert depth_smoothness_loss(*tensors).item() == pytest.approx(np.mean(losses))
    only_first = torch.zeros(2, 1, 4, 5, dtype=torch.bool)
    only_first[0, 0, 1, 1] = True
    assert depth_smoothness_loss(*tensors, only_first).item() == pytest.approx(losses[0])
    tensors[0].requires_grad_()
    assert torch.autograd.gradcheck(lambda d: depth_smoothness_loss(d, tensors[1]), tensors[0])


def test_smoothness_of_one_pixel_and_of_half_precision():
    one = torch.ones(1, 1, 1, 1, requires_grad=True)
    assert depth_smoothness_loss(one, torch.rand(1, 3, 1, 1)).item() == 0
    half = torch.rand(1, 1, 8, 8).half().requires_grad_()
    loss = depth_smoothness_loss(half, torch.rand(1, 3, 8, 8).half())
    loss.backward()
    assert loss.dtype == torch.float32
    assert half.grad.isfinite().all()
