import pytest
import torch

from fgbgnet.errors import UnknownNameError
from fgbgnet.metrics import DepthMetrics, compute_depth_metrics, depth_protocol, depth_statistics


@pytest.mark.parametrize(
    ("units", "alignment", "min_depth"),
    [
        (("metres",), "none", 1e-3),
        (("metres", "metres"), "none", 1e-3),
        (("metres", "relative"), "scale_shift", 1e-3),
        (("relative",), "scale_shift", 2 / 255),
        (("relative", "metres"), "scale_shift", 2 / 255),
    ],
)
def test_what_a_unit_means(units, alignment, min_depth):
    assert depth_protocol(*units) == {"alignment": alignment, "min_depth": min_depth}


def test_it_is_what_the_metrics_take():
    truth = torch.linspace(0, 1, 64).reshape(1, 1, 8, 8)
    prediction = 3 * truth + 0.2  # relative: no scale, no origin
    metrics = DepthMetrics(**depth_protocol("relative"))
    metrics.update(prediction, truth)
    assert metrics.compute()["rmse"].item() == pytest.approx(0, abs=1e-6)
    figures = compute_depth_metrics(depth_statistics(prediction, truth, **depth_protocol("metres")))
    assert figures["rmse"] > 0.5


@pytest.mark.parametrize("units", [("meters",), ("metres", "relativ")])
def test_unknown_units(units):
    with pytest.raises(UnknownNameError, match=r"'metres'|'relative'"):
        depth_protocol(*units)
