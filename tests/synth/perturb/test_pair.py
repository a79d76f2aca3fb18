from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy.ndimage import binary_dilation

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.synth import PAIR_PERTURBATIONS, PERTURBATIONS, SceneGenerator, perturb, perturb_pair
from fgbgnet.synth.perturb import objects

GEOMETRIC = [name for name, perturbation in PERTURBATIONS.items() if perturbation.geometric]
CELLS = [(name, target) for name in PERTURBATIONS for target in ("bg", "fg_bg", "both")] + [
    (name, target) for name, perturbation in PAIR_PERTURBATIONS.items() for target in perturbation.targets
]


@pytest.fixture(scope="module")
def scenes():
    return SceneGenerator(size=(48, 64), seed=3).batch(range(6))


def some(batch, rows):
    return {key: layer[rows] for key, layer in batch.items()}


@pytest.mark.parametrize(("name", "target"), CELLS)
def test_every_sample_stands_alone_and_truth_keeps_its_kind(name, target, scenes):
    partners = some(scenes, [3, 4, 5, 0, 1, 2])
    before = {key: layer.clone() for key, layer in scenes.items()}
    together = perturb_pair(scenes, name, 4, range(6), target, partners)
    for row in (0, 5):
        alone = perturb_pair(some(scenes, [row]), name, 4, [row], target, some(partners, [row]))
        for key in scenes:
            assert torch.equal(alone[key][0], together[key][row]), key
    assert all(torch.equal(scenes[key], before[key]) for key in scenes)
    for key in ("bg", "fg_bg"):
        assert together[key].min() >= 0
        assert together[key].max() <= 1
        same = torch.equal(together[key], scenes[key])
        assert same == (target not in (key, "both")), key
    assert set(together["mask"].unique().tolist()) <= {0, 1}
    assert together["depth_valid"].dtype == torch.bool
    valid = together["depth_valid"]
    assert not together["depth"][~valid].any()
    assert set(together["depth"].unique().tolist()) <= {0.0, *scenes["depth"].unique().tolist()}, "invented depths"


@settings(max_examples=120, deadline=None)
@given(
    cell=st.sampled_from(CELLS),
    severity=st.floats(0, 5),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seeds=st.lists(st.integers(-(2**63), 2**64), min_size=1, max_size=3),
    number=st.integers(0, 100),
)
def test_any_size_and_severity(cell, severity, size, seeds, number):
    generator, count = torch.Generator().manual_seed(number), len(seeds)
    pair = {key: torch.rand(count, 3, *size, generator=generator) for key in ("bg", "fg_bg")}
    pair["mask"] = (torch.rand(count, 1, *size, generator=generator) < 0.1).float()
    partners = {key: layer.flip(0) for key, layer in pair.items()}
    changed = perturb_pair(pair, cell[0], severity, seeds, cell[1], partners)
    for key in ("bg", "fg_bg"):
        assert changed[key].shape == pair[key].shape
        assert changed[key].min() >= 0
        assert changed[key].max() <= 1  # false for NaN
    assert set(changed["mask"].unique().tolist()) <= {0, 1}
    alone = perturb_pair(some(pair, [-1]), cell[0], severity, seeds[-1:], cell[1], some(partners, [-1]))
    for key, layer in alone.items():
        assert torch.equal(layer[0], changed[key][-1]), key


@pytest.mark.parametrize("name", [name for name in PAIR_PERTURBATIONS if name != "empty"])
def test_residual_grows_with_severity(name, scenes):
    target = PAIR_PERTURBATIONS[name].targets[0]
    many = some(scenes, torch.arange(24) % 6)
    partners = some(many, (torch.arange(24) + 1) % 24)
    residual = [
        (perturb_pair(many, name, s, range(24), None, partners)[target] - many[target]).abs().mean().item()
        for s in (0, 1, 2, 3, 4, 5)
    ]
    assert residual[0] < 1e-4
    assert all(b > a for a, b in pairwise(residual)), residual


@pytest.mark.parametrize("name", GEOMETRIC)
def test_moving_the_frame_moves_the_truth_with_it(name, scenes):
    moved = perturb_pair(scenes, name, 5, range(6), "fg_bg")
    assert torch.equal(moved["bg"], scenes["bg"])
    # A frame that is its own mask and depth moves as they do, up to interpolation within a pixel of a contour.
    picture = scenes["mask"].expand(-1, 3, -1, -1)
    if name != "mixed":
        shown = perturb(picture, name, 5, range(6))[:, :1] >= 0.5
        for row in range(6):
            wrong = (shown[row, 0] != (moved["mask"][row, 0] > 0)).numpy()
            contour = binary_dilation(moved["mask"][row, 0].numpy(), iterations=1) & binary_dilation(
                1 - moved["mask"][row, 0].numpy(), iterations=1
            )
            assert not (wrong & ~contour).any()
            assert wrong.mean() < 0.02
    assert not torch.equal(moved["mask"], scenes["mask"])
    assert not torch.equal(moved["alpha"], scenes["alpha"])
    # Foreground is where the depth differs from the depth of the background, before and after.
    seen = moved["depth_valid"]
    assert torch.equal((moved["depth"] != moved["depth_bg"]) & seen, (moved["mask"] > 0) & seen)


def test_uncovered_pixels_have_no_depth():
    size = 40
    flat = {
        "bg": torch.rand(1, 3, size, size),
        "fg_bg": torch.rand(1, 3, size, size),
        "mask": torch.ones(1, 1, size, size),
        "depth": torch.full((1, 1, size, size), 2.0),
        "depth_valid": torch.ones(1, 1, size, size, dtype=torch.bool),
    }
    right, down = (round(value * size) for value in _shift_of(seed=4))
    moved = perturb_pair(flat, "shift", 5, [4], "fg_bg")
    assert moved["mask"].all()
    expected = torch.ones(size, size, dtype=torch.bool)
    expected[: max(down, 0)] = expected[size + min(down, 0) :] = False
    expected[:, : max(right, 0)] = expected[:, size + min(right, 0) :] = False
    assert not expected.all()
    assert torch.equal(moved["depth_valid"][0, 0], expected)
    assert torch.equal(moved["depth"][0, 0], 2.0 * expected)


def _shift_of(seed):
    from fgbgnet.synth.perturb import draws
    from fgbgnet.synth.streams import stream

    return draws.shift(stream(seed, "shift"), 5)[:2]


def test_both_pictures_share_the_scene_and_have_their_own_noise(scenes):
    equal = {**scenes, "fg_bg": scenes["bg"]}
    for name, perturbation in PERTURBATIONS.items():
        both = perturb_pair(equal, name, 4, range(6), "both")
        # The draw of the codec is the chroma alone, which is often the same.
        if name != "jpeg":
            assert torch.equal(both["bg"], both["fg_bg"]) != perturbation.independent, name
    assert {name for name in PERTURBATIONS if PERTURBATIONS[name].independent} == {
        "motion_blur", "noise", "jpeg", "mixed",
    }  # fmt: skip


def test_empty_means_nothing_new(scenes):
    empty = perturb_pair(scenes, "empty", 3, range(6))
    assert torch.equal(empty["bg"], scenes["fg_bg"])
    assert torch.equal(empty["fg_bg"], scenes["fg_bg"])
    assert not empty["mask"].any()
    assert torch.equal(empty["depth"], scenes["depth"])
    assert torch.equal(empty["depth_valid"], scenes["depth_valid"])
    gone = perturb_pair(scenes, "empty", 3, range(6), "fg_bg")
    assert torch.equal(gone["fg_bg"], scenes["bg"])
    assert not gone["mask"].any()
    assert torch.equal(gone["depth_valid"], scenes["depth_valid"] & (scenes["mask"] == 0))


@pytest.mark.parametrize("target", ["bg", "fg_bg"])
def test_opacity_follows_the_mask(target, scenes):
    assert not perturb_pair(scenes, "empty", 3, range(6), target)["alpha"].any()
    changed = perturb_pair(scenes, "added_object", 5, range(6), target)
    if target == "bg":
        assert torch.equal(changed["alpha"], scenes["alpha"])
        return
    new = changed["mask"] > scenes["mask"]
    assert new.any()
    assert changed["alpha"][new].min() >= 0.5 - 1e-6
    assert changed["alpha"].max() <= 1
    assert (changed["alpha"] >= scenes["alpha"] - 1e-6).all()
    untouched = (changed["fg_bg"] == scenes["fg_bg"]).all(1, keepdim=True) & (changed["mask"] == 0)
    assert (changed["alpha"] == scenes["alpha"])[untouched].float().mean() > 0.99


def test_wrong_background_is_the_partner_in_the_end(scenes):
    partners = some(scenes, [1, 2, 3, 4, 5, 0])
    torch.testing.assert_close(perturb_pair(scenes, "wrong_background", 5, range(6))["bg"], partners["bg"])
    half = perturb_pair(scenes, "wrong_background", 3, range(6), None, partners)
    torch.testing.assert_close(half["bg"], (scenes["bg"] + partners["bg"]) / 2)
    assert torch.equal(half["mask"], scenes["mask"])


def test_same_colour_hides_the_foreground_and_nothing_else(scenes):
    inside = scenes["mask"] > 0
    visible = [
        ((perturb_pair(scenes, "same_colour", s, range(6))["fg_bg"] - scenes["bg"]).abs() * inside).mean().item()
        for s in (0, 1, 3, 5)
    ]
    assert all(b < 0.9 * a for a, b in pairwise(visible)), visible
    worn = perturb_pair(scenes, "same_colour", 5, range(6))
    assert torch.equal(worn["fg_bg"][~inside.expand(-1, 3, -1, -1)], scenes["fg_bg"][~inside.expand(-1, 3, -1, -1)])
    for key in ("mask", "depth", "depth_valid", "bg"):
        assert torch.equal(worn[key], scenes[key])


@pytest.mark.parametrize("name", ["removed_object", "moved_object", "added_object"])
def test_changes_of_the_scene_are_not_foreground(name, scenes):
    changed = perturb_pair(scenes, name, 4, range(6))
    differs = (changed["bg"] != scenes["bg"]).any(1)
    assert 0.005 < differs.float().mean() < 0.4
    for key in ("mask", "depth", "depth_valid", "fg_bg"):
        assert torch.equal(changed[key], scenes[key])


@pytest.mark.parametrize(("height", "width"), [(60, 60), (60, 180), (180, 60)])
def test_what_is_removed_is_as_large_as_it_claims_in_pictures_of_any_shape(height, width):
    noise = torch.rand(200, 3, height, width, generator=torch.Generator().manual_seed(0))
    pair = {"bg": noise, "fg_bg": noise, "mask": torch.zeros(200, 1, height, width)}
    differs = (perturb_pair(pair, "removed_object", 5, range(200))["bg"] != noise).any(1)
    sides = torch.cat([differs.any(dim).sum(1) for dim in (1, 2)])  # of the box, if nothing is cut off
    assert sides.min() > 0
    assert sides.max() <= 2 * 1.5 * 0.19 * 60 + 1
    assert 0.19 * 60 < sides.float().mean() < 2 * 0.19 * 60


@pytest.mark.parametrize("name", ["removed_object", "moved_object"])
def test_changes_of_the_scene_in_the_frame_stay_behind_the_foreground(name, scenes):
    changed = perturb_pair(scenes, name, 5, range(6), "fg_bg")
    differs = (changed["fg_bg"] != scenes["fg_bg"]).any(1, keepdim=True)
    assert differs.any()
    assert not (differs & (scenes["mask"] > 0)).any()
    assert not (differs & changed["depth_valid"]).any(), "what appeared there has no known depth"
    assert torch.equal(changed["mask"], scenes["mask"])


def test_an_object_added_to_the_frame_is_foreground_of_unknown_depth(scenes):
    changed = perturb_pair(scenes, "added_object", 5, range(6), "fg_bg")
    new = (changed["mask"] > scenes["mask"]).squeeze(1)
    assert new.any()
    assert (changed["mask"] >= scenes["mask"]).all()
    assert not (changed["depth_valid"].squeeze(1) & new).any()
    much = (changed["fg_bg"] - scenes["fg_bg"]).abs().amax(1) > 0.5
    assert not (much & (changed["mask"].squeeze(1) == 0)).any()


def test_cut_out_puts_the_object_where_it_is_told():
    picture, mask = torch.zeros(1, 3, 80, 100), torch.zeros(1, 1, 80, 100)
    mask[..., 10:30, 50:60] = 1  # 20 high, 10 wide
    picture[:, 0] = mask[:, 0]
    picture[:, 1, 10:30, 50:55] = 1  # its left half is yellow, its right half red
    blob = [0.5, 0.5, 0.2, 0.2, 1.0, 0.0, 0.1] + [0.0] * 36
    colours, cover = objects.cut_out(picture, mask, torch.tensor([[0.25, 0.5, 0.5, 0.0, 1.0, *blob]]))
    found = np.argwhere(cover[0, 0].numpy() > 0.5)
    assert (found.min(0), found.max(0) + 1) == (pytest.approx([20, 15]), pytest.approx([60, 35]))  # 40 high: half of 80
    assert colours[0, :, 40, 18].tolist() == [1, 1, 0]
    assert colours[0, :, 40, 32].tolist() == [1, 0, 0]
    mirrored, _ = objects.cut_out(picture, mask, torch.tensor([[0.25, 0.5, 0.5, 0.0, -1.0, *blob]]))
    assert mirrored[0, :, 40, 18].tolist() == [1, 0, 0]
    _, lying = objects.cut_out(picture, mask, torch.tensor([[0.5, 0.5, 0.25, 90.0, 1.0, *blob]]))
    found = np.argwhere(lying[0, 0].numpy() > 0.5)
    assert (found.max(0) + 1 - found.min(0)).tolist() == [10, 20]
    _, piece = objects.cut_out(picture, 0 * mask, torch.tensor([[0.5, 0.5, 0.5, 0.0, 1.0, *blob]]))
    assert 0.5 * 40 * 40 < piece.sum() < 40 * 40


def test_a_batch_without_depth_or_with_other_things(scenes):
    small = {"bg": scenes["bg"], "fg_bg": scenes["fg_bg"], "mask": scenes["mask"], "id": list("abcdef")}
    for name, target in CELLS:
        changed = perturb_pair(small, name, 3, range(6), target)
        assert set(changed) == set(small)
        assert changed["id"] is small["id"]
    nothing = perturb_pair(some({key: small[key] for key in ("bg", "fg_bg", "mask")}, slice(0, 0)), "gain", 3, [])
    assert nothing["bg"].shape == (0, 3, 48, 64)


@pytest.mark.parametrize(("name", "target"), [("mixed", "both"), ("added_object", "fg_bg"), ("same_colour", "fg_bg")])
def test_half_precision_is_rounded_once(name, target, scenes):
    half = {key: scenes[key].bfloat16() for key in ("bg", "fg_bg", "mask")}
    exact = perturb_pair({key: layer.float() for key, layer in half.items()}, name, 4, range(6), target)
    found = perturb_pair(half, name, 4, range(6), target)
    for key, layer in found.items():
        assert torch.equal(layer, exact[key].bfloat16()), key


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"name": "fog"}, UnknownNameError, "PAIR_PERTURBATIONS"),
        ({"name": "emtpy"}, UnknownNameError, "'empty'"),
        ({"severity": -1}, InvalidArgumentError, "severity is -1; expected a number from 0 to 5"),
        ({"severity": float("nan")}, InvalidArgumentError, "severity is nan"),
        ({"severity": None}, InvalidArgumentError, "severity is None; expected a number from 0 to 5"),
        ({"target": "mask"}, UnknownNameError, "'fg_bg'"),
        ({"name": "same_colour", "target": "bg"}, InvalidArgumentError, r"same_colour cannot.*'bg'.*\['fg_bg'\]"),
        ({"name": "wrong_background", "target": "both"}, InvalidArgumentError, r"\['bg'\]"),
        ({"seeds": [1]}, InvalidArgumentError, "1 seeds came for 6"),
        ({"name": "added_object", "partners": {}}, InvalidArgumentError, "missing"),
    ],
)
def test_wrong_input_is_named(change, error, text, scenes):
    arguments = {"batch": scenes, "name": "gain", "severity": 3, "seeds": range(6), **change}
    with pytest.raises(error, match=text):
        perturb_pair(**arguments)


def test_perturb_points_to_the_pairs(scenes):
    with pytest.raises(UnknownNameError, match="perturb_pair"):
        perturb(scenes["bg"], "empty", 3, range(6))
