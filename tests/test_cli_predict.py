import os

import numpy as np
import pytest
from PIL import Image

from fgbgnet.cli import run
from fgbgnet.data import Manifest
from fgbgnet.inference import FrameReader, FrameWriter
from fgbgnet.models import DualHeadUNet


def call(*arguments):
    """Exit code of the command line."""
    try:
        return run([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code


@pytest.fixture
def frames(quadruples, tmp_path):
    """The frames of one background, and that background."""
    table = Manifest.read(quadruples)
    (tmp_path / "frames").mkdir()
    for n, (bg, frame) in enumerate(zip(table.column("bg").tolist(), table.column("fg_bg").tolist(), strict=True)):
        if bg == "bg/bg_0.png":
            (tmp_path / f"frames/{n}.png").write_bytes((quadruples.parent / frame).read_bytes())
    return tmp_path / "frames", quadruples.parent / "bg/bg_0.png"


def masks(folder):
    return {path.stem: np.asarray(Image.open(path)) for path in sorted((folder / "mask").iterdir())}


def test_folders(frames, quadruples, tmp_path, capsys):
    folder, room = frames
    out = tmp_path / "out"
    arguments = ["predict", "difference", "--bg", room, "--fg-bg", folder, "--out", out]
    assert call(*arguments) == 0
    assert f"Wrote the results of 3 pairs to {out}\n" in capsys.readouterr().out
    for name, mask in masks(out).items():
        truth = np.asarray(Image.open(quadruples.parent / f"mask/{int(name):03d}.png")) > 127
        assert ((mask > 0) & truth).sum() / ((mask > 0) | truth).sum() > 0.7
    assert call(*arguments, "--workers", "1", "--batch-size", "2") == 0
    assert "Wrote the results of 0 pairs to" in (text := capsys.readouterr().out)
    assert "3 were there already" in text
    assert call(*arguments, "--threshold", "0.3") == 2
    assert "other settings" in capsys.readouterr().err
    assert call(*arguments, "--threshold", "0.3", "--overwrite") == 0


def test_backgrounds_by_name(frames, tmp_path):
    folder, room = frames
    (tmp_path / "rooms").mkdir()
    for frame in folder.iterdir():
        os.link(room, tmp_path / "rooms" / frame.name)
    arguments = ["--fg-bg", folder, "--out", tmp_path / "out"]
    assert call("predict", "difference", "--bg", tmp_path / "rooms", *arguments) == 0
    assert call("predict", "difference", "--bg", room, "--fg-bg", folder, "--out", tmp_path / "one") == 0
    by_name, one = masks(tmp_path / "out"), masks(tmp_path / "one")
    assert all(np.array_equal(by_name[name], one[name]) for name in one)


def test_manifests_tiles_and_flips(quadruples, tmp_path):
    DualHeadUNet("unet_small", encoder_depth=3, input_size=32).save_pretrained(tmp_path / "model")
    arguments = ["predict", tmp_path / "model", "--data", quadruples, "--tile", "32", "--flip"]
    assert call(*arguments, "--out", tmp_path / "out") == 0
    assert len(list((tmp_path / "out/depth").iterdir())) == 12
    with Image.open(tmp_path / "out/depth/s000.png") as depth:
        assert depth.size == (64, 48)


def test_one_pair_by_tiles(frames, tmp_path):
    folder, room = frames
    picture = sorted(folder.iterdir())[0]
    arguments = ["predict", "difference", "--bg", room, "--fg-bg", picture, "--tile", "64", "--device", "cpu"]
    assert call(*arguments, "--out", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["mask.png", "overview.png"]


def test_a_bad_picture_is_told_at_the_end_and_exits_with_1(frames, tmp_path, capsys):
    folder, room = frames
    (folder / "bad.png").write_text("no picture")
    assert call("predict", "difference", "--bg", room, "--fg-bg", folder, "--out", tmp_path / "out") == 1
    captured = capsys.readouterr()
    assert "Wrote the results of 3 pairs" in captured.out
    assert "failed: bad: " in captured.err
    assert "is not a picture" in captured.err


def test_videos(frames, tmp_path, capsys):
    folder, room = frames
    with FrameWriter(tmp_path / "clip.avi", fps=5) as video:
        for path in sorted(folder.iterdir()):
            video.write(np.asarray(Image.open(path).convert("RGB")))
    arguments = ["predict", "difference", "--bg", room, "--fg-bg", tmp_path / "clip.avi"]
    assert call(*arguments, "--out", tmp_path / "out.avi") == 0
    assert "Wrote 3 frames" in capsys.readouterr().out
    with FrameReader(tmp_path / "out.avi") as reader:
        assert len(list(reader)) == 3
    assert call(*arguments, "--out", tmp_path / "out") == 2
    assert ".avi or .mp4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bg", "b.png"], "--fg-bg missing"),
        ([], "--bg and --fg-bg missing"),
        (["--data", "{data}", "--bg", "b.png"], "--data came with --bg"),
        (["--data", "no.csv"], "no manifest at no.csv"),
        (["--bg", "no.png", "--fg-bg", "{folder}"], "no picture or folder at no.png"),
        (["--bg", "{folder}", "--fg-bg", "{tmp}"], "holds no picture"),
        (["--data", "{data}", "--tile", "0"], "tile=0"),
        (["--data", "{data}", "--batch-size", "0"], "batch_size=0"),
        (["--data", "{data}", "--workers", "0"], "workers=0"),
        (["--data", "{data}", "--threshold", "1"], "threshold=1"),
        (["--data", "{data}", "--device", "abacus"], "--device abacus cannot be used"),
        (["--bg", "{room}", "--fg-bg", "no.mp4"], "no video or folder at no.mp4"),
    ],
    ids=str,
)
def test_bad_input_exits_with_2_and_leaves_nothing(arguments, words, frames, quadruples, tmp_path, capsys):
    folder, room = frames
    filled = [argument.format(data=quadruples, folder=folder, tmp=tmp_path, room=room) for argument in arguments]
    out = "out.avi" if "no.mp4" in arguments else "out"
    assert call("predict", "difference", *filled, "--out", tmp_path / out) == 2
    error = capsys.readouterr().err.strip()
    assert words in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / out).exists()
