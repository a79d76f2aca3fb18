import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth import RandomPairPerturb, SceneGenerator


@pytest.fixture(scope="module")
def scenes():
    return SceneGenerator(size=(48, 64), seed=3).batch(range(6))


def some(batch, rows):
    return {key: layer[rows] for key, layer in batch.items()}


LAYERS = ("bg", "fg_bg", "mask")
NOTHING = {"p_bg": 0, "p_fg_bg": 0, "p_object": 0, "p_same_colour": 0, "p_wrong_background": 0, "p_empty": 0}


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(-(2**40), 2**62), min_size=6, max_size=6))
def test_random_pairs_depend_on_seed_and_partner_alone(scenes, seeds):
    augment = RandomPairPerturb(p_object=0.5, p_same_colour=0.5, p_wrong_background=0.3, p_empty=0.2)
    partners = some(scenes, [3, 4, 5, 0, 1, 2])
    before = {key: layer.clone() for key, layer in scenes.items()}
    together = augment(scenes, seeds, partners)
    for row, seed in enumerate(seeds):
        alone = augment(some(scenes, [row]), [seed], some(partners, [row]))
        for key in LAYERS:
            assert torch.equal(alone[key][0], together[key][row]), key
    for key, layer in scenes.items():
        assert torch.equal(layer, before[key]), key
        assert key in (*LAYERS, "alpha") or together[key] is layer
    for key in ("bg", "fg_bg"):
        assert together[key].min() >= 0
        assert together[key].max() <= 1
        assert together[key].data_ptr() != scenes[key].data_ptr()
    assert set(together["mask"].unique().tolist()) <= {0, 1}


def test_each_stage_of_random_pairs_does_what_it_says(scenes):
    seeds = list(range(6))
    still = RandomPairPerturb(**NOTHING)(scenes, seeds)
    assert all(torch.equal(still[key], scenes[key]) for key in scenes)

    empty = RandomPairPerturb(**NOTHING | {"p_empty": 1})(scenes, seeds)
    assert torch.equal(empty["bg"], scenes["fg_bg"])
    assert torch.equal(empty["fg_bg"], scenes["fg_bg"])
    assert not empty["mask"].any()
    assert not empty["alpha"].any()
    assert torch.equal(empty["depth"], scenes["depth"])

    recoloured = RandomPairPerturb(**NOTHING | {"p_same_colour": 1})(scenes, seeds)
    outside = (scenes["mask"] == 0).expand_as(scenes["bg"])
    assert torch.equal(recoloured["fg_bg"][outside], scenes["fg_bg"][outside])
    assert not torch.equal(recoloured["fg_bg"], scenes["fg_bg"])
    assert torch.equal(recoloured["bg"], scenes["bg"])

    for stage in ("p_object", "p_wrong_background", "p_bg"):
        changed = RandomPairPerturb(**NOTHING | {stage: 1})(scenes, seeds)
        # A severity close to 0 may round to nothing.
        assert (changed["bg"] != scenes["bg"]).flatten(1).any(1).sum() >= 5, stage
        assert torch.equal(changed["fg_bg"], scenes["fg_bg"]), stage
        assert torch.equal(changed["mask"], scenes["mask"]), stage

    framed = RandomPairPerturb(**NOTHING | {"p_fg_bg": 1})(scenes, seeds)
    assert torch.equal(framed["bg"], scenes["bg"])
    assert (framed["fg_bg"] != scenes["fg_bg"]).flatten(1).any(1).all()


def test_random_pairs_take_the_next_sample_as_partner(scenes):
    augment = RandomPairPerturb(**NOTHING | {"p_wrong_background": 1, "p_object": 1})
    by_default = augment(scenes, range(6))
    assert torch.equal(by_default["bg"], augment(scenes, range(6), some(scenes, [1, 2, 3, 4, 5, 0]))["bg"])
    alone = some(scenes, [2])
    mirrored = {key: layer.flip(-1) for key, layer in alone.items()}
    assert torch.equal(augment(alone, [9])["bg"], augment(alone, [9], mirrored)["bg"])


def test_random_pairs_keep_the_probabilities():
    augment = RandomPairPerturb(max_severity=4)
    drawn = [augment.draw(seed)[0] for seed in range(4000)]
    names = [name for draws in drawn for name, _ in draws]
    share = {name: names.count(name) / 4000 for name in set(names)}
    expected = {"same_colour": 0.1, "added_object": 0.075, "moved_object": 0.0375, "removed_object": 0.0375}
    assert share == pytest.approx(expected | {"wrong_background": 0.03, "empty": 0.04}, abs=0.013)
    severities = np.array([severity for draws in drawn for name, severity in draws if name != "wrong_background"])
    assert 3.5 < severities.max() <= 4
    assert np.median(severities) == pytest.approx(4 * 0.5**1.5, abs=0.2)
    wrong = [severity for draws in drawn for name, severity in draws if name == "wrong_background"]
    assert 2 <= min(wrong) < 2.2
    assert max(wrong) <= 4


def test_exclusive_changes_share_one_draw():
    augment = RandomPairPerturb(p_object=0.5, p_same_colour=0.3, p_wrong_background=0.08, p_empty=0.12, exclusive=True)
    drawn = [augment.draw(seed)[0] for seed in range(4000)]
    assert {len(draws) for draws in drawn} == {1}
    names = [draws[0][0] for draws in drawn]
    share = {name: names.count(name) / 4000 for name in set(names)}
    expected = {"same_colour": 0.3, "added_object": 0.25, "moved_object": 0.125, "removed_object": 0.125}
    assert share == pytest.approx(expected | {"wrong_background": 0.08, "empty": 0.12}, abs=0.025)
    with pytest.raises(InvalidArgumentError, match="expected a sum of 1 at most"):
        RandomPairPerturb(p_object=0.6, p_empty=0.5, exclusive=True)


def test_a_sample_without_a_batch_is_its_own_partner(scenes):
    augment = RandomPairPerturb(p_object=0.5, p_same_colour=0.5, p_wrong_background=0.3, p_empty=0.2)
    for seed in range(12):
        row = seed % 6
        sample = {"id": "a", **{key: layer[row] for key, layer in scenes.items()}}
        found = augment.sample(sample, seed)
        expected = augment(some(scenes, [row]), [seed])
        assert found["id"] == "a"
        assert all(torch.equal(found[key], expected[key][0]) for key in scenes)
    with pytest.raises(InvalidArgumentError, match=r"seed is 0\.5"):
        augment.sample(sample, 0.5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_random_pairs_in_other_precisions(scenes, dtype):
    augment = RandomPairPerturb(**NOTHING | {"p_object": 1, "p_same_colour": 1})
    given = {key: scenes[key].to(dtype) for key in LAYERS}
    found = augment(given, range(6))
    exact = augment({key: layer.float() for key, layer in given.items()}, range(6))
    for key in LAYERS:
        assert found[key].dtype == dtype
        torch.testing.assert_close(found[key].float(), exact[key].to(dtype).float(), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"mask": None}, r"\['mask'\] missing"),
        ({"mask": torch.zeros(6, 48, 64)}, r"mask has the shape \(6, 48, 64\); expected \(6, 1, 48, 64\)"),
        ({"mask": torch.zeros(6, 1, 48, 64, dtype=torch.bool)}, "mask holds torch.bool"),
        ({"fg_bg": torch.zeros(6, 3, 48, 32)}, "fg_bg has the shape"),
        ({"bg": torch.full((6, 3, 48, 64), 255.0)}, "divide by 255"),
    ],
)
def test_random_pairs_name_wrong_layers(scenes, change, text):
    batch = {key: layer for key, layer in (scenes | change).items() if layer is not None}
    with pytest.raises(InvalidArgumentError, match=text):
        RandomPairPerturb()(batch, range(6))
    with pytest.raises(InvalidArgumentError, match=text):
        RandomPairPerturb()(scenes, range(6), batch)


def test_random_pairs_name_wrong_arguments(scenes):
    for name in NOTHING:
        with pytest.raises(InvalidArgumentError, match=r"p\w* is 1\.5"):
            RandomPairPerturb(**{name: 1.5})
    with pytest.raises(InvalidArgumentError, match="max_severity is 6"):
        RandomPairPerturb(max_severity=6)
    with pytest.raises(InvalidArgumentError, match="5 seeds came for 6"):
        RandomPairPerturb()(scenes, range(5))
