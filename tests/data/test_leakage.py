import pytest
from hypothesis import given, strategies as st

from fgbgnet.data import Manifest, leaks
from fgbgnet.errors import UnknownNameError

ROWS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "x", "y", "z"]), st.sampled_from(["", "train", "test"])),
    min_size=1,
    max_size=12,
)
PAIRS = st.lists(st.tuples(st.sampled_from("abcdq"), st.sampled_from("abcdq")), max_size=3)


def make(rows):
    names = [f"{n}.png" for n in range(len(rows))]
    bg, fg, split = zip(*rows, strict=True)
    return Manifest.from_lists(names, names, names, bg_id=list(bg), fg_id=list(fg), split=list(split))


@given(ROWS, PAIRS)
def test_finds_what_stands_on_several_sides(rows, pairs):
    """Compared with sets."""
    expected = []
    order = list(dict.fromkeys(side for *_, side in rows if side))
    for kind, place in (("bg", 0), ("fg", 1)):
        for group in dict.fromkeys(row[place] for row in rows if row[place]):
            sides = {row[2] for row in rows if row[place] == group and row[2]}
            if len(sides) > 1:
                expected.append((kind, (group,), tuple(side for side in order if side in sides)))
    for pair in pairs:
        sides = {row[2] for row in rows if row[0] in pair and row[2]}
        if len(sides) > 1:
            expected.append(("near_duplicate", pair, tuple(side for side in order if side in sides)))
    assert [tuple(leak) for leak in leaks(make(rows), pairs)] == expected


def test_kinds_can_be_left_out_and_have_words():
    manifest = make([("a", "x", "train"), ("b", "x", "test"), ("c", "y", "test")])
    assert leaks(manifest, kinds=["bg"]) == []
    assert [str(leak) for leak in leaks(manifest, [("a", "c")])] == [
        "foreground 'x' on train and test",
        "near-duplicates 'a' and 'c' on train and test",
    ]


def test_without_a_split_nothing_leaks():
    names = ["1.png", "2.png"]
    assert leaks(Manifest.from_lists("room.png", names, names), [("room.png", "room.png")]) == []


def test_unknown_kind():
    with pytest.raises(UnknownNameError, match=r"unknown kind 'fgs'; the nearest are 'fg'"):
        leaks(make([("a", "x", "train")]), kinds=["fgs"])


def test_as_many_sides_as_rows():
    names = [str(n) for n in range(200_000)]  # a table of groups by sides would have 40,000,000,000 cells
    (leak,) = leaks(Manifest.from_lists("room.png", names, names, split=names, fg_id=names))
    assert leak == ("bg", ("room.png",), tuple(names))
