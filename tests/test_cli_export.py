import json

import pytest

from fgbgnet import DualHeadUNet, load_model
from fgbgnet.cli import run


def call(*arguments):
    """Exit code of the command line."""
    try:
        return run([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    DualHeadUNet("unet_small", encoder_depth=1, input_size=32).save_pretrained(folder)
    return folder


def test_a_file_stands_where_a_model_can(folder, quadruples, tmp_path, capsys):
    file, results = tmp_path / "model.onnx", tmp_path / "results.json"
    assert call("export", "--model", folder, "--out", file, "--tasks", "mask", "--probabilities") == 0
    output = capsys.readouterr()
    assert f"Wrote {file}" in output.out
    assert "difference" in output.out
    assert output.err == ""  # not a word of the translator's
    assert load_model(file).facts.mask == "probability"

    assert call("evaluate", "--model", file, "--data", quadruples, "--out", results) == 0
    content = json.loads(results.read_text())
    assert content["n"] == 12
    assert content["protocol"]["sizes"] == [[32, 32]]
    pictures = ["--bg", quadruples.parent / "bg/bg_0.png", "--fg-bg", quadruples.parent / "fg_bg/000.png"]
    assert call("predict", "--model", file, *pictures, "--out", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["mask.png", "overview.png"]


def test_wrong_arguments(folder, tmp_path, capsys):
    (tmp_path / "there.pt2").write_text("mine")
    (tmp_path / "empty").mkdir()
    wrong = {
        "nowhere": (["--model", tmp_path / "nowhere", "--out", tmp_path / "a.pt2"], "no model folder"),
        "no model": (["--model", tmp_path / "empty", "--out", tmp_path / "a.pt2"], "holds no model"),
        "no weights": (["--model", "fgbgnet_s", "--out", tmp_path / "a.pt2"], "train it first"),
        "no format": (["--model", folder, "--out", tmp_path / "a.bin"], "'onnx'"),
        "other format": (["--model", folder, "--out", tmp_path / "a.pt2", "--format", "trt"], "trt"),
        "other end": (["--model", folder, "--out", tmp_path / "a.bin", "--format", "pt2"], "'.pt2'"),
        "precision": (["--model", folder, "--out", tmp_path / "a.pt2", "--precision", "int8"], "onnx"),
        "task": (["--model", folder, "--out", tmp_path / "a.pt2", "--tasks", "masks"], "'mask'"),
        "size": (["--model", folder, "--out", tmp_path / "a.pt2", "--size", "0"], "size=0"),
        "there": (["--model", folder, "--out", tmp_path / "there.pt2"], "overwrite"),
    }
    for name, (arguments, words) in wrong.items():
        assert call("export", *arguments) == 2, name
        error = capsys.readouterr().err
        assert words in error, name
        assert error.startswith("fgbgnet: error: "), name
        assert "Traceback" not in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "there.pt2"]
    assert (tmp_path / "there.pt2").read_text() == "mine"
