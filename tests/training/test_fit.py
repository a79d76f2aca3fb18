import csv
import json
import os
import signal

import pytest
import torch
from torch import nn

from fgbgnet.data import Manifest, PairedFgBgDataset, eval_transform, seeded_split, train_transform
from fgbgnet.errors import InvalidArgumentError, MissingFileError, TrainingError
from fgbgnet.models import DualHeadUNet, freeze_branch
from fgbgnet.training import FitConfig, fit
from fgbgnet.training.callbacks.run_state import RunClock

FAST = {"batch_size": 4, "accelerator": "cpu", "learning_rate": 5e-3}


def network(seed=0, **arguments):
    torch.manual_seed(seed)
    return DualHeadUNet("unet_small", fusion="early_diff", input_size=32, **arguments)


@pytest.fixture
def data(quadruples):
    return PairedFgBgDataset(quadruples, train_transform(32)), PairedFgBgDataset(quadruples, eval_transform(32))


def state(model):
    return {key: tensor.clone() for key, tensor in model.state_dict().items()}


def test_a_run_leaves_what_it_promises(data, tmp_path):
    model = network()
    result = fit(model, *data, tmp_path / "run", FitConfig(epochs=2, **FAST), metadata={"note": "test"})
    folder = result.folder
    assert result.model is model
    assert not model.training
    assert result.steps == 2 * (len(data[0]) // 4)
    assert sorted(p.name for p in (folder / "checkpoints").iterdir()) == [
        "best.ckpt",
        "last.ckpt",
        "step_00000006.ckpt",
    ]
    again = DualHeadUNet.from_pretrained(folder)
    assert all(torch.equal(tensor, again.state_dict()[key]) for key, tensor in model.state_dict().items())
    facts = json.loads((folder / "model" / "config.json").read_text())["metadata"]
    assert facts["note"] == "test"
    assert facts["fit"]["epochs"] == 2
    assert {"val/loss", "val/mask_iou", "val/depth_rmse"} <= facts["validation"].keys()
    with (folder / "metrics.csv").open() as file:
        names = next(csv.reader(file))
    assert {"val/mask_iou", "val/depth_abs_rel", "train/loss"} <= set(names)
    assert list((folder / "tensorboard").glob("events*"))


def test_it_learns_to_overfit(data, tmp_path):
    """Without augmentation, a handful of samples is learned nearly by heart."""
    train = data[1]
    result = fit(network(), train, train, tmp_path, FitConfig(epochs=40, **FAST))
    facts = json.loads((tmp_path / "model" / "config.json").read_text())["metadata"]["validation"]
    assert facts["val/mask_iou"] > 0.9
    assert facts["val/depth_abs_rel"] < 0.15
    assert result.model.untrained is False


def test_the_same_seed_gives_the_same_weights(data, tmp_path):
    runs = [fit(network(), *data, tmp_path / str(i), FitConfig(epochs=1, **FAST)).model for i in range(2)]
    other = fit(network(), *data, tmp_path / "other", FitConfig(epochs=1, seed=1, **FAST)).model
    first, second, third = (state(model) for model in (*runs, other))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], third[key]) for key in first)


def test_resume_after_an_epoch_equals_one_run(data, tmp_path, monkeypatch):
    """Four epochs at once = four epochs of which the last two come from a checkpoint."""
    config = FitConfig(epochs=4, validations=1, **FAST)
    whole = fit(network(), *data, tmp_path / "whole", config).model

    class PowerCutError(RuntimeError):
        pass

    original = RunClock.on_train_batch_end

    def cut(self, trainer, *args):
        if trainer.current_epoch == 2:
            raise PowerCutError
        original(self, trainer, *args)

    with monkeypatch.context() as patch:
        patch.setattr(RunClock, "on_train_batch_end", cut)
        with pytest.raises(PowerCutError):
            fit(network(), *data, tmp_path / "cut", config)
    fit(network(seed=99), *data, tmp_path / "cut", config, resume=True)
    ends = [torch.load(tmp_path / run / "checkpoints" / "last.ckpt", weights_only=False) for run in ("whole", "cut")]
    assert ends[0]["global_step"] == ends[1]["global_step"] == 4 * (len(data[0]) // 4)
    assert all(torch.equal(t, ends[1]["state_dict"][key]) for key, t in ends[0]["state_dict"].items())
    assert whole.frozen_branches == ()


def test_interruption_saves_a_checkpoint(data, tmp_path, monkeypatch):
    def interrupt(self, trainer, *args):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(RunClock, "on_train_batch_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(network(), *data, tmp_path, FitConfig(epochs=2, **FAST))
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()


def test_time_budget_ends_the_run(data, tmp_path):
    result = fit(network(), *data, tmp_path, FitConfig(minutes=0.02, **FAST))
    assert result.seconds >= 1.2
    assert result.steps > 0
    assert (tmp_path / "model" / "model.safetensors").is_file()


def test_two_phases_each_with_the_other_branch_frozen(data, tmp_path):
    model = network()
    mask = state(model.mask_branch)
    fit(model, *data, tmp_path / "depth", FitConfig(epochs=1, tasks=("depth",), freeze=("mask",), **FAST))
    assert all(torch.equal(tensor, mask[key]) for key, tensor in model.mask_branch.state_dict().items())
    assert model.tasks == ("depth",)  # nobody has trained the mask yet
    assert model.frozen_branches == ()  # frozen for the run, not for good
    depth, shared = state(model.depth_branch), state(model.shared)
    fit(model, *data, tmp_path / "mask", FitConfig(epochs=1, tasks=("mask",), freeze=("shared", "depth"), **FAST))
    assert all(torch.equal(t, depth[k]) for k, t in model.depth_branch.state_dict().items())
    assert all(torch.equal(t, shared[k]) for k, t in model.shared.state_dict().items())
    assert not all(torch.equal(t, mask[k]) for k, t in model.mask_branch.state_dict().items())
    assert model.tasks == ("mask", "depth")
    fit(model, *data, tmp_path / "both", FitConfig(epochs=1, freeze=("shared",), **FAST))
    assert all(torch.equal(t, shared[k]) for k, t in model.shared.state_dict().items())


def test_what_the_user_froze_stays_frozen(data, tmp_path):
    model = freeze_branch(network(), "shared")
    before = state(model.shared)
    fit(model, *data, tmp_path, FitConfig(epochs=1, **FAST))
    assert model.frozen_branches == ("shared",)
    assert all(torch.equal(t, before[k]) for k, t in model.shared.state_dict().items())


def test_mask_alone_makes_a_model_that_predicts_the_mask_alone(data, tmp_path):
    result = fit(network(), *data, tmp_path, FitConfig(epochs=1, tasks=("mask",), **FAST))
    picture = torch.rand(3, 20, 30)
    assert DualHeadUNet.from_pretrained(tmp_path).predict(picture, picture).depth is None
    assert result.model.tasks == ("mask",)


def test_wrong_runs(data, tmp_path):
    out = tmp_path / "new"
    with pytest.raises(MissingFileError, match="nothing to resume"):
        fit(network(), *data, out, FitConfig(epochs=1), resume=True)
    with pytest.raises(InvalidArgumentError, match="nothing is left to learn"):
        fit(network(), *data, out, FitConfig(epochs=1, tasks=("mask",), freeze=("shared", "mask")))
    with pytest.raises(InvalidArgumentError, match="nothing is left to learn"):
        fit(freeze_branch(network(), "shared", "depth"), *data, out, FitConfig(epochs=1))
    with pytest.raises(InvalidArgumentError, match="val has no samples"):
        fit(network(), data[0], None, out, FitConfig(epochs=1))
    with pytest.raises(InvalidArgumentError, match="depth_unit='metres'"):
        fit(network(depth_unit="relative"), *data, out, FitConfig(epochs=1))
    with pytest.raises(InvalidArgumentError, match="precision='half'"):
        fit(network(), *data, out, FitConfig(epochs=1, precision="half", accelerator="cpu"))
    with pytest.raises(InvalidArgumentError, match="accelerator='abacus'"):
        fit(network(), *data, out, FitConfig(epochs=1, accelerator="abacus"))
    assert not out.exists()
    out.write_text("a file")
    with pytest.raises(InvalidArgumentError, match="is a file"):
        fit(network(), *data, out, FitConfig(epochs=1))


def test_a_run_is_not_overwritten_unless_asked(data, tmp_path):
    config = FitConfig(epochs=1, **FAST)
    first = state(fit(network(), *data, tmp_path, config).model)
    with pytest.raises(InvalidArgumentError, match="holds a run already"):
        fit(network(1), *data, tmp_path, config)
    kept = DualHeadUNet.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(first[key], kept[key]) for key in first)
    second = state(fit(network(1), *data, tmp_path, config, overwrite=True).model)
    assert not all(torch.equal(first[key], second[key]) for key in first)


def test_a_refused_run_changes_nothing(data, tmp_path):
    (tmp_path / "train.csv").write_text("the user's own")
    model = network()
    before = state(model)
    for overwrite in (False, True):
        with pytest.raises(InvalidArgumentError, match=r"holds train\.csv, but no run"):
            fit(model, *data, tmp_path, FitConfig(epochs=1, tasks=("mask",), **FAST), overwrite=overwrite)
    assert (tmp_path / "train.csv").read_text() == "the user's own"
    assert model.tasks == ("mask", "depth")
    assert model.frozen_branches == ()
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize("content", [None, "{"])
def test_resume_without_the_record_of_the_run(data, tmp_path, content):
    config = FitConfig(epochs=1, **FAST)
    fit(network(), *data, tmp_path, config)
    (tmp_path / "config.json").unlink()
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(InvalidArgumentError, match=r"config\.json.* is missing or damaged"):
        fit(network(), *data, tmp_path, config, resume=True)


def test_resume_refuses_another_run(data, tmp_path):
    config = FitConfig(epochs=1, **FAST)
    fit(network(), *data, tmp_path, config)
    record = (tmp_path / "config.json").read_bytes()
    for model, train, changed, words in (
        (network(), data[0], FitConfig(epochs=2, seed=1, **FAST), "seed was 0 and is 1"),
        (network(), data[0], FitConfig(epochs=2, optimizer="sgd", **FAST), "optimizer was adamw"),
        (DualHeadUNet("resnet18", input_size=32), data[0], config, "encoder_name was unet_small"),
        (network(), data[0].subset(range(8)), config, "train_samples was 12 and is 8"),
    ):
        with pytest.raises(InvalidArgumentError, match=words):
            fit(model, train, data[1], tmp_path, changed, resume=True)
    assert (tmp_path / "config.json").read_bytes() == record
    longer = fit(network(), *data, tmp_path, FitConfig(epochs=3, **FAST), resume=True)
    assert longer.steps == 3 * (len(data[0]) // 4)


def test_the_split_is_kept_with_the_run(data, tmp_path):
    train, val = seeded_split(data[0], (0.7, 0.3), transforms=(data[0].transform, data[1].transform))
    fit(network(), train, val, tmp_path, FitConfig(epochs=1, **FAST))
    for name, side in (("train", train), ("val", val)):
        kept = Manifest.read(tmp_path / f"{name}.csv")
        assert kept.column("id").tolist() == side.ids.tolist()
        assert kept.resolve(str(kept.column("fg_bg")[0])).is_file()


def test_a_loss_that_is_not_finite_ends_the_run_and_saves_no_model(data, tmp_path):
    class Diverging(nn.Module):
        def forward(self, outputs, batch):
            loss = outputs["mask"].mean() * float("nan")
            return {"total": loss, "mask": loss}

    with pytest.raises(TrainingError, match=r"the loss is nan at step 0, for the samples s0"):
        fit(network(), *data, tmp_path, FitConfig(epochs=1, **FAST), loss=Diverging())
    assert not (tmp_path / "model").exists()
    fit(network(), *data, tmp_path, FitConfig(epochs=1, **FAST), overwrite=True)
    with pytest.raises(TrainingError):  # and nothing of the run before is handed out for it
        fit(network(), *data, tmp_path, FitConfig(epochs=1, **FAST), loss=Diverging(), overwrite=True)
    assert not (tmp_path / "model").exists()
