"""Progressive resizing, phases, averaging, early ends: what happens between the steps."""

import csv
from dataclasses import replace

import pytest
import torch

from fgbgnet.data import PairedFgBgDataset
from fgbgnet.training import FitConfig, fit
from tests.models.restless import restless

SETTINGS = {"accelerator": "cpu", "learning_rate": 5e-3, "validations": 1, "pictures": 0}


@pytest.fixture
def data(quadruples):
    return PairedFgBgDataset(quadruples), PairedFgBgDataset(quadruples)


def network(seed=0):
    return restless(seed, input_size=16)


def shapes(model):
    """What a model is shown, in training and in validation."""
    shown = {True: [], False: []}
    model.register_forward_pre_hook(lambda module, pictures: shown[module.training].append(tuple(pictures[0].shape)))
    return shown


def rows(folder, column):
    with (folder / "metrics.csv").open() as file:
        return [float(row[column]) for row in csv.DictReader(file) if row[column]]


def test_sizes_follow_each_other_and_validation_is_at_the_last(data, tmp_path):
    model = network()
    shown = shapes(model)
    config = FitConfig(sizes=((16, 6, 2), (32, 3, 1)), **SETTINGS)
    result = fit(model, *data, tmp_path, config)
    assert shown[True] == [(6, 3, 16, 16)] * 4 + [(3, 3, 32, 32)] * 4
    assert {shape[1:] for shape in shown[False]} == {(3, 32, 32)}
    assert result.steps == 8
    rates = rows(tmp_path, "learning_rate")  # one schedule over all of it
    assert rates[-1] < 0.3 * max(rates)


def test_the_optimiser_goes_on_through_sizes(data, tmp_path):
    fit(network(), *data, tmp_path, FitConfig(sizes=((16, 6, 2), (32, 3, 1)), **SETTINGS))
    state = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=False)["optimizer_states"][0]["state"]
    assert {int(s["step"]) for s in state.values()} == {8}


def test_one_size_is_like_transforms_of_that_size(data, quadruples, tmp_path):
    from fgbgnet.data import eval_transform, train_transform

    one = fit(network(), *data, tmp_path / "a", FitConfig(epochs=1, batch_size=4, size=16, **SETTINGS)).model
    given = (data[0].with_transform(train_transform(16)), data[1].with_transform(eval_transform(16)))
    other = fit(network(), *given, tmp_path / "b", FitConfig(epochs=1, batch_size=4, **SETTINGS)).model
    assert all(torch.equal(a, other.state_dict()[k]) for k, a in one.state_dict().items())


def test_alternate_trains_the_depth_and_then_the_mask(data, tmp_path):
    model = network()
    start = {name: {k: v.clone() for k, v in part.state_dict().items()} for name, part in model.branches().items()}
    after = {}

    def note(module, *_):
        if module.training and "depth" in module.frozen_branches and not after:
            after.update({k: v.clone() for k, v in module.state_dict().items()})

    model.register_forward_pre_hook(note)
    result = fit(model, *data, tmp_path, FitConfig(schedule="alternate", epochs=2, batch_size=4, size=16, **SETTINGS))
    assert result.steps == 12
    assert result.model.tasks == ("mask", "depth")
    branches = {name: part.state_dict() for name, part in result.model.branches().items()}
    for name in ("shared", "depth"):  # moved in the first phase, then not by a bit
        assert not all(torch.equal(v, branches[name][k]) for k, v in start[name].items())
    for key, value in result.model.state_dict().items():
        if not key.startswith("mask_branch."):
            assert torch.equal(value, after[key]), key
    assert any(not torch.equal(v, branches["mask"][k]) for k, v in start["mask"].items())
    assert rows(tmp_path, "val/depth_abs_rel")
    assert len(rows(tmp_path, "val/mask_iou")) == 2


@pytest.mark.parametrize("frozen", [(), ("shared",)], ids=str)
def test_the_average_is_what_its_formula_says(data, tmp_path, frozen):
    """Weights after each step, averaged outside; the model that is kept holds the average of its best epoch."""
    model = network()
    names = [n for n, p in model.named_parameters()]
    config = FitConfig(epochs=1, batch_size=4, size=16, ema=0.8, freeze=frozen, **SETTINGS)
    weights = []
    model.register_forward_pre_hook(
        lambda module, _: weights.append({k: v.detach().clone() for k, v in module.named_parameters()})
    )
    fit(model, *data, tmp_path, config)
    # Before each of 3 training steps the weights of the step before; then the average, while validating.
    end = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=False)["state_dict"]
    trained = [*weights[1:3], {name: end[f"model.{name}"] for name in names}]
    expected = {name: value.double() for name, value in weights[0].items()}
    for n, after in enumerate(trained, 1):
        decay = min(0.8, (1 + n) / (10 + n))
        expected = {name: decay * expected[name] + (1 - decay) * after[name].double() for name in names}
    for name in names:
        torch.testing.assert_close(weights[3][name].double(), expected[name], rtol=1e-5, atol=1e-7)
        assert torch.equal(dict(model.named_parameters())[name], weights[3][name])
        if frozen and name.startswith("shared."):
            assert torch.equal(weights[3][name], weights[0][name])


def test_patience_ends_a_phase(data, tmp_path):
    config = FitConfig(epochs=30, patience=2, batch_size=4, size=16, **{**SETTINGS, "learning_rate": 1e-12})
    result = fit(network(), *data, tmp_path, config)
    assert result.steps < 60


def test_accumulated_batches_are_one_step(data, tmp_path):
    result = fit(network(), *data, tmp_path, FitConfig(epochs=2, batch_size=2, accumulate=4, size=16, **SETTINGS))
    assert result.steps == 2 * 2  # six batches: four and two
    assert rows(tmp_path, "step")[:1] == [2.0]
    with (tmp_path / "metrics.csv").open() as file:
        noted = [int(row["step"]) for row in csv.DictReader(file) if row["train/loss"]]
    assert noted == [2, 4]


def test_consistency_pulls_the_two_depths_together(data, tmp_path):
    from fgbgnet.data import eval_transform
    from fgbgnet.losses import depth_consistency_loss

    def apart(weight):
        model = network()
        config = FitConfig(
            epochs=12, batch_size=4, size=16, tasks=("depth",), consistency=weight, **{**SETTINGS, "validations": 99}
        )
        fit(model, *data, tmp_path / str(weight), config)
        samples = [data[0].with_transform(eval_transform(16))[i] for i in range(len(data[0]))]
        bg, fg_bg, mask = (torch.stack([s[key] for s in samples]) for key in ("bg", "fg_bg", "mask"))
        with torch.no_grad():
            frame, empty = (model(bg, picture)["depth"] for picture in (fg_bg, bg))
        return depth_consistency_loss(frame, empty, mask, bg, fg_bg).item()

    assert apart(20.0) < 0.7 * apart(0.0)


@pytest.mark.slow
def test_a_compiled_model_learns_the_same(data, tmp_path):
    config = FitConfig(epochs=1, batch_size=4, size=16, **SETTINGS)
    runs = [fit(network(), *data, tmp_path / str(c), replace(config, compile=c)) for c in (False, True)]
    assert (runs[1].folder / "model" / "model.safetensors").is_file()
    assert runs[1].model._compiled_call_impl is None
    for (name, one), other in zip(runs[0].model.named_parameters(), runs[1].model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.02, msg=name)
