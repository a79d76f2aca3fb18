import pytest

from fgbgnet.cli import run
from fgbgnet.data import Manifest, PairedFgBgDataset
from tests.data.recordings import miniature


def call(*arguments):
    """Exit code of the command line."""
    try:
        return run(["recordings", *(str(argument) for argument in arguments)])
    except SystemExit as stop:
        return stop.code


def test_cdnet(tmp_path, capsys):
    root = miniature.cdnet(tmp_path / "dataset")
    assert call(root, "--kind", "cdnet2014", "--out", tmp_path / "out", "--every", 2) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"Wrote {tmp_path / 'out' / 'manifest.csv'}: 4 samples"
    table = {line.split()[0]: line for line in lines[1:-1]}
    assert "3  labelled, 3 frames" in table["baseline/highway"]
    assert "1  unlabelled, 50 frames" in table["shadow/bungalows"]
    assert "left out: the camera turns" in table["PTZ/continuousPan"]
    assert "left out: no frame is known to be without foreground" in table["intermittentObjectMotion/sofa"]


def test_options_reach_the_library(tmp_path):
    root = miniature.cdnet(tmp_path / "dataset")
    options = ["--only", "intermittentObjectMotion, PTZ", "--bootstrapping", "masked_median", "--background-frames", 5]
    assert call(root, "--kind", "cdnet2014", "--out", tmp_path / "out", *options) == 0
    assert len(Manifest.read(tmp_path / "out")) == 14


def test_sbm_rgbd_of_one_unit(tmp_path, capsys):
    root = miniature.sbm_rgbd(tmp_path / "dataset")
    assert call(root, "--kind", "sbm-rgbd", "--out", tmp_path / "out", "--depth-unit", "metres") == 0
    assert "depth has 8 bits: relative, not metres; depth in relative units is not listed" in capsys.readouterr().out
    assert PairedFgBgDataset(tmp_path / "out" / "manifest.csv").depth_unit == "metres"


def test_ocid(tmp_path, capsys):
    assert call(miniature.ocid(tmp_path / "OCID"), "--kind", "ocid", "--out", tmp_path / "out") == 0
    assert "3  previous frame            metres" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere", "--kind", "cdnet2014"], "no folder at"),
        (["{tmp}", "--kind", "cdnet2014"], "expected <category>/<video>/"),
        (["{tmp}", "--kind", "cdnet"], "cdnet2014"),
        (["{tmp}", "--kind", "ocid", "--every", "2"], "--every is not for ocid"),
        (["{tmp}", "--kind", "ocid", "--bootstrapping", "masked_median"], "--bootstrapping is not for ocid"),
        (["{tmp}", "--kind", "cdnet2014", "--depth-unit", "metres"], "cdnet2014 has no depth"),
        (["{tmp}", "--kind", "cdnet2014", "--every", "0"], "every is 0"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, capsys, arguments, words):
    (tmp_path / "something").mkdir()
    assert call(*(argument.format(tmp=tmp_path) for argument in arguments), "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("fgbgnet: error: ")
    assert words in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()
