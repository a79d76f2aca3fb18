import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st

from fgbgnet.data import Manifest, PairedFgBgDataset, Split, eval_transform, seeded_split
from fgbgnet.errors import InvalidArgumentError, SplitError, UnknownNameError


def make(pairs, transform=None):
    """A data set of (bg_id, fg_id) pairs; no file is read."""
    names = [f"{b}-{f}-{i}.png" for i, (b, f) in enumerate(pairs)]
    manifest = Manifest.from_lists(
        names, names, names, bg_id=[str(b) for b, _ in pairs], fg_id=[str(f) for _, f in pairs], id=names
    )
    return PairedFgBgDataset(manifest, transform)


def sides(split):
    return {id: side for side, dataset in enumerate(split) for id in dataset.ids.tolist()}


PAIRS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=30, max_size=60)
SEEDS = st.integers(0, 1000)


@given(PAIRS, SEEDS, st.sampled_from(["bg", "fg"]), st.sampled_from([(0.7, 0.3), (0.6, 0.2, 0.2), (1.0,)]))
def test_a_group_stands_on_one_side_and_every_sample_somewhere(pairs, seed, group, fractions):
    dataset = make(pairs)
    assume(len(set(dataset.group_ids(group))) >= len(fractions))
    split = seeded_split(dataset, fractions, seed, group)
    groups = [set(side.group_ids(group).tolist()) for side in split]
    assert sum(map(len, groups)) == len(set().union(*groups))
    assert all(groups)
    assert sorted(id for side in split for id in side.ids) == sorted(dataset.ids)
    assert split.dropped == 0


@given(PAIRS, SEEDS, st.randoms(use_true_random=False), st.sampled_from(["bg", "fg", None]))
def test_the_order_of_rows_does_not_matter(pairs, seed, rng, group):
    dataset = make(pairs)
    assume(group is None or len(set(dataset.group_ids(group))) > 1)
    order = list(range(len(pairs)))
    rng.shuffle(order)
    split = seeded_split(dataset, (0.7, 0.3), seed, group)
    assert sides(seeded_split(dataset.subset(order), (0.7, 0.3), seed, group)) == sides(split)


@given(SEEDS)
def test_adding_groups_and_rows_moves_no_group(seed):
    before = make([(b, 0) for b in range(60)])
    after = make([(b, 0) for b in range(60)] + [(b, 1) for b in range(40, 120)])
    fractions = (0.6, 0.2, 0.2)
    old, new = (
        {g: i for i, side in enumerate(seeded_split(d, fractions, seed)) for g in side.group_ids("bg").tolist()}
        for d in (before, after)
    )
    assert {g: new[g] for g in old} == old


def test_fractions_are_approached_for_many_groups():
    split = seeded_split(make([(b, 0) for b in range(4000)]), (0.7, 0.2, 0.1), seed=3)
    for side, fraction in zip(split, (0.7, 0.2, 0.1), strict=True):
        # Binomial: five standard deviations.
        assert abs(len(side) / 4000 - fraction) < 5 * (fraction * (1 - fraction) / 4000) ** 0.5


def test_another_seed_is_another_split_and_the_same_is_the_same():
    dataset = make([(b, 0) for b in range(200)])
    assert sides(seeded_split(dataset, (0.5, 0.5), 1)) == sides(seeded_split(dataset, (0.5, 0.5), 1))
    assert sides(seeded_split(dataset, (0.5, 0.5), 1)) != sides(seeded_split(dataset, (0.5, 0.5), 2))


def test_the_split_of_published_figures_never_changes():
    split = seeded_split(make([(b, 0) for b in range(10)]), (0.7, 0.3))
    assert split[1].group_ids("bg").tolist() == ["3", "5", "8", "9"]


@given(PAIRS, SEEDS)
def test_both_groups_held_out_drops_exactly_the_mixed_samples(pairs, seed):
    dataset = make(pairs)
    assume(min(len(set(dataset.group_ids(group))) for group in ("bg", "fg")) > 1)
    by_bg, by_fg = (sides(seeded_split(dataset, (0.6, 0.4), seed, group)) for group in ("bg", "fg"))
    agreeing = {id for id in by_bg if by_bg[id] == by_fg[id]}
    try:
        split = seeded_split(dataset, (0.6, 0.4), seed, ("bg", "fg"))
    except SplitError:
        assert len({by_bg[id] for id in agreeing}) < 2
        return
    assert sides(split) == {id: by_bg[id] for id in agreeing}
    assert split.dropped == len(pairs) - len(agreeing)
    for group in ("bg", "fg"):
        assert not set(split[0].group_ids(group)) & set(split[1].group_ids(group))
    if split.dropped:
        assert f"{split.dropped} of {len(pairs)} samples belong to none of them" in split.summary()


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("seed", range(20))
def test_as_many_groups_as_sides_fill_every_side(count, seed):
    split = seeded_split(make([(b, 0) for b in range(count)] * 2), [0.9, *[0.1 / (count - 1)] * (count - 1)], seed)
    assert [len(side) for side in split] == [2] * count


def test_single_samples_at_random_may_share_a_background():
    split = seeded_split(make([(0, 0)] * 100), (0.7, 0.3), group_by=None)
    assert set(split[0].group_ids("bg")) == set(split[1].group_ids("bg")) == {"0"}
    assert "leaks" in split.summary()


def test_transforms_one_per_side_or_the_same():
    dataset = make([(b, 0) for b in range(10)], eval_transform(8))
    assert all(side.transform is dataset.transform for side in seeded_split(dataset, (0.5, 0.5)))
    small = eval_transform(4)
    split = seeded_split(dataset, (0.5, 0.5), transforms=(small, None))
    assert [side.transform for side in split] == [small, None]


def test_a_split_unpacks_pickles_and_sums_up():
    split = seeded_split(make([(b, 0) for b in range(10)]), (0.5, 0.5), seed=4)
    train, test = split
    assert isinstance(split, Split)
    assert f"split by backgrounds, seed 4: train {len(train)} (" in split.summary()
    assert pickle.loads(pickle.dumps(split)).summary() == split.summary()
    assert Counter(map(len, split)) == Counter([len(train), len(test)])


def test_works_on_any_data_set_with_the_four_methods():
    class Numbers:
        def __init__(self, ids):
            self.ids = ids

        def group_ids(self, group):
            return [str(int(i) // 3) for i in self.ids]

        def subset(self, indices):
            assert isinstance(indices, np.ndarray)
            return Numbers([self.ids[i] for i in indices])

        def with_transform(self, transform):
            return self

    train, test = seeded_split(Numbers([str(i) for i in range(60)]), (0.5, 0.5), transforms=(None, None))
    assert len(train.ids) % 3 == len(test.ids) % 3 == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"fractions": (0.7, 0.7)}, InvalidArgumentError, r"\(0\.7, 0\.7\); expected positive shares that add up to 1"),
        ({"fractions": ()}, InvalidArgumentError, "add up to 1"),
        ({"fractions": (1.2, -0.2)}, InvalidArgumentError, "positive"),
        ({"fractions": (0.5, float("nan"))}, InvalidArgumentError, "positive"),
        ({"fractions": 0.7}, InvalidArgumentError, r"fractions is 0\.7; expected a sequence.*\(0\.7, 0\.3\)"),
        ({"fractions": "ab"}, InvalidArgumentError, "fractions is 'ab'"),
        (
            {"fractions": (0.7, 0.3), "transforms": eval_transform(8)},
            InvalidArgumentError,
            "transforms is a single JointTransform; expected a sequence with one per side",
        ),
        ({"fractions": (0.7, 0.3), "transforms": [None]}, InvalidArgumentError, "1 transforms came for 2 sides"),
        ({"fractions": (0.7, 0.3), "group_by": "background"}, UnknownNameError, "group_by 'background'"),
        ({"fractions": (0.7, 0.3), "group_by": ("bg", "fgs")}, UnknownNameError, "'fgs'; the nearest are 'fg'"),
        ({"fractions": (0.4, 0.3, 0.3)}, SplitError, "2 backgrounds came for 3 sides"),
        ({"fractions": (0.7, 0.3), "group_by": "fg"}, SplitError, "fg_id is empty for 1 of 4 samples.*fg_id column"),
    ],
)
def test_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        seeded_split(make([(0, 1), (1, 1), (1, 2), (0, "")]), **arguments)


def test_both_groups_can_leave_a_side_without_samples():
    dataset = make([(0, 0), (1, 1)])
    by_bg, by_fg = (
        [sides(seeded_split(dataset, (0.5, 0.5), seed, group)) for seed in range(20)] for group in ("bg", "fg")
    )
    crossed = [seed for seed in range(20) if by_bg[seed] != by_fg[seed]]
    assert 0 < len(crossed) < 20
    for seed in crossed:
        with pytest.raises(SplitError, match="no sample has both its background and its foreground on side"):
            seeded_split(dataset, (0.5, 0.5), seed, ("bg", "fg"))


@given(st.integers(2, 6), SEEDS)
def test_with_few_groups_old_ones_move_only_if_a_side_was_filled(count, seed):
    fractions = (0.8, 0.1, 0.1) if count > 2 else (0.9, 0.1)
    before = make([(b, 0) for b in range(count)])
    old = seeded_split(before, fractions, seed)
    for more in (1, 3, 30):
        new = seeded_split(make([(b, 0) for b in range(count + more)]), fractions, seed)
        sides_of = [{g: i for i, side in enumerate(s) for g in side.group_ids("bg").tolist()} for s in (old, new)]
        if not old.filled:
            assert not new.filled  # more groups never empty a side
            assert {g: sides_of[1][g] for g in sides_of[0]} == sides_of[0]


def test_a_side_that_was_filled_is_told():
    splits = [seeded_split(make([(b, 0) for b in range(3)]), (0.9, 0.1), seed) for seed in range(30)]
    filled = [split for split in splits if split.filled]
    assert 0 < len(filled) < 30
    for split in splits:
        assert ("groups may change sides when data are added" in split.summary()) == split.filled
        assert pickle.loads(pickle.dumps(split)).filled == split.filled
    # And they do: an old background is on another side once there are more.
    moved = 0
    for seed in range(30):
        old, new = (
            seeded_split(make([(b, 0) for b in range(count)]), (0.9, 0.1), seed)[1].group_ids("bg").tolist()
            for count in (3, 40)
        )
        moved += not set(old) <= set(new)
    assert moved
    assert not seeded_split(make([(b, 0) for b in range(200)]), (0.9, 0.1), group_by=("bg",)).filled
    both = make([(b, f) for b in range(3) for f in range(60)])
    assert any(seeded_split(both, (0.9, 0.1), seed, ("bg", "fg")).filled for seed in range(10))
