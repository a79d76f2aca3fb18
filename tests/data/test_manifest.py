import csv
import pickle

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from fgbgnet.data import Manifest
from fgbgnet.errors import ManifestError, MissingFileError, UnknownNameError


def table(n=3, **columns):
    base = {name: [f"{name}/{i}.png" for i in range(n)] for name in ("bg", "fg_bg", "mask")}
    return base | columns


def test_defaults_of_absent_columns():
    manifest = Manifest(table())
    assert manifest.column("id").tolist() == ["fg_bg/0", "fg_bg/1", "fg_bg/2"]
    assert manifest.column("bg_id").tolist() == ["bg/0.png", "bg/1.png", "bg/2.png"]
    for name, value in [("depth", ""), ("fg_id", ""), ("depth_unit", "relative"), ("depth_direction", "near_small")]:
        assert manifest.column(name).tolist() == [value] * 3, name
    assert manifest.names == ["bg", "fg_bg", "mask"]
    assert manifest.column("id").dtype == np.dtypes.StringDType()


def test_default_ids_do_not_depend_on_how_a_path_is_written(tmp_path):
    relative = Manifest(table(), root=tmp_path)
    absolute = Manifest({k: [str(tmp_path / p) for p in v] for k, v in table().items()}, root=tmp_path)
    assert absolute.column("id").tolist() == relative.column("id").tolist()
    assert absolute.column("bg_id").tolist() == relative.column("bg_id").tolist()


def test_lists_may_hold_paths(tmp_path):
    manifest = Manifest.from_lists(tmp_path / "b.png", [tmp_path / "1.png"], [tmp_path / "m.png"], root=tmp_path)
    assert manifest.resolve(manifest.column("mask")[0]) == tmp_path / "m.png"


def test_written_and_read_again_it_means_the_same_files(tmp_path):
    data, other = tmp_path / "data", tmp_path / "other"
    manifest = Manifest(table(depth=["d/0.npy", "", "d/2.npy"], weather=["fog", 'a "b", c', "ü\n"]), root=data)
    for place in (data / "sub/manifest.csv", data / "manifest.csv", other / "manifest.csv"):
        back = Manifest.read(manifest.write(place))
        for name in ("bg", "fg_bg", "mask"):
            paths = [[m.resolve(p) for p in m.column(name)] for m in (manifest, back)]
            assert paths[0] == paths[1]
        assert back.column("depth").tolist()[1] == ""
        for name in ("id", "bg_id", "fg_id", "depth_unit", "weather"):
            assert back.column(name).tolist() == manifest.column(name).tolist(), name
    text = (data / "manifest.csv").read_text()
    assert str(tmp_path) not in text  # relative where possible
    assert [p.name for p in data.glob("*")] == ["sub", "manifest.csv"] or not list(data.glob("*tmp*"))


def test_a_failed_write_leaves_the_former_file(tmp_path, monkeypatch):
    path = Manifest(table()).write(tmp_path / "manifest.csv")
    before = path.read_bytes()

    class Full:
        def __init__(self, *args, **kwargs):
            pass

        def writerow(self, row):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv, "writer", Full)
    with pytest.raises(OSError, match="No space"):
        Manifest(table(n=5)).write(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_reads_a_folder_and_a_byte_order_mark(tmp_path):
    (tmp_path / "manifest.csv").write_text("bg, fg_bg,mask\nb,1.png,m\n\n", encoding="utf-8-sig")
    assert Manifest.read(tmp_path).column("id").tolist() == ["1"]


def test_select():
    manifest = Manifest(table(n=5, fg_id=list("abcde")))
    assert manifest.select([4, 0]).column("fg_id").tolist() == ["e", "a"]
    assert manifest.select(np.arange(5) > 2).column("id").tolist() == ["fg_bg/3", "fg_bg/4"]
    for wrong, message in [([], "no samples"), ([1, 1], "more than once"), ([5], "from 5 rows"), ([-6], "5 rows")]:
        with pytest.raises(ManifestError, match=message):
            manifest.select(wrong)
    with pytest.raises(ManifestError, match="2 values came to select from 5 rows"):
        manifest.select(np.array([True, False]))


def test_pickles():
    manifest = Manifest(table(fg_id=["a" * 100, "", "é"]))
    assert pickle.loads(pickle.dumps(manifest)).column("fg_id").tolist() == ["a" * 100, "", "é"]


def test_lists_of_different_lengths():
    with pytest.raises(ManifestError, match="bg 2, fg_bg 3, mask 3, depth 1"):
        Manifest.from_lists(["a", "b"], ["1", "2", "3"], ["x", "y", "z"], ["d"])


def test_a_single_path_instead_of_a_list():
    with pytest.raises(ManifestError, match=r"mask is the single path m\.png; expected a list"):
        Manifest.from_lists("b.png", ["1.png"], "m.png")


def test_duplicate_ids_name_the_first_few():
    ids = [f"i{n // 2}" for n in range(20)]
    with pytest.raises(ManifestError, match=r"'i0' \(2 times\), 'i1'.*'i4' \(2 times\) and 5 more") as error:
        Manifest(table(n=20, id=ids))
    assert "'i5'" not in str(error.value)
    with pytest.raises(ManifestError, match="give an id column"):
        Manifest(table(n=2) | {"fg_bg": ["same.png", "same.png"]})


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"depth_unit": ["metres", "meters", "relative"]}, "row 1 .*'meters'; the nearest are 'metres'"),
        ({"depth_direction": ["near_small", "near_small", "far_small"]}, "depth_direction 'far_small'.*near_small"),
        ({"depth_scale": ["", "0.001", "mm"]}, "depth_scale 'mm' is not a positive number"),
        ({"depth_scale": ["", "0.001", "-1"]}, "depth_scale '-1'"),
        ({"depth_invalid": ["0", "", "none"]}, "depth_invalid 'none' is not a number: the stored value"),
        ({"depth_invalid": ["nan", "", ""]}, "depth_invalid 'nan'"),
        ({"mask": ["1", "", "2"]}, "mask is empty in 1 rows, first in row 1"),
        ({"id": ["1", "", "2"]}, "id is empty in row 1"),
        ({"mask": "m.png"}, "column mask is the single value"),
    ],
)
def test_values_that_do_not_fit(columns, message):
    with pytest.raises(ManifestError, match=message):
        Manifest(table() | columns)


def test_unknown_column_names_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown column 'depth_units'; the nearest are 'depth_unit'"):
        Manifest(table()).column("depth_units")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("bg,frame,mask\na,b,c\n", "required column 'fg_bg' missing; there is 'bg', 'frame', 'mask'"),
        ("background,frame\na,b\n", "required columns 'bg', 'fg_bg', 'mask' missing"),
        ("bg;fg_bg;mask\na;b;c\n", "another delimiter than the comma"),
        ("bg,fg_bg,mask\n", "no samples"),
        ("", "is empty; expected a header"),
        ("bg,fg_bg,mask,bg\na,b,c,d\n", "column 'bg' twice"),
        ("bg,fg_bg,mask\na,b,c\nd,e\n", "line 3: 2 values, but the header has 3"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "not a manifest"),
    ],
)
def test_a_file_that_is_no_manifest_is_named(tmp_path, content, message):
    path = tmp_path / "data.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ManifestError, match=message) as error:
        Manifest.read(path)
    assert str(path) in str(error.value)


def test_missing_manifest(tmp_path):
    with pytest.raises(MissingFileError, match=r"no manifest at .*nothing\.csv"):
        Manifest.read(tmp_path / "nothing.csv")
    with pytest.raises(MissingFileError, match=r"manifest\.csv"):
        Manifest.read(tmp_path)


def test_background_ids_do_not_depend_on_how_a_path_is_written_inside_the_root(tmp_path):
    written = ["bg/1.png", "./bg/1.png", "x/../bg/1.png", "bg//1.png", str(tmp_path / "bg/1.png"), "bg/./1.png"]
    frames = [f"{n}.png" for n in range(len(written))]
    manifest = Manifest.from_lists(written, frames, frames, root=tmp_path)
    assert manifest.column("bg_id").tolist() == ["bg/1.png"] * len(written)
    assert manifest.column("bg").tolist() == written  # where the files are is nobody's business
    above = Manifest.from_lists("../bg/1.png", ["./1.png"], frames[:1], root=tmp_path)
    assert above.column("bg_id").tolist() == ["../bg/1.png"]
    assert above.column("id").tolist() == ["1"]


def test_blank_units_and_directions_have_the_default(tmp_path):
    text = (
        "bg,fg_bg,mask,depth_unit,depth_direction\nb,1.png,m,metres,\nb,2.png,m,,near_large\nb,3.png,m, ,near_small\n"
    )
    (tmp_path / "manifest.csv").write_text(text)
    manifest = Manifest.read(tmp_path)
    assert manifest.column("depth_unit").tolist() == ["metres", "relative", "relative"]
    assert manifest.column("depth_direction").tolist() == ["near_small", "near_large", "near_small"]
    given = np.array(["", "metres", ""], dtype=np.dtypes.StringDType())
    assert Manifest(table(depth_unit=given)).column("depth_unit").tolist() == ["relative", "metres", "relative"]
    assert given.tolist() == ["", "metres", ""]


CELLS = st.text(st.sampled_from("a0é,\"'\r\n\t \ufeff\u2028\x85\x1c/\\\0"), max_size=5)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
@example([("\r", "a\rb")])
def test_cells_of_any_characters_come_back(tmp_path_factory, cells):
    frames = [f"{k}.jpg" for k in range(len(cells))]
    notes, ids = [note for note, _ in cells], [f"{k}-{id}" for k, (_, id) in enumerate(cells)]
    path = tmp_path_factory.mktemp("manifest") / "manifest.csv"
    Manifest.from_lists("b.jpg", frames, frames, note=notes, id=ids).write(path)
    again = Manifest.read(path)
    assert again.column("note").tolist() == notes
    assert again.column("id").tolist() == ids


@pytest.mark.parametrize("indices", [[0.9, 1.7], ["0"], [[0, 1]], 1])
def test_positions_that_are_none(indices):
    with pytest.raises(ManifestError, match="came to select rows; expected integers or bool"):
        Manifest(table()).select(indices)


@pytest.mark.parametrize("count", [3, 5000])
def test_columns_cannot_be_written_past_the_table(count):
    manifest = Manifest(table(count))
    for name in ("bg", "id", "depth_unit"):
        with pytest.raises(ValueError, match="read-only"):
            manifest.column(name)[0] = "other"
