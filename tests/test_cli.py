import json
import re
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest
from PIL import Image

from fgbgnet.__main__ import main
from fgbgnet.cli import run
from fgbgnet.commands import COMMANDS
from fgbgnet.data import Manifest
from fgbgnet.errors import TrainingError
from fgbgnet.models import DualHeadUNet
from fgbgnet.training import FitConfig

FAST = ["--size", "32", "--epochs", "1", "--batch-size", "4", "--accelerator", "cpu"]


def call(*arguments):
    """Exit code of the command line."""
    try:
        return run([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code


@pytest.fixture
def run_folder(quadruples, tmp_path):
    assert call("train", "--data", quadruples, "--out", tmp_path / "run", *FAST) == 0
    return tmp_path / "run"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_option(command, capsys):
    assert call(command, "--help") == 0
    text = " ".join(capsys.readouterr().out.split())
    function = COMMANDS[command]
    # Each option is described in the docstring; one that is not would show its type alone.
    options = {name: function.__doc__.partition("Args:")[2] for name in function.__annotations__ if name != "return"}
    if options.pop("fit", None):
        options |= {field.name: FitConfig.__doc__ for field in fields(FitConfig)}
    for name, documented in options.items():
        assert f"--{name}" in text
        assert f"{name}:" in documented
        described = re.split(rf"{name}:\s+", documented, maxsplit=1)[1]
        assert " ".join(described.splitlines()[0].split()[:3]) in text
    assert "Args:" not in text


def test_help_of_the_whole_lists_the_commands(capsys):
    assert call("--help") == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)
    assert call() == 2


def test_train_evaluate_predict(run_folder, quadruples, tmp_path, capsys):
    results = tmp_path / "results.json"
    assert call("evaluate", "--model", run_folder, "--data", quadruples, "--out", results) == 0
    content = json.loads(results.read_text())
    assert content["n"] == 12
    assert {"iou", "iou_image_mean", "f1"} <= content["mask"].keys()
    assert {"rmse", "abs_rel", "d1"} <= content["depth"].keys()
    assert 0 <= content["floors"]["difference"]["iou"] <= 1
    assert "difference" in capsys.readouterr().out

    folder = quadruples.parent
    pictures = ["--bg", folder / "bg/bg_0.png", "--fg-bg", folder / "fg_bg/000.png"]
    assert call("predict", "--model", run_folder / "model", *pictures, "--out", tmp_path / "out") == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["depth.png", "mask.png", "overview.png"]
    with Image.open(tmp_path / "out" / "depth.png") as depth:
        assert np.asarray(depth).dtype == np.uint16
        assert depth.size == (64, 48)
    with Image.open(tmp_path / "out" / "mask.png") as mask:
        assert set(np.unique(np.asarray(mask))) <= {0, 255}


def test_a_floor_stands_where_a_model_can(quadruples, tmp_path):
    results = tmp_path / "results.json"
    assert call("evaluate", "--model", "difference", "--data", quadruples, "--out", results) == 0
    content = json.loads(results.read_text())
    assert content["mask"]["iou"] == content["floors"]["difference"]["iou"]
    assert content["mask"]["iou"] > 0.8
    folder = quadruples.parent
    pictures = ["--bg", folder / "bg/bg_0.png", "--fg_bg", folder / "fg_bg/000.png"]
    assert call("predict", "--model", "difference", *pictures, "--out", tmp_path / "out") == 0
    predicted, truth = (np.asarray(Image.open(p)) > 127 for p in (tmp_path / "out/mask.png", folder / "mask/000.png"))
    assert (predicted & truth).sum() / (predicted | truth).sum() > 0.7


def test_imperfect_backgrounds_are_harder_for_the_floor(quadruples, tmp_path):
    figures = []
    for arguments in ([], ["--perturbation", "gain", "--severity", "4.5", "--target", "fg_bg"]):
        call("evaluate", "--model", "difference", "--data", quadruples, "--out", tmp_path / "r.json", *arguments)
        figures.append(json.loads((tmp_path / "r.json").read_text())["mask"]["iou"])
    assert figures[1] < figures[0] - 0.1


def test_train_options(quadruples, tmp_path, capsys):
    out = tmp_path / "run"
    options = ["--encoder", "tu-mobilenetv3_small_050", "--tasks", "mask", "--val", quadruples]
    assert call("train", "--data", quadruples, "--out", out, *FAST, *options) == 0
    model = DualHeadUNet.from_pretrained(out)
    assert model.config["encoder_name"] == "tu-mobilenetv3_small_050"
    assert model.tasks == ("mask",)
    options = ["--init", out, "--freeze", "shared", "--learning-rate", "1e-3"]
    assert call("train", "--data", quadruples, "--out", tmp_path / "more", *FAST, *options) == 0
    more = DualHeadUNet.from_pretrained(tmp_path / "more")
    assert all((a == b).all() for a, b in zip(model.shared.parameters(), more.shared.parameters(), strict=True))
    capsys.readouterr()


def test_evaluating_on_training_backgrounds_is_told(run_folder, quadruples, tmp_path, capsys):
    assert call("evaluate", "--model", run_folder, "--data", quadruples, "--out", tmp_path / "r.json") == 0
    trained = set(Manifest.read(run_folder / "train.csv").column("bg_id").tolist())
    seen = sum(group in trained for group in Manifest.read(quadruples).column("bg_id").tolist())
    assert 0 < seen < 12
    assert f"{seen} of 12 samples show a background that the model was trained on" in capsys.readouterr().out
    protocol = json.loads((tmp_path / "r.json").read_text())["protocol"]
    assert protocol["samples_on_backgrounds_seen_in_training"] == seen
    call("evaluate", "--model", run_folder, "--data", run_folder / "val.csv", "--out", tmp_path / "v.json")
    assert json.loads((tmp_path / "v.json").read_text())["protocol"]["samples_on_backgrounds_seen_in_training"] == 0


def test_a_training_that_fails_exits_with_1(monkeypatch, capsys):
    def diverge():
        raise TrainingError("the loss is nan")

    monkeypatch.setitem(COMMANDS, "models", diverge)
    assert call("models") == 1
    assert "the loss is nan" in capsys.readouterr().err


def test_a_command_chooses_its_exit_code(monkeypatch):
    monkeypatch.setitem(COMMANDS, "models", lambda: 1)
    assert call("models") == 1


def test_resume(run_folder, quadruples, capsys):
    more = [argument if argument != "1" else "2" for argument in FAST]
    assert call("train", "--data", quadruples, "--out", run_folder, *more, "--resume") == 0
    assert "steps in" in capsys.readouterr().out


def test_config_file(quadruples, tmp_path):
    config = tmp_path / "train.yaml"
    config.write_text(f"data: {quadruples}\nout: {tmp_path / 'run'}\nsize: 32\nepochs: 1\nbatch_size: 4\n")
    assert call("train", "--config", config) == 0
    assert (tmp_path / "run" / "model" / "config.json").is_file()


def test_synth_then_train(tmp_path):
    assert call("synth", "--out", tmp_path / "scenes", "--n", "16", "--size", "32") == 0
    data = tmp_path / "scenes" / "manifest.csv"
    assert call("train", "--data", data, "--out", tmp_path / "run", *FAST) == 0


def test_models_and_encoders(capsys):
    assert call("models") == 0
    assert "33.39 M" in capsys.readouterr().out
    assert call("encoders", "--pattern", "resnet3*") == 0
    named = capsys.readouterr().out
    assert named.split()[0] == "resnet34"
    assert named.count("\n") == 1
    assert call("encoders", "resnet3*") == 0  # the first option can stand bare
    assert capsys.readouterr().out == named
    assert call("encoders", "tu-convnext_*", "--pretrained", "fb_in1k", "--license", "mit, apache*") == 0
    assert "tu-convnext_tiny " in capsys.readouterr().out


WRONG = [
    (["train", "--data", "nowhere.csv", "--out", "{tmp}/x"], "nowhere.csv"),
    (["train", "--data", "{data}", "--out", "{tmp}/x", "--encoder", "resnet43"], "resnet34"),
    (["train", "--data", "{data}", "--out", "{tmp}/x", "--model", "clasic"], "classic"),
    (["train", "--data", "{data}", "--out", "{tmp}/x", "--epochs", "2", "--minutes", "1"], "one end"),
    (["train", "--data", "{data}", "--out", "{tmp}/x", "--tasks", "masks"], "'mask'"),
    (["train", "--data", "{data}", "--out", "{tmp}/x", "--freeze", "encoder"], "'shared'"),
    (["train", "--data", "{data}", "--out", "{tmp}/x", "--resume"], "nothing to resume"),
    (
        ["train", "--data", "{data}", "--out", "{tmp}/x", "--batch-size", "many"],
        "--batch-size: expected int or 'auto', got many",
    ),
    (["train", "--data", "{data}"], "--out"),
    (["train", "--data", "{data}", "--out", "{data}"], "is a file"),
    (["train", "--data", "{data}", "--out", "{tmp}/x", "--accelerator", "abacus"], "abacus"),
    (["train", "--data", "{data}", "--out", "{tmp}/x", "--precision", "half"], "half"),
    (["train", "--data", "{data}", "--out", "{tmp}/x", "--seed", "-1"], "seed=-1"),
    (["train", "--data", "{data}", "--out", "{tmp}/x", "--init", "a", "--model", "classic"], "--init"),
    (["evaluate", "--model", "difference", "--data", "{data}", "--out", "{tmp}"], "is a folder"),
    (["evaluate", "--model", "difference", "--data", "{data}", "--out", "{tmp}/r.json", "--size", "0"], "size is 0"),
    (["predict", "--model", "difference", "--bg", "no.png", "--fg-bg", "no.png", "--out", "{data}"], "is a file"),
    (["evaluate", "--model", "{tmp}", "--data", "{data}", "--out", "{tmp}/r.json"], "config.json"),
    (["evaluate", "--model", "classic", "--data", "{data}", "--out", "{tmp}/r.json"], "train it first"),
    (["evaluate", "--model", "diference", "--data", "{data}", "--out", "{tmp}/r.json"], "'difference'"),
    (
        ["evaluate", "--model", "difference", "--data", "{data}", "--out", "{tmp}/r.json", "--perturbation", "fog"],
        "fog",
    ),
    (["predict", "--model", "difference", "--bg", "no.png", "--fg-bg", "no.png", "--out", "{tmp}/o"], "no.png"),
    (["predict", "--model", "difference", "--bg", "{data}", "--fg-bg", "{data}", "--out", "{tmp}/o"], "not a picture"),
    (["predict", "--modle", "difference"], "modle"),
    (["encoders", "--pattern", "zzz*"], "zzz"),
    (["encoders", "mit_b0", "--license", "apache*"], "with these filters"),
    (["demo", "--minutes", "0", "--out", "{tmp}/demo"], "minutes=0"),
    (["demo", "--size", "8", "--out", "{tmp}/demo"], "size=8"),
    (["dem"], "demo"),
    (["encoders", "resnet*", "--pattern", "vgg*"], "--pattern came twice"),
    (["predict", "difference", "--model=x"], "--model came twice"),
    (["encoders", "resnet*", "vgg*"], "vgg*"),
    (["check", "m.csv", "--limit", "x"], "--limit: expected int, got x (see"),
    (["check", "m.csv", "--num-workers", "1.5"], "--num-workers: expected int, got 1.5 (see"),
    (["predict", "difference", "--fg-bg", "no.png", "--out", "{tmp}/o"], "--bg"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=[" ".join(w[0])[:60] for w in WRONG])
def test_bad_input_is_one_clear_line_and_exit_code_2(arguments, words, quadruples, tmp_path, capsys):
    filled = [argument.format(tmp=tmp_path, data=quadruples) for argument in arguments]
    assert call(*filled) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("fgbgnet: error: ")
    assert words in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.rglob("*.json"))
    assert not list(tmp_path.rglob("*.png"))


def test_interruption(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setitem(COMMANDS, "models", interrupted)
    assert call("models") == 130


def test_as_a_module():
    done = subprocess.run([sys.executable, "-m", "fgbgnet", "models"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "classic" in done.stdout
    done = subprocess.run([sys.executable, "-m", "fgbgnet", "modles"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("fgbgnet: error: ")


def test_without_the_extra_the_command_line_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jsonargparse", None)
    assert main() == 2
    assert "python -m pip install 'fgbgnet[train]'" in capsys.readouterr().err


def test_reader_that_has_seen_enough_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "fgbgnet", "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    errors = process.communicate()[1]
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors
