import errno
import os
import pathlib

import numpy as np
import pytest
import transformers

from fgbgnet.cli import run
from fgbgnet.data import Manifest, PairedFgBgDataset
from tests.synth.teachers.tiny_models import depth_anything, dpt, save


def call(*arguments):
    """Exit code of the command line."""
    try:
        return run(["depth", *(str(argument) for argument in arguments)])
    except SystemExit as stop:
        return stop.code


def test_depth_of_frames_and_of_backgrounds(quadruples, tmp_path, capsys):
    model = save(tmp_path / "model", depth_anything, kind="metric")
    common = ["--manifest", quadruples, "--model", model, "--device", "cpu"]
    assert call(*common, "--out", tmp_path / "out") == 0
    output = capsys.readouterr().out
    assert "Teacher('model', metres, near_small, on cpu)" in output
    assert str(tmp_path / "out" / "manifest.csv") in output
    dataset = PairedFgBgDataset(tmp_path / "out" / "manifest.csv")
    assert len(dataset) == 12
    assert dataset.depth_unit == "metres"
    assert 0.5 < dataset[0]["depth"][dataset[0]["depth_valid"]].mean() < 20  # max_depth of the model
    assert call(*common, "--out", tmp_path / "out", "--of", "bg") == 2
    assert "of: fg_bg there, bg now" in capsys.readouterr().err
    assert call(*common, "--out", tmp_path / "empty", "--of", "bg", "--batch-size", 3) == 0
    assert len(set(Manifest.read(tmp_path / "empty").column("depth_bg").tolist())) == 4


def test_what_the_model_does_not_say_is_said(quadruples, tmp_path):
    model = save(tmp_path / "model")
    common = ["--manifest", quadruples, "--model", model, "--unit", "relative", "--direction", "near_small"]
    assert call(*common, "--out", tmp_path / "out", "--normalise", "per_image") == 0
    table = Manifest.read(tmp_path / "out")
    assert set(table.column("depth_direction").tolist()) == {"near_small"}
    for sample in PairedFgBgDataset(table):
        assert np.isclose(sample["depth"].min(), 0)
        assert np.isclose(sample["depth"].max(), 1)


def test_two_data_sets_of_one_range(quadruples, tmp_path):
    common = ["--manifest", quadruples, "--model", save(tmp_path / "model", dpt), "--of", "bg"]
    assert call(*common, "--out", tmp_path / "out", "--value-range", "[-1000,1000]") == 0
    assert "-1000.0" in (tmp_path / "out" / "settings.json").read_text()
    assert not (tmp_path / "out" / "range.json").exists()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"--manifest": "nowhere.csv"}, "no manifest at nowhere.csv"),
        ({"--model": "./nowhere"}, "no folder of a model at ./nowhere"),
        ({"--of": "mask"}, "'fg_bg', 'bg'"),
        ({"--normalise": "per_picture"}, "'per_image'"),
        ({"--unit": "feet"}, "unknown unit 'feet'; known are 'metres', 'relative'"),
        ({"--unit": "metres", "--direction": "near_large"}, "inverse metric depth"),
        ({"--batch-size": "0"}, "batch_size is 0"),
        ({"--device": "abacus"}, "device 'abacus'"),
        ({"--out": __file__}, "is a file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(quadruples, tmp_path, capsys, changes, text):
    options = {"--manifest": quadruples, "--model": save(tmp_path / "model", dpt), "--out": tmp_path / "out"}
    capsys.readouterr()  # transformers tells of what it saves
    assert call(*(part for option in (options | changes).items() for part in option)) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("fgbgnet: error:")]
    assert len(error) == 1
    assert text in error[0]


def test_a_folder_without_a_model_is_bad_input(quadruples, tmp_path, capsys):
    (tmp_path / "model").mkdir()
    transformers.PretrainedConfig().save_pretrained(tmp_path / "model")
    assert call("--manifest", quadruples, "--model", tmp_path / "model", "--out", tmp_path / "out") == 2
    assert "is not a depth-estimation model" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_a_failure_and_no_bad_input(quadruples, tmp_path, capsys, monkeypatch):
    model = save(tmp_path / "model", dpt)

    def full(self, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pathlib.Path, "write_bytes", full)
    assert call("--manifest", quadruples, "--model", model, "--out", tmp_path / "out") == 1
    assert "fgbgnet: failed: " in (error := capsys.readouterr().err)
    assert "the disk is full" in error
