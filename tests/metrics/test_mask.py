import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy import ndimage
from torchmetrics.classification import BinaryF1Score, BinaryJaccardIndex, BinaryPrecision, BinaryRecall

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.metrics import (
    MASK_METRICS,
    MASK_STATISTICS,
    compute_mask_metrics,
    mask_statistics,
    mask_threshold_statistics,
)


def metrics_of(logits, target, **options):
    return compute_mask_metrics(mask_statistics(logits, target, **options))


def example(seed, batch=5, height=13, width=17):
    """Random pictures; the first has an empty truth, the second an empty prediction, the third neither of both."""
    rng = np.random.default_rng(seed)
    target = np.stack([ndimage.uniform_filter(rng.random((height, width)), 5) > 0.5 for _ in range(batch)])[:, None]
    logits = rng.normal(0, 2, target.shape) + 3 * (target - 0.5)
    target[0] = target[2] = False
    logits[1], logits[2] = -9, -9
    return logits.astype(np.float32), target


def ratio(part, whole, wrong=0):
    return part / whole if whole else float(not wrong)


def reference(logits, target, threshold=0.5):
    """Picture by picture, in plain NumPy."""
    p = 1 / (1 + np.exp(-logits.astype(float)))
    decision = p > threshold
    square = np.ones((3, 3), bool)
    ious, dices, boundary_ious, counts, boundary, empty = [], [], [], np.zeros(3), np.zeros(2), np.zeros(2)
    for d, t in zip(decision[:, 0], target[:, 0], strict=True):
        tp, fp, fn = (d & t).sum(), (d & ~t).sum(), (~d & t).sum()
        counts += tp, fp, fn
        ious.append(ratio(tp, tp + fp + fn))
        dices.append(ratio(2 * tp, 2 * tp + fp + fn))
        inner_d, inner_t = (m & ~ndimage.binary_erosion(m, square) for m in (d, t))
        pair = (inner_d & inner_t).sum(), (inner_d | inner_t).sum()
        boundary += pair
        boundary_ious.append(ratio(*pair))
        if not t.any():
            empty += d.sum(), d.size
    tp, fp, fn = counts
    return {
        "iou": ratio(tp, tp + fp + fn),
        "iou_image_mean": np.mean(ious),
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "dice_image_mean": np.mean(dices),
        "precision": ratio(tp, tp + fp, fn),
        "recall": ratio(tp, tp + fn, fp),
        "mae": np.abs(p - target).mean(),
        "boundary_iou": ratio(*boundary),
        "boundary_iou_image_mean": np.mean(boundary_ious),
        "fpr_empty": empty[0] / empty[1],
    }


@given(seed=st.integers(0, 9999), threshold=st.sampled_from([0.2, 0.5, 0.9]))
@settings(max_examples=40, deadline=None)
def test_matches_numpy_in_any_batching(seed, threshold):
    logits, target = example(seed)
    z, t = torch.from_numpy(logits), torch.from_numpy(target)
    expected = reference(logits, target, threshold)
    whole = mask_statistics(z, t, threshold=threshold)
    parts = sum(mask_statistics(z[s], t[s].float(), threshold=threshold) for s in (slice(0, 2), slice(2, 5)))
    for statistics in (whole, parts):
        assert compute_mask_metrics(statistics) == pytest.approx(expected, abs=1e-6)


def test_matches_torchmetrics_where_that_is_right():
    logits, target = (torch.from_numpy(a) for a in example(1))
    figures = metrics_of(logits, target)
    for name, metric in {
        "iou": BinaryJaccardIndex(),
        "f1": BinaryF1Score(),
        "precision": BinaryPrecision(),
        "recall": BinaryRecall(),
    }.items():
        assert figures[name] == pytest.approx(metric(logits.sigmoid(), target.int()).item(), abs=1e-6)


EMPTY, ALARM, FULL = torch.full((1, 1, 8, 8), -20.0), torch.full((1, 1, 8, 8), 20.0), torch.ones(1, 1, 8, 8)


def test_empty_and_empty_is_perfect():
    figures = metrics_of(EMPTY, 0 * FULL)
    assert figures["fpr_empty"] == 0
    assert figures["mae"] == pytest.approx(0, abs=1e-6)
    assert all(figures[name] == 1 for name in set(MASK_METRICS) - {"fpr_empty", "mae"})


def test_a_false_alarm_on_an_empty_picture_costs_everything():
    figures = metrics_of(ALARM, 0 * FULL)
    assert figures["fpr_empty"] == pytest.approx(1)
    assert figures["mae"] == pytest.approx(1)
    assert all(figures[name] == 0 for name in set(MASK_METRICS) - {"fpr_empty", "mae"})


def test_a_missed_foreground_is_zero_and_without_empty_pictures_there_is_no_rate():
    figures = metrics_of(EMPTY, FULL)
    assert math.isnan(figures["fpr_empty"])
    assert all(figures[name] == 0 for name in set(MASK_METRICS) - {"fpr_empty", "mae"})


def test_pooled_and_image_mean_differ_as_they_should():
    truth = torch.zeros(2, 1, 10, 10)
    truth[0, :, :8], truth[1, :, :1] = 1, 1
    logits = 20 * truth - 10
    logits[1] = -10  # the small object is missed
    figures = metrics_of(logits, truth)
    assert figures["iou"] == pytest.approx(80 / 90)
    assert figures["iou_image_mean"] == figures["dice_image_mean"] == 0.5
    assert figures["f1"] == pytest.approx(2 * figures["iou"] / (1 + figures["iou"]))


def test_boundary_iou_of_a_shifted_square():
    truth, moved = torch.zeros(2, 1, 1, 20, 20)
    truth[..., 5:11, 5:11], moved[..., 5:11, 6:12] = 1, 1
    # Rings of 20 pixels each share 5 pixels of the top and the bottom row.
    assert metrics_of(20 * moved - 10, truth)["boundary_iou"] == pytest.approx(10 / 30)
    assert math.isnan(metrics_of(20 * moved - 10, truth, boundary=False)["boundary_iou"])


def test_counts_stay_exact_beyond_float32():
    big = mask_statistics(ALARM, FULL) * 2**40
    assert (big + mask_statistics(ALARM, FULL))[0].item() == 64 * 2**40 + 64


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_floating_type(dtype):
    logits, target = (torch.from_numpy(a) for a in example(3))
    half = logits.to(dtype)
    assert metrics_of(half, target) == pytest.approx(metrics_of(half.float(), target), abs=1e-6)


def test_probabilities_and_bools():
    logits, target = (torch.from_numpy(a) for a in example(3))
    from_probability = metrics_of(logits.sigmoid(), target, from_logits=False)
    assert from_probability == metrics_of(logits, target)
    hard = metrics_of(logits > 0, target, from_logits=False)
    assert hard["iou"] == from_probability["iou"]
    assert hard["mae"] == pytest.approx(((logits > 0) != target).float().mean().item())


@given(seed=st.integers(0, 9999))
@settings(max_examples=20, deadline=None)
def test_threshold_statistics_equal_those_of_each_threshold(seed):
    logits, target = (torch.from_numpy(a) for a in example(seed))
    score = (logits.sigmoid() * 20).round() / 20  # many scores exactly on a threshold
    thresholds = torch.arange(-1, 22) / 20
    rows = mask_threshold_statistics(score, target, thresholds)
    for threshold, row in zip(thresholds, rows, strict=True):
        one = mask_statistics(score > threshold, target, from_logits=False, boundary=False)
        torch.testing.assert_close(row, one)


def test_of_nothing_at_all():
    figures = compute_mask_metrics(torch.zeros(len(MASK_STATISTICS)))
    assert tuple(figures) == MASK_METRICS
    assert all(math.isnan(value) for value in figures.values())


@pytest.mark.parametrize(
    ("prediction", "target", "options", "message"),
    [
        (torch.zeros(1, 1, 4, 4), torch.zeros(1, 4, 4), {}, r"target \(1, 4, 4\)"),
        (torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), {}, r"expected \(B, 1, H, W\)"),
        (torch.zeros(1, 1, 4, 4).bool(), torch.zeros(1, 1, 4, 4), {}, "from_logits=False"),
        (torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), {"threshold": 1.0}, "threshold=1.0"),
        (torch.full((1, 1, 4, 4), 2.0), torch.zeros(1, 1, 4, 4), {"from_logits": False}, "For logits pass"),
    ],
)
def test_wrong_inputs(prediction, target, options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        mask_statistics(prediction, target, **options)
