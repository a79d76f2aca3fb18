"""Columns in little memory hold exactly the texts that were put in."""

import csv
import pickle

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.dtypes import StringDType

from fgbgnet.data import Manifest, table, texts
from fgbgnet.data.table import read_texts
from fgbgnet.data.texts import Texts
from fgbgnet.errors import ManifestError

words = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    st.integers(0, 10**6).map("data part/fg-bg{}.jpg".format),
    st.sampled_from(["", "metres", "relative"]),
)


@pytest.fixture(scope="module", autouse=True)
def small_pieces():
    """So that short lists have several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "_PIECE", 7)
        patch.setattr(texts, "_LEAST", 5)
        patch.setattr(table, "_PIECE", 40)
        patch.setattr(table, "_ROWS", 3)
        yield


@given(values=st.lists(words, max_size=60), data=st.data())
def test_texts_are_a_list_of_strings(values, data):
    column = Texts.of(values)
    assert len(column) == len(values)
    assert [column[k] for k in range(len(values))] == values
    assert column.array().dtype == StringDType()
    assert column.array().tolist() == values
    assert [text for piece in column.pieces() for text in piece] == values
    assert column.distinct() == set(values)
    assert column.has_duplicates() == (len(set(values)) < len(values))
    for text in {*values[:5], "", "data", "data part/fg-bg1"}:
        assert column.where(text).tolist() == [k for k, value in enumerate(values) if value == text]
    assert column.mapped(lambda some: [text.upper() for text in some]).array().tolist() == [v.upper() for v in values]
    rows = data.draw(st.lists(st.integers(0, len(values) - 1), max_size=20)) if values else []
    taken = column.take(np.array(rows, np.int64))
    assert taken.array().tolist() == [values[row] for row in rows]
    assert taken.distinct() == {values[row] for row in rows}
    assert pickle.loads(pickle.dumps(column)).array().tolist() == values


def test_values_of_other_kinds(tmp_path):
    assert Texts.of([tmp_path, None, 3, 0.5]).array().tolist() == [str(tmp_path), "", "3", "0.5"]
    assert Texts.of(np.array(["a", "bc"], dtype=StringDType())).array().tolist() == ["a", "bc"]
    assert Texts.of(np.arange(3)).array().tolist() == ["0", "1", "2"]
    assert Texts.constant("x", 4).array().tolist() == ["x"] * 4
    with pytest.raises(ManifestError, match=r"column mask is the single value 'm\.png'"):
        Texts.of("m.png", "mask")


def test_what_repeats_is_kept_once():
    """By counting bytes: 16 for a text of an array, and one for a position in a short table."""
    rooms = Texts.of([f"a folder with a long name/{k // 1000}.jpg" for k in range(100_000)])
    assert rooms.rest is None
    assert rooms.heads.codes.nbytes == 100_000
    frames = Texts.of([f"a folder with a long name/{k}.jpg" for k in range(100_000)])
    assert frames.rest.nbytes == 1_600_000
    assert max(map(len, frames.rest.tolist())) <= 15  # what fits into these 16 bytes
    assert frames.heads.codes.nbytes <= 200_000


cells = st.one_of(words, st.sampled_from(['a "quoted" cell', "two\nlines", "with,comma", "\r", " space "]))


@settings(max_examples=200)
@given(rows=st.lists(st.lists(cells, min_size=3, max_size=3), max_size=25), blank=st.booleans(), end=st.booleans())
def test_csv_is_read_as_the_standard_library_reads_it(tmp_path_factory, rows, blank, end):
    path = tmp_path_factory.getbasetemp() / "table.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        # The writer of the standard library does not see that a lone \r must be quoted.
        quoting = csv.QUOTE_ALL if any("\r" in cell for row in rows for cell in row) else 0
        writer = csv.writer(file, lineterminator="\n", quoting=quoting)
        writer.writerow(["one", "two", "three"])
        writer.writerows(rows)
        file.write("\n" * blank)
    if not end and not blank:
        path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    with path.open(newline="", encoding="utf-8") as file:
        expected = [row for row in csv.reader(file, strict=True) if row][1:]
    with path.open(newline="", encoding="utf-8") as file:
        columns = read_texts(file, path)
    assert list(columns) == ["one", "two", "three"]
    assert list(zip(*(column.array().tolist() for column in columns.values()), strict=True)) == list(
        map(tuple, expected)
    )


@pytest.mark.parametrize("bad", ["a,b", "a,b,c,d", 'a,"b,c', "a,b\nc,d,e,f"])
@pytest.mark.parametrize("before", [0, 1, 30])
@pytest.mark.parametrize("quoted", [False, True])
def test_mistakes_are_found_wherever_they_stand(tmp_path, bad, before, quoted):
    good = ['"x",y,z'] * before if quoted else ["xxxx,yyyy,zzzz"] * before
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["bg,fg_bg,mask", *good, bad, "x,y,z"]) + "\n")
    expected = (
        rf"line {before + 2}: {bad.splitlines()[0].count(',') + 1} values" if '"' not in bad else "not a manifest"
    )
    with pytest.raises(ManifestError, match=expected):
        Manifest.read(path)


def test_a_selection_of_a_selection(tmp_path):
    numbers = [str(k) for k in range(40)]
    manifest = Manifest.from_lists("room.jpg", [f"f/{k}.jpg" for k in numbers], numbers, root=tmp_path, fg_id=numbers)
    part = manifest.select(range(39, 9, -1)).select(np.arange(30) % 7 == 0)
    assert part.column("fg_id").tolist() == ["39", "32", "25", "18", "11"]
    assert part.value("id", 1) == "f/32"
    assert part.distinct("bg_id") == {"room.jpg"}
    assert [part.value("depth", k) for k in range(5)] == [""] * 5
    with pytest.raises(ManifestError, match=r"'f/38' \(2 times\)"):
        manifest.select([3, 38, -2])
    assert Manifest.read(part.write(tmp_path / "part.csv")).column("mask").tolist() == ["39", "32", "25", "18", "11"]
