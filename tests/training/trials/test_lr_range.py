import math

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from torch import nn

from fgbgnet.data import PairedFgBgDataset, eval_transform
from fgbgnet.errors import InvalidArgumentError, TrainingError
from fgbgnet.models import DualHeadUNet
from fgbgnet.training import FitConfig, LrRange, lr_range_test
from fgbgnet.training.trials.lr_range import local_lines

CONFIG = FitConfig(batch_size=4, accelerator="cpu", optimizer="sgd", momentum=0.0, weight_decay=0.0, gradient_clip=0)


def network():
    torch.manual_seed(0)
    return DualHeadUNet("unet_small", fusion="early_diff", input_size=32)


@pytest.fixture
def data(quadruples):
    return PairedFgBgDataset(quadruples, eval_transform(32))


class Parabola(nn.Module):
    """A loss of one number that gradient descent brings down at rates below 2 / curvature, and blows up above."""

    def __init__(self, curvature):
        super().__init__()
        self.curvature = curvature
        self.position = nn.Parameter(torch.tensor(1.0))

    def forward(self, outputs, batch):
        loss = self.curvature * self.position**2 / 2
        return {"total": loss + 0 * outputs["mask"].mean(), "mask": loss}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_gradient_descent_on_a_parabola(data, accumulate):
    """Its losses have a closed form, and beyond 2 / curvature no rate is of any use."""
    curvature = 20.0
    config = FitConfig(**{**CONFIG.to_dict(), "accumulate": accumulate, "batch_size": 6 // accumulate})
    found = lr_range_test(network(), data, config, lowest=1e-5, highest=100, steps=70, loss=Parabola(curvature))
    assert found.diverged
    position = 1.0
    for rate, loss in zip(found.rates, found.losses, strict=True):
        assert loss == pytest.approx(curvature * position**2 / 2, rel=1e-3, abs=1e-9)
        position *= 1 - rate * curvature
    ratios = np.diff(np.log10(found.rates))
    assert np.allclose(ratios, 7 / 69)
    assert 0.01 / curvature < found.suggestion < 2 / curvature
    assert found.suggestion <= found.lowest


def test_the_model_and_the_random_numbers_are_as_before(data):
    model = network().eval()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    found = lr_range_test(model, data, FitConfig(batch_size=4, accelerator="cpu", freeze=("depth",)), steps=20)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert not model.training
    assert model.frozen_branches == ()
    assert len(found.losses) == 20
    assert all(math.isfinite(loss) for loss in found.losses)


def curve(middle, noise=0.0, high=2.0, low=1.0):
    """A loss that falls from ``high`` to ``low`` around a rate, and rises steeply two decades above it."""
    x = np.linspace(-6, 0, 120)
    losses = low + (high - low) / (1 + 10 ** (2 * (x - middle))) + 10 ** (3 * (x - middle - 2.5))
    losses += noise * np.random.default_rng(0).standard_normal(len(x))
    return LrRange(tuple((10**x).tolist()), tuple(losses.tolist()), diverged=False)


@given(middle=st.floats(-4.5, -2.5), noise=st.floats(0, 0.1))
def test_the_suggestion_is_half_way_down_whatever_the_noise(middle, noise):
    found = curve(middle, noise)
    assert abs(math.log10(found.suggestion) - middle) < 0.3
    assert found.suggestion < found.lowest


def test_a_loss_that_does_not_fall_has_no_suggestion_and_still_a_plot():
    rates = tuple(10 ** (-4 + 0.1 * k) for k in range(40))
    noise = 0.1 * np.random.default_rng(1).standard_normal(40)
    for losses in (1 + 10 * np.array(rates), 1 + noise + np.linspace(0, 1, 40)):
        found = LrRange(rates, tuple(losses.tolist()), diverged=False)
        with pytest.raises(TrainingError, match=r"does not fall between the rates 0\.0001 and"):
            _ = found.suggestion
        assert found.plot().axes[0].get_title() == "the loss does not fall"


def test_plot():
    found = curve(-3.0)
    axis = found.plot().axes[0]
    assert axis.get_xscale() == "log"
    points, line, mark = axis.lines
    assert points.get_ydata().tolist() == list(found.losses)
    assert line.get_ydata().tolist() == list(found.smoothed)
    assert mark.get_xdata()[0] == found.suggestion
    low, high = axis.get_ylim()
    assert low < 1
    assert high < max(found.losses)  # where it diverges is cut off


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=2), st.floats(0.05, 2))
def test_lines_reproduce_a_line_and_agree_with_least_squares(line, bandwidth):
    x = np.sort(np.random.default_rng(3).uniform(0, 5, 30))
    slope, height = line
    values, slopes = local_lines(x, slope * x + height, 1.0)
    assert np.allclose(values, slope * x + height)
    assert np.allclose(slopes, slope)
    y = np.sin(x)
    values, slopes = local_lines(x, y, bandwidth)
    weights = np.exp(-0.25 * ((x - x[10]) / bandwidth) ** 2)  # polyfit squares them
    if (weights > 0.1).sum() > 4:
        expected_slope, expected_height = np.polyfit(x, y, 1, w=weights)
        assert slopes[10] == pytest.approx(expected_slope, rel=1e-6, abs=1e-8)
        assert values[10] == pytest.approx(expected_slope * x[10] + expected_height, rel=1e-6, abs=1e-8)


def test_wrong_range_tests(data):
    for changes in ({"lowest": 0.0}, {"lowest": 2.0}, {"steps": 5}):
        with pytest.raises(InvalidArgumentError, match="expected 0 < lowest < highest, and at least 20 steps"):
            lr_range_test(network(), data, CONFIG, **changes)
    with pytest.raises(InvalidArgumentError, match="2 phases"):
        lr_range_test(network(), data, FitConfig(schedule="alternate"))

    class Broken(Parabola):
        def forward(self, outputs, batch):
            return {name: loss * float("nan") for name, loss in super().forward(outputs, batch).items()}

    with pytest.raises(TrainingError, match="That was at the rate 1e-06, in a range test"):
        lr_range_test(network(), data, CONFIG, loss=Broken(1.0))
