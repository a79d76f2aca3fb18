import random

import pytest
from hypothesis import given, strategies as st

from fgbgnet.data import Manifest
from fgbgnet.data.audit.findings import KINDS, Correction
from fgbgnet.data.audit.plan import count_repairs, count_rows, plan_repair
from fgbgnet.errors import InvalidArgumentError, UnknownNameError

TABLE = Manifest.from_lists(
    ["a.png", "b.png", "a.png"], ["1.png", "2.png", "3.png"], ["m1.png", "m2.png", "m3.png"], ["d.png"] * 3
)
CORRECTIONS = [
    Correction(0, "bg", "b.png", "bg_wrong"),
    Correction(0, "bg", "b.png", "bg_mirrored", "mirror"),
    Correction(0, "mask", "m1.png", "mask_inverted", "invert"),
    Correction(0, "mask", "m1.png", "mask_off_difference", "turn"),
    Correction(0, "depth_direction", "near_large", "depth_polarity"),
    Correction(1, "depth", "", "depth_margin"),
    Correction(1, "depth", "other.png", "depth_of_another"),
    Correction(2, "", "", "mask_full"),
    Correction(2, "mask", "m3.png", "mask_inverted", "invert"),
    Correction(2, "", "", "file_missing"),
]


@given(st.randoms(use_true_random=False))
def test_the_order_in_which_corrections_come_does_not_matter(generator: random.Random):
    shuffled = [*CORRECTIONS, *CORRECTIONS[:3]]
    generator.shuffle(shuffled)
    assert plan_repair(TABLE, shuffled) == plan_repair(TABLE, CORRECTIONS)


def test_corrections_of_one_row_are_combined():
    plan = plan_repair(TABLE, CORRECTIONS)
    assert list(plan) == [0, 1, 2]
    first = plan[0]
    assert (first.cells["bg"].value, first.cells["bg"].edits) == ("b.png", ("mirror",))
    assert first.cells["mask"].edits == ("invert", "turn")
    assert first.cells["mask"].reasons == ("mask_inverted", "mask_off_difference")
    assert first.reasons == ("bg_wrong", "bg_mirrored", "mask_inverted", "mask_off_difference", "depth_polarity")
    assert not first.dropped
    assert plan[1].cells["depth"].value == ""  # an emptied cell stays empty
    assert plan[2].dropped == ("file_missing", "mask_full")


def test_the_later_kind_wins_where_values_differ():
    plan = plan_repair(
        TABLE,
        [Correction(0, "bg", "a.png", "bg_mirrored", "mirror"), Correction(0, "bg", "b.png", "bg_wrong", "flip")],
    )
    assert list(KINDS).index("bg_wrong") < list(KINDS).index("bg_mirrored")
    assert (plan[0].cells["bg"].value, plan[0].cells["bg"].edits) == ("a.png", ("mirror",))


@pytest.mark.parametrize(
    ("correction", "error", "words"),
    [
        (Correction(3, "", "", "mask_full"), InvalidArgumentError, "row 3, but the manifest has 3"),
        (Correction(-1, "", "", "mask_full"), InvalidArgumentError, "row -1"),
        (Correction(0, "maks", "x.png", "mask_full"), UnknownNameError, "'mask'"),
        (Correction(0, "", "", "mask_ful"), UnknownNameError, "'mask_full'"),
    ],
)
def test_corrections_that_fit_no_row_are_refused(correction, error, words):
    with pytest.raises(error, match=words):
        plan_repair(TABLE, [correction])


def test_counts():
    counts = {kind: count.in_words() for kind, count in count_repairs(CORRECTIONS).items()}
    assert counts["mask_inverted"] == "2 fixed"
    assert counts["depth_margin"] == "1 depthless"
    assert counts["mask_full"] == "1 dropped"
    assert "mask_grey" not in counts
    # Every row once, by the most that is done to it.
    assert count_rows(CORRECTIONS).in_words() == "1 fixed, 1 depthless, 1 dropped"
    assert count_rows([]).in_words() == "nothing"
