import math

import pytest
import torch

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.losses import (
    MaskLoss,
    mask_bce_loss,
    mask_boundary_loss,
    mask_dice_loss,
    mask_focal_loss,
    mask_lovasz_loss,
    mask_tversky_loss,
)


def test_is_the_weighted_sum_of_its_terms():
    logits, target = torch.randn(2, 1, 6, 6), torch.randint(0, 2, (2, 1, 6, 6)).float()
    bce, dice = mask_bce_loss(logits, target, 3.0), mask_dice_loss(logits, target, 0.01)
    loss = MaskLoss(bce=2.0, dice=0.5, positive_weight=3.0, smooth=0.01)(logits, target)
    torch.testing.assert_close(loss, 2 * bce + 0.5 * dice)
    torch.testing.assert_close(MaskLoss(dice=0)(logits, target), mask_bce_loss(logits, target))
    torch.testing.assert_close(MaskLoss(bce=0)(logits, target), mask_dice_loss(logits, target))


@pytest.mark.parametrize(("term", "function"), [
    ("focal", mask_focal_loss), ("tversky", mask_tversky_loss), ("lovasz", mask_lovasz_loss),
    ("boundary", mask_boundary_loss),
])  # fmt: skip
def test_every_term_is_its_function_times_its_weight(term, function):
    logits, target = torch.randn(2, 1, 16, 16), torch.randint(0, 2, (2, 1, 16, 16)).float()
    loss = MaskLoss(bce=0, dice=0, **{term: 0.5})(logits, target)
    torch.testing.assert_close(loss, 0.5 * function(logits, target))
    torch.testing.assert_close(MaskLoss(dice=0, **{term: 2})(logits, target), 4 * loss + mask_bce_loss(logits, target))


def test_settings_reach_their_terms():
    logits, target = torch.randn(2, 1, 16, 16), torch.randint(0, 2, (2, 1, 16, 16)).float()
    for arguments, expected in (
        ({"focal": 1, "focal_alpha": -1, "focal_gamma": 1}, mask_focal_loss(logits, target, -1, 1)),
        ({"tversky": 1, "tversky_alpha": 2, "tversky_beta": 3, "smooth": 0.1},
         mask_tversky_loss(logits, target, 2, 3, 0.1)),
        ({"boundary": 1, "boundary_width": 0.2, "boundary_weight": 3}, mask_boundary_loss(logits, target, 0.2, 3)),
    ):  # fmt: skip
        torch.testing.assert_close(MaskLoss(bce=0, dice=0, **arguments)(logits, target), expected)


@pytest.mark.parametrize("weights", [{}, {"bce": 0.0}, {"dice": 0.0}])
def test_empty_masks(weights):
    empty = torch.zeros(2, 1, 16, 16)
    loss = MaskLoss(**weights)
    alarm = torch.full_like(empty, 1.0, requires_grad=True)
    value = loss(alarm, empty)
    value.backward()
    assert value > 0.5
    assert (alarm.grad > 0).all()
    assert loss(torch.full_like(empty, -30.0), empty) < 1e-6


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_finite_and_close(dtype):
    logits, target = torch.randn(2, 1, 128, 128) * 20, (torch.rand(2, 1, 128, 128) > 0.9).float()
    half = logits.to(dtype).requires_grad_()
    loss = MaskLoss()(half, target.to(dtype))
    loss.backward()
    assert loss.dtype == torch.float32
    assert half.grad.isfinite().all()
    torch.testing.assert_close(loss.detach(), MaskLoss()(logits, target), rtol=2e-2, atol=0)


def test_bool_and_integer_targets():
    logits, target = torch.randn(1, 1, 4, 4), torch.rand(1, 1, 4, 4) > 0.5
    for same in (target.float(), target.long(), target.byte()):
        assert MaskLoss()(logits, target) == MaskLoss()(logits, same)


@pytest.mark.parametrize(
    ("logits", "target", "message"),
    [
        (torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 255.0), "from 255 to 255; expected 0 to 1. Divide by 255"),
        (torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), -1), "from -1"),
        (torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), math.nan), "nan"),
        (torch.zeros(1, 1, 4, 4), torch.zeros(1, 4, 4), r"target has shape \(1, 4, 4\); expected \(B, 1, H, W\)"),
        (torch.zeros(1, 2, 4, 4), torch.zeros(1, 1, 4, 4), r"prediction has shape \(1, 2, 4, 4\)"),
        (torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 8, 8), "must be equal"),
        (torch.zeros(2, 1, 4, 4), torch.zeros(1, 1, 4, 4), "must be equal"),
        (torch.zeros(1, 1, 4, 4).bool(), torch.zeros(1, 1, 4, 4), "floating-point"),
    ],
)
def test_wrong_inputs(logits, target, message):
    with pytest.raises(InvalidArgumentError, match=message):
        MaskLoss()(logits, target)


@pytest.mark.parametrize(
    "arguments",
    [
        {"bce": -1.0},
        {"dice": math.inf},
        {"bce": 0.0, "dice": 0.0},
        {"positive_weight": 0.0},
        {"positive_weight": -2.0},
        {"smooth": 0.0},
        {"lovasz": "1"},
        {"focal_alpha": 2.0},
        {"focal_gamma": 0.5},
        {"tversky_alpha": 0.0},
        {"tversky_beta": -1.0},
        {"boundary_width": 0.0},
        {"boundary_weight": 0.0},
        {"bce": math.nan},
    ],
)
def test_wrong_arguments(arguments):
    with pytest.raises(InvalidArgumentError, match=next(iter(arguments))):
        MaskLoss(**arguments)
