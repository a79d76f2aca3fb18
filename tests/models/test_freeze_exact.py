"""Frozen to the last bit, in every way of training; and the careless way, which moves in all of them."""

import copy
import io

import pytest
import torch

from fgbgnet.models import DualHeadUNet, freeze_branch
from fgbgnet.types import TASKS
from tests.models.freezing import (
    COMBINATIONS,
    adamw,
    assert_still,
    both,
    carelessly,
    changes,
    completely,
    movement,
    sgd,
    snapshot,
    step,
)
from tests.models.restless import restless

RUNS = [
    pytest.param(sgd, 20, id="sgd, 20 steps"),
    pytest.param(adamw, 20, id="adamw, 20 steps"),
    pytest.param(both, 1000, id="both, 1000 steps", marks=pytest.mark.slow),
]


def bfloat16():
    return torch.autocast("cpu", dtype=torch.bfloat16)


WAYS = {
    "eager": {},
    "bf16": {"around": bfloat16},
    "siamese": {"fusion": "siamese"},
    "uncertain, cross-task": {"uncertainty": TASKS, "cross_task": True},
}


@pytest.mark.parametrize(("optimizer", "steps"), RUNS)
@pytest.mark.parametrize("names", COMBINATIONS, ids="+".join)
def test_every_combination_of_branches(names, optimizer, steps):
    assert_still(movement(completely, names, optimizer, steps))


@pytest.mark.parametrize(("optimizer", "steps"), RUNS[1:])
@pytest.mark.parametrize("way", [way for way in WAYS if way != "eager"])
def test_every_way_of_computing(way, optimizer, steps):
    assert_still(movement(completely, ("shared", "mask"), optimizer, steps, **WAYS[way]))


@pytest.mark.parametrize("optimizer", [sgd, adamw])
@pytest.mark.parametrize("way", WAYS)
def test_clearing_requires_grad_alone_fails_the_same_test(way, optimizer):
    moved = movement(carelessly, ("shared", "mask"), optimizer, 5, **WAYS[way])
    assert min(moved["parameters"], moved["buffers"], moved["outputs"]) > 0


def saved(contents):
    buffer = io.BytesIO()
    torch.save(contents, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@pytest.mark.parametrize(("optimizer", "steps"), RUNS)
@pytest.mark.parametrize("order", ["freeze, then load", "load, then freeze", "whole model"])
def test_resumed_from_states_of_model_and_optimizer(order, optimizer, steps):
    names = ("shared", "mask")
    model = restless()
    algorithm = optimizer(model.parameters())
    for _ in range(2):
        step(model, algorithm)
    freeze_branch(model, *names)
    before = snapshot(model, names)
    step(model, algorithm, ("depth",))
    if order == "whole model":
        again = saved(model)
        assert again.frozen_branches == names
    else:
        states = saved([model.state_dict(), algorithm.state_dict()])
        again = restless(seed=99)
        if order == "freeze, then load":
            freeze_branch(again, *names)
        again.load_state_dict(states[0])
        freeze_branch(again, *names)
    resumed = optimizer(again.parameters())
    resumed.load_state_dict(saved(algorithm.state_dict()))
    rest = snapshot(again, ("depth",))
    for _ in range(steps):
        step(again.train(), resumed, ("depth",))
    assert changes(before, snapshot(again, names)) == {"parameters": 0, "buffers": 0, "outputs": 0}
    assert changes(rest, snapshot(again, ("depth",)))["parameters"] > 0


@pytest.mark.parametrize("encoder", ["resnet18", "efficientnet-b0", "tu-convnext_atto"])
def test_encoders_of_libraries(encoder):
    """BatchNorm; BatchNorm and stochastic depth; LayerNorm and stochastic depth: with nothing of ours inside."""
    torch.manual_seed(0)
    model = DualHeadUNet(encoder, decoder_channels=(8,) * 5)
    twin = copy.deepcopy(model)
    for network, freeze, still in ((model, completely, True), (twin, carelessly, False)):
        algorithm = adamw(network.parameters())
        step(network, algorithm)
        freeze(network, ("shared", "mask"))
        before = snapshot(network, ("shared", "mask"))
        for _ in range(3):
            step(network.train(), algorithm)
        moved = changes(before, snapshot(network, ("shared", "mask")))
        assert (moved == {"parameters": 0, "buffers": 0, "outputs": 0}) is still


def test_in_training_mode_too_the_frozen_task_says_the_same():
    """No dropout, no batch statistics, no buffer that moves: not only after eval()."""
    model = freeze_branch(restless(), "shared", "mask").train()
    bg, frame = torch.rand(2, 2, 3, 16, 16)
    with torch.no_grad():
        first, second = (model(bg, frame) for _ in range(2))
    assert torch.equal(first["mask"], second["mask"])
    assert not torch.equal(first["depth"], second["depth"])
