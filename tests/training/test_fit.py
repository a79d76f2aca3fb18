import csv
import json

import pytest
import torch

from fgbgnet.data import PairedFgBgDataset, eval_transform, train_transform
from fgbgnet.errors import InvalidArgumentError, MissingFileError
from fgbgnet.models import DualHeadUNet, unfreeze_branch
from fgbgnet.training import FitConfig, fit, fitting
from fgbgnet.training.callbacks import RunClock

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
    assert sorted(p.name for p in (folder / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
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
    config = FitConfig(epochs=4, **FAST)
    whole = fit(network(), *data, tmp_path / "whole", config).model

    class PowerCutError(RuntimeError):
        pass

    original = RunClock.on_train_batch_end

    def cut(self, trainer, *args):
        if trainer.current_epoch == 2:
            raise PowerCutError
        original(self, trainer, *args)

    monkeypatch.setattr(fitting, "MINIMUM_STEPS_BETWEEN_VALIDATIONS", 1)
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
        raise KeyboardInterrupt

    monkeypatch.setattr(RunClock, "on_train_batch_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(network(), *data, tmp_path, FitConfig(epochs=2, **FAST))
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()


def test_time_budget_ends_the_run(data, tmp_path):
    result = fit(network(), *data, tmp_path, FitConfig(minutes=0.02, **FAST))
    assert result.seconds >= 1.2
    assert result.steps > 0
    assert (tmp_path / "model" / "model.safetensors").is_file()


def test_frozen_branch_does_not_change_and_is_still_offered(data, tmp_path):
    model = network()
    fit(model, *data, tmp_path / "depth", FitConfig(epochs=1, tasks=("depth",), freeze=("mask",), **FAST))
    mask = state(model.mask_branch)
    shared = state(model.shared)
    assert model.tasks == ("mask", "depth")
    unfreeze_branch(model, "mask")
    depth = state(model.depth_branch)
    fit(model, *data, tmp_path / "mask", FitConfig(epochs=1, tasks=("mask",), freeze=("shared", "depth"), **FAST))
    assert all(torch.equal(t, depth[k]) for k, t in model.depth_branch.state_dict().items())
    assert all(torch.equal(t, shared[k]) for k, t in model.shared.state_dict().items())
    assert not all(torch.equal(t, mask[k]) for k, t in model.mask_branch.state_dict().items())


def test_mask_alone_makes_a_model_that_predicts_the_mask_alone(data, tmp_path):
    result = fit(network(), *data, tmp_path, FitConfig(epochs=1, tasks=("mask",), **FAST))
    picture = torch.rand(3, 20, 30)
    assert DualHeadUNet.from_pretrained(tmp_path).predict(picture, picture).depth is None
    assert result.model.tasks == ("mask",)


def test_wrong_runs(data, tmp_path):
    with pytest.raises(MissingFileError, match="nothing to resume"):
        fit(network(), *data, tmp_path / "new", FitConfig(epochs=1), resume=True)
    with pytest.raises(InvalidArgumentError, match="nothing is left to learn"):
        fit(network(), *data, tmp_path / "new", FitConfig(epochs=1, tasks=("mask",), freeze=("shared", "mask")))
    assert not (tmp_path / "new").exists()
