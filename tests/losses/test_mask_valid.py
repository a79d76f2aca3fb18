"""Pixels whose label is not known: neither loss nor gradient."""

import pytest
import torch
from hypothesis import given, strategies as st
from torch import nn

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.losses import DualTaskLoss, MaskLoss, mask_bce_loss, mask_dice_loss


def example(seed, known=0.6, size=(3, 1, 5, 7)):
    """Logits, truth and validity; the second of three pictures has no known pixel."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(size, generator=generator, dtype=torch.float64)
    target = (torch.rand(size, generator=generator) < 0.3).double()
    valid = torch.rand(size, generator=generator) < known
    valid[1] = False
    valid[0, 0, 0, 0] = valid[2, 0, 0, 0] = True
    return logits, target, valid


def flattened(function, logits, target, valid):
    """A loss on nothing but the known pixels of each picture, as pictures of one row."""
    rows = [(z[v].view(1, 1, 1, -1), t[v].view(1, 1, 1, -1)) for z, t, v in zip(logits, target, valid, strict=True)]
    return [function(z, t) for z, t in rows if t.numel()]


@given(seed=st.integers(0, 9999), weight=st.sampled_from([None, 3.0]))
def test_cross_entropy_is_that_of_the_known_pixels(seed, weight):
    logits, target, valid = example(seed)
    expected = mask_bce_loss(logits[valid].view(1, 1, 1, -1), target[valid].view(1, 1, 1, -1), weight)
    torch.testing.assert_close(mask_bce_loss(logits, target, weight, valid), expected)


@given(seed=st.integers(0, 9999), smooth=st.sampled_from([1e-3, 0.5]))
def test_dice_is_the_mean_over_the_pictures_that_have_known_pixels(seed, smooth):
    logits, target, valid = example(seed)
    parts = flattened(lambda z, t: mask_dice_loss(z, t, smooth), logits, target, valid)
    torch.testing.assert_close(mask_dice_loss(logits, target, smooth, valid), torch.stack(parts).mean())


@given(seed=st.integers(0, 9999))
def test_what_stands_at_unknown_pixels_changes_nothing(seed):
    logits, target, valid = example(seed)
    logits.requires_grad_()
    value = MaskLoss()(logits, target, valid)
    (gradient,) = torch.autograd.grad(value, logits)
    assert (gradient[~valid] == 0).all()
    assert (gradient[valid] != 0).all()
    for junk in (float("nan"), float("inf"), -1e30, 255.0):
        other = torch.where(valid, logits, junk).detach().requires_grad_()
        same = MaskLoss()(other, torch.where(valid, target, junk), valid)
        assert same == value
        torch.testing.assert_close(torch.autograd.grad(same, other)[0], gradient)


def test_everything_known_is_the_loss_without_a_third_argument():
    logits, target, _ = example(1)
    everywhere = torch.ones_like(target, dtype=torch.bool)
    torch.testing.assert_close(MaskLoss()(logits, target, everywhere), MaskLoss()(logits, target))


@pytest.mark.parametrize("terms", [{}, {"bce": 0}, {"dice": 0}])
def test_nothing_known_is_exactly_zero_with_zero_gradients(terms):
    logits = torch.randn(2, 1, 4, 4, requires_grad=True)
    value = MaskLoss(**terms)(logits, torch.ones(2, 1, 4, 4), torch.zeros(2, 1, 4, 4, dtype=torch.bool))
    value.backward()
    assert value.item() == 0
    assert (logits.grad == 0).all()


def test_half_precision():
    logits, target, valid = example(3, size=(3, 1, 64, 64))
    half = MaskLoss()(logits.half(), target, valid)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half.double(), MaskLoss()(logits, target, valid), rtol=1e-2, atol=0)


def test_dual_task_loss_passes_the_key_on():
    logits, target, valid = example(4)
    batch = {"mask": target, "mask_valid": valid}
    assert DualTaskLoss()({"mask": logits}, batch)["mask"] == MaskLoss()(logits, target, valid)
    assert DualTaskLoss()({"mask": logits}, {"mask": target})["mask"] == MaskLoss()(logits, target)


def test_a_loss_that_cannot_leave_pixels_out_is_refused_where_some_must_be():
    logits, target, valid = example(5)
    loss = DualTaskLoss(mask=nn.BCEWithLogitsLoss())
    assert loss({"mask": logits}, {"mask": target})["mask"] > 0
    with pytest.raises(InvalidArgumentError, match="'mask_valid', but BCEWithLogitsLoss takes no third argument"):
        loss({"mask": logits}, {"mask": target, "mask_valid": valid})


@pytest.mark.parametrize(
    ("valid", "message"),
    [
        (torch.ones(3, 1, 5, 7), "mask_valid has dtype torch.float32; expected torch.bool"),
        (torch.ones(3, 5, 7, dtype=torch.bool), r"mask_valid has shape \(3, 5, 7\), the mask target \(3, 1, 5, 7\)"),
    ],
)
def test_wrong_input(valid, message):
    logits, target, _ = example(6)
    with pytest.raises(InvalidArgumentError, match=message):
        MaskLoss()(logits, target, valid)
