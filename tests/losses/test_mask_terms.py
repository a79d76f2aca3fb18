import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy import ndimage
from segmentation_models_pytorch.losses import LovaszLoss

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.losses import (
    mask_bce_loss,
    mask_boundary_loss,
    mask_dice_loss,
    mask_focal_loss,
    mask_lovasz_loss,
    mask_tversky_loss,
)

TERMS = [
    mask_bce_loss, mask_boundary_loss, mask_dice_loss, mask_focal_loss, mask_lovasz_loss, mask_tversky_loss,
]  # fmt: skip


def masks(seed, batch=3, height=5, width=7):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (batch, 1, height, width))
    return logits, (rng.random(logits.shape) < rng.random()).astype(float)


def tensors(*arrays):
    return [torch.from_numpy(array) for array in arrays]


def known(seed):
    """Logits, truth and validity; of the second picture nothing is known."""
    logits, target = masks(seed)
    valid = np.random.default_rng(seed + 1).random(target.shape) < 0.7
    valid[1] = False
    valid[[0, 2], :, 0, 0] = True
    return logits, target, valid


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


@given(seed=st.integers(0, 999), alpha=st.sampled_from([-1, 0.0, 0.25, 1.0]), gamma=st.sampled_from([0, 1, 2.5]))
@settings(max_examples=30, deadline=None)
def test_focal_matches_numpy(seed, alpha, gamma):
    logits, target, valid = known(seed)
    p = 1 / (1 + np.exp(-logits))
    right = np.where(target == 1, p, 1 - p)
    weight = 1 if alpha == -1 else np.where(target == 1, alpha, 1 - alpha)
    expected = (-weight * (1 - right) ** gamma * np.log(right))[valid].mean()
    value = mask_focal_loss(*tensors(logits, target), alpha, gamma, torch.from_numpy(valid))
    assert value.item() == pytest.approx(expected)


def test_focal_without_focus_is_the_cross_entropy():
    logits, target = tensors(*masks(1))
    torch.testing.assert_close(mask_focal_loss(logits, target, -1, 0), mask_bce_loss(logits, target))


@pytest.mark.parametrize("arguments", [{"alpha": 1.5}, {"alpha": -0.5}, {"gamma": 0.5}, {"gamma": -1.0}])
def test_focal_refuses(arguments):
    with pytest.raises(InvalidArgumentError, match=f"focal_{next(iter(arguments))}"):
        mask_focal_loss(*tensors(*masks(1)), **arguments)


@given(seed=st.integers(0, 999), alpha=st.floats(0.1, 2), beta=st.floats(0.1, 2), smooth=st.floats(1e-4, 1))
@settings(max_examples=30, deadline=None)
def test_tversky_matches_numpy_picture_by_picture(seed, alpha, beta, smooth):
    logits, target, valid = known(seed)
    losses = []
    for z, t, v in zip(logits, target, valid, strict=True):
        if v.any():
            p, g, s = 1 / (1 + np.exp(-z[v])), t[v], smooth * v.sum() / 2
            hits = (p * g).sum()
            losses.append(1 - (hits + s) / (hits + alpha * (p.sum() - hits) + beta * (g.sum() - hits) + s))
    value = mask_tversky_loss(*tensors(logits, target), alpha, beta, smooth, torch.from_numpy(valid))
    assert value.item() == pytest.approx(np.mean(losses))


def test_even_tversky_is_dice():
    logits, target, valid = tensors(*known(3))
    even = mask_tversky_loss(logits, target, 0.5, 0.5, valid=valid)
    torch.testing.assert_close(even, mask_dice_loss(logits, target, valid=valid))


def test_tversky_with_dear_misses_prefers_false_alarms():
    target = torch.zeros(1, 1, 4, 4)
    target[..., :2] = 1
    missed, alarmed = target.clone(), target.clone()
    missed[..., 0], alarmed[..., 3] = 0, 1
    assert mask_tversky_loss(20 * alarmed - 10, target) < mask_tversky_loss(20 * missed - 10, target)


def lovasz_by_definition(errors, truth):
    """The Lovász extension of the Jaccard loss: its steps as wrong pixels are added, largest error first."""
    wrong, before, total = np.zeros(truth.shape, bool), 0.0, 0.0
    for place in np.argsort(-errors):
        wrong[place] = True
        predicted = truth ^ wrong
        jaccard = 1 - (truth & predicted).sum() / (truth | predicted).sum() if (truth | predicted).any() else 0.0
        total += max(errors[place], 0) * (jaccard - before)
        before = jaccard
    return total


@given(seed=st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_lovasz_is_the_extension_of_the_jaccard_loss(seed):
    logits, target, valid = known(seed)
    losses = [
        lovasz_by_definition(1 - z[v] * (2 * t[v] - 1), t[v] > 0.5)
        for z, t, v in zip(logits, target, valid, strict=True)
        if v.any()
    ]
    assert mask_lovasz_loss(*tensors(logits, target, valid)).item() == pytest.approx(np.mean(losses))


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_lovasz_agrees_with_smp(share):
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(4, 1, 16, 16, generator=generator)
    target = (torch.rand(4, 1, 16, 16, generator=generator) < share).float()
    torch.testing.assert_close(mask_lovasz_loss(logits, target), LovaszLoss("binary", per_image=True)(logits, target))


def chessboard_band(mask, radius):
    """Pixels with both kinds within so many king's moves."""
    near = [ndimage.distance_transform_cdt(~kind, "chessboard") <= radius for kind in (mask, ~mask) if kind.any()]
    return near[0] & near[1] if len(near) == 2 else np.zeros_like(mask)


@given(seed=st.integers(0, 999), width=st.sampled_from([0.02, 0.2, 0.4]), weight=st.floats(0.5, 9))
@settings(max_examples=30, deadline=None)
def test_boundary_matches_a_distance_transform(seed, width, weight):
    rng = np.random.default_rng(seed)
    target = (ndimage.gaussian_filter(rng.normal(size=(2, 1, 12, 17)), (0, 0, 2, 2)) > rng.normal(0, 0.1)).astype(float)
    logits = rng.normal(size=target.shape)
    p = 1 / (1 + np.exp(-logits))
    losses = -(target * np.log(p) + (1 - target) * np.log(1 - p))
    band = np.stack([chessboard_band(t[0] > 0.5, max(1, round(width * 12)))[None] for t in target])
    value = mask_boundary_loss(*tensors(logits, target), width, weight)
    assert value.item() == pytest.approx((np.where(band, weight, 1) * losses).mean())


def test_the_rim_of_what_is_not_known_is_no_contour():
    target = torch.ones(1, 1, 8, 8)
    target[..., :4] = 0
    valid = target > 0
    logits = torch.zeros_like(target)
    torch.testing.assert_close(mask_boundary_loss(logits, target, valid=valid), mask_bce_loss(logits, target))


@pytest.mark.parametrize("term", TERMS)
@given(seed=st.integers(0, 999))
@settings(max_examples=10, deadline=None)
def test_unknown_pixels_change_nothing(term, seed):
    logits, target, valid = tensors(*known(seed))
    gradients, values = [], []
    for junk in (0.0, float("nan"), float("inf"), -1e30):
        leaf = torch.where(valid, logits, junk).requires_grad_()
        values.append(term(leaf, torch.where(valid, target, junk), valid=valid))
        gradients.append(torch.autograd.grad(values[-1], leaf)[0])
    assert all(torch.equal(value, values[0]) for value in values)
    assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)
    assert (gradients[0][~valid] == 0).all()
    assert gradients[0].abs().sum() > 0 or values[0] == 0


@pytest.mark.parametrize("term", TERMS)
def test_everything_known_is_the_loss_without_validity_and_nothing_known_is_zero(term):
    logits, target = tensors(*masks(2))
    torch.testing.assert_close(term(logits, target, valid=torch.ones_like(target).bool()), term(logits, target))
    logits.requires_grad_()
    nothing = term(logits, torch.full_like(target, torch.nan), valid=torch.zeros_like(target).bool())
    nothing.backward()
    assert nothing.item() == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("term", TERMS)
def test_a_false_alarm_on_an_empty_picture_costs_loss_and_gradient(term):
    empty = torch.zeros(2, 1, 32, 32)
    alarm = torch.full_like(empty, -20.0)
    alarm[..., 4:12, 4:12] = 3.0
    alarm.requires_grad_()
    loss = term(alarm, empty)
    loss.backward()
    assert loss > 1e-2
    assert (alarm.grad >= 0).all()
    assert alarm.grad[..., 4:12, 4:12].sum() > 1e-4
    assert term(torch.full_like(empty, -20.0), empty) < 1e-4


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("value", [-60.0, 0.0, 60.0])
def test_a_constant_prediction_is_finite(term, value):
    target = tensors(*masks(4))[1].float()
    logits = torch.full_like(target, value, requires_grad=True)
    loss = term(logits, target)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_finite_and_close(term, dtype):
    generator = torch.Generator().manual_seed(0)
    logits = (8 * torch.randn(2, 1, 96, 96, generator=generator)).to(dtype).requires_grad_()
    target = torch.rand(2, 1, 96, 96, generator=generator) > 0.9
    loss = term(logits, target.to(dtype))
    loss.backward()
    assert loss.dtype == torch.float32
    assert logits.grad.isfinite().all()
    torch.testing.assert_close(loss.double(), term(logits.double(), target), rtol=1e-4, atol=0)


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("with_valid", [True, False])
def test_gradcheck(term, with_valid):
    logits, target, valid = tensors(*known(5))
    valid = valid if with_valid else None
    assert torch.autograd.gradcheck(lambda z: term(z, target, valid=valid), logits.requires_grad_())
