import zipfile

import pytest
from hypothesis import given, strategies as st
from PIL import Image

from fgbgnet.data import Manifest
from fgbgnet.errors import InvalidArgumentError, MissingFileError
from fgbgnet.inference import Pair, folder_pairs, manifest_pairs
from fgbgnet.inference.pairs import check_names


def fill(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (4, 4)).save(folder / name)
    return folder


def test_one_background_and_natural_order(tmp_path):
    frames = fill(tmp_path / "frames", "f10.jpg", "f9.png", "f1.JPG", ".hidden.png")
    (frames / "notes.txt").touch()
    room = fill(tmp_path, "room.png") / "room.png"
    assert folder_pairs(room, str(frames)) == [
        Pair(name, str(room), f"{frames}/{file}")
        for name, file in (("f1", "f1.JPG"), ("f9", "f9.png"), ("f10", "f10.jpg"))
    ]


def test_backgrounds_by_name(tmp_path):
    frames, rooms = fill(tmp_path / "a", "2.png", "1.png"), fill(tmp_path / "b", "1.jpg", "2.jpg", "3.jpg")
    pairs = folder_pairs(rooms, frames)
    assert [(pair.bg, pair.fg_bg) for pair in pairs] == [(f"{rooms}/{n}.jpg", f"{frames}/{n}.png") for n in (1, 2)]
    with pytest.raises(InvalidArgumentError, match=r"1 of 3 frames .* no background .*the first is '3'"):
        folder_pairs(frames, rooms)


def test_folders_in_archives(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in ("frames/2.png", "frames/1.png", "room.png"):
            archive.writestr(name, b"")
    pairs = folder_pairs(f"{tmp_path}/all.zip/room.png", f"{tmp_path}/all.zip/frames")
    assert [pair.fg_bg for pair in pairs] == [f"{tmp_path}/all.zip/frames/{n}.png" for n in (1, 2)]


def test_manifests(quadruples):
    table = Manifest.read(quadruples)
    pairs = manifest_pairs(quadruples)
    assert [pair.name for pair in pairs] == table.column("id").tolist()
    assert pairs == manifest_pairs(table)
    assert pairs[1] == Pair("s001", str(quadruples.parent / "bg/bg_1.png"), str(quadruples.parent / "fg_bg/001.png"))
    twins = Manifest({"id": ["../x", "/x"], "bg": ["b"] * 2, "fg_bg": ["1", "2"], "mask": ["m"] * 2})
    with pytest.raises(InvalidArgumentError, match="called 'x'"):
        manifest_pairs(twins)


@given(id=st.text("a./\\1", min_size=1))
def test_no_result_leaves_its_folder(id):
    table = Manifest({"id": [id], "bg": ["b"], "fg_bg": ["f"], "mask": ["m"]})
    (pair,) = manifest_pairs(table)
    parts = pair.name.split("/")
    assert all(part not in ("", ".", "..") for part in parts)
    check_names([pair.name], "here")


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "", "a//b", "a\\b"])
def test_names_that_would_lead_out_are_refused(name):
    with pytest.raises(InvalidArgumentError, match="expected a relative path"):
        check_names(["ok", name], "pairs")


def test_what_is_not_there(tmp_path):
    frames, empty = fill(tmp_path / "frames", "1.png", "1.jpg"), fill(tmp_path / "empty")
    with pytest.raises(InvalidArgumentError, match="called '1'"):
        folder_pairs(frames / "1.png", frames)
    with pytest.raises(InvalidArgumentError, match="holds no picture"):
        folder_pairs(frames / "1.png", empty)
    with pytest.raises(MissingFileError, match=r"fg_bg: no folder at .*; the nearest are 'frames'"):
        folder_pairs(frames / "1.png", tmp_path / "frame")
    (frames / "1.jpg").unlink()
    with pytest.raises(MissingFileError, match=r"bg: no picture or folder at .*; the nearest are '1\.png'"):
        folder_pairs(frames / "2.png", frames)
