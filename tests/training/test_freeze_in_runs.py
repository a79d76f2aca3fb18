"""Freezing in whole runs of Lightning: resumed, begun in evaluation mode, with callbacks for fine-tuning."""

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import BaseFinetuning

from fgbgnet.data import PairedFgBgDataset, eval_transform
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.models import freeze_branch, frozen_branches
from fgbgnet.training import FitConfig, PairedFgBgDataModule, fit
from fgbgnet.training.module import DualTaskModule
from tests.models.restless import restless

FAST = {"batch_size": 4, "accelerator": "cpu", "learning_rate": 5e-3}
SIZE = 16


def network(seed=0):
    return restless(seed, input_size=SIZE)


@pytest.fixture
def data(quadruples):
    return PairedFgBgDataset(quadruples, eval_transform(SIZE))


def state(module):
    return {key: tensor.clone() for key, tensor in module.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("frozen", [("mask",), ("shared", "mask"), ("shared", "depth"), ("shared",)], ids="+".join)
def test_a_run_and_its_resumption_keep_what_is_frozen(data, tmp_path, frozen, optimizer):
    model = network()
    before, others = state(model), [name for name in model.branches() if name not in frozen]
    tasks = tuple(name for name in others if name != "shared")
    settings = {"tasks": tasks, "freeze": frozen, "optimizer": optimizer, "weight_decay": 0.1, **FAST}
    fit(model, data, data, tmp_path, FitConfig(epochs=2, **settings))
    again = fit(network(seed=99), data, data, tmp_path, FitConfig(epochs=4, **settings), resume=True).model
    last = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=False)["state_dict"]
    for name, weights in (("best", state(again)), ("last", {k.removeprefix("model."): v for k, v in last.items()})):
        for branch in model.branches():
            prefix = "shared." if branch == "shared" else f"{branch}_branch."
            parts = [{k: v for k, v in w.items() if k.startswith(prefix)} for w in (before, weights)]
            assert same(*parts) is (branch in frozen), (name, branch)
    assert frozen_branches(again) == ()


def test_a_frozen_head_keeps_its_own_start(data, tmp_path):
    """The heads' biases are set from the data, but not what is frozen; a task that comes later gets its own."""
    model = network()
    before = state(model.mask_branch.head)
    fit(model, data, data, tmp_path / "depth", FitConfig(epochs=1, tasks=("depth",), freeze=("mask",), **FAST))
    assert same(before, state(model.mask_branch.head))
    slow = {**FAST, "learning_rate": 1e-9}
    fit(model, data, data, tmp_path / "mask", FitConfig(epochs=1, tasks=("mask",), **slow))
    share = torch.stack([data[i]["mask"].mean() for i in range(len(data))]).mean()
    assert torch.allclose(model.mask_branch.head.convolution.bias.sigmoid(), share, atol=1e-3)


def test_a_model_in_evaluation_mode_is_trained_in_training_mode(data, tmp_path):
    """As those from from_pretrained and from an earlier run are; what is frozen keeps evaluation mode."""
    model = freeze_branch(network().eval(), "mask")
    shared, mask = state(model.shared), state(model.mask_branch)
    fit(model, data, data, tmp_path, FitConfig(epochs=1, **FAST))
    counters = [key for key in shared if key.endswith("num_batches_tracked")]
    assert counters
    assert all(model.shared.state_dict()[key] == shared[key] + len(data) // 4 for key in counters)
    assert same(mask, state(model.mask_branch))


def test_a_run_is_resumed_only_with_what_was_frozen(data, tmp_path):
    """Whether the settings or the caller froze it."""
    config = FitConfig(epochs=1, **FAST)
    fit(freeze_branch(network(), "mask"), data, data, tmp_path, config)
    with pytest.raises(InvalidArgumentError, match=r"freeze was \['mask'\] and is \[\]"):
        fit(network(), data, data, tmp_path, config, resume=True)
    by_settings = FitConfig(epochs=2, freeze=("mask",), **FAST)
    assert fit(network(), data, data, tmp_path, by_settings, resume=True).steps == 2 * (len(data) // 4)


class Staged(BaseFinetuning):
    """Lightning's own way: freezes all but BatchNorm at first, unfreezes in the second epoch."""

    def __init__(self, choose):
        super().__init__()
        self.choose = choose

    def freeze_before_training(self, pl_module):
        self.freeze(self.choose(pl_module.model))

    def finetune_function(self, pl_module, epoch, optimizer):
        if epoch == 1:
            self.make_trainable(self.choose(pl_module.model))


class WithOneOptimizer(DualTaskModule):
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9, weight_decay=0.1)


@pytest.mark.parametrize("choose", [lambda model: model.shared, lambda model: model], ids=["shared", "everything"])
def test_finetuning_callbacks_of_lightning_do_not_thaw(data, tmp_path, choose):
    model = freeze_branch(network(), "mask")
    mask, shared = state(model.mask_branch), state(model.shared)
    module = WithOneOptimizer(model, FitConfig(**FAST))
    trainer = lightning.Trainer(
        max_epochs=3, callbacks=[Staged(choose)], accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(module, PairedFgBgDataModule(data, data, 4, 0, 0))
    assert same(mask, state(model.mask_branch))
    convolution = "encoder.stages.0.0.weight"
    assert not torch.equal(shared[convolution], model.shared.state_dict()[convolution])
