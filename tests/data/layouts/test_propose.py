import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from fgbgnet.data import Blocks, propose_layout
from fgbgnet.data.layouts.options import command_options
from fgbgnet.errors import ManifestError, MissingFileError
from tests.data.layouts.miniatures import MINIATURES, Miniature, Row, build

SIDE = 24


def picture(seed: str, mirrored: bool = False) -> np.ndarray:
    """A background of its own for every name: a few coarse patches."""
    coarse = np.random.default_rng(list(seed.encode())).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    pixels = np.kron(coarse, np.ones((SIDE // 4, SIDE // 4, 1), dtype=np.uint8))
    return pixels[:, ::-1] if mirrored else pixels


def encoded(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def painter(mirrored: bool = False):
    """Pictures of a miniature: frames show their background with a square in it."""

    def paint(layer: str, row: Row) -> bytes:
        bg = row.bg.rpartition("/")[2]  # copies of a background in several archives are the same picture
        if layer == "bg":
            return encoded(picture(bg, mirrored))
        inside = np.zeros((SIDE, SIDE), dtype=bool)
        inside[6:14, 8:16] = True
        if layer == "fg_bg":
            return encoded(np.where(inside[..., None], np.uint8(128), picture(bg)))
        return encoded((inside * 255).astype(np.uint8))

    return paint


def stray_backgrounds(mini: Miniature) -> Miniature:
    """Backgrounds that no frame has are pictures, too."""
    strays = {
        path: encoded(picture(path.rpartition("/")[2])) if not data and path.endswith(("jpg", "png")) else data
        for path, data in mini.strays.items()
    }
    return Miniature(mini.rows, strays)


# R has thousands of frames, of which each is a file here.
@pytest.mark.parametrize("name", [name for name in MINIATURES if name != "R"])
def test_every_layout_is_found_by_its_names_and_pictures(name, tmp_path):
    mini = stray_backgrounds(MINIATURES[name]())
    build(tmp_path, mini, painter())
    proposal = propose_layout(tmp_path)
    expected = {row.fg_bg: (row.bg, row.mask, row.depth) for row in mini.rows}
    columns = [proposal.manifest.column(layer).tolist() for layer in ("fg_bg", "bg", "mask", "depth")]
    assert {fg_bg: tuple(rest) for fg_bg, *rest in zip(*columns, strict=True)} == expected
    assert name == proposal.layout.name or name in proposal.also
    assert len(proposal.pairs) == min(5, len(mini.rows))
    assert all(pair.residual.plain < 1 < pair.residual.mirrored for pair in proposal.pairs)
    assert proposal.pairs[0].bg in proposal.summary()


def test_a_rule_without_a_name_is_read_off_the_names(tmp_path):
    rows = [
        Row(f"frames/shot-{n}.png", f"bg/room{(n - 1) // 10 + 1}.png", f"masks/shot-{n}.png", "")
        for n in range(10, 101, 10)
    ]
    build(tmp_path, Miniature(rows), painter())
    proposal = propose_layout(tmp_path)
    assert proposal.layout.name == "patterns"
    assert proposal.layout.background == Blocks(10, field="v1")
    assert proposal.manifest.column("bg").tolist() == [row.bg for row in rows]
    assert "--block_size 10" in proposal.summary()


def test_backgrounds_in_turn_are_told_from_blocks(tmp_path):
    rows = [Row(f"img/{n}.png", f"bg/{n % 3 + 1}.png", f"mask/{n}.png", "") for n in range(30)]
    build(tmp_path, Miniature(rows), painter())
    assert propose_layout(tmp_path).manifest.column("bg").tolist() == [row.bg for row in rows]


def test_one_sample_whose_names_have_no_number(tmp_path):
    build(tmp_path, Miniature([Row("fgbg.png", "bg.png", "mask.png", "dense.png")], {"fg.png": b""}), painter())
    manifest = propose_layout(tmp_path).manifest
    assert [manifest.column(layer)[0] for layer in ("bg", "fg_bg", "mask", "depth")] == [
        "bg.png", "fgbg.png", "mask.png", "dense.png",
    ]  # fmt: skip


def test_mirrored_backgrounds_are_told(tmp_path):
    build(tmp_path, MINIATURES["F"](), painter(mirrored=True))
    proposal = propose_layout(tmp_path)
    assert proposal.layout.name == "F"
    assert proposal.mirrored
    assert "mirrored with respect to the frames" in proposal.summary()


def test_depth_may_be_absent(tmp_path):
    mini = MINIATURES["B"]()
    build(tmp_path, Miniature([row._replace(depth="") for row in mini.rows]), painter())
    proposal = propose_layout(tmp_path)
    assert proposal.layout.name == "B"
    assert set(proposal.manifest.column("depth")) == {""}


def two_rules(tmp_path, same_rooms: bool):
    """Frames whose folder and whose number lead to different backgrounds."""
    rows = [Row(f"fg_bg/bg_{b}/img_{n}.png", f"bg/bg_{b}.png", f"fg_bg_mask/bg_{b}/img_{n}.png", "")
            for b, n in ((1, 2), (2, 1), (1, 4), (2, 3))]  # fmt: skip
    paint = painter()
    build(tmp_path, Miniature(rows), lambda layer, row: paint(layer, row._replace(bg="x") if same_rooms else row))


def test_pictures_decide_between_two_rules(tmp_path):
    two_rules(tmp_path, same_rooms=False)
    assert propose_layout(tmp_path).layout.name == "B"


def test_two_rules_that_both_fit_are_not_chosen_between(tmp_path):
    two_rules(tmp_path, same_rooms=True)
    with pytest.raises(ManifestError, match="two rules fit") as caught:
        propose_layout(tmp_path)
    message = str(caught.value)
    assert "--layout B pairs fg_bg/bg_" in message
    assert "--block_size" in message or "--bg 'bg/" in message
    assert "Choose one of them" in message


def test_names_that_fit_while_pictures_do_not(tmp_path):
    mini = MINIATURES["C"]()
    rows = [row._replace(bg=other.bg) for row, other in zip(mini.rows, mini.rows[5:] + mini.rows[:5], strict=True)]
    paint = painter()
    wrong = {row.fg_bg: other for row, other in zip(mini.rows, rows, strict=True)}
    build(tmp_path, mini, lambda layer, row: paint(layer, wrong[row.fg_bg] if layer == "fg_bg" else row))
    with pytest.raises(ManifestError, match=r"--layout C fits the names, but not the pictures.*grey levels"):
        propose_layout(tmp_path)


def test_nothing_fits(tmp_path):
    build(tmp_path, Miniature([], {"holiday/1.jpg": b"", "holiday/2.jpg": b""}))
    with pytest.raises(ManifestError, match=r"no layout fits the names.*match_patterns.*read_table"):
        propose_layout(tmp_path)


def test_a_few_missing_partners_are_an_error_or_left_out(tmp_path):
    rows = [Row(f"fg_bg/fg_bg_{n}.png", "bg/bg_1.png", f"fg_bg_mask/fg_bg_mask_{n}.png", "") for n in range(1, 41)]
    build(tmp_path, Miniature(rows), painter())
    (tmp_path / rows[7].mask).unlink()
    with pytest.raises(MissingFileError, match=r"mask of fg_bg/fg_bg_8\.png"):
        propose_layout(tmp_path)
    assert len(propose_layout(tmp_path, missing="drop").manifest) == 39


def test_archives_that_cannot_be_read_are_told_first(tmp_path):
    build(tmp_path, Miniature([], {"bg.7z": b"7z", "fgbg.7z": b"7z"}))
    with pytest.raises(ManifestError, match=r"bg\.7z \(and 1 more\).*Convert it first: 7z x bg\.7z -obg"):
        propose_layout(tmp_path)


def test_a_zip_archive_may_be_the_root(tmp_path):
    mini, paint = MINIATURES["F"](), painter()
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as file:
        for row in mini.rows:
            for layer in ("bg", "fg_bg", "mask", "depth"):
                if getattr(row, layer) not in file.namelist():
                    file.writestr(getattr(row, layer), paint(layer, row))
    proposal = propose_layout(tmp_path / "all.zip")
    assert proposal.layout.name == "F"
    assert command_options(proposal.layout) == "--layout F"
    assert proposal.manifest.column("bg").tolist() == [row.bg for row in mini.rows]


@pytest.mark.parametrize("other", ["img/{n}_flip.png", "img/{n}.PNG", "img/more/{n}.png"])
def test_half_of_the_frames_are_not_passed_over_in_silence(other, tmp_path):
    rows = [
        Row((f"img/{n}.png", other.format(n=n))[n % 2], f"bg/{n // 10}.png", f"mask/{n}.png", "") for n in range(10, 40)
    ]
    build(tmp_path, Miniature(rows), painter())
    with pytest.raises(ManifestError, match=r"fits 15 frames such as .*leaves out 15 pictures .*such as img/"):
        propose_layout(tmp_path)


def test_a_single_stray_picture_is_told(tmp_path):
    rows = [Row(f"img/{n}.png", f"bg/{n // 10}.png", f"mask/{n}.png", "") for n in range(10, 40)]
    build(tmp_path, Miniature(rows, {"img/contact sheet.png": b""}), painter())
    proposal = propose_layout(tmp_path)
    assert len(proposal.manifest) == 30
    assert proposal.left_out == ["img/contact sheet.png"]
    assert "Left out: 1 pictures called like frames, such as img/contact sheet.png" in proposal.summary()


def test_what_is_known_of_a_layout_is_told_and_nothing_of_others(tmp_path, caplog):
    build(tmp_path, stray_backgrounds(MINIATURES["A"]()), painter())
    with caplog.at_level("INFO", "fgbgnet"):
        assert "Mind: labels.txt is wrong for part 2" in propose_layout(tmp_path).summary()
    assert "layout V" not in caplog.text


def test_a_sign_that_patterns_use_for_nothing(tmp_path):
    rows = [Row(f"img/shot #{n}.png", "bg/room#.png", f"mask/#{n}.png", "") for n in (1, 2)]
    build(tmp_path, Miniature(rows), painter())
    assert propose_layout(tmp_path).manifest.column("mask").tolist() == ["mask/#1.png", "mask/#2.png"]


def test_no_data(tmp_path):
    with pytest.raises(MissingFileError, match=r"no folder or zip archive at .*nowhere"):
        propose_layout(tmp_path / "nowhere")


def test_a_table_with_a_few_files_missing(tmp_path):
    rows = [Row(f"o/{n}.png", "bg/1.png", f"m/{n}.png", f"d/{n}.png") for n in range(40)]
    lines = ["bg;overlay;mask;depth", *(f"{row.bg};{row.fg_bg};{row.mask};{row.depth}" for row in rows)]
    build(tmp_path, Miniature(rows, {"label_data.csv": "\n".join(lines).encode()}), painter())
    (tmp_path / rows[7].mask).unlink()
    with pytest.raises(MissingFileError, match=r"layout J: 1 files .*label_data\.csv names are not there: mask 'm/7"):
        propose_layout(tmp_path)
    proposal = propose_layout(tmp_path, missing="drop")
    assert proposal.layout.name == "J"
    assert len(proposal.manifest) == 39


def test_masks_that_leave_nothing_to_compare(tmp_path):
    paint = painter()
    white = encoded(np.full((SIDE, SIDE), 255, dtype=np.uint8))
    build(tmp_path, MINIATURES["F"](), lambda layer, row: white if layer == "mask" else paint(layer, row))
    with pytest.raises(ManifestError, match=r"--layout F fits the names, but the masks leave nothing"):
        propose_layout(tmp_path)
