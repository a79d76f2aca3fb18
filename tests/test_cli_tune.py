import json

import pytest
from PIL import Image

from tests.test_cli import call

FAST = ["--size", "32", "--batch-size", "4", "--accelerator", "cpu"]


def test_profile_prints_a_table_and_writes_its_figures(quadruples, tmp_path, capsys):
    out = tmp_path / "profile.json"
    options = ["--steps", "2", "--warmup-steps", "1", "--out", out, "--schedule", "alternate"]
    assert call("profile", quadruples, *options, *FAST) == 0
    text = capsys.readouterr().out
    assert "phase 1 of 2" in text
    assert text.count("training step") == text.count("validation batch") == text.count("Most of the time goes to:") == 2
    first, second = json.loads(out.read_text())["phases"]
    assert (first["batch_size"], first["size"], first["num_workers"]) == (4, [32, 32], 0)
    assert sum(part["share"] for part in second["parts"].values()) == pytest.approx(1)


def test_profile_finds_the_batch_size(quadruples, capsys):
    options = ["--steps", "1", "--warmup-steps", "0", "--size", "32", "--accelerator", "cpu", "--batch-size", "auto"]
    assert call("profile", quadruples, *options) == 0
    said = capsys.readouterr()
    assert "batch size: the batch size is 8" in said.err  # of nine training samples
    assert "8 pairs of 32 x 32" in said.out


def test_lr_range_writes_a_plot_and_suggests_a_rate(quadruples, tmp_path, capsys):
    out = tmp_path / "lr.png"
    options = ["--out", out, "--steps", "40", "--lowest", "1e-5", "--highest", "0.3"]
    assert call("lr_range", quadruples, *options, *FAST) == 0
    (suggestion,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("--learning_rate "))
    assert 1e-5 < float(suggestion.split()[1]) < 0.3
    assert Image.open(out).size == (704, 440)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["profile", "--steps", "0"], "steps=0"),
        (["profile", "--out", "."], "is a folder"),
        (["lr_range", "--out", "lr.txt"], "expected a picture"),
        (["lr_range", "--out", "lr.png", "--lowest", "2"], "lowest=2.0"),
        (["lr_range"], "out"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(quadruples, capsys, arguments, words):
    command, *options = arguments
    assert call(command, quadruples, *options, *FAST) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("fgbgnet: error: ")
    assert words in line
