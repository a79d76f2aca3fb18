"""How far a frozen branch moves while the rest learns: the measure that the tests of freezing share."""

from contextlib import nullcontext

import torch
import torch.nn.functional as F

from fgbgnet.models import freeze_branch, unfreeze_branch
from fgbgnet.types import TASKS
from tests.models.restless import restless

COMBINATIONS = [("mask",), ("depth",), ("shared",), ("shared", "mask"), ("shared", "depth"), ("mask", "depth")]
SIZE = 16


class InTurns:
    """Two optimisers of the same parameters that step in turns: half the steps of two runs."""

    def __init__(self, *optimizers):
        self.optimizers = list(optimizers)

    def zero_grad(self, set_to_none):
        self.optimizers[0].zero_grad(set_to_none)

    def step(self):
        self.optimizers.append(self.optimizers.pop(0))
        self.optimizers[0].step()

    def state_dict(self):
        return {type(optimizer).__name__: optimizer.state_dict() for optimizer in self.optimizers}

    def load_state_dict(self, states):
        for optimizer in self.optimizers:
            optimizer.load_state_dict(states[type(optimizer).__name__])


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=0.1)


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1)


def both(model_parameters):
    parameters = list(model_parameters)
    return InTurns(sgd(parameters), adamw(parameters))


def completely(model, names):
    freeze_branch(model, *names)


def carelessly(model, names):
    """What most code does."""
    for name in names:
        model.branches()[name].requires_grad_(False)


def pictures():
    return torch.rand(2, 2, 3, SIZE, SIZE)


def step(model, optimizer, tasks=TASKS, clip=None):
    """One step; gradients are zeroed, not removed."""
    optimizer.zero_grad(set_to_none=False)
    outputs = model(*pictures())
    loss = sum(F.mse_loss(outputs[task].float(), torch.rand(2, 1, SIZE, SIZE)) for task in tasks)
    loss.backward()
    norm = None if clip is None else torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    assert torch.isfinite(loss)
    return norm


def snapshot(model, names, around=nullcontext):
    """Parameters and buffers of branches, and what the tasks say that nothing but these branches decides about."""
    bg, frame = torch.rand(2, 2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(7))
    branches = [model.branches()[name] for name in names]
    tasks = [task for task in TASKS if "shared" in names and task in names]
    training = [module for module in model.modules() if module.training]
    with torch.no_grad(), around():
        outputs = [model.eval()(bg, frame, tasks=task)[task].clone() for task in tasks]
    for module in training:
        module.training = True
    return {
        "parameters": [parameter.detach().clone() for branch in branches for parameter in branch.parameters()],
        "buffers": [buffer.clone() for branch in branches for buffer in branch.buffers()],
        "outputs": outputs,
    }


def changes(before, after):
    """The largest change of each kind; 0 only if no bit differs."""
    largest = {}
    for kind, tensors in before.items():
        pairs = list(zip(tensors, after[kind], strict=True))
        if all(torch.equal(one, other) for one, other in pairs):
            largest[kind] = 0.0
        else:
            largest[kind] = max(float((one.double() - other.double()).abs().max()) for one, other in pairs)
            assert largest[kind] != 0
    return largest


def movement(freeze, names, optimizer=adamw, steps=20, around=nullcontext, wrap=None, **arguments):
    """Trains both tasks, freezes in the middle of a step, goes on with the tasks that still have something to learn.

    Args:
        freeze: `completely` or `carelessly`.
        names: Branches to freeze.
        optimizer: `sgd`, `adamw`, or `both` in turns.
        steps: Steps after freezing.
        around: Context of forward and backward, e.g. autocast.
        wrap: Makes what is called of the model; once before freezing and, since some wrappers ask for it, once after.
        **arguments: Of the network.

    Returns:
        The largest changes of what is frozen, and of what is not, under "rest".
    """
    model = restless(**arguments)
    algorithm = optimizer(model.parameters())
    wrap = wrap or (lambda model: model)
    with around():
        called = wrap(model).train()
        for _ in range(2):
            step(called, algorithm)
        outputs = called(*pictures())
        sum(output.float().square().mean() for output in outputs.values()).backward()  # gradients that no step has used
        del called
        freeze(model, names)
        called = wrap(model)
        others = [name for name in model.branches() if name not in names]
        before, rest = snapshot(model, names, around), snapshot(model, others)
        learning = [task for task in TASKS if task not in names] or TASKS
        for _ in range(steps):
            step(called.train(), algorithm, learning)
    moved = changes(before, snapshot(model, names, around))
    moved["rest"] = changes(rest, snapshot(model, others))["parameters"]
    del called
    if freeze is completely:
        unfreeze_branch(model, *names)
        assert all(parameter.requires_grad for parameter in model.parameters())
    return moved


def assert_still(moved):
    assert moved["parameters"] == moved["buffers"] == moved["outputs"] == 0
    assert moved["rest"] > 0
