import json
import shutil

import numpy as np
import pytest
from PIL import Image

from fgbgnet.cli import run
from fgbgnet.data import Manifest, PairedFgBgDataset
from fgbgnet.data.audit import KINDS
from fgbgnet.synth import SceneDataset, write_scenes


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Eight generated quadruples without a defect."""
    return write_scenes(SceneDataset(8, size=64, scenes_per_background=4), tmp_path_factory.mktemp("scenes"))


@pytest.fixture
def spoiled(scenes, tmp_path):
    """The same with a mask that is white all over, and one that is not there."""
    folder = tmp_path / "data"
    shutil.copytree(scenes.parent, folder)
    table = Manifest.read(folder)
    first, second = table.column("mask")[:2]
    Image.fromarray(np.full((64, 64), 255, np.uint8)).save(folder / first)
    (folder / second).unlink()
    return folder / "manifest.csv"


def call(*arguments):
    try:
        return run([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code


def test_clean_data_exit_with_0(scenes, tmp_path, capsys):
    assert call("check", scenes, "--json", tmp_path / "a.json", "--num-workers", "0") == 0
    assert "Clean: 8 of 8 samples." in capsys.readouterr().out
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["n"] == 8
    assert all(finding["severity"] == "note" for finding in content["findings"])


def test_defects_exit_with_1_and_are_written_down(spoiled, tmp_path, capsys):
    outputs = {name: tmp_path / "out" / f"audit.{name}" for name in ("json", "html", "csv")}
    arguments = ["--json", outputs["json"], "--html", outputs["html"], "--repair", outputs["csv"]]
    assert call("check", spoiled.parent, *arguments, "--num-workers", "0") == 1
    printed = capsys.readouterr().out
    ids = Manifest.read(spoiled).column("id").tolist()

    content = json.loads(outputs["json"].read_text())
    assert content.keys() == {"n", "findings"}
    assert content["n"] == 8
    found = {}
    for finding in content["findings"]:
        assert finding.keys() == {"kind", "severity", "ids", "message"}
        assert finding["severity"] == KINDS[finding["kind"]].severity
        assert finding["message"]
        assert finding["kind"].startswith(("mask_", "depth_", "bg_", "fg_bg_", "file_", "group_"))
        found[finding["kind"]] = finding["ids"]
    assert found["mask_full"] == ids[:1]
    assert found["file_missing"] == ids[1:2]
    assert all(kind in printed for kind in found)
    assert "mask_full" in outputs["html"].read_text(encoding="utf-8")

    repaired = Manifest.read(outputs["csv"])
    assert repaired.column("id").tolist() == ids[2:]
    assert len(list(PairedFgBgDataset(repaired))) == 6
    assert (tmp_path / "out" / "audit.dropped.csv").read_text().splitlines()[0] == "id,reason"
    assert call("check", outputs["csv"], "--num-workers", "0") == 0


def test_a_limit_is_told(spoiled, tmp_path):
    assert call("check", spoiled, "--limit", "2", "--json", tmp_path / "a.json", "--num-workers", "0") == 1
    assert json.loads((tmp_path / "a.json").read_text())["n"] == 2


WRONG = [
    (["nowhere.csv"], "nowhere.csv"),
    (["{data}", "--limit", "0"], "limit is 0"),
    (["{data}", "--num-workers", "-1"], "num_workers is -1"),
    (["{data}", "--json", "{data}"], "--json {data} is the audited manifest"),
    (["{data}", "--html", "{tmp}/../{name}/data/manifest.csv"], "is the audited manifest"),
    (["{data}", "--repair", "{data}"], "is the audited manifest"),
    (["{data}", "--repair", "{tmp}/there.csv"], "exists"),
    (["{data}", "--json", "{tmp}/a", "--html", "{tmp}/a"], "the file of --json, too"),
    (["{data}", "--html", "{tmp}"], "is a folder"),
    (["{tmp}/there.csv"], "empty"),
    ([], "--manifest"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=[" ".join(w[0])[:50] for w in WRONG])
def test_bad_input_exits_with_2_before_anything_is_written(arguments, words, spoiled, tmp_path, capsys):
    (tmp_path / "there.csv").touch()
    before = sorted(path for path in tmp_path.rglob("*"))
    content = spoiled.read_bytes()
    names = {"data": spoiled, "tmp": tmp_path, "name": tmp_path.name}
    assert call("check", *(argument.format(**names) for argument in arguments)) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("fgbgnet: error: ")
    assert len(error.splitlines()) == 1
    assert words.format(**names) in error
    assert sorted(path for path in tmp_path.rglob("*")) == before
    assert spoiled.read_bytes() == content
