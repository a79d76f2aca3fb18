"""The operations on bytes against those on tensors: the same draws, the same pictures to about a level."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from fgbgnet.data import Layers
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth.perturb import PERTURBATIONS, RandomPairPerturb, RandomPerturb, SamplePerturb
from fgbgnet.synth.perturb.eightbit.operations import OPERATIONS
from fgbgnet.synth.perturb.eightbit.pairs import PAIR_OPERATIONS
from fgbgnet.synth.perturb.pairs import PAIR_PERTURBATIONS, next_in_batch
from fgbgnet.synth.perturb.steps import WarpStep
from fgbgnet.synth.streams import stream

SIZES = [(48, 64), (61, 40)]


def picture(size, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (7, 8, 3)).astype(np.uint8)
    smooth = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    return (smooth.astype(int) + rng.integers(-6, 7, smooth.shape)).clip(0, 255).astype(np.uint8)


def tensor(array):
    return torch.from_numpy(array).permute(2, 0, 1).float() / 255


def levels(result):
    return result.permute(1, 2, 0).numpy() * 255


# The outlines of things that cast shadows are looked up at 256 places. OpenCV 4 moves pixels by 32nds of a pixel.
LARGEST = {"cast_shadow": 12, "reflection": 1.5, "jpeg": 0.01} | dict.fromkeys(
    ["shift", "rotate", "zoom", "perspective"], 2
)


@pytest.mark.parametrize("name", [name for name in PERTURBATIONS if name != "mixed"])
@settings(max_examples=12)
@given(st.integers(0, 2**62), st.floats(0, 5), st.sampled_from(SIZES))
def test_every_perturbation_is_the_same_to_the_rounding_of_a_level(name, seed, severity, size):
    given_picture = picture(size, seed % 7)
    before = given_picture.copy()
    exact = levels(PERTURBATIONS[name].apply(tensor(given_picture)[None], [severity], [seed])[0])
    ours = PERTURBATIONS[name].of_bytes(given_picture, severity, seed)
    assert ours.dtype == np.uint8
    assert ours.shape == given_picture.shape
    error = np.abs(ours - exact)
    assert error.max() < LARGEST.get(name, 0.76)
    assert error.mean() < 0.4
    assert np.array_equal(given_picture, before)


def test_several_steps_are_the_same_up_to_the_codec():
    # Rounding before the codec moves some coefficients to the next step of its quantisation.
    for seed in range(6):
        exact = levels(PERTURBATIONS["mixed"].apply(tensor(picture((48, 64)))[None], [3], [seed])[0])
        assert np.abs(PERTURBATIONS["mixed"].of_bytes(picture((48, 64)), 3, seed) - exact).mean() < 3


def test_no_operation_lacks_a_twin():
    steps = [step for perturbation in PERTURBATIONS.values() for step in perturbation.steps]
    assert {step.operation for step in steps if not isinstance(step, WarpStep)} == set(OPERATIONS)
    assert list(PAIR_OPERATIONS) == ["same_colour", "removed_object", "moved_object", "added_object",
                                     "wrong_background", "empty"]  # fmt: skip
    assert set(PAIR_OPERATIONS) == set(PAIR_PERTURBATIONS)


def pair(size=(48, 64), seed=0, empty=False):
    bg = picture(size, seed)
    mask = np.zeros(size, np.uint8)
    if not empty:
        mask[10:30, 12:26] = 1
    fg_bg = np.where(mask[..., None], picture(size, seed + 1), bg)
    return Layers(bg, fg_bg, mask, np.ones(size, np.float32), np.ones(size, bool))


def copied(layers):
    return [layer.copy() for layer in (layers.bg, layers.fg_bg, layers.mask, layers.depth, layers.depth_valid)]


@pytest.mark.parametrize("name", PAIR_OPERATIONS)
@settings(max_examples=12)
@given(st.integers(0, 2**62), st.floats(0, 5), st.booleans())
def test_every_change_of_a_pair_is_the_same_to_the_rounding_of_a_level(name, seed, severity, empty):
    layers = pair(seed=seed % 5, empty=empty)
    before = copied(layers)
    batch = {key: layers.to_sample("a")[key][None] for key in ("bg", "fg_bg", "mask")}
    changed = PAIR_PERTURBATIONS[name].apply(batch, next_in_batch(batch), [severity], [seed])
    ours = PAIR_OPERATIONS[name](layers, PAIR_PERTURBATIONS[name].draw(stream(seed, name), severity))
    exact = {key: layer[0] for key, layer in {**batch, **changed}.items()}
    for key in ("bg", "fg_bg"):
        error = np.abs(getattr(ours, key) - levels(exact[key]))
        assert error.max() < 1.6
        assert error.mean() < 0.4
    assert np.array_equal(ours.mask, exact["mask"][0])
    assert all(np.array_equal(old, new) for old, new in zip(before, copied(layers), strict=True))


def test_random_perturbations_draw_the_same():
    augment = RandomPerturb(0.9)
    changed = 0
    for seed in range(40):
        given_picture = picture((48, 64), seed % 5)
        ours, exact = augment.of_bytes(given_picture, seed), levels(augment(tensor(given_picture), seed))
        drawn = [name for name, _ in augment.draw(seed)]
        # Codecs and curves enlarge what was rounded before them.
        assert np.abs(ours - exact).mean() < (2.5 if "jpeg" in drawn else 1)
        assert np.array_equal(ours, augment.of_bytes(given_picture, seed))
        changed += not np.array_equal(ours, given_picture)
    assert 25 < changed < 40
    assert RandomPerturb(0).of_bytes(given_picture, 1) is given_picture


def test_random_changes_of_pairs_draw_the_same():
    augment = RandomPairPerturb(p_bg=0.4, p_fg_bg=0.3, p_object=0.3, p_same_colour=0.3, p_wrong_background=0.2)
    perturb = SamplePerturb(augment)
    kinds = set()
    for seed in range(60):
        layers = pair(seed=seed % 5)
        ours, exact = perturb.of_layers(layers, seed), perturb(layers.to_sample("a"), seed)
        for key in ("bg", "fg_bg"):
            assert np.abs(getattr(ours, key) - levels(exact[key])).mean() < 2.5
        assert np.array_equal(ours.mask, exact["mask"][0])
        kinds |= {name for name, _ in augment.draw(seed)[0]}
    assert kinds == set(PAIR_PERTURBATIONS)


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 5, 3), np.float32), np.zeros((4, 5), np.uint8), np.zeros((3, 4, 5), np.uint8)]
)
def test_what_is_no_picture_of_8_bits(wrong):
    with pytest.raises(InvalidArgumentError, match=r"picture is (uint8|float32) .*; expected uint8 \(H, W, 3\)"):
        RandomPerturb(1).of_bytes(wrong, 0)
