import csv

import pytest
import torch
from PIL import Image

from fgbgnet.data import PairedFgBgDataset, eval_transform, train_transform
from fgbgnet.errors import InvalidArgumentError, MissingFileError
from fgbgnet.models import DualHeadUNet
from fgbgnet.training import FitConfig, fit, plot_curves
from fgbgnet.training.callbacks.curves import read_run_curves
from fgbgnet.training.callbacks.run_state import RunClock

FAST = {"batch_size": 4, "accelerator": "cpu", "learning_rate": 5e-3, "validations": 1, "pictures": 0}


def network():
    torch.manual_seed(0)
    return DualHeadUNet("unet_small", fusion="early_diff", input_size=32)


@pytest.fixture
def data(quadruples):
    return PairedFgBgDataset(quadruples, train_transform(32)), PairedFgBgDataset(quadruples, eval_transform(32))


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_notes_and_draws_what_one_wants_to_see(data, tmp_path):
    fit(network(), *data, tmp_path, FitConfig(sizes=((32, 4, 1), (48, 2, 1)), **FAST))
    training = [row for row in rows_of(tmp_path / "metrics.csv") if row["train/loss"]]
    assert [row["size"] for row in training] == ["32", "48", "48"]
    for row in training:
        assert float(row["train/loss"]) == pytest.approx(
            float(row["train/mask_loss"]) + float(row["train/depth_loss"]), rel=1e-4
        )
        assert float(row["train/gradient_norm"]) > 0
        assert float(row["time/images_per_second"]) > 0
        assert 0 < float(row["time/loader_wait"]) < 1
    picture = Image.open(tmp_path / "curves.png")
    assert picture.width > 1000
    figure = plot_curves(tmp_path / "metrics.csv")
    assert [axis.get_title() for axis in figure.axes] == [
        "loss", "mask loss", "depth loss", "mask, validation", "depth errors, validation",
        "depth within 25 %, validation", "learning rate", "gradient norm", "images per second",
    ]  # fmt: skip
    for axis in figure.axes:
        assert [text.get_text() for text in axis.texts] == ["48 px"]


def test_an_interrupted_run_has_its_curves(data, tmp_path, monkeypatch):
    original = RunClock.on_train_batch_end

    def interrupt(self, trainer, *args):
        if trainer.global_step == 5:
            raise KeyboardInterrupt
        original(self, trainer, *args)

    monkeypatch.setattr(RunClock, "on_train_batch_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(network(), *data, tmp_path, FitConfig(epochs=3, **FAST))
    assert Image.open(tmp_path / "curves.png").width > 1000


def write(path, *rows):
    path.write_text("\n".join(["epoch,step,phase,size,learning_rate,train/loss,val/loss,val/mask_iou", *rows]) + "\n")
    return path


def test_curves_are_those_of_the_file(tmp_path):
    path = write(
        tmp_path / "m.csv", "0,10,1,64,0.1,2.0,,", "0,10,1,,,,1.5,nan", "0,20,2,64,0.2,1.0,,", "0,20,2,,,,1.2,0.5"
    )
    curves = read_run_curves(path)
    assert curves.values == {
        "learning_rate": [(10, 0.1), (20, 0.2)],
        "train/loss": [(10, 2), (20, 1)],
        "val/loss": [(10, 1.5), (20, 1.2)],
        "val/mask_iou": [(20, 0.5)],
    }
    assert curves.phases == [(10, "1", "64"), (20, "2", "64")]
    loss, iou, rate = plot_curves(path).axes
    assert [line.get_label() for line in loss.lines if not line.get_label().startswith("_")] == [
        "train/loss",
        "val/loss",
    ]
    assert iou.lines[0].get_xydata().tolist() == [[20, 0.5]]
    assert rate.lines[0].get_xydata().tolist() == [[10, 0.1], [20, 0.2]]
    assert [text.get_text() for text in rate.texts] == ["phase 2, 64 px"]


def test_wrong_files(tmp_path):
    with pytest.raises(MissingFileError, match=r"no file .*m\.csv"):
        plot_curves(tmp_path / "m.csv")
    with pytest.raises(InvalidArgumentError, match="has no rows yet"):
        plot_curves(write(tmp_path / "m.csv"))
    (tmp_path / "m.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InvalidArgumentError, match="no column 'step'"):
        plot_curves(tmp_path / "m.csv")
