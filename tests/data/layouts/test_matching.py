import logging
import zipfile

import pytest
from hypothesis import given, strategies as st

from fgbgnet.data import Blocks, match_patterns
from fgbgnet.errors import InvalidArgumentError, ManifestError, MissingFileError


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def paths(manifest, *columns):
    return list(zip(*(manifest.column(name).tolist() for name in columns), strict=True))


def test_numbers_pair_as_numbers_and_stand_in_numeric_order(tmp_path):
    touch(tmp_path, *(f"bg/bg_{b:03d}.jpg" for b in (1, 2)), *(f"fg_bg/img_{n}.jpg" for n in (1, 2, 10, 11, 100)))
    touch(tmp_path, *(f"mask/{n:04d}.png" for n in (1, 2, 10, 11, 100)))
    manifest = match_patterns(
        tmp_path, "bg/bg_{b}.jpg", "fg_bg/img_{n}.jpg", "mask/{n}.png", background=Blocks(50), depth_unit="metres"
    )
    assert paths(manifest, "bg", "fg_bg", "mask") == [
        (f"bg/bg_{b:03d}.jpg", f"fg_bg/img_{n}.jpg", f"mask/{n:04d}.png")
        for b, n in [(1, 1), (1, 2), (1, 10), (1, 11), (2, 100)]
    ]
    assert set(manifest.column("depth_unit")) == {"metres"}
    assert manifest.root == tmp_path


def test_background_from_the_frame_s_own_placeholders(tmp_path):
    touch(tmp_path, "bg/1.jpg", "bg/2.jpg", "f/bg_1/fg_7_3.jpg", "f/bg_02/fg_8_3.jpg", "m/1_7_3.png", "m/2_8_3.png")
    touch(tmp_path, "d/01/0007/d3.png", "d/02/0008/d3.png", "d/readme.txt")
    manifest = match_patterns(
        tmp_path, "bg/{b}.jpg", "f/bg_{b}/fg_{fg}_{n}.jpg", "m/{b}_{fg}_{n}.png", "d/{b}/{fg}/d{n}.png"
    )
    assert paths(manifest, "bg", "mask", "depth", "fg_id") == [
        ("bg/1.jpg", "m/1_7_3.png", "d/01/0007/d3.png", "7"),
        ("bg/2.jpg", "m/2_8_3.png", "d/02/0008/d3.png", "8"),
    ]


def test_names_that_are_text_a_fixed_background_and_a_wildcard(tmp_path):
    touch(tmp_path, "room.jpg", "f/anna 2.jpeg", "f/anna 10.jpg", "m/anna 2.png", "m/anna 10.png")
    manifest = match_patterns(tmp_path, "room.jpg", "f/{n}.jp*", "m/{n}.png")
    assert paths(manifest, "bg", "fg_bg") == [("room.jpg", "f/anna 2.jpeg"), ("room.jpg", "f/anna 10.jpg")]


def test_a_rule_may_be_any_function_and_may_name_text(tmp_path):
    touch(tmp_path, "bg/red.png", "bg/blue.png", "f/1.png", "f/2.png", "m/1.png", "m/2.png")
    manifest = match_patterns(
        tmp_path, "bg/{b}.png", "f/{n}.png", "m/{n}.png", background=lambda fields: ["red", "blue"][fields["n"] - 1]
    )
    assert manifest.column("bg").tolist() == ["bg/red.png", "bg/blue.png"]


def test_inside_zip_archives(tmp_path):
    for part in (1, 2):
        with zipfile.ZipFile(tmp_path / f"part{part}.zip", "w") as archive:
            for n in (2 * part - 1, 2 * part):
                archive.writestr(f"data/fg_bg/{n}.jpg", b"")
                archive.writestr(f"data/mask/{n}.png", b"")
    touch(tmp_path, "bg/1.jpg", "bg/2.jpg")
    manifest = match_patterns(
        tmp_path,
        "bg/{b}.jpg",
        "part{p}.zip/data/fg_bg/{n}.jpg",
        "part{p}.zip/data/mask/{n}.png",
        background=Blocks(2, field="n"),
    )
    assert manifest.column("fg_bg").tolist() == [
        f"part{p}.zip/data/fg_bg/{n}.jpg" for p, n in [(1, 1), (1, 2), (2, 3), (2, 4)]
    ]
    assert manifest.column("bg").tolist() == ["bg/1.jpg", "bg/1.jpg", "bg/2.jpg", "bg/2.jpg"]


@given(st.integers(1, 5000), st.integers(0, 3), st.integers(0, 3), st.integers(0, 400_000))
def test_blocks(size, first, base, offset):
    numbers = [Blocks(size, first, base)({"n": base + offset + extra}) for extra in range(size)]
    assert numbers[0] == first + offset // size
    assert len(set(numbers)) <= 2  # a window of one block's length touches at most two
    assert Blocks(size, first, base)({"n": base}) == first


def test_blocks_that_cannot_work(tmp_path):
    with pytest.raises(ManifestError, match="frame 0 lies before the first one, 1"):
        Blocks(4)({"n": 0})
    with pytest.raises(ManifestError, match=r"\{n\} = 'x'"):
        Blocks(4)({"n": "x"})
    with pytest.raises(InvalidArgumentError, match="size is 0"):
        Blocks(0)
    touch(tmp_path, "bg/1.jpg", "f/0.jpg", "m/0.png")
    with pytest.raises(ManifestError, match=r"f/0\.jpg: frame 0 lies before"):
        match_patterns(tmp_path, "bg/{b}.jpg", "f/{n}.jpg", "m/{n}.png", background=Blocks(4))


def test_missing_partners_name_the_first_few(tmp_path):
    touch(tmp_path, "bg/1.jpg", "m/3.png", *(f"f/{n}.jpg" for n in range(1, 10)))
    with pytest.raises(MissingFileError, match=r"8 partners are missing.*mask of f/1\.jpg \(m/1\.png\).*and 3 more"):
        match_patterns(tmp_path, "bg/{b}.jpg", "f/{n}.jpg", "m/{n}.png", background=Blocks(100))
    touch(tmp_path, *(f"m/{n}.png" for n in range(1, 10)))
    with pytest.raises(MissingFileError, match=r"bg of f/5\.jpg \(bg/2\.jpg\)"):
        match_patterns(tmp_path, "bg/{b}.jpg", "f/{n}.jpg", "m/{n}.png", background=Blocks(4))


def test_nothing_matches_shows_what_is_there(tmp_path):
    touch(tmp_path, "bg/1.jpg", "f/frame_1.jpg", "f/frame_2.jpg", "m/1.png")
    with pytest.raises(MissingFileError, match=r"fg_bg, 'f/img_\{n\}\.jpg'; .*/f holds 2 names, such as 'frame_"):
        match_patterns(tmp_path, "bg/{b}.jpg", "f/img_{n}.jpg", "m/{n}.png", background=Blocks())
    with pytest.raises(MissingFileError, match=r"no folder at .*frames"):
        match_patterns(tmp_path, "bg/{b}.jpg", "frames/{n}.jpg", "m/{n}.png", background=Blocks())


def test_two_files_for_the_same_number(tmp_path):
    touch(tmp_path, "bg/1.jpg", "f/5.jpg", "m/5.png", "m/005.png")
    with pytest.raises(ManifestError, match=r"matches both m/0?0?5\.png and m/0?0?5\.png"):
        match_patterns(tmp_path, "bg/{b}.jpg", "f/{n}.jpg", "m/{n}.png", background=Blocks())


@pytest.mark.parametrize(
    ("patterns", "background", "message"),
    [
        (("bg/{b}.jpg", "f/{n}.jpg", "m/{n}.png"), None, r"bg, 'bg/\{b\}.jpg', has \{b\}.*background=Blocks"),
        (("bg/{b}.jpg", "f/{n}.jpg", "m/{k}.png"), Blocks(), r"mask, 'm/\{k\}.png', has \{k\}"),
        (("bg/{b}_{c}.jpg", "f/{n}.jpg", "m/{n}.png"), Blocks(), "2 placeholders"),
        (("bg/{b}.jpg", "f/frame.jpg", "m/{n}.png"), Blocks(), "has no placeholder"),
    ],
)
def test_patterns_that_do_not_fit_together(tmp_path, patterns, background, message):
    with pytest.raises(InvalidArgumentError, match=message):
        match_patterns(tmp_path, *patterns, background=background)


def test_files_without_a_frame_are_told(tmp_path, caplog):
    touch(tmp_path, "bg/1.jpg", "bg/2.jpg", "f/1.jpg", "m/1.png")
    with caplog.at_level(logging.INFO, "fgbgnet"):
        match_patterns(tmp_path, "bg/{b}.jpg", "f/{n}.jpg", "m/{n}.png", background=Blocks())
    assert "1 files of bg belong to no frame, such as bg/2.jpg" in caplog.text


@pytest.mark.parametrize("packed", [False, True])
def test_strays_are_passed_over(tmp_path, packed):
    names = ["bg/1.jpg", "f/1/rgb/7.jpg", "m/7.png", "f/readme.txt", "f/old.zipped", "f/empty/notes.txt", "f/1/rgb.txt"]
    root = tmp_path / "my.zip files" if packed else tmp_path
    root.mkdir(exist_ok=True)
    if packed:
        with zipfile.ZipFile(root / "all.zip", "w") as archive:
            for name in names:
                archive.writestr(name, b"")
    else:
        touch(root, *names)
    prefix = "all.zip/" if packed else ""
    patterns = [prefix + pattern for pattern in ("bg/{b}.jpg", "f/{b}/rgb/{n}.jpg", "m/{n}.png")]
    manifest = match_patterns(root, *patterns)
    assert manifest.column("fg_bg").tolist() == [f"{prefix}f/1/rgb/7.jpg"]
    # All of a pattern's folders may have placeholders.
    manifest = match_patterns(root, patterns[0], f"{prefix}f/{{b}}/{{kind}}/{{n}}.jpg", patterns[2])
    assert manifest.column("fg_bg").tolist() == [f"{prefix}f/1/rgb/7.jpg"]


def test_strays_beside_archives_are_passed_over(tmp_path):
    for name in ("part1.zip", "part2.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(f"fg/{name[4]}.jpg", b"")
            archive.writestr(f"m/{name[4]}.png", b"")
    touch(tmp_path, "room.jpg", "part3.zip.txt", "part4.zipped", "part5.zip.part")
    manifest = match_patterns(tmp_path, "room.jpg", "part{p}/fg/{n}.jpg", "part{p}/m/{n}.png")
    assert manifest.column("fg_bg").tolist() == ["part1.zip/fg/1.jpg", "part2.zip/fg/2.jpg"]
