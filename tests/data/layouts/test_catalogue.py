import logging

import pytest

from fgbgnet.data import Blocks, Manifest
from fgbgnet.data.layouts import LAYOUTS, Layout, index_layout, list_layouts
from fgbgnet.errors import InvalidArgumentError, ManifestError, MissingFileError, UnknownNameError
from tests.data.layouts.miniatures import MINIATURES, Miniature, Row, build

COLUMNS = ("fg_bg", "bg", "mask", "depth")


def table(manifest: Manifest) -> list[Row]:
    flip = manifest.column("flip").tolist() if "flip" in manifest.names else [""] * len(manifest)
    columns = [manifest.column(name).tolist() for name in (*COLUMNS, "fg_id")]
    return [Row(*values) for values in zip(*columns, flip, strict=True)]


def test_every_layout_has_a_miniature():
    assert {*MINIATURES, "M2"} == set(list_layouts())


@pytest.mark.parametrize("name", MINIATURES)
def test_every_frame_gets_its_own_partners(name, tmp_path):
    mini = MINIATURES[name]()
    build(tmp_path, mini)
    manifest = index_layout(tmp_path, name)
    assert sorted(table(manifest)) == sorted(mini.rows)
    assert set(manifest.column("depth_direction")) == {"near_large" if name == "H" else "near_small"}


@pytest.mark.parametrize("name", [name for name in MINIATURES if name not in "JNVR"])
def test_the_same_below_another_folder_or_inside_one_archive(name, tmp_path):
    mini = MINIATURES[name]()
    if any(".zip/" in row.fg_bg for row in mini.rows):
        flat = [Row(*(value.replace(".zip/", "/") for value in row)) for row in mini.rows]
        nested, prefix = Miniature(flat, {path.replace(".zip/", "/"): data for path, data in mini.strays.items()}), ""
    else:
        nested, prefix = mini, "everything.zip/below/"
    moved = Miniature(
        [Row(*(prefix + value if value and i < 4 else value for i, value in enumerate(row))) for row in nested.rows],
        {prefix + path: data for path, data in nested.strays.items()},
    )
    build(tmp_path, moved)
    assert sorted(table(index_layout(tmp_path, name))) == sorted(moved.rows)


@pytest.mark.parametrize("name", [name for name in MINIATURES if name != "R"])
def test_a_missing_mask_is_an_error_or_left_out(name, tmp_path):
    mini = MINIATURES[name]()
    lacking = [row._replace(mask="") if i == 1 else row for i, row in enumerate(mini.rows)]
    build(tmp_path, Miniature(lacking, mini.strays))
    by_position = LAYOUTS[name].pair_by == "position"
    words = "cannot be paired by position" if by_position else mini.rows[1].fg_bg.rpartition("/")[2].partition(".")[0]
    with pytest.raises(MissingFileError, match=f"layout {name}: ") as caught:
        index_layout(tmp_path, name)
    assert words in str(caught.value) or "row 1" in str(caught.value)
    if not by_position:
        assert sorted(table(index_layout(tmp_path, name, missing="drop"))) == sorted(mini.rows[:1] + mini.rows[2:])


def test_splits_that_folders_name_become_a_column(tmp_path):
    mini = MINIATURES["U"]()
    build(tmp_path, mini)
    manifest = index_layout(tmp_path, "U")
    for path, split in zip(manifest.column("fg_bg"), manifest.column("split"), strict=True):
        assert f"/{split}/" in path


def test_copies_of_a_background_are_one_background(tmp_path):
    build(tmp_path, MINIATURES["I"]())
    manifest = index_layout(tmp_path, "I")
    assert set(manifest.column("bg_id")) == {"1", "51"}
    assert len(set(manifest.column("bg"))) == 6


def test_the_labels_of_the_seed_are_not_believed_and_that_is_told(tmp_path, caplog):
    build(tmp_path, MINIATURES["A"]())
    with caplog.at_level(logging.INFO, "fgbgnet"):
        index_layout(tmp_path, "A")
    assert "labels.txt is wrong for part 2" in caplog.text


def test_parts_may_be_changed(tmp_path):
    build(tmp_path, Miniature([Row("frames/fg_bg_11.jpg", "rooms/2.jpg", "fg_bg_mask/fg_bg_mask_11.jpg", "")]))
    manifest = index_layout(
        tmp_path, "f", bg="rooms/{b}.jpg", fg_bg="frames/fg_bg_{n}.jpg", depth=None, background=Blocks(10),
        depth_unit="metres", source="mine",
    )  # fmt: skip
    assert table(manifest) == [Row("frames/fg_bg_11.jpg", "rooms/2.jpg", "fg_bg_mask/fg_bg_mask_11.jpg", "")]
    assert manifest.column("source").tolist() == ["mine"]
    with pytest.raises(InvalidArgumentError, match="meaning of a layout cannot be changed"):
        index_layout(tmp_path, "F", meaning="another")


def test_a_layout_without_backgrounds_asks_for_them(tmp_path):
    build(tmp_path, Miniature([Row("images/img000001.jpg", "bg/1.jpg", "masks/img000001.jpg", "depth/img000001.jpg")]))
    with pytest.raises(InvalidArgumentError, match=r"layout M2: such data have no bg .*bg=.*Blocks"):
        index_layout(tmp_path, "M2")
    manifest = index_layout(tmp_path, "M2", bg="bg/{b}.jpg", background=Blocks(4000))
    assert manifest.column("bg").tolist() == ["bg/1.jpg"]


def test_one_s_own_layout(tmp_path):
    build(tmp_path, Miniature([Row("f/1.jpg", "b.jpg", "m/1.jpg", "")]))
    layout = Layout("mine", "one room", bg="b.jpg", fg_bg="f/{n}.jpg", mask="m/{n}.jpg")
    assert index_layout(tmp_path, layout).column("bg").tolist() == ["b.jpg"]


def test_unknown_layouts_name_the_nearest(tmp_path):
    with pytest.raises(UnknownNameError, match=r"unknown layout 'U3'; the nearest are .*'U'.*list_layouts"):
        index_layout(tmp_path, "U3")


@pytest.mark.parametrize("name", ["U", "U2"])
def test_without_the_order_of_backgrounds_nothing_is_guessed(name, tmp_path):
    mini = MINIATURES[name]()
    build(tmp_path, mini)
    (tmp_path / "bg_order.csv").unlink()
    with pytest.raises(MissingFileError, match=r"bg_order\.csv.*one per line"):
        index_layout(tmp_path, name)


def test_a_background_missing_from_the_folder_does_not_shift_the_order(tmp_path):
    mini = MINIATURES["U2"]()
    build(tmp_path, mini)
    (tmp_path / "bg_images" / "z0.png").unlink()
    with pytest.raises(ManifestError, match=r"entry 0 .*'z0\.png', which is no background"):
        index_layout(tmp_path, "U2")


@pytest.mark.parametrize(
    ("archive", "command"),
    [
        ("fgbg.7z", "7z x fgbg.7z -ofgbg"),
        ("Fg Bg.rar", "unrar x 'Fg Bg.rar' 'Fg Bg'/"),
        ("fgbg.tar", "mkdir fgbg && tar -xf fgbg.tar -C fgbg"),
        ("fgbg.tar.gz", "mkdir fgbg && tar -xzf fgbg.tar.gz -C fgbg"),
    ],
)
def test_other_archives_are_to_be_converted_first(archive, command, tmp_path):
    build(tmp_path, Miniature([], {archive: b"7z", "bg/1.jpg": b""}))
    with pytest.raises(ManifestError, match="cannot be read in place") as caught:
        index_layout(tmp_path, "Q")
    assert f"Convert it first: {command}" in str(caught.value)
    with pytest.raises(ManifestError, match="Convert it first"):
        index_layout(tmp_path / archive, "Q")


@pytest.mark.parametrize("flat", ["mask", "fg_bg", "bg"])
def test_kinds_of_files_that_are_stored_in_different_ways_are_not_paired_by_chance(flat, tmp_path):
    rows = [row._replace(**{flat: getattr(row, flat).rpartition("/")[2]}) for row in MINIATURES["I"]().rows]
    build(tmp_path, Miniature(rows))
    if flat == "fg_bg":
        with pytest.raises(InvalidArgumentError, match=r"layout I: .*has no \{batch\}.*stored alike"):
            index_layout(tmp_path, "I")
    else:
        assert sorted(table(index_layout(tmp_path, "I"))) == sorted(rows)


def test_both_an_archive_and_its_copy_are_told(tmp_path):
    rows = [Row("all.zip/fg_bg/fg_bg_1.jpg", "bg/bg_1.jpg", "all.zip/fg_bg_mask/fg_bg_mask_1.jpg", "")]
    build(tmp_path, Miniature(rows, {"all/fg_bg/fg_bg_1.jpg": b"", "all/fg_bg_mask/fg_bg_mask_1.jpg": b""}))
    with pytest.raises(ManifestError, match=r"matches both all.*fg_bg_1\.jpg and all.*start from a folder"):
        index_layout(tmp_path, "F", depth=None)
