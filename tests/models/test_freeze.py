import copy
import io

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fgbgnet.errors import BranchError, InvalidArgumentError, UnknownNameError
from fgbgnet.models import DualHeadUNet, Freezable, freeze_branch, frozen, frozen_branches, unfreeze_branch

OPTIMIZERS = {
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.5),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=0.1),
}


def state(module):
    return {key: tensor.clone() for key, tensor in module.state_dict().items()}


def same(before, after):
    return all(torch.equal(before[key], after[key]) for key in before) and before.keys() == after.keys()


def step(model, optimizer, tasks, set_to_none=True):
    optimizer.zero_grad(set_to_none=set_to_none)
    outputs = model(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32), tasks=tasks)
    loss = sum(F.mse_loss(output, torch.rand_like(output)) for output in outputs.values())
    loss.backward()
    optimizer.step()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("encoder", ["unet_small", "resnet18", "efficientnet-b0"])
def test_frozen_branch_is_bit_identical_after_50_steps_of_the_other_task(encoder, optimizer):
    torch.manual_seed(0)
    model = DualHeadUNet(encoder)
    algorithm = OPTIMIZERS[optimizer](model.parameters())
    for _ in range(2):  # fills momentum, second moments and stale gradients
        step(model, algorithm, ("mask", "depth"))
    freeze_branch(model, "mask")
    before, shared = state(model.mask_branch), state(model.shared)
    for _ in range(50):
        step(model.train(), algorithm, ("mask", "depth"), set_to_none=False)
    assert same(before, state(model.mask_branch))
    assert not same(shared, state(model.shared))
    assert all(p.grad is None for p in model.mask_branch.parameters())


@pytest.mark.parametrize("encoder", ["unet_small", "efficientnet-b0", "tu-convnext_atto"])
def test_frozen_shared_and_mask_keep_the_mask_output(encoder):
    torch.manual_seed(0)
    model = DualHeadUNet(encoder)
    algorithm = OPTIMIZERS["adamw"](model.parameters())
    step(model, algorithm, ("mask", "depth"))
    freeze_branch(model, "shared", "mask").train()
    pictures = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        before = model(*pictures)
    for _ in range(10):
        step(model.train(), algorithm, ("mask", "depth"))
    with torch.no_grad():
        after = model(*pictures)
    assert torch.equal(before["mask"], after["mask"])
    assert not torch.equal(before["depth"], after["depth"])


def test_what_clearing_requires_grad_alone_does():
    """The control: the usual way lets BatchNorm statistics drift, so the test above can fail."""
    model = DualHeadUNet("unet_small")
    algorithm = OPTIMIZERS["adamw"](model.parameters())
    model.mask_branch.requires_grad_(False)
    before = state(model.mask_branch)
    step(model.train(), algorithm, ("mask", "depth"))
    changed = [key for key, tensor in model.mask_branch.state_dict().items() if not torch.equal(tensor, before[key])]
    assert changed
    assert all("running" in key or "num_batches" in key for key in changed)


def test_modes_survive_train_and_eval():
    model = freeze_branch(DualHeadUNet("unet_small"), "mask")
    for mode in (True, False, True):
        model.train(mode)
        assert not any(m.training for m in model.mask_branch.modules())
        assert model.depth_branch.training is mode
    nn.Sequential(model).train()  # as a child of a trainer's module
    assert not model.mask_branch.training


def test_reversible_and_idempotent():
    model = DualHeadUNet("unet_small")
    model.mask_branch.head.requires_grad_(False)  # the user's own choice must survive
    keys = list(model.state_dict())
    flags = {n: p.requires_grad for n, p in model.named_parameters()}
    freeze_branch(model, "mask", "depth")
    freeze_branch(model, "mask")
    assert frozen_branches(model) == ("mask", "depth") == model.frozen_branches
    assert list(model.state_dict()) == keys
    unfreeze_branch(model, "mask", "depth")
    unfreeze_branch(model, "shared")
    assert frozen_branches(model) == ()
    assert {n: p.requires_grad for n, p in model.named_parameters()} == flags
    assert all(m.training for m in model.modules())


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


def test_freezing_after_ddp_wrapping_says_what_to_do(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        wrapped = nn.parallel.DistributedDataParallel(DualHeadUNet("unet_small"))
        with pytest.raises(BranchError, match="freeze the bare model first"):
            freeze_branch(wrapped, "mask")
    finally:
        torch.distributed.destroy_process_group()
