import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy import ndimage, optimize

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.metrics import DEPTH_METRICS, DEPTH_STATISTICS, align_depth, compute_depth_metrics, depth_statistics


def figures_of(prediction, target, *args, aggregation="pixel", **options):
    return compute_depth_metrics(depth_statistics(prediction, target, *args, **options), aggregation)


def example(seed, batch=4, height=12, width=9):
    rng = np.random.default_rng(seed)
    target = rng.uniform(0.5, 8, (batch, 1, height, width))
    prediction = (0.5 * target + 1) * rng.uniform(0.7, 1.4, target.shape)
    prediction[0, 0, 0] = -1  # below the range
    valid = rng.random(target.shape) < 0.8
    valid[1] = False
    mask = np.stack([ndimage.uniform_filter(rng.random((height, width)), 4) > 0.5 for _ in range(batch)])[:, None]
    mask[2] = False
    return prediction, np.where(valid, target, 0), valid, mask


def errors(p, g):
    """ZoeDepth's definitions, written down again."""
    ratio = np.maximum(p / g, g / p)
    e = np.log(p) - np.log(g)
    return {
        "rmse": np.sqrt(((p - g) ** 2).mean()),
        "mae": np.abs(p - g).mean(),
        "abs_rel": (np.abs(p - g) / g).mean(),
        "sq_rel": ((p - g) ** 2 / g).mean(),
        "rmse_log": np.sqrt((e**2).mean()),
        "log10": np.abs(np.log10(p) - np.log10(g)).mean(),
        "silog": 100 * np.sqrt((e**2).mean() - e.mean() ** 2),
        **{f"d{k}": (ratio < 1.25**k).mean() for k in (1, 2, 3)},
    }


def aligned(p, g, alignment):
    if alignment == "median":
        return p * np.median(g) / np.median(p)
    if alignment == "scale_shift":
        design = np.stack([p, np.ones_like(p)], 1)
        return design @ optimize.lsq_linear(design, g, ([0, -np.inf], np.inf)).x
    return p


def reference(prediction, target, valid, mask, alignment, aggregation):
    square = np.ones((3, 3), bool)
    band = [ndimage.binary_dilation(m[0], square)[None] & ndimage.binary_dilation(~m[0], square)[None] for m in mask]
    result = {}
    for name, region in {"all": np.ones_like(valid), "foreground": mask, "contour": np.stack(band)}.items():
        pairs = []
        for p, g, v, r in zip(prediction, target, valid, region, strict=True):
            if v.any():
                fitted = np.full_like(p, np.nan)
                fitted[v] = np.maximum(aligned(p[v], g[v], alignment), 1e-3)
                pairs.append((fitted[v & r], g[v & r]))
        if aggregation == "pixel":
            result[name] = errors(*(np.concatenate(side) for side in zip(*pairs, strict=True)))
        else:
            per_image = [errors(p, g) for p, g in pairs if len(g)]
            result[name] = {key: np.mean([e[key] for e in per_image]) for key in DEPTH_METRICS}
    return result


@given(
    seed=st.integers(0, 9999),
    alignment=st.sampled_from(["none", "median", "scale_shift"]),
    aggregation=st.sampled_from(["pixel", "image"]),
)
@settings(max_examples=60, deadline=None)
def test_matches_numpy_in_any_batching(seed, alignment, aggregation):
    arrays = example(seed)
    expected = reference(*arrays, alignment, aggregation)
    tensors = [torch.from_numpy(a) for a in arrays]
    whole = depth_statistics(*tensors, alignment=alignment)
    parts = sum(depth_statistics(*(t[s] for t in tensors), alignment=alignment) for s in (slice(0, 1), slice(1, 4)))
    for statistics in (whole, parts):
        figures = compute_depth_metrics(statistics, aggregation)
        for region in ("foreground", "contour"):
            assert figures.pop(region) == pytest.approx(expected[region], rel=2e-4, abs=1e-5)
        assert figures == pytest.approx(expected["all"], rel=2e-4, abs=1e-5)


def test_closed_forms():
    truth = torch.full((1, 1, 4, 4), 2.0)
    figures = figures_of(2 * truth, truth)
    assert figures["rmse"] == figures["mae"] == figures["sq_rel"] == 2
    assert figures["abs_rel"] == 1
    assert figures["rmse_log"] == pytest.approx(math.log(2), rel=1e-6)
    assert figures["log10"] == pytest.approx(math.log10(2), rel=1e-6)
    assert figures["silog"] == pytest.approx(0, abs=1e-3)
    assert (figures["d1"], figures["d2"], figures["d3"]) == (0, 0, 0)
    near = figures_of(1.3 * truth, truth)
    assert (near["d1"], near["d2"], near["d3"]) == (0, 1, 1)


def test_pixel_and_image_aggregation_differ():
    truth = torch.ones(2, 1, 1, 4)
    valid = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0]], dtype=torch.bool).view(2, 1, 1, 4)
    prediction = truth + torch.tensor([0.0, 2.0]).view(2, 1, 1, 1)
    assert figures_of(prediction, truth, valid)["rmse"] == pytest.approx(math.sqrt(4 / 5))
    assert figures_of(prediction, truth, valid, aggregation="image")["rmse"] == 1


@pytest.mark.parametrize("aggregation", ["pixel", "image"])
@pytest.mark.parametrize("alignment", ["none", "median", "scale_shift"])
def test_nothing_valid_is_nan_and_does_not_disturb_other_pictures(alignment, aggregation):
    truth = torch.full((1, 1, 4, 4), math.nan)
    nothing = depth_statistics(torch.ones_like(truth), truth, alignment=alignment)
    figures = compute_depth_metrics(nothing, aggregation)
    assert all(math.isnan(figures[name]) for name in DEPTH_METRICS)
    assert all(math.isnan(value) for value in figures["foreground"].values())
    rest = depth_statistics(torch.rand(1, 1, 4, 4), 1 + torch.rand(1, 1, 4, 4), alignment=alignment)
    assert torch.equal(nothing + rest, rest)


def test_range():
    truth, prediction = torch.tensor([[[[0.0, 1.0, 50.0]]]]), torch.tensor([[[[5.0, 0.01, 99.0]]]])
    assert figures_of(prediction, truth, min_depth=0.5)["rmse"] == pytest.approx(math.sqrt((0.5**2 + 49**2) / 2))
    assert figures_of(prediction, truth, min_depth=0.5, max_depth=10)["rmse"] == pytest.approx(0.5)
    assert figures_of(prediction, truth, min_depth=0.5, max_depth=60)["rmse"] == pytest.approx(
        math.sqrt((0.5**2 + 10**2) / 2)
    )


def test_a_prediction_that_is_not_finite_is_seen():
    truth = torch.ones(1, 1, 2, 2)
    mask = torch.tensor([[[[1, 0], [0, 0]]]])
    prediction = truth.clone()
    prediction[..., 1, 1] = math.nan
    figures = figures_of(prediction, truth, None, mask)
    assert math.isnan(figures["rmse"])
    assert figures["foreground"]["rmse"] == 0


@pytest.mark.parametrize("prediction", [torch.full((1, 1, 1, 4), 3.0), -torch.arange(4.0).view(1, 1, 1, 4)])
def test_scale_shift_never_turns_a_map_upside_down(prediction):
    truth = torch.tensor([[[[1.0, 2.0, 3.0, 6.0]]]])
    everywhere = torch.ones_like(truth, dtype=torch.bool)
    assert torch.equal(align_depth(prediction, truth, everywhere, "scale_shift"), torch.full_like(truth, 3.0).double())


def test_median_of_an_even_count_and_of_a_prediction_without_scale():
    truth, everywhere = torch.tensor([[[[1.0, 2.0, 4.0, 9.0]]]]), torch.ones(1, 1, 1, 4, dtype=torch.bool)
    prediction = torch.tensor([[[[1.0, 1.0, 2.0, 2.0]]]])
    assert torch.equal(align_depth(prediction, truth, everywhere, "median"), prediction.double() * 2)
    zero = torch.zeros_like(truth)
    assert torch.equal(align_depth(zero, truth, everywhere, "median"), zero.double())


def test_half_precision_predictions():
    prediction, target, valid, _ = (torch.from_numpy(a) for a in example(0))
    half = prediction.half()
    assert figures_of(half, target, valid)["rmse"] == figures_of(half.float(), target, valid)["rmse"]


def test_the_sums_have_a_name_each():
    statistics = depth_statistics(torch.ones(3, 1, 2, 2), torch.ones(3, 1, 2, 2))
    assert statistics.shape == (3, len(DEPTH_STATISTICS))
    assert statistics[0, DEPTH_STATISTICS.index("pixels")] == 12
    assert statistics[0, DEPTH_STATISTICS.index("images")] == 3


OK = torch.ones(1, 1, 4, 4)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((OK[0], OK), {}, InvalidArgumentError, "predicted depth has shape"),
        ((OK, OK[0]), {}, InvalidArgumentError, "depth target has shape"),
        ((OK, OK, OK), {}, InvalidArgumentError, "expected torch.bool"),
        ((OK, OK, OK.bool()[..., 0]), {}, InvalidArgumentError, "depth_valid has shape"),
        ((OK, OK, None, OK[..., 0]), {}, InvalidArgumentError, "mask has shape"),
        ((OK, OK), {"min_depth": 0.0}, InvalidArgumentError, "min_depth=0.0"),
        ((OK, OK), {"max_depth": 1e-4}, InvalidArgumentError, "max_depth=0.0001"),
        ((OK, OK), {"alignment": "scaleshift"}, UnknownNameError, "'scale_shift'"),
        ((OK, OK), {"aggregation": "picture"}, UnknownNameError, "'pixel'"),
    ],
)
def test_wrong_inputs(arguments, options, error, message):
    with pytest.raises(error, match=message):
        figures_of(*arguments, **options)
