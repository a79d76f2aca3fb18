import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from fgbgnet.losses import align_scale_shift, depth_scale_shift_invariant_loss, log_depth


def depths(seed, batch=3, height=5, width=7):
    rng = np.random.default_rng(seed)
    prediction, target = rng.uniform(0.5, 5, (2, batch, 1, height, width))
    return prediction, target, rng.random(target.shape) < rng.random()


def tensors(*arrays):
    return [torch.from_numpy(array) for array in arrays]


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


def standardised(values):
    middle = np.sort(values)[(values.size - 1) // 2]
    deviation = np.abs(values - middle).mean()
    return (values - middle) / (deviation if deviation > 0 else 1)


@given(seed=st.integers(0, 999), trim=st.sampled_from([0.0, 0.2, 0.5]))
@settings(max_examples=30, deadline=None)
def test_invariant_loss_matches_numpy(seed, trim):
    prediction, target, valid = depths(seed)
    losses = []
    for p, t, v in zip(prediction, target, valid, strict=True):
        if v.any():
            errors = np.sort(np.abs(standardised(p[v]) - standardised(t[v])))
            losses.append(errors[: int((1 - trim) * errors.size + 1e-6)].sum() / (2 * errors.size))
    value = depth_scale_shift_invariant_loss(*tensors(prediction, target, valid), trim)
    assert value.item() == pytest.approx(np.mean(losses) if losses else 0, abs=1e-12)


@given(seed=st.integers(0, 999), scale=st.floats(0.01, 100), shift=st.floats(-100, 100))
@settings(max_examples=30, deadline=None)
def test_invariant_loss_sees_neither_scale_nor_shift(seed, scale, shift):
    prediction, target, valid = tensors(*depths(seed))
    loss = depth_scale_shift_invariant_loss(prediction, target, valid)
    for changed in ((scale * prediction + shift, target), (prediction, scale * target + shift)):
        torch.testing.assert_close(depth_scale_shift_invariant_loss(*changed, valid), loss, rtol=1e-6, atol=1e-9)


def test_wild_values_of_the_truth_are_what_is_trimmed():
    truth = torch.arange(100.0).view(1, 1, 10, 10)
    wild = truth.clone()
    wild[..., -1, -3:] = 1e3
    prediction = truth.clone().requires_grad_()
    trimmed = depth_scale_shift_invariant_loss(prediction, wild, trim=0.2)
    assert trimmed < 0.5 * depth_scale_shift_invariant_loss(prediction, wild, trim=0.0)
