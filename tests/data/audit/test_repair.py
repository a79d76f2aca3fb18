import csv
import errno
import hashlib
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageOps

from fgbgnet.data import Manifest, PairedFgBgDataset
from fgbgnet.data.audit import Audit, Correction
from fgbgnet.errors import InvalidArgumentError, ManifestError, MissingFileError, OutputError


@pytest.fixture
def folder(quadruples, tmp_path):
    shutil.copytree(quadruples.parent, tmp_path / "data")
    return tmp_path / "data"


def fingerprints(folder):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def cells(manifest, name):
    """Values of a column by id."""
    return dict(zip(manifest.column("id").tolist(), manifest.column(name).tolist(), strict=True))


def test_corrections_are_applied_and_everything_else_stays(folder, tmp_path):
    table = Manifest.read(folder).with_column("split", ["train", "val"] * 6).with_column("taken", "2020")
    before = fingerprints(folder)
    corrections = [
        Correction(0, "bg", "bg/bg_3.png", "bg_wrong"),
        Correction(1, "mask", "mask/001.png", "mask_inverted", "invert"),
        Correction(1, "mask", "mask/001.png", "mask_off_difference", "mirror"),
        Correction(2, "depth", "", "depth_margin"),
        Correction(3, "", "", "mask_full"),
        Correction(3, "mask", "mask/003.png", "mask_inverted", "invert"),
        Correction(5, "bg", "bg/bg_1.png", "bg_mirrored", "mirror"),
        Correction(9, "bg", "bg/bg_1.png", "bg_mirrored", "mirror"),
    ]
    out = tmp_path / "new" / "repaired.csv"
    repaired = Audit(table, 12, corrections=corrections).repaired(out)

    assert fingerprints(folder) == before
    ids = [f"s{n:03d}" for n in range(12) if n != 3]
    assert repaired.column("id").tolist() == ids == Manifest.read(out).column("id").tolist()
    expected = {
        "s000": "bg_wrong",
        "s001": "mask_inverted mask_off_difference",
        "s002": "depth_margin",
        "s005": "bg_mirrored",
        "s009": "bg_mirrored",
    }
    assert cells(repaired, "repair") == dict.fromkeys(ids, "") | expected
    assert list(csv.reader((out.parent / "repaired.dropped.csv").open())) == [["id", "reason"], ["s003", "mask_full"]]

    assert repaired.resolve(cells(repaired, "bg")["s000"]) == folder / "bg/bg_3.png"
    assert cells(repaired, "bg_id")["s000"] == "b3"
    mask = pixels(repaired.resolve(cells(repaired, "mask")["s001"]))
    original = Image.open(folder / "mask/001.png")
    np.testing.assert_array_equal(mask, np.asarray(ImageOps.mirror(ImageOps.invert(original))))
    assert cells(repaired, "depth")["s002"] == ""
    shared = {cells(repaired, "bg")[id] for id in ("s005", "s009")}
    assert len(shared) == 1
    np.testing.assert_array_equal(
        pixels(repaired.resolve(*shared)), np.asarray(ImageOps.mirror(Image.open(folder / "bg/bg_1.png")))
    )
    assert [cells(repaired, "bg_id")[id] for id in ("s005", "s009")] == ["b1", "b1"]
    # One file per picture and edit, none for the row that is dropped.
    assert len(list((out.parent / "repaired_files").iterdir())) == 2

    for name in ("fg_bg", "fg_id", "split", "taken", "depth_unit", "depth_direction"):
        there, then = cells(table, name), cells(repaired, name)
        if name == "fg_bg":
            there = {id: str(folder / path) for id, path in there.items()}
        assert then == {id: there[id] for id in ids}
    samples = {sample["id"]: sample for sample in PairedFgBgDataset(repaired)}
    assert not samples["s002"]["depth_valid"].any()
    np.testing.assert_array_equal(samples["s001"]["mask"][0].numpy(), mask / 255)


def test_nothing_to_repair_is_the_same_table(folder, tmp_path):
    table = Manifest.read(folder)
    Audit(table, 12).repaired(tmp_path / "data" / "copy.csv")
    assert (folder / "copy.csv").read_bytes() == table.write(folder / "written.csv").read_bytes()
    assert not list(tmp_path.rglob("*dropped*"))
    assert not list(tmp_path.rglob("*_files"))


def test_ids_and_groups_do_not_follow_the_paths_of_copies(folder, tmp_path):
    full = Manifest.read(folder)
    names = ("bg", "fg_bg", "mask")
    table = Manifest({name: full.column(name) for name in names}, folder)  # ids and groups are defaults
    corrections = [
        Correction(4, "fg_bg", "fg_bg/004.png", "fg_bg_unchanged", "mirror"),
        Correction(0, "bg", "bg/bg_0.png", "bg_mirrored", "mirror"),
    ]
    repaired = Audit(table, 12, corrections=corrections).repaired(tmp_path / "r.csv")
    for name in ("id", "bg_id"):
        assert repaired.column(name).tolist() == table.column(name).tolist()


def test_a_background_brings_the_group_that_rows_with_it_rightly_have(folder, tmp_path):
    # Rows 0, 4 and 8 show background 0; two of them were given another one, groups and all.
    table = Manifest.read(folder)
    for name, wrong in (("bg", "bg/bg_1.png"), ("bg_id", "b1")):
        values = table.column(name).tolist()
        values[0] = values[4] = wrong
        table = table.with_column(name, values)
    unused = tmp_path / "data/bg/unused.png"
    shutil.copy(folder / "bg/bg_2.png", unused)
    corrections = [
        Correction(0, "bg", "bg/bg_0.png", "bg_wrong"),
        Correction(4, "bg", "bg/bg_0.png", "bg_wrong"),
        Correction(1, "bg_id", "lead", "group_duplicate"),
        Correction(0, "bg_id", "lead", "group_duplicate"),  # of the background that is replaced
        Correction(2, "bg", "bg/unused.png", "bg_wrong"),
    ]
    repaired = Audit(table, 12, corrections=corrections).repaired(tmp_path / "r.csv")
    assert repaired.column("bg_id").tolist() == ["b0", "lead", "bg/unused.png", "b3", *["b0", "b1", "b2", "b3"] * 2]


def test_rows_whose_own_background_is_wrong_do_not_name_its_group(tmp_path):
    names = ["1.png", "2.png", "3.png", "4.png", "5.png"]
    table = Manifest.from_lists(["a"] * 4 + ["b"], names, names, bg_id=["A", "C", "C", "D", "B"], root=tmp_path)
    corrections = [
        Correction(1, "bg", "c", "bg_wrong"),
        Correction(2, "bg", "c", "bg_wrong"),
        Correction(2, "bg_id", "found with it", "bg_wrong"),
        Correction(3, "", "", "bg_wrong"),
        Correction(4, "bg", "a", "bg_wrong"),
    ]
    repaired = Audit(table, 5, corrections=corrections).repaired(tmp_path / "r.csv")
    assert repaired.column("bg_id").tolist() == ["A", "c", "found with it", "A"]


def test_a_second_repair_adds_to_the_first(folder, tmp_path):
    first = Audit(Manifest.read(folder), 12, corrections=[Correction(0, "depth", "", "depth_margin")])
    table = first.repaired(tmp_path / "first.csv")
    second = Audit(table, 12, corrections=[Correction(0, "mask", table.column("mask")[0], "mask_inverted", "invert")])
    again = second.repaired(tmp_path / "second.csv")
    assert cells(again, "repair")["s000"] == "depth_margin mask_inverted"
    assert cells(again, "repair")["s001"] == ""


def test_members_of_archives_are_edited_into_files(folder, tmp_path):
    with zipfile.ZipFile(folder / "masks.zip", "w") as archive:
        for path in sorted((folder / "mask").iterdir()):
            archive.write(path, f"mask/{path.name}")
    table = Manifest.read(folder)
    table = table.with_column("mask", [f"masks.zip/{path}" for path in table.column("mask").tolist()])
    change = Correction(6, "mask", "masks.zip/mask/006.png", "mask_off_difference", "flip")
    repaired = Audit(table, 12, corrections=[change]).repaired(tmp_path / "r.csv")
    copy = repaired.resolve(cells(repaired, "mask")["s006"])
    assert copy.parent == tmp_path / "r_files"
    np.testing.assert_array_equal(pixels(copy), pixels(folder / "mask/006.png")[::-1])


def test_nothing_is_overwritten(folder):
    audit = Audit(Manifest.read(folder), 12, corrections=[Correction(0, "", "", "mask_full")])
    before = fingerprints(folder)
    with pytest.raises(InvalidArgumentError, match=r"manifest\.csv exists; a repair never overwrites"):
        audit.repaired(folder / "manifest.csv")
    (folder / "r.dropped.csv").write_text("mine")
    with pytest.raises(InvalidArgumentError, match=r"r\.dropped\.csv exists"):
        audit.repaired(folder / "r.csv")
    (folder / "r.dropped.csv").unlink()
    (folder / "r_files").mkdir()
    (folder / "r_files" / "copy.png").write_text("another repair's")
    with pytest.raises(InvalidArgumentError, match="r_files holds files"):
        audit.repaired(folder / "r.csv")
    shutil.rmtree(folder / "r_files")
    with pytest.raises(InvalidArgumentError, match="is a folder"):
        audit.repaired(folder / "mask")
    with pytest.raises(InvalidArgumentError, match="is a file"):
        audit.repaired(folder / "manifest.csv" / "r.csv")
    assert fingerprints(folder) == before


def test_a_table_without_rows_is_not_written(folder, tmp_path):
    audit = Audit(Manifest.read(folder), 12, corrections=[Correction(row, "", "", "mask_full") for row in range(12)])
    with pytest.raises(ManifestError, match="all 12 rows would be dropped"):
        audit.repaired(tmp_path / "r.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_picture_that_has_gone_stops_the_repair(folder, tmp_path):
    corrections = [
        Correction(0, "", "", "mask_full"),
        Correction(1, "mask", "mask/001.png", "mask_inverted", "invert"),
        Correction(2, "mask", "mask/gone.png", "mask_inverted", "invert"),
    ]
    with pytest.raises(MissingFileError, match=r"gone\.png"):
        Audit(Manifest.read(folder), 12, corrections=corrections).repaired(tmp_path / "r.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_full_disk_leaves_no_table_and_no_list(folder, tmp_path, monkeypatch):
    def full(self, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Manifest, "write", full)
    audit = Audit(Manifest.read(folder), 12, corrections=[Correction(0, "", "", "mask_full")])
    with pytest.raises(OutputError, match="the disk is full"):
        audit.repaired(tmp_path / "r.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]
