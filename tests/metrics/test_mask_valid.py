"""Pixels whose label is not known are in no figure."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from scipy import ndimage

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.metrics import (
    MaskMetrics,
    compute_depth_metrics,
    compute_mask_metrics,
    depth_statistics,
    mask_statistics,
    mask_threshold_statistics,
)


def example(seed, size=(4, 1, 12, 15)):
    """Logits, truth, validity; the second of four pictures has no known pixel, the third no known foreground."""
    rng = np.random.default_rng(seed)
    target = np.stack([ndimage.uniform_filter(rng.random(size[2:]), 5) > 0.5 for _ in range(size[0])])[:, None]
    valid = np.stack([ndimage.uniform_filter(rng.random(size[2:]), 3) > 0.45 for _ in range(size[0])])[:, None]
    logits = rng.normal(0, 2, size) + 3 * (target - 0.5)
    valid[1] = False
    valid[[0, 2, 3], 0, 0, 0] = True
    valid[2] &= ~target[2]
    return torch.from_numpy(logits).float(), torch.from_numpy(target), torch.from_numpy(valid)


def reference(logits, target, valid):
    """From the known pixels of each picture alone, in plain NumPy."""

    def ratio(part, whole):
        return part / whole if whole else 1.0

    pixels = [
        (1 / (1 + np.exp(-z[v].double().numpy())), t[v].numpy())
        for z, t, v in zip(logits, target, valid, strict=True)
        if v.any()
    ]
    pairs = [(p > 0.5, t) for p, t in pixels]
    d, t = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    empty = [d for d, t in pairs if not t.any()]
    ious = [ratio((d & t).sum(), (d | t).sum()) for d, t in pairs]
    edges = []
    for z, t_, v in zip(logits[:, 0] > 0, target[:, 0], valid[:, 0], strict=True):
        if v.any():
            masks = [(m & v).numpy() for m in (z, t_)]
            inner = [m & ~ndimage.binary_erosion(m, np.ones((3, 3))) for m in masks]
            edges.append(((inner[0] & inner[1]).sum(), (inner[0] | inner[1]).sum()))
    return {
        "iou": ratio((d & t).sum(), (d | t).sum()),
        "iou_image_mean": np.mean(ious),
        "dice_image_mean": np.mean([2 * i / (1 + i) for i in ious]),
        "mae": np.abs(np.concatenate([p - t for p, t in pixels])).mean(),
        "fpr_empty": np.concatenate(empty).mean() if empty else math.nan,
        "boundary_iou": ratio(*np.sum(edges, axis=0)),
        "boundary_iou_image_mean": np.mean([ratio(*pair) for pair in edges]),
    }


@given(seed=st.integers(0, 9999))
def test_figures_are_those_of_the_known_pixels(seed):
    logits, target, valid = example(seed)
    expected = reference(logits, target, valid)
    figures = compute_mask_metrics(mask_statistics(logits, target, valid))
    assert {name: figures[name] for name in expected} == pytest.approx(expected, abs=1e-6, nan_ok=True)
    module = MaskMetrics()
    for row in range(4):
        module.update(logits[row : row + 1], target[row : row + 1], valid[row : row + 1])
    assert module.compute()["iou"].item() == pytest.approx(expected["iou"], abs=1e-6)


@given(seed=st.integers(0, 9999))
def test_what_stands_at_unknown_pixels_changes_nothing(seed):
    logits, target, valid = example(seed)
    expected = mask_statistics(logits, target, valid)
    for junk in (1e30, -1e30, math.nan):
        other = mask_statistics(torch.where(valid, logits, junk), torch.where(valid, target.float(), junk), valid)
        assert torch.equal(other, expected)
    noise = torch.rand(target.shape, generator=torch.Generator().manual_seed(seed)) < 0.5
    bools = mask_statistics(
        torch.where(valid, logits > 0, noise), torch.where(valid, target, noise), valid, from_logits=False
    )
    assert torch.equal(bools[:4], expected[:4])


@given(seed=st.integers(0, 9999))
def test_many_thresholds_are_as_one_by_one(seed):
    logits, target, valid = example(seed)
    score = torch.where(valid, logits.sigmoid(), math.nan)
    thresholds = torch.tensor([0.1, 0.5, 0.8])
    rows = mask_threshold_statistics(score, target, thresholds, valid)
    for row, threshold in zip(rows, thresholds, strict=True):
        decision = logits.sigmoid() > threshold
        expected = mask_statistics(decision, target, valid, from_logits=False, boundary=False)
        torch.testing.assert_close(row, expected)


def test_everything_known_is_as_nothing_said():
    logits, target, _ = example(1)
    everywhere = torch.ones_like(target)
    assert torch.equal(mask_statistics(logits, target, everywhere), mask_statistics(logits, target))


def test_nothing_known_gives_no_figures():
    logits, target, valid = example(1)
    figures = compute_mask_metrics(mask_statistics(logits, target, torch.zeros_like(valid)))
    assert all(math.isnan(value) for value in figures.values())


@given(seed=st.integers(0, 9999))
def test_depth_of_the_foreground_is_that_of_its_known_pixels(seed):
    _, target, valid = example(seed)
    generator = torch.Generator().manual_seed(seed)
    truth, prediction = (1 + torch.rand(target.shape, generator=generator) for _ in range(2))
    figures = compute_depth_metrics(depth_statistics(prediction, truth, None, target, valid))
    error = (prediction - truth).double()
    assert figures["rmse"] == pytest.approx(error.square().mean().sqrt().item(), rel=1e-5)
    known = error[target & valid]
    assert figures["foreground"]["mae"] == pytest.approx(known.abs().mean().item(), rel=1e-5, nan_ok=True)
    square = np.ones((3, 3))
    masks = (target & valid)[:, 0].numpy()
    band = [ndimage.binary_dilation(m, square) & ndimage.binary_dilation(~m, square) for m in masks]
    contour = error[:, 0][torch.from_numpy(np.stack(band)) & valid[:, 0]]
    assert figures["contour"]["mae"] == pytest.approx(contour.abs().mean().item(), rel=1e-5, nan_ok=True)


@pytest.mark.parametrize("valid", [torch.ones(4, 1, 12, 15), torch.ones(4, 12, 15, dtype=torch.bool)])
def test_wrong_input(valid):
    logits, target, _ = example(2)
    with pytest.raises(InvalidArgumentError, match="mask_valid"):
        mask_statistics(logits, target, valid)
    with pytest.raises(InvalidArgumentError, match="mask_valid"):
        mask_threshold_statistics(logits, target, torch.tensor([0.5]), valid)
    with pytest.raises(InvalidArgumentError, match="mask_valid"):
        depth_statistics(logits, logits, None, target, valid)
