import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fgbgnet.data import Layers
from fgbgnet.data.labels import Labels

H, W = 9, 12


def random_labels(seed, invalid=0.3, known=None):
    rng = np.random.default_rng(seed)
    mask = (rng.random((H, W)) < rng.random()).astype(np.uint8)
    depth = np.where(mask, 1.0, 9.0).astype(np.float32)
    valid = rng.random((H, W)) >= invalid
    return Labels(mask, depth, valid, known)


def random_weights(seed, pixels):
    """Rows of a few non-negative weights of sum 1: any resampling."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((pixels, H * W))
    for row in weights:
        row[rng.choice(H * W, rng.integers(1, 5), replace=False)] = 1
        row *= rng.random(H * W)
    return weights / weights.sum(1, keepdims=True)


def averaged(labels, weights, **kwargs):
    planes = [(weights @ plane.ravel()).astype(np.float32)[None] for plane in labels.planes(**kwargs)]
    return labels.rebuilt(planes)


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.3, 0.9, 1.0]), st.booleans())
def test_depth_is_the_weighted_mean_of_the_valid_pixels_of_its_own_side(seed, invalid, may_uncover):
    labels = random_labels(seed, invalid)
    labels.depth[:] = np.random.default_rng(seed).random((H, W)) * 50
    weights = random_weights(seed, 40)
    out = averaged(labels, weights, may_uncover=may_uncover)
    mask, depth, valid = (layer.ravel().astype(float) for layer in (labels.mask, labels.depth, labels.depth_valid))
    for i, row in enumerate(weights):
        cover = row @ mask
        if abs(cover - 0.5) < 1e-6:
            continue
        side = mask == (cover > 0.5)
        assert out.mask[0, i] == (cover > 0.5)
        weight, measured = row @ side, row @ (side * valid)
        if abs(measured - weight / 2) < 1e-6:
            continue
        assert out.depth_valid[0, i] == (measured > weight / 2)
        expected = row @ (side * valid * depth) / measured if measured > weight / 2 else 0
        assert out.depth[0, i] == pytest.approx(expected, rel=1e-5)


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.4]))
def test_foreground_and_background_never_mix(seed, invalid):
    labels = random_labels(seed, invalid)
    out = averaged(labels, random_weights(seed, 60))
    for side, value in ((1, 1.0), (0, 9.0)):
        found = out.depth[(out.mask == side) & out.depth_valid]
        assert np.allclose(found, value, rtol=1e-6)
    assert (out.depth[~out.depth_valid] == 0).all()


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.4]))
def test_the_range_of_depth_never_grows(seed, invalid):
    labels = random_labels(seed, invalid)
    labels.depth[:] = np.float32(1e4) * np.random.default_rng(seed).random((H, W), np.float32) ** 8 + np.float32(0.1)
    out = averaged(labels, random_weights(seed, 60))
    if out.depth_valid.any():
        inside, outside = labels.depth[labels.depth_valid], out.depth[out.depth_valid]
        assert inside.min() <= outside.min() <= outside.max() <= inside.max()


@pytest.mark.parametrize("wild", [np.nan, np.inf, -5.0, 1e30])
def test_what_stands_where_depth_is_not_valid_never_shows(wild):
    labels = random_labels(4)
    labels.depth[~labels.depth_valid] = wild
    out, clean = averaged(labels, random_weights(4, 60)), averaged(random_labels(4), random_weights(4, 60))
    assert np.array_equal(out.depth, np.where(clean.depth_valid, clean.depth, 0))
    assert np.array_equal(out.depth_valid, clean.depth_valid)


def test_nothing_is_invented_where_nothing_is_valid():
    out = averaged(random_labels(1, invalid=1.1), random_weights(1, 20))
    assert not out.depth_valid.any()
    assert not out.depth.any()


def test_uncovered_places_have_no_depth_and_no_foreground():
    labels = random_labels(2, invalid=0)
    out = averaged(labels, np.zeros((5, H * W)), may_uncover=True)
    assert not out.mask.any()
    assert not out.depth_valid.any()
    assert not out.depth.any()


def test_a_label_is_known_where_all_that_was_averaged_are():
    rng = np.random.default_rng(3)
    known = rng.random((H, W)) < 0.8
    weights = random_weights(3, 80)
    out = averaged(random_labels(3, known=known), weights)
    expected = [(known.ravel() | (row == 0)).all() for row in weights]
    assert out.mask_valid[0].tolist() == expected
    assert 0 < sum(expected) < 80


# Layers of different sizes


@settings(max_examples=40)
@given(
    st.integers(0, 2**32),
    st.sampled_from([(40, 60), (20, 30), (80, 120), (10, 15), (27, 40)]),
    st.sampled_from([(40, 60), (20, 30), (80, 120)]),
    st.sampled_from([0.0, 0.2]),
)
def test_layers_of_other_sizes_are_matched_without_mixing(seed, of_depth, of_mask, invalid):
    rng = np.random.default_rng(seed)

    def disc(size):
        y, x = (np.indices(size) + 0.5) / np.array(size).reshape(2, 1, 1)
        return (((x - 0.45) * 1.5) ** 2 + (y - 0.55) ** 2 < 0.09).astype(np.uint8)

    frame = np.zeros((40, 60, 3), np.uint8)
    # The depth map knows the same object: on its own grid, every pixel of which the mask fills at least half.
    smaller = of_depth[0] < of_mask[0]
    cover = cv2.resize(disc(of_mask).astype(np.float32), of_depth[::-1], interpolation=cv2.INTER_AREA if smaller else 1)
    depth = np.where(cover >= 0.5, 1, 9).astype(np.float32)
    valid = rng.random(of_depth) >= invalid
    depth[~valid] = 0
    out = Layers(frame, frame, disc(of_mask), depth, valid).matched()
    found = out.depth[out.depth_valid]
    assert (np.isclose(found, 1) | np.isclose(found, 9)).all()
    # The side is that of the mask, but for the pixels where the two grids disagree about the contour.
    assert np.mean(np.isclose(found, 1) != (out.mask[out.depth_valid] == 1)) < 0.02
    assert np.mean(out.mask != disc((40, 60))) < 0.02
    assert out.depth_valid.mean() > 0.99 - 2 * invalid
    assert (out.depth[~out.depth_valid] == 0).all()


def test_what_the_grid_of_the_depth_does_not_show_takes_the_other_side():
    mask = np.zeros((40, 40), np.uint8)
    mask[:, 20] = 1  # thinner than a pixel of the depth map
    depth = np.full((10, 10), 7, np.float32)
    out = Layers(np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40, 3), np.uint8), mask, depth, depth > 0).matched()
    assert out.mask.sum() == 40
    assert out.depth_valid.all()
    assert np.allclose(out.depth, 7)
