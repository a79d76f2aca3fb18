import copy
import inspect
import io

import pytest
import torch
from hypothesis import given, strategies as st
from torch import nn

from fgbgnet.errors import BranchError, InvalidArgumentError, UnknownNameError
from fgbgnet.models import DualHeadUNet, Freezable, freeze_branch, frozen, frozen_branches, unfreeze_branch
from tests.models.freezing import step
from tests.models.restless import Wanderer, restless


def test_modes_survive_train_and_eval():
    model = freeze_branch(DualHeadUNet("unet_small"), "mask")
    for mode in (True, False, True):
        model.train(mode)
        assert not any(m.training for m in model.mask_branch.modules())
        assert model.depth_branch.training is mode
    nn.Sequential(model).train()  # as a child of a trainer's module
    assert not model.mask_branch.training


def flags(model):
    return {name: parameter.requires_grad for name, parameter in model.named_parameters()}


def modes(model):
    return {name: module.training for name, module in model.named_modules()}


def state(model):
    return {key: tensor.clone() for key, tensor in model.state_dict().items()}


def same(one, other):
    return list(one) == list(other) and all(torch.equal(one[key], other[key]) for key in one)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["shared", "mask", "depth"])), max_size=12))
def test_after_any_sequence_the_state_is_that_of_the_set_of_frozen_branches(sequence):
    """Idempotent and reversible: how a set of frozen branches came about cannot be seen."""
    model = restless()
    model.mask_branch.head.requires_grad_(False)  # the user's own choice must survive
    before, frozen_now, own = state(model), set(), flags(model)
    for freeze, name in sequence:
        (freeze_branch if freeze else unfreeze_branch)(model, name)
        (frozen_now.add if freeze else frozen_now.discard)(name)
    assert frozen_branches(model) == tuple(name for name in model.branches() if name in frozen_now)
    parts = {"shared": "shared.", "mask": "mask_branch.", "depth": "depth_branch."}
    still = tuple(parts[name] for name in frozen_now)
    assert flags(model) == {name: flag and not name.startswith(still) for name, flag in own.items()}
    assert all(mode is not (name + ".").startswith(still) for name, mode in modes(model).items())
    hooks = {name for name, module in model.named_modules() if module._forward_hooks or module._forward_pre_hooks}
    wanderers = {name for name, module in model.named_modules() if isinstance(module, Wanderer)}
    assert hooks == {name for name in wanderers if name.startswith(still)} | ({""} if frozen_now else set())
    assert same(state(model), before)


def test_what_the_user_set_elsewhere_stays():
    model = restless()
    norm = next(module for module in model.shared.modules() if isinstance(module, nn.BatchNorm2d)).eval()
    freeze_branch(model, "mask")
    unfreeze_branch(model, "mask")
    assert not norm.training
    assert model.shared.training


def test_nested_branches():
    class Net(Freezable):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(2, 2), nn.Dropout())

        def branches(self):
            return {"body": self.body, "first": self.body[0]}

    net = freeze_branch(Net(), "first", "body")
    unfreeze_branch(net, "first")
    assert not any(p.requires_grad for p in net.parameters())
    assert not any(m.training for m in net.body.modules())
    unfreeze_branch(net, "body")
    assert all(p.requires_grad for p in net.parameters())
    assert all(m.training for m in net.modules())


@pytest.mark.parametrize(
    "thaw",
    [
        lambda model: model.requires_grad_(True),
        lambda model: nn.Sequential(model).requires_grad_(True),
        lambda model: [parameter.requires_grad_(True) for parameter in model.parameters()],
        lambda model: model.mask_branch.decoder.train(),
    ],
    ids=["requires_grad_", "of a module around", "of every parameter", "train of a part"],
)
@pytest.mark.parametrize(
    "go_on", [lambda model: model.train(), lambda model: model(*torch.rand(2, 2, 3, 16, 16))], ids=["train", "forward"]
)
def test_nothing_but_unfreeze_branch_thaws(thaw, go_on):
    model = freeze_branch(restless(), "mask")
    model.depth_branch.head.requires_grad_(False)
    thaw(model)
    model.mask_branch.decoder.extra = nn.Linear(1, 1)  # what comes later belongs to the branch as well
    go_on(model)
    assert not any(p.requires_grad for p in model.mask_branch.parameters())
    assert not any(m.training for m in model.mask_branch.modules())
    unfreeze_branch(model, "mask")
    assert all(p.requires_grad for p in model.mask_branch.parameters())


def test_what_is_switched_off_meanwhile_stays_off():
    model = freeze_branch(restless(), "mask")
    model.requires_grad_(False)
    unfreeze_branch(model, "mask")
    assert not any(p.requires_grad for p in model.parameters())


def test_a_module_that_does_not_listen_to_eval_has_to():
    class Always(nn.Dropout):
        def train(self, mode=True):
            return super().train(True)

    model = restless()
    model.mask_branch.head.shuffle = Always()
    freeze_branch(model, "mask").train()
    assert not model.mask_branch.head.shuffle.training


def test_gradients_are_gone_and_do_not_come_back():
    model = restless()
    sum(output.sum() for output in model(*torch.rand(2, 2, 3, 16, 16)).values()).backward()
    freeze_branch(model, "mask")
    assert all(p.grad is None for p in model.mask_branch.parameters())
    assert all(p.grad is not None for p in model.depth_branch.parameters())
    sum(output.sum() for output in model(*torch.rand(2, 2, 3, 16, 16)).values()).backward()
    assert all(p.grad is None for p in model.mask_branch.parameters())


def test_the_norm_for_clipping_is_that_of_what_learns():
    model = restless()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    step(model, optimizer)
    freeze_branch(model, "mask", "shared")
    norm = step(model, optimizer, clip=1e9)
    living = torch.cat([p.grad.flatten() for p in model.depth_branch.parameters()])
    assert torch.allclose(norm, living.norm())


def test_one_parameter_in_two_groups_of_two_optimizers():
    model = restless()
    optimizers = [
        torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=0.1),
        torch.optim.AdamW([{"params": list(b.parameters())} for b in model.branches().values()], weight_decay=0.1),
    ]
    for optimizer in optimizers:
        step(model, optimizer)
    freeze_branch(model, "mask")
    before = state(model.mask_branch)
    for optimizer in optimizers * 3:
        step(model, optimizer)
    assert same(state(model.mask_branch), before)


class TwoLayers(Freezable):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)

    def branches(self):
        return {"one": self.one, "other": self.other}

    def forward(self, x):
        return self.other(self.one(x))


# LBFGS moves parameters without gradient along its old directions, as the docs say; SparseAdam takes sparse ones only.
EXCEPTIONS = {"Optimizer", "LBFGS", "SparseAdam"}
OF_TORCH = sorted(n for n in set(torch.optim.__all__) - EXCEPTIONS if inspect.isclass(getattr(torch.optim, n)))


@pytest.mark.parametrize("name", OF_TORCH)
def test_every_optimizer_of_torch_leaves_what_is_frozen(name):
    torch.manual_seed(0)
    model = TwoLayers()
    decay = {} if name == "Rprop" else {"weight_decay": 0.1}
    optimizer = getattr(torch.optim, name)(model.parameters(), **decay)

    def train():
        optimizer.zero_grad(set_to_none=False)
        model(torch.rand(4, 3)).square().sum().backward()
        optimizer.step()

    train()
    freeze_branch(model, "one")
    before, other = model.one.weight.clone(), model.other.weight.clone()
    for _ in range(3):
        train()
    assert torch.equal(before, model.one.weight)
    assert not torch.equal(other, model.other.weight)


def test_momentum_of_before_goes_on_after_unfreezing():
    """As if the optimiser had waited: the steps of the frozen time leave its state alone."""
    model = restless()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    step(model, optimizer)
    memory = {key: value.clone() for key, value in optimizer.state[model.mask_branch.head.convolution.weight].items()}
    with frozen(model, "mask"):
        step(model, optimizer)
    assert all(torch.equal(optimizer.state[model.mask_branch.head.convolution.weight][k], v) for k, v in memory.items())
    before = state(model.mask_branch)
    step(model, optimizer)
    assert not same(state(model.mask_branch), before)


def test_context_keeps_what_was_frozen_before_even_after_an_error():
    model = freeze_branch(DualHeadUNet("unet_small"), "depth")

    def fail_inside():
        with frozen(model, "mask", "depth"):
            assert frozen_branches(model) == ("mask", "depth")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert frozen_branches(model) == ("depth",)


def test_copies_and_pickles_stay_frozen():
    model = freeze_branch(DualHeadUNet("unet_small"), "mask")
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    for twin in (copy.deepcopy(model), torch.load(buffer, weights_only=False)):
        assert frozen_branches(twin) == ("mask",)
        assert not twin.train().mask_branch.training
        unfreeze_branch(twin, "mask")
        assert all(p.requires_grad for p in twin.parameters())
    assert frozen_branches(model) == ("mask",)


def test_own_model_with_own_branches():
    class Net(Freezable):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.BatchNorm1d(2), nn.Linear(2, 2)

        def branches(self):
            return {"body": self.body, "head": self.head}

    net = freeze_branch(Net(), "body").train()
    net.body(torch.rand(8, 2))
    assert net.body.num_batches_tracked == 0


def test_wrong_uses():
    model = DualHeadUNet("unet_small")
    with pytest.raises(UnknownNameError, match="'mask'"):
        freeze_branch(model, "masks")
    with pytest.raises(InvalidArgumentError, match="no branch was named"):
        freeze_branch(model)
    with pytest.raises(BranchError, match="Freezable"):
        freeze_branch(nn.Linear(1, 1), "mask")
    with pytest.raises(UnknownNameError), frozen(model, "encoder"):
        pass
    assert frozen_branches(model) == ()
