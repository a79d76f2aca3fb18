import zipfile

import pytest

from fgbgnet.data import read_table
from fgbgnet.errors import InvalidArgumentError, ManifestError, MissingFileError, PictureError, UnknownNameError


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


FILES = ("bg/1.jpg", "bg/2.jpg", "f/1.jpg", "f/2.jpg", "m/1.png", "m/2.png")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("header", [("Background", "FG-BG", "Mask Path"), ("bg", "overlay", "mask")])
def test_any_delimiter_and_the_usual_names_of_columns(tmp_path, delimiter, header):
    touch(tmp_path, *FILES)
    rows = [header, ("bg/2.jpg", "f/1.jpg", "m/1.png"), ("bg/1.jpg", "f/2.jpg", "m/2.png")]
    (tmp_path / "t.txt").write_text("\n".join(delimiter.join(row) for row in rows) + "\n")
    manifest = read_table(tmp_path / "t.txt", depth_unit="metres")
    assert manifest.column("bg").tolist() == ["bg/2.jpg", "bg/1.jpg"]
    assert manifest.column("fg_bg").tolist() == ["f/1.jpg", "f/2.jpg"]
    assert set(manifest.column("depth_unit")) == {"metres"}


def test_other_names_and_columns_that_are_kept(tmp_path):
    touch(tmp_path, *FILES)
    (tmp_path / "t.csv").write_text("a,b,c,weather\nbg/1.jpg,f/1.jpg,m/1.png,rain\n")
    manifest = read_table(tmp_path / "t.csv", {"bg": "a", "fg_bg": "b", "mask": "c"})
    assert manifest.column("weather").tolist() == ["rain"]
    with pytest.raises(ManifestError, match=r"columns 'a', 'b', 'c', 'weather'; none of them is known as bg"):
        read_table(tmp_path / "t.csv")
    with pytest.raises(ManifestError, match=r"'wether'; the nearest are 'weather'"):
        read_table(tmp_path / "t.csv", {"bg": "a", "fg_bg": "b", "mask": "wether"})


def test_paths_of_another_machine_without_suffixes(tmp_path):
    touch(tmp_path / "here", *FILES)
    root = "/content/drive/here"
    (tmp_path / "t.csv").write_text(f"bg,fg_bg,mask\n{root}/bg/1,{root}/f/2,{root}/m/2\n")
    manifest = read_table(tmp_path / "t.csv", root=tmp_path / "here")
    assert [manifest.column(n)[0] for n in ("bg", "fg_bg", "mask")] == ["bg/1.jpg", "f/2.jpg", "m/2.png"]


def test_a_file_of_another_folder_is_never_taken_for_the_one_that_is_missing(tmp_path, caplog):
    touch(tmp_path, "bg/1.jpg", "a/f/1.jpg", "a/m/1.png", "b/f/1.jpg", "b/m/1.png", "c/m/1.png")
    (tmp_path / "t.csv").write_text("bg,fg_bg,mask\nbg/1.jpg,a/f/1.jpg,a/m/1.png\nbg/1.jpg,b/f/1.jpg,d/m/1.png\n")
    with pytest.raises(
        MissingFileError, match=r"1 files that .*t\.csv names are not there: mask 'd/m/1\.png' of row 1"
    ):
        read_table(tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv", missing="drop").column("fg_bg").tolist() == ["a/f/1.jpg"]
    assert "1 of 2 rows name files that are not there" in caplog.text


def test_two_files_that_may_be_meant(tmp_path):
    touch(tmp_path, "bg/1.jpg", "a/f/1.jpg", "b/f/1.jpg", "m/1.png")
    (tmp_path / "t.csv").write_text("bg,fg_bg,mask\nbg/1.jpg,f/1.jpg,m/1.png\n")
    with pytest.raises(ManifestError, match=r"f/1\.jpg may mean a/f/1\.jpg or b/f/1\.jpg"):
        read_table(tmp_path / "t.csv")


def test_two_paths_that_would_mean_one_file(tmp_path):
    touch(tmp_path, "1.jpg", "1.png", "bg.jpg")
    (tmp_path / "t.csv").write_text("bg,fg_bg,mask\nbg.jpg,x/1.jpg,1.png\nbg.jpg,y/1.jpg,1.png\n")
    with pytest.raises(ManifestError, match=r"x/1\.jpg and y/1\.jpg of fg_bg would both mean 1\.jpg"):
        read_table(tmp_path / "t.csv")


def test_archives_that_the_table_names(tmp_path):
    for name, members in (("a.zip", ("x/1.jpg", "x/2.png")), ("b.zip", ("1.jpg",))):
        with zipfile.ZipFile(tmp_path / name, "w") as file:
            for member in members:
                file.writestr(member, b"")
    (tmp_path / "t.csv").write_text("bg,bgzip,image,mask,zip\n1.jpg,b.zip,1.jpg,2.png,a.zip\n")
    manifest = read_table(tmp_path / "t.csv", archives={"bg": "bgzip", "fg_bg": "zip", "mask": "zip"})
    assert [manifest.column(n)[0] for n in ("bg", "fg_bg", "mask")] == ["b.zip/1.jpg", "a.zip/x/1.jpg", "a.zip/x/2.png"]
    assert manifest.names == ["bg", "fg_bg", "mask"]
    with pytest.raises(ManifestError, match="'zipp'; the nearest are 'zip'"):
        read_table(tmp_path / "t.csv", archives={"fg_bg": "zipp"})
    with pytest.raises(UnknownNameError, match="unknown layer 'frame'"):
        read_table(tmp_path / "t.csv", archives={"frame": "zip"})


def test_a_table_inside_an_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as file:
        for name in FILES:
            file.writestr(name, b"")
        file.writestr("t.csv", "bg,fg_bg,mask\nbg/1.jpg,f/1.jpg,m/1.png\n")
    assert read_table(tmp_path / "all.zip" / "t.csv").column("fg_bg").tolist() == ["f/1.jpg"]


def test_samples_without_depth(tmp_path):
    touch(tmp_path, *FILES, "d/1.png")
    (tmp_path / "t.csv").write_text(
        "bg,fg_bg,mask,depth\nbg/1.jpg,f/1.jpg,m/1.png,d/1.png\nbg/1.jpg,f/2.jpg,m/2.png,\n"
    )
    assert read_table(tmp_path / "t.csv").column("depth").tolist() == ["d/1.png", ""]


@pytest.mark.parametrize(
    ("content", "options", "error", "message"),
    [
        (b"", {}, ManifestError, "is empty"),
        (b"\xff\xfe", {}, ManifestError, "expected text in UTF-8"),
        (b"bg,fg_bg,mask\na,b\n", {}, ManifestError, "line 2: 2 values, but the header has 3"),
        (b'bg,fg_bg,mask\n"a"b,c,d\n', {}, ManifestError, "is not a table with the delimiter ','"),
        (b"bg,fg_bg,mask\n", {}, ManifestError, "no rows"),
        (b"bg,fg_bg,mask\n", {"delimiter": "tab"}, InvalidArgumentError, "expected a single character"),
        (None, {}, MissingFileError, "no file at"),
    ],
)
def test_what_is_no_table(tmp_path, content, options, error, message):
    if content is not None:
        (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(error, match=message):
        read_table(tmp_path / "t.csv", **options)


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(PictureError, match="is a folder"):
        read_table(tmp_path)


def test_a_frame_is_never_taken_for_a_mask_that_is_missing(tmp_path):
    touch(tmp_path, "bg/1.jpg", "1.png")
    (tmp_path / "t.csv").write_text("bg,fg_bg,mask\nbg/1.jpg,1.png,mask/1.png\n")
    with pytest.raises(ManifestError, match=r"1\.png and mask/1\.png of mask would both mean 1\.png"):
        read_table(tmp_path / "t.csv")
