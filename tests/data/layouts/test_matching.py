import logging
import zipfile

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fgbgnet.data import Blocks, InOrder, Parts, match_patterns
from fgbgnet.errors import InvalidArgumentError, ManifestError, MissingFileError, UnknownNameError


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


def test_regular_expressions_and_words_that_are_no_values(tmp_path):
    touch(tmp_path, "bg/1.jpg", "bg/2.jpg", "f/img1_7.jpg", "f/img2_8flip.jpg", "f/notes.jpg", "m/m7.png", "m/m8.PNG")
    manifest = match_patterns(
        tmp_path, r"bg/{b}.jpg", r"f/{:img|image}{b:[0-9]{1,2}}_{n:\d+}{flip:(?:flip)?}.jpg", r"m/m{n:\d+}.{:png|PNG}"
    )
    assert paths(manifest, "bg", "mask", "flip") == [
        ("bg/1.jpg", "m/m7.png", "false"),
        ("bg/2.jpg", "m/m8.PNG", "true"),
    ]


def test_the_first_pattern_that_matches_counts(tmp_path):
    touch(tmp_path, "rooms/1.jpg", "f/1_5.jpg", "masks/5.png", "old/5.png")
    bg, mask = ("bg/{b}.jpg", "rooms/{b}.jpg"), ("mask/{n}.png", "masks/{n}.png", "old/{n}.png")
    manifest = match_patterns(tmp_path, bg, "f/{b}_{n}.jpg", mask)
    assert paths(manifest, "bg", "mask") == [("rooms/1.jpg", "masks/5.png")]
    with pytest.raises(MissingFileError, match=r"of mask, 'x/\{n\}.png', nor 'y/\{n\}.png'; no folder at .*/x"):
        match_patterns(tmp_path, bg, "f/{b}_{n}.jpg", ("x/{n}.png", "y/{n}.png"))


def test_any_depth_and_archives_with_or_without_their_suffix(tmp_path):
    with zipfile.ZipFile(tmp_path / "frames.zip", "w") as archive:
        archive.writestr("a/b/1.jpg", b"")
        archive.writestr("2.jpg", b"")
        archive.writestr("__MACOSX/a/b/._1.jpg", b"")
        archive.writestr("a/._2.jpg", b"")
    touch(tmp_path, "room.jpg", "deep/er/masks/1.png", "masks/2.png")
    manifest = match_patterns(tmp_path, "room.jpg", "frames/**/{n}.jpg", "**/masks/{n}.png")
    assert paths(manifest, "fg_bg", "mask") == [
        ("frames.zip/a/b/1.jpg", "deep/er/masks/1.png"),
        ("frames.zip/2.jpg", "masks/2.png"),
    ]


def test_links_that_lead_back_do_not_loop(tmp_path):
    touch(tmp_path, "room.jpg", "a/1.jpg", "m/1.png")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "linked").symlink_to(tmp_path / "m")
    manifest = match_patterns(tmp_path, "room.jpg", "**/a/{n}.jpg", "linked/{n}.png")
    assert paths(manifest, "fg_bg", "mask") == [("a/1.jpg", "linked/1.png")]


def test_pairs_by_position_within_folders(tmp_path):
    for b, count in (("x", 3), ("y", 11)):
        touch(tmp_path, f"bg/{b}.jpg", *(f"f/{b}/shot {n}.jpg" for n in range(count)))
        touch(tmp_path, *(f"m/{b}/{chr(97 + n)}.png" for n in range(count)))
    manifest = match_patterns(tmp_path, "bg/{b}.jpg", "f/{b}/{frame}", "m/{b}/{file}", pair_by="position")
    assert paths(manifest, "fg_bg", "mask") == [
        (f"f/{b}/shot {n}.jpg", f"m/{b}/{chr(97 + n)}.png") for b, count in (("x", 3), ("y", 11)) for n in range(count)
    ]
    (tmp_path / "m/x/c.png").rename(tmp_path / "m/y/l.png")
    with pytest.raises(
        MissingFileError, match=r"14 frames such as f/x/shot 0\.jpg cannot be paired by position with 14"
    ):
        match_patterns(tmp_path, "bg/{b}.jpg", "f/{b}/{frame}", "m/{b}/{file}", pair_by="position")


@given(st.integers(1, 50), st.integers(1, 9), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2000))
def test_backgrounds_in_turn(size, count, first, base, offset):
    """Against the loop that makes such data."""
    made = [bg for _ in range(2000 // (size * count) + 2) for bg in range(first, first + count) for _ in range(size)]
    assert Blocks(size, first, base, count=count)({"n": base + offset}) == made[offset]


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.integers(0, 1), st.sets(st.integers(1, 4)))
def test_parts_made_in_two_ways(backgrounds, foregrounds, places, base, by_foreground):
    """Against the loops that make such data: background by background, or foreground by foreground."""
    made = []
    for part in range(1, 5):
        if part in by_foreground:
            made += [bg for _ in range(foregrounds) for bg in range(1, backgrounds + 1) for _ in range(places)]
        else:
            made += [bg for bg in range(1, backgrounds + 1) for _ in range(foregrounds) for _ in range(places)]
    other = Blocks(places, base=0, count=backgrounds)
    rule = Parts(
        backgrounds * foregrounds * places,
        Blocks(foregrounds * places, base=0),
        dict.fromkeys(by_foreground, other),
        base,
    )
    assert [rule({"n": n}) for n in range(base, base + len(made))] == made
    columns = rule({"n": np.arange(base, base + len(made))})
    assert columns.tolist() == made


def test_a_place_in_a_given_order_or_in_that_of_a_file(tmp_path):
    touch(tmp_path, "bg/lake.jpg", "bg/attic.jpg", *(f"f/{n}.jpg" for n in range(4)), *(f"m/{n}.png" for n in range(4)))
    rule = Blocks(2, first=0, base=0)
    for order, expected in (
        (None, ["attic", "lake"]),
        (["lake.jpg", "attic"], ["lake", "attic"]),
        ("log.txt", ["lake", "attic"]),
    ):
        (tmp_path / "log.txt").write_text("number|file\n0|/content/bg/lake.jpg\n\n1|/content/bg/attic.jpg\n")
        manifest = match_patterns(tmp_path, "bg/{b}.jpg", "f/{n}.jpg", "m/{n}.png", background=InOrder(rule, order))
        assert manifest.column("bg").tolist() == [f"bg/{b}.jpg" for b in expected for _ in range(2)]
    with pytest.raises(MissingFileError, match=r"2 partners are missing.*bg of f/2\.jpg"):
        match_patterns(tmp_path, "bg/{b}.jpg", "f/{n}.jpg", "m/{n}.png", background=InOrder(rule, ["lake"]))
    with pytest.raises(ManifestError, match=r"names none of the 2 backgrounds"):
        match_patterns(tmp_path, "bg/{b}.jpg", "f/{n}.jpg", "m/{n}.png", background=InOrder(rule, ["cellar"]))


def test_columns_from_placeholders_and_constants(tmp_path):
    touch(tmp_path, "1.jpg", "f/train/1_7_T.jpg", "f/test/1_8_F.jpg", "m/7.png", "m/8.png")
    manifest = match_patterns(
        tmp_path,
        "{b}.jpg",
        "f/{split}/{b}_{fg}_{flip}.jpg",
        "m/{fg}.png",
        bg_id="room {b}",
        id="{split}-{fg}",
        source="me",
    )
    assert paths(manifest, "id", "bg_id", "fg_id", "flip", "split", "source") == [
        ("test-8", "room 1", "8", "false", "test", "me"),
        ("train-7", "room 1", "7", "true", "train", "me"),
    ]


def test_frames_without_a_partner_may_be_left_out(tmp_path, caplog):
    touch(tmp_path, "bg/1.jpg", *(f"f/{n}.jpg" for n in range(1, 5)), "m/1.png", "m/3.png")
    with caplog.at_level(logging.WARNING, "fgbgnet"):
        manifest = match_patterns(
            tmp_path, "bg/{b}.jpg", "f/{n}.jpg", "m/{n}.png", background=Blocks(9), missing="drop"
        )
    assert manifest.column("mask").tolist() == ["m/1.png", "m/3.png"]
    assert "2 of 4 frames lack a partner" in caplog.text
    with pytest.raises(UnknownNameError, match="missing 'skip'"):
        match_patterns(tmp_path, "bg/{b}.jpg", "f/{n}.jpg", "m/{n}.png", background=Blocks(9), missing="skip")


def test_a_wrong_expression_is_told(tmp_path):
    touch(tmp_path, "b.jpg", "f/1.jpg")
    with pytest.raises(InvalidArgumentError, match=r"wrong regular expression .*\{name:expression\}"):
        match_patterns(tmp_path, "b.jpg", "f/{n:[0-9}.jpg", "m/{n}.png")


def test_numbers_too_long_for_64_bits_are_still_numbers(tmp_path):
    long = "9" * 25
    touch(tmp_path, "b.jpg", f"f/{long}.jpg", "f/7.jpg", f"m/000{long}.png", "m/07.png")
    manifest = match_patterns(tmp_path, "b.jpg", "f/{n}.jpg", "m/{n}.png")
    assert paths(manifest, "fg_bg", "mask") == [("f/7.jpg", "m/07.png"), (f"f/{long}.jpg", f"m/000{long}.png")]


def numbered(root, count):
    touch(root, *(f"f/{n}.jpg" for n in range(count)), *(f"m/{n}.png" for n in range(count)))


def in_order(root, order, bg="bg/{b}.jpg"):
    rule = InOrder(Blocks(1, first=0, base=0), order)
    return match_patterns(root, bg, "f/{n}.jpg", "m/{n}.png", background=rule).column("bg").tolist()


@pytest.mark.parametrize("header", ["", "position,bg\n", "n,scene\n"])
def test_numbers_beside_an_order_are_not_taken_for_backgrounds_with_such_names(tmp_path, header):
    numbered(tmp_path, 3)
    touch(tmp_path, *(f"bg/{b}.jpg" for b in range(3)))
    (tmp_path / "order.csv").write_text(header + "0,2.jpg\n1,0.jpg\n2,1.jpg\n")
    assert in_order(tmp_path, "order.csv") == ["bg/2.jpg", "bg/0.jpg", "bg/1.jpg"]


def test_an_order_with_two_columns_that_may_be_meant(tmp_path):
    numbered(tmp_path, 3)
    touch(tmp_path, *(f"bg/{b}.jpg" for b in range(3)))
    (tmp_path / "order.csv").write_text("0,2\n1,0\n2,1\n")
    with pytest.raises(ManifestError, match=r"2 columns that may be names .*'0' and '2'; keep one, or write .*suffix"):
        in_order(tmp_path, "order.csv")
    (tmp_path / "order.csv").write_text("n,bg\n0,2\n1,0\n2,1\n")
    assert in_order(tmp_path, "order.csv") == ["bg/2.jpg", "bg/0.jpg", "bg/1.jpg"]


def test_an_order_of_backgrounds_whose_names_start_again_in_every_folder(tmp_path):
    numbered(tmp_path, 2)
    touch(tmp_path, "bg/x/1.jpg", "bg/y/1.jpg")
    for order in (["y/1.jpg", "x/1.jpg"], ["/content/bg/y/1.jpg", "/content/bg/x/1"]):
        assert in_order(tmp_path, order, "bg/{room}/{b}.jpg") == ["bg/y/1.jpg", "bg/x/1.jpg"]
    with pytest.raises(ManifestError, match=r"entry 1 .*'1\.jpg', which several backgrounds are called"):
        in_order(tmp_path, ["y/1.jpg", "1.jpg"], "bg/{room}/{b}.jpg")


@pytest.mark.parametrize("first", [0, 1, 7])
def test_gaps_show_when_pairs_are_found_by_position(tmp_path, first):
    touch(tmp_path, "room.jpg", *(f"f/shot{n}.jpg" for n in (1, 2, 3, 5, 6, 7)))
    touch(tmp_path, *(f"m/{n + first}.png" for n in (1, 2, 3, 4, 6, 7)))
    with pytest.raises(MissingFileError, match=rf"f/shot5\.jpg would get m/{4 + first}\.png as its mask"):
        match_patterns(tmp_path, "room.jpg", "f/{frame}", "m/{file}", pair_by="position")
    (tmp_path / f"m/{4 + first}.png").rename(tmp_path / f"m/{5 + first}.png")
    manifest = match_patterns(tmp_path, "room.jpg", "f/{frame}", "m/{file}", pair_by="position")
    assert manifest.column("mask").tolist() == [f"m/{n + first}.png" for n in (1, 2, 3, 5, 6, 7)]


def test_positions_within_folders_may_be_numbered_anew(tmp_path):
    """Frames are numbered through, masks start again in every folder."""
    rows = [(f"f/{b}/{5 * b + n}.jpg", f"m/{b}/{n}.png") for b in (0, 1) for n in range(1, 6)]
    touch(tmp_path, "room.jpg", *(path for row in rows for path in row))
    manifest = match_patterns(tmp_path, "room.jpg", "f/{b}/{frame}", "m/{b}/{file}", pair_by="position")
    assert paths(manifest, "fg_bg", "mask") == rows


def test_folders_with_numbers_too_long_for_64_bits(tmp_path):
    long = "9" * 25
    touch(tmp_path, "b.jpg", f"f/{long}/1.jpg", f"m/00{long}/1.png")
    manifest = match_patterns(tmp_path, "b.jpg", "f/{shot}/{n}.jpg", "m/{shot}/{n}.png")
    assert manifest.column("mask").tolist() == [f"m/00{long}/1.png"]


def test_links_to_folders_with_similar_names_are_followed(tmp_path):
    touch(tmp_path, "room.jpg", "set2/f/1.jpg", "set/1.png")
    (tmp_path / "set2" / "m").symlink_to(tmp_path / "set")
    manifest = match_patterns(tmp_path, "room.jpg", "**/f/{n}.jpg", "**/m/{n}.png")
    assert manifest.column("mask").tolist() == ["set2/m/1.png"]


def test_links_that_lead_to_each_other_do_not_loop(tmp_path):
    touch(tmp_path, "room.jpg", "a/f/1.jpg", "b/m/1.png")
    (tmp_path / "a" / "other").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "other").symlink_to(tmp_path / "a")
    manifest = match_patterns(tmp_path, "room.jpg", "a/**/f/{n}.jpg", "b/**/m/{n}.png")
    assert paths(manifest, "fg_bg", "mask") == [("a/f/1.jpg", "b/m/1.png")]


def test_archives_whose_suffix_is_written_large(tmp_path):
    with zipfile.ZipFile(tmp_path / "Daten ü.ZIP", "w") as archive:
        for name in ("room.jpg", "f/1.jpg", "m/1.png"):
            archive.writestr(name, b"")
    manifest = match_patterns(tmp_path, "Daten ü/room.jpg", "Daten ü/f/{n}.jpg", "Daten ü/m/{n}.png")
    assert manifest.column("fg_bg").tolist() == ["Daten ü.ZIP/f/1.jpg"]


def test_a_place_that_is_no_number_tells_how_to_name_another(tmp_path):
    touch(tmp_path, "bg/1.jpg", "f/a.jpg", "m/a.png")
    with pytest.raises(ManifestError, match=r"InOrder needs .*\{n\} = 'a'.*with InOrder\('\.\.\.'\)"):
        match_patterns(tmp_path, "bg/{b}.jpg", "f/{n}.jpg", "m/{n}.png", background=InOrder("n"))
