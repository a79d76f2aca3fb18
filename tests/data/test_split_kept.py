"""Splits that are written down, kept when data are added, stratified, and do not part near-duplicates."""

import pickle
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

from fgbgnet.data import Manifest, PairedFgBgDataset, eval_transform, leaks, load_split, seeded_split
from fgbgnet.errors import InvalidArgumentError, SplitError, UnknownNameError
from fgbgnet.synth import SceneDataset

SEEDS = st.integers(0, 1000)
FRACTIONS = st.sampled_from([(0.7, 0.3), (0.6, 0.2, 0.2), (0.85, 0.15)])


def make(pairs, **columns):
    """A data set of (bg_id, fg_id) pairs; no file is read."""
    names = [f"{b}-{f}-{i}.png" for i, (b, f) in enumerate(pairs)]
    groups = {"bg_id": [str(b) for b, _ in pairs], "fg_id": [str(f) for _, f in pairs]}
    return PairedFgBgDataset(Manifest.from_lists(names, names, names, id=names, **groups, **columns))


def group_sides(split, kind="bg"):
    return {group: name for name, side in zip(split.names, split, strict=True) for group in side.group_ids(kind)}


def backgrounds(*counts):
    """As many rows of each background."""
    return [(b, 0) for b, count in enumerate(counts) for _ in range(count)]


SIZES = st.lists(st.integers(1, 12), min_size=6, max_size=25)


# Written down


@settings(max_examples=20)
@given(SIZES, SEEDS, FRACTIONS)
def test_a_split_comes_back_from_its_file(tmp_path_factory, sizes, seed, fractions):
    dataset = make([(b, b % 3) for b, count in enumerate(sizes) for _ in range(count)])
    for group_by in ("bg", ("bg", "fg")):
        try:
            split = seeded_split(dataset, fractions, seed, group_by)
        except SplitError:
            continue
        path = tmp_path_factory.mktemp("split") / "manifest.csv"
        split.save(path)
        loaded = load_split(PairedFgBgDataset(path))
        assert loaded.names == split.names == ("train", "val", "test")[: len(fractions)]
        assert [side.ids.tolist() for side in loaded] == [side.ids.tolist() for side in split]
        assert (loaded.column == split.column).all()
        assert loaded.dropped == split.dropped


def test_sides_can_be_chosen_when_loading():
    dataset = make(backgrounds(1, 1, 1, 1), split=["zebra", "test", "train", ""])
    assert load_split(dataset).names == ("train", "test", "zebra")
    small = eval_transform(8)
    chosen = load_split(dataset, ["test"], [small])
    assert chosen[0].group_ids("bg").tolist() == ["1"]
    assert chosen[0].transform is small
    assert chosen.dropped == 3
    assert load_split(dataset, "test")[0].ids.tolist() == chosen[0].ids.tolist()
    assert (
        pickle.loads(pickle.dumps(chosen)).summary()
        == "split of the manifest: test 1 (100.0%); 3 of 4 samples belong to none of them"
    )


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["dev"], UnknownNameError, r"unknown side of the split 'dev'; known are 'train', 'val'"),
        (["val", "val"], InvalidArgumentError, "expected each side once"),
        ([], InvalidArgumentError, "expected each side once"),
    ],
)
def test_wrong_sides(names, error, message):
    with pytest.raises(error, match=message):
        load_split(make(backgrounds(1, 1), split=["train", "val"]), names)


def test_nothing_to_load():
    for dataset in (make(backgrounds(2)), make(backgrounds(2), split=["", ""]), SceneDataset(3, size=32)):
        with pytest.raises(SplitError, match="fgbgnet split"):
            load_split(dataset)


def test_a_data_set_without_a_manifest_cannot_be_saved(tmp_path):
    split = seeded_split(SceneDataset(8, size=32), (0.5, 0.5))
    with pytest.raises(SplitError, match="has no manifest"):
        split.save(tmp_path / "manifest.csv")
    assert not list(tmp_path.iterdir())


# Kept


@settings(max_examples=40)
@given(SIZES, SEEDS, FRACTIONS, st.sampled_from([None, "source"]), st.randoms(use_true_random=False))
def test_what_is_kept_never_moves(sizes, seed, fractions, stratify_by, rng):
    """Whatever order the rows are in, whatever was added, and whatever the seed is now."""
    rows = [(b, b % 4) for b, count in enumerate(sizes) for _ in range(count)]
    source = [str(b % 2) for b, _ in rows]
    old = seeded_split(make(rows, source=source), fractions, seed, stratify_by=stratify_by)
    extra = [(b, 0) for b in range(2 * len(sizes)) for _ in range(2)]
    more = list(zip(rows + extra, old.column.tolist() + [""] * len(extra), strict=True))
    rng.shuffle(more)
    grown = make([row for row, _ in more], source=[str(row[0] % 2) for row, _ in more])
    new = seeded_split(grown, fractions, seed + 1, keep=[side for _, side in more], stratify_by=stratify_by)
    before, after = group_sides(old), group_sides(new)
    assert {group: after[group] for group in before} == before
    assert len(after) == 2 * len(sizes)
    assert not new.dropped
    assert not leaks(grown.manifest.with_column("split", new.column), kinds=["bg"])


@given(SIZES, SEEDS)
def test_keeping_a_plain_split_gives_what_splitting_anew_gives(sizes, seed):
    """The hash decides for new groups as it would have without any."""
    dataset, grown = make(backgrounds(*sizes)), make(backgrounds(*sizes, *sizes))
    old = seeded_split(dataset, (0.5, 0.5), seed)
    assume(not old.filled)
    keep = old.column.tolist() + [""] * (len(grown) - len(dataset))
    assert group_sides(seeded_split(grown, (0.5, 0.5), seed, keep=keep)) == group_sides(
        seeded_split(grown, (0.5, 0.5), seed)
    )


@settings(max_examples=20)
@given(SEEDS)
def test_both_groups_are_kept(seed):
    pairs = [(b, f) for b in range(8) for f in range(8)]
    try:
        old = seeded_split(make(pairs), (0.6, 0.4), seed, ("bg", "fg"))
    except SplitError:
        assume(False)
    grown = pairs + [(b, f) for b in range(12) for f in range(12) if (b, f) not in pairs]
    new = seeded_split(
        make(grown), (0.6, 0.4), seed, ("bg", "fg"), keep=old.column.tolist() + [""] * (len(grown) - len(pairs))
    )
    kept = old.column != ""
    assert (new.column[: len(pairs)][kept] == old.column[kept]).all()
    assert not leaks(make(grown).manifest.with_column("split", new.column))


def test_single_samples_are_kept():
    old = seeded_split(make(backgrounds(30)), (0.5, 0.5), group_by=None)
    new = seeded_split(make(backgrounds(60)), (0.5, 0.5), 7, None, keep=old.column.tolist() + [""] * 30)
    assert new.column[:30].tolist() == old.column.tolist()
    assert {*new.column[30:].tolist()} == {"train", "val"}


def test_a_kept_split_that_leaks_is_refused():
    dataset = make([(0, 0), (0, 1), (1, 0)])
    with pytest.raises(SplitError, match=r"background '0' stands on the sides 'val' and 'train' of the split"):
        seeded_split(dataset, (0.5, 0.5), keep=["val", "train", ""])


def test_a_side_is_filled_with_new_groups_only():
    with pytest.raises(SplitError, match="none can be moved there"):
        seeded_split(make(backgrounds(1, 1, 1)), (0.5, 0.5), keep=["train"] * 3)
    split = seeded_split(make(backgrounds(1, 1, 1)), (0.99, 0.01), keep=["train", "train", ""])
    assert split.column.tolist() == ["train", "train", "val"]


# Stratified


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), min_size=8, max_size=40),
    SEEDS,
    FRACTIONS,
    st.randoms(use_true_random=False),
)
def test_strata_meet_the_fractions_to_within_their_groups(groups, seed, fractions, rng):
    rows = [(g, stratum) for g, (stratum, count) in enumerate(groups) for _ in range(count)]
    split = seeded_split(
        make([(g, 0) for g, _ in rows], source=[s for _, s in rows]), fractions, seed, stratify_by="source"
    )
    largest = max(count for _, count in groups)
    sizes = Counter(zip((s for _, s in rows), split.column.tolist(), strict=True))
    for side, fraction in zip(split.names, fractions, strict=True):
        total = sum(sizes[stratum, side] for stratum in "abc")
        assert abs(total - fraction * len(rows)) <= 2 * largest or split.filled
        for stratum in "abc":
            wanted = fraction * sum(s == stratum for _, s in rows)
            assert abs(sizes[stratum, side] - wanted) <= 2 * largest or split.filled
    order = list(range(len(rows)))
    rng.shuffle(order)
    again = seeded_split(
        make([(rows[i][0], 0) for i in order]), fractions, seed, stratify_by=[rows[i][1] for i in order]
    )
    assert group_sides(again) == group_sides(split)


def test_equal_groups_meet_the_fractions_exactly():
    dataset = make(backgrounds(*[4] * 100), source=[s for s, n in (("x", 40), ("y", 60)) for _ in range(4 * n)])
    split = seeded_split(dataset, (0.7, 0.2, 0.1), seed=5, stratify_by="source")
    counts = Counter(zip(dataset.manifest.column("source").tolist(), split.column.tolist(), strict=True))
    assert counts == {
        ("x", "train"): 112, ("x", "val"): 32, ("x", "test"): 16,
        ("y", "train"): 168, ("y", "val"): 48, ("y", "test"): 24,
    }  # fmt: skip
    assert "stratified by source" in split.summary()


def test_strata_of_one_group_each_still_balance_the_whole():
    dataset = make(backgrounds(*[1] * 40))
    split = seeded_split(dataset, (0.75, 0.25), stratify_by=[str(n) for n in range(40)])
    assert [len(side) for side in split] == [30, 10]


def test_seeds_differ_and_the_hash_still_decides_for_most():
    dataset = make(backgrounds(*[1] * 200))
    even = [group_sides(seeded_split(dataset, (0.5, 0.5), seed, stratify_by=["all"] * 200)) for seed in range(2)]
    assert even[0] != even[1]
    plain = group_sides(seeded_split(dataset, (0.5, 0.5), 0))
    moved = sum(plain[group] != even[0][group] for group in plain)
    assert moved == abs(Counter(plain.values())["train"] - 100)  # no more than evens the sides


def test_golden_values():
    """Published splits never change."""
    sizes = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]
    dataset = make(backgrounds(*sizes), source=[f"s{b % 2}" for b, _ in backgrounds(*sizes)])
    expected = {
        "plain": "test val train train train train train train train train train test",
        "stratified": "test val val train train train test train train val train test",
        "merged": "test val train test train train train test train train train test",
    }
    fractions = (0.6, 0.2, 0.2)
    found = {
        "plain": seeded_split(dataset, fractions, 1),
        "stratified": seeded_split(dataset, fractions, 1, stratify_by="source"),
        "merged": seeded_split(dataset, fractions, 1, merge={"bg": [("7", "3"), ("3", "11")]}),
    }
    for name, split in found.items():
        assert " ".join(group_sides(split)[str(b)] for b in range(12)) == expected[name], name


def test_both_forms_of_an_accented_name_are_one():
    composed = [f"caf\N{LATIN SMALL LETTER E WITH ACUTE}_{n}" for n in range(40)]
    apart = [unicodedata.normalize("NFD", name) for name in composed]
    assert composed != apart
    sides = [
        seeded_split(make([(name, 0) for name in names]), (0.5, 0.5)).column.tolist() for names in (composed, apart)
    ]
    assert sides[0] == sides[1]


# Near-duplicates


@settings(max_examples=50)
@given(SIZES, SEEDS, st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=3), FRACTIONS)
def test_near_duplicates_are_not_parted(sizes, seed, pairs, fractions):
    dataset = make(backgrounds(*sizes))
    named = [(str(a), str(b)) for a, b in pairs]
    try:
        split = seeded_split(dataset, fractions, seed, merge={"bg": named})
    except SplitError:
        assume(False)
    manifest = dataset.manifest.with_column("split", split.column)
    assert not leaks(manifest, named, kinds=["bg"])
    assert not split.dropped
    untouched = set(map(str, range(len(sizes)))) - {name for pair in named for name in pair}
    if not split.filled and not (plain := seeded_split(dataset, fractions, seed)).filled:
        before, after = group_sides(plain), group_sides(split)
        assert {g: after[g] for g in untouched} == {g: before[g] for g in untouched}


def test_a_new_group_between_two_sides_belongs_to_none():
    dataset = make(backgrounds(1, 1, 1, 1))
    split = seeded_split(
        dataset, (0.5, 0.5), keep=["train", "val", "", ""], merge={"bg": [("0", "2"), ("2", "1"), ("3", "0")]}
    )
    # 0 and 1 stay, though they are joined now; 2 and 3 would be near-duplicates of the other side wherever they went.
    assert split.column.tolist() == ["train", "val", "", ""]
    split = seeded_split(dataset, (0.5, 0.5), keep=["train", "val", "", ""], merge={"bg": [("0", "2"), ("3", "1")]})
    assert split.column.tolist() == ["train", "val", "train", "val"]


def test_too_few_once_joined():
    with pytest.raises(SplitError, match=r"1 backgrounds that differ came for 2 sides"):
        seeded_split(make(backgrounds(1, 1)), (0.5, 0.5), merge={"bg": [("0", "1")]})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"names": ("a", "a")}, InvalidArgumentError, r"names are \('a', 'a'\) for 2 fractions"),
        ({"names": ("a",)}, InvalidArgumentError, "a different one for each side"),
        ({"names": "ab"}, InvalidArgumentError, "names are 'ab'"),
        ({"names": ("a", " ")}, InvalidArgumentError, "a different one for each side"),
        ({"keep": ["train"]}, InvalidArgumentError, "keep has 1 values for 3 samples"),
        ({"keep": "train"}, InvalidArgumentError, "keep has 1 values for 3 samples"),
        ({"keep": ["train", "", "test"]}, UnknownNameError, "unknown side in keep 'test'.*names"),
        (
            {"fractions": ("0.5", "0.5")},
            InvalidArgumentError,
            r"fractions are \('0\.5', '0\.5'\); expected positive shares",
        ),
        ({"stratify_by": "sauce"}, UnknownNameError, "unknown column 'sauce'; the nearest are 'source'"),
        ({"stratify_by": ["a"]}, InvalidArgumentError, "stratify_by has 1 values for 3 samples"),
        ({"merge": [("0", "1")]}, InvalidArgumentError, r"merge is a list; expected a mapping.*'bg'"),
        ({"merge": {"fg": []}}, InvalidArgumentError, r"merge has 'fg'; expected a mapping.*\('bg'\)"),
        ({"merge": {"bg": [("0",)]}}, InvalidArgumentError, r"merge holds \('0',\); expected pairs"),
        ({"merge": {"bg": [("0", "9")]}}, UnknownNameError, "unknown background to merge '9'"),
    ],
)
def test_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        seeded_split(make(backgrounds(1, 1, 1), source=["a", "b", "b"]), **{"fractions": (0.5, 0.5), **arguments})


def test_a_column_of_a_data_set_without_a_manifest():
    with pytest.raises(InvalidArgumentError, match="has no manifest; give one value for each sample"):
        seeded_split(SceneDataset(8, size=32), (0.5, 0.5), stratify_by="source")
    split = seeded_split(SceneDataset(8, size=32), (0.5, 0.5), stratify_by=np.array(["a", "b"] * 4))
    assert Counter(split.column.tolist()) == {"train": 4, "val": 4}
