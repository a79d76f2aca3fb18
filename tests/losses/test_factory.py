import pytest
import torch

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.losses import DepthLoss, DynamicWeightAverage, MaskLoss, RandomBalance, make_loss


def test_nothing_given_is_the_default():
    loss = make_loss()
    assert repr(loss.mask) == repr(MaskLoss())
    assert repr(loss.depth) == repr(DepthLoss())
    assert repr(make_loss(depth_unit="metres").depth) == repr(DepthLoss(space="log"))


def test_terms_that_are_not_named_are_left_out():
    loss = make_loss({"lovasz": 2}, {"silog": 1, "gradient": 0.25})
    assert loss.mask.terms == {"lovasz": 2.0}
    assert loss.depth.terms == {"gradient": 0.25, "silog": 1.0}


def test_settings_alone_keep_the_default_terms():
    loss = make_loss({"positive_weight": 3.0}, {"alignment": "scale_shift"}, depth_unit="metres")
    assert loss.mask.terms == MaskLoss().terms
    assert loss.mask.positive_weight == 3
    assert (loss.depth.terms, loss.depth.alignment, loss.depth.space) == (DepthLoss().terms, "scale_shift", "log")


def test_the_space_that_is_given_wins_over_the_unit():
    assert make_loss(depth_loss={"space": "linear"}, depth_unit="metres").depth.space == "linear"


def test_weights_balance_and_seed():
    loss = make_loss(weights={"depth": 0.5}, balance="random", seed=4)
    assert loss.weights == {"mask": 1.0, "depth": 0.5}
    assert isinstance(loss.balance, RandomBalance)
    assert loss.balance.seed == 4
    own = DynamicWeightAverage(temperature=1)
    assert make_loss(balance=own).balance is own


def test_smoothness_takes_the_picture_out_of_the_batch():
    loss = make_loss(depth_loss={"smoothness": 1})
    picture = torch.rand(1, 3, 4, 4)
    batch = {"depth": torch.ones(1, 1, 4, 4), "depth_valid": torch.ones(1, 1, 4, 4).bool(), "fg_bg": picture}
    prediction = torch.rand(1, 1, 4, 4)
    total = loss({"depth": prediction}, batch)["total"]
    assert total == loss.depth(prediction, batch["depth"], picture=picture)
    del batch["fg_bg"]
    with pytest.raises(InvalidArgumentError, match="'fg_bg'"):
        loss({"depth": prediction}, batch)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"mask_loss": {"dise": 1}}, UnknownNameError, "of the mask loss 'dise'; the nearest are 'dice'"),
        ({"depth_loss": {"ssmi": 1}}, UnknownNameError, "of the depth loss 'ssmi'; the nearest are 'ssim'"),
        ({"mask_loss": {1: 1}}, UnknownNameError, "'1'"),
        ({"mask_loss": ["dice"]}, InvalidArgumentError, "expected a mapping"),
        ({"mask_loss": {"dice": 0}}, InvalidArgumentError, "nothing to minimise"),
        ({"depth_loss": {"l1": None}}, InvalidArgumentError, "l1=None"),
        ({"weights": {"deth": 1}}, UnknownNameError, "'depth'"),
        ({"balance": "kendall"}, UnknownNameError, "known are 'fixed'"),
    ],
)
def test_wrong_settings(arguments, error, message):
    with pytest.raises(error, match=message):
        make_loss(**arguments)
