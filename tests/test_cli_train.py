"""Options of `fgbgnet train` from recipes, files and the command line, and what becomes of them."""

import json

import pytest
import yaml

from fgbgnet.cli import run
from fgbgnet.models import DualHeadUNet
from fgbgnet.training import FitConfig, list_recipes, load_recipe

FAST = ["--accelerator", "cpu", "--pictures", "0"]


def call(*arguments):
    try:
        return run([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code


def kept(folder):
    return yaml.safe_load((folder / "train.yaml").read_text())


def test_a_file_goes_before_defaults_and_options_before_the_file(quadruples, tmp_path, capsys):
    file = tmp_path / "mine.yaml"
    options = {"data": str(quadruples), "size": 16, "epochs": 1, "batch_size": 4, "tasks": ["mask"], "seed": 3}
    file.write_text(yaml.safe_dump({**options, "mask_loss": {"focal": 1.0, "dice": 0.5}, "freeze": []}))
    out = tmp_path / "run"
    assert call("train", "--batch-size", 6, "--config", file, "--out", out, "--freeze", "depth", *FAST) == 0
    printed = capsys.readouterr().out
    settings = kept(out)
    assert {name: settings[name] for name in ("size", "batch_size", "tasks", "freeze", "seed", "mask_loss")} == {
        "size": 16, "batch_size": 6, "tasks": ["mask"], "freeze": ["depth"], "seed": 3,
        "mask_loss": {"focal": 1.0, "dice": 0.5},
    }  # fmt: skip
    assert (out / "train.yaml").read_text() in printed
    assert json.loads((out / "config.json").read_text())["fit"]["mask_loss"] == {"focal": 1.0, "dice": 0.5}
    assert DualHeadUNet.from_pretrained(out).tasks == ("mask",)
    # What was kept starts the same run again, and goes on with it.
    assert call("train", "--config", out / "train.yaml", "--out", tmp_path / "again") == 0
    first, second = ((folder / "metrics.csv").read_text().splitlines() for folder in (out, tmp_path / "again"))
    assert [line.split(",")[0] for line in first] == [line.split(",")[0] for line in second]
    assert call("train", "--config", out / "train.yaml", "--epochs", 2, "--resume") == 0
    assert kept(out)["epochs"] == 2


def test_phases_and_sizes_from_the_command_line(quadruples, tmp_path):
    phases = '[{"tasks": ["depth"], "freeze": ["mask"]}, {"tasks": ["mask"], "freeze": ["depth", "shared"]}]'
    options = [
        "--data",
        quadruples,
        "--out",
        tmp_path / "run",
        "--sizes",
        "[[16, 6, 1], [32, 3, 1]]",
        "--phases",
        phases,
    ]
    assert call("train", *options, "--phases", phases, *FAST) == 0
    done = json.loads((tmp_path / "run" / "phases.json").read_text())
    assert [phase["tasks"] for phase in done] == [["depth"], ["mask", "depth"]]
    facts = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert facts["metadata"]["size"] == 32


def test_print_config_is_a_template(quadruples, tmp_path, capsys):
    assert call("train", "--recipe", "s", "--data", quadruples, "--out", tmp_path / "x", "--print_config") == 0
    template = yaml.safe_load(capsys.readouterr().out)
    assert template["model"] == load_recipe("s")["model"]
    assert set(FitConfig().to_dict()) <= template.keys()
    assert not (tmp_path / "x").exists()


def test_recipes_are_listed(capsys):
    assert call("recipes") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [recipe.name for recipe in list_recipes()]


def test_a_recipe_can_be_changed(quadruples, tmp_path):
    options = ["--data", quadruples, "--out", tmp_path / "run", "--epochs", 1, "--batch-size", 4, "--size", 16, *FAST]
    assert call("train", *options, "--recipe=xs", "--learning-rate", "1e-3") == 0
    settings, recipe = kept(tmp_path / "run"), load_recipe("xs")
    assert (settings["model"], settings["learning_rate"], settings["epochs"]) == (recipe["model"], 1e-3, 1)


WRONG = {
    "recipe": (["--recipe", "z"], "unknown recipe 'z'"),
    "file": (["--config", "nowhere.yaml"], "nowhere.yaml"),
    "term": (["--mask_loss", "{dise: 1}", "--epochs", "1"], "'dice'"),
    "balance": (["--balance", "equal"], "'fixed'"),
    "monitor": (["--monitor", "iou"], "val/mask_iou"),
    "phase": (["--phases", "[{epoch: 3}]"], "'epochs'"),
    "sizes": (["--sizes", "[[64, 8]]"], "sizes"),
    "both ends": (["--epochs", "1", "--minutes", "1"], "one end"),
    "schedule": (["--schedule", "turns"], "alternate"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_options_exit_with_2_and_write_nothing(quadruples, tmp_path, capsys, case):
    options, words = WRONG[case]
    assert call("train", "--data", quadruples, "--out", tmp_path / "x", *options) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
    assert not (tmp_path / "x").exists()
