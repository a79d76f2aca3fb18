import pytest
from hypothesis import given, strategies as st

from fgbgnet.data import Manifest
from fgbgnet.data.audit import KINDS, Audit, Correction, Finding
from fgbgnet.data.audit.table import format_table

IDS = [f"s{n}" for n in range(40)]
TABLE = Manifest.from_lists("room.png", [f"{id}.png" for id in IDS], [f"m{id}.png" for id in IDS])


def finding(kind, ids):
    return Finding(kind, KINDS[kind].severity, tuple(ids), f"{len(ids)} samples: {KINDS[kind].meaning}")


def test_one_line_per_finding_and_a_last_one_in_words():
    findings = [
        finding("mask_off_difference", IDS[:8]),
        finding("mask_grey", IDS[6:9]),
        finding("mask_nothing_new", IDS),
    ]
    corrections = [Correction(row, "", "", "mask_off_difference") for row in range(3)]
    corrections += [Correction(row, "mask", "m.png", "mask_off_difference", "mirror") for row in range(3, 8)]
    lines = Audit(TABLE, 40, findings, corrections).summary(width=100).splitlines()
    assert [line.split()[0] for line in lines] == [
        "finding",
        "mask_off_difference",
        "mask_grey",
        "mask_nothing_new",
        "Clean:",
    ]
    assert lines[1].split()[1:4] == ["error", "8", "20.0%"]
    assert lines[1].endswith("5 fixed, 3 dropped")
    assert "s0, s1, s2" in lines[1]
    assert lines[2].split()[1:4] == ["warning", "3", "7.5%"]
    assert "s6, s7, s8" in lines[2]
    assert "…" not in lines[2]
    assert lines[2].endswith("nothing")
    # Rows 0 to 8 have an error or a warning; a note makes none unclean.
    assert lines[-1] == "Clean: 31 of 40 samples. Repair: 5 fixed, 3 dropped."


def test_nothing_found_is_one_line():
    assert Audit(TABLE, 40).summary() == "Clean: 40 of 40 samples."


@given(
    st.integers(72, 200),
    st.dictionaries(
        st.sampled_from(sorted(KINDS)), st.lists(st.text(st.characters(max_codepoint=0x2FF), min_size=1), min_size=1)
    ),
    st.lists(st.sampled_from(sorted(KINDS))),
)
def test_lines_fit_whatever_the_ids_are(width, found, repaired):
    findings = [finding(kind, ids) for kind, ids in found.items()]
    corrections = [Correction(row, "", "", kind) for row, kind in enumerate(repaired)]
    lines = format_table(Audit(TABLE, 40, findings, corrections), width).split("\n")
    assert len(lines) == len(findings) + (2 if findings else 1)
    assert all(len(line) <= width and line.isprintable() for line in lines[:-1])
    for line, (kind, ids) in zip(lines[1:], found.items(), strict=False):
        assert line.split()[:3] == [kind, KINDS[kind].severity, str(len(ids))]


@pytest.mark.parametrize(
    ("width", "shown"), [(200, "footballers/fg_bg/img_0050, "), (80, "…tballers/fg_bg/img_0050  ")]
)
def test_of_ids_that_do_not_fit_the_end_is_shown(width, shown):
    lines = Audit(TABLE, 40, [finding("mask_off_difference", ["footballers/fg_bg/img_0050"] * 30)]).summary(width)
    assert shown in lines


def test_words_on_the_repair_give_way_to_ids():
    corrections = [Correction(row, "mask", "m.png", "mask_full", "invert") for row in range(20)]
    corrections += [Correction(row, "depth", "", "mask_full") for row in range(20, 30)]
    corrections += [Correction(row, "", "", "mask_full") for row in range(30, 40)]
    audit = Audit(TABLE, 40, [finding("mask_full", IDS), finding("mask_off_difference", IDS)], corrections)
    whole = "20 fixed, 10 depthless, 10 dropped"
    assert audit.summary(120).splitlines()[1].endswith(whole)
    narrow = audit.summary(72).splitlines()[1]
    assert len(narrow) <= 72
    assert narrow.endswith(" 20 fixed, …")  # no count is cut in two
    assert "s0" in narrow
