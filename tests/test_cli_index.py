import pytest

from fgbgnet.cli import run
from fgbgnet.data import Manifest
from fgbgnet.data.layouts import LAYOUTS
from tests.data.layouts.miniatures import MINIATURES, Miniature, Row, build
from tests.data.layouts.test_propose import painter


def call(*arguments):
    """Exit code of the command line."""
    try:
        return run(["index", *map(str, arguments)])
    except SystemExit as stop:
        return stop.code


@pytest.fixture
def numbered(tmp_path):
    """Frames 1 to 40, ten per background."""
    rows = [
        Row(f"frames/{n}.png", f"bg/{(n - 1) // 10 + 1}.png", f"mask/{n}.png", f"depth/{n}.png") for n in range(1, 41)
    ]
    build(tmp_path / "data", Miniature(rows), painter())
    return tmp_path / "data"


PATTERNS = ["--bg", "bg/{b}.png", "--fg-bg", "frames/{n}.png", "--mask", "mask/{n}.png"]


def test_a_layout_by_name(tmp_path, capsys):
    build(tmp_path / "data", MINIATURES["A"]())
    assert call(tmp_path / "data", "--layout", "A", "--out", tmp_path / "m.csv") == 0
    assert {row.fg_bg: row.bg for row in MINIATURES["A"]().rows} == {
        fg_bg.removeprefix("data/"): bg.removeprefix("data/")
        for fg_bg, bg in zip(*(Manifest.read(tmp_path / "m.csv").column(n) for n in ("fg_bg", "bg")), strict=True)
    }
    printed = capsys.readouterr().out
    assert "labels.txt is wrong for part 2" in printed
    assert "15 samples" in printed


def test_auto_shows_five_pairs_and_how_to_repeat_it(tmp_path, capsys):
    build(tmp_path / "data", MINIATURES["F"](), painter())
    assert call("--data", tmp_path / "data", "--out", tmp_path / "m.csv", "--depth_direction", "near_large") == 0
    printed = capsys.readouterr().out
    assert printed.count("<-") == 5
    assert "--layout F" in printed
    assert set(Manifest.read(tmp_path / "m.csv").column("depth_direction")) == {"near_large"}


def test_patterns_and_rules(numbered, tmp_path):
    out = tmp_path / "m.csv"
    assert call(numbered, "--out", out, *PATTERNS, "--block_size", 10, "--depth_unit", "metres") == 0
    assert Manifest.read(out).column("bg").tolist() == [f"data/bg/{b}.png" for b in (1, 2, 3, 4) for _ in range(10)]
    assert call(numbered, "--out", out, *PATTERNS, "--block_size", 1, "--block_count", 4) == 0
    assert Manifest.read(out).column("bg").tolist()[:5] == [f"data/bg/{b}.png" for b in (1, 2, 3, 4, 1)]
    (numbered / "order.txt").write_text("4.png\n3.png\n2.png\n1.png\n")
    assert call(numbered, "--out", out, *PATTERNS, "--block_size", 10, "--order", "order.txt") == 0
    assert Manifest.read(out).column("bg").tolist()[::10] == [f"data/bg/{b}.png" for b in (4, 3, 2, 1)]


def test_a_table(numbered, tmp_path):
    (tmp_path / "t.tsv").write_text("room\tfg_bg\tlabel\nbg/2.png\tframes/1.png\tmask/1.png\n")
    options = ["--table", tmp_path / "t.tsv", "--columns", "bg=room,mask=label", "--delimiter", "tab"]
    assert call(numbered, "--out", tmp_path / "m.csv", *options) == 0
    assert Manifest.read(tmp_path / "m.csv").column("bg").tolist() == ["data/bg/2.png"]


def test_a_layout_with_other_parts(numbered, tmp_path):
    options = ["--layout", "F", *PATTERNS, "--depth", "none", "--block_size", 20]
    assert call(numbered, "--out", tmp_path / "m.csv", *options) == 0
    manifest = Manifest.read(tmp_path / "m.csv")
    assert set(manifest.column("depth")) == {""}
    assert manifest.column("bg").tolist()[19:21] == ["data/bg/1.png", "data/bg/2.png"]


def test_list(capsys):
    assert call("--layout", "list") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(LAYOUTS)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--layout", "U3"], "the nearest are"),
        ([], "fits the names, but not the pictures"),
        (["--layout", "B"], "layout B: no file matches"),
        (["--layout", "auto", "--bg", "bg/{b}.png"], "leave them out"),
        (["--layout", "patterns"], "needs --bg"),
        (["--bg", "bg/{b}.png"], "fg_bg=..."),
        ([*PATTERNS, "--block_first", "0"], "need block_size"),
        ([*PATTERNS, "--block_field", "n"], "need block_size"),
        ([*PATTERNS, "--order", "natural"], "order needs block_size"),
        ([*PATTERNS, "--order", "natural", "--block_size", "10", "--block_first", "5"], "leave out block_first"),
        ([*PATTERNS, "--block_size", "0"], "size is 0"),
        ([*PATTERNS, "--block_size", "5"], "partners are missing"),
        ([*PATTERNS, "--block_size", "10", "--depth_unit", "feet"], "'feet'"),
        (["--columns", "bg=room"], "--table"),
        (["--table", "t.csv", "--layout", "A"], "leave out --layout"),
        (["--table", "t.csv", "--columns", "bg"], "expected name=column"),
        (["--missing", "maybe"], "missing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_clear_line_and_exit_code_2(options, words, numbered, tmp_path, capsys):
    # Without its picture every pair is wrong.
    for path in (numbered / "bg").iterdir():
        path.write_bytes(painter()("bg", Row("", path.name + "?", "", "")))
    assert call(numbered, "--out", tmp_path / "m.csv", *options) == 2
    error = capsys.readouterr().err.strip()
    assert words in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "m.csv").exists()


def test_without_an_output_nothing_is_done(numbered, capsys):
    assert call(numbered) == 2
    assert "--out is missing" in capsys.readouterr().err


def test_no_data(tmp_path, capsys):
    assert call("--out", tmp_path / "m.csv") == 2
    assert "--data is missing" in capsys.readouterr().err
