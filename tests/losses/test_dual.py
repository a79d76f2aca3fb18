import pytest
import torch
from torch import nn

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.losses import DepthLoss, DualTaskLoss, MaskLoss


@pytest.fixture
def batch():
    shape = (2, 1, 6, 6)
    return {
        "mask": torch.randint(0, 2, shape).float(),
        "depth": torch.rand(shape),
        "depth_valid": torch.rand(shape) > 0.5,
        "id": ["a", "b"],
    }


@pytest.fixture
def outputs():
    return {task: torch.randn(2, 1, 6, 6, requires_grad=True) for task in ("mask", "depth")}


def test_total_is_the_weighted_sum(outputs, batch):
    losses = DualTaskLoss(MaskLoss(dice=0), DepthLoss(gradient=0), {"mask": 3.0, "depth": 0.5})(outputs, batch)
    mask = MaskLoss(dice=0)(outputs["mask"], batch["mask"])
    depth = DepthLoss(gradient=0)(outputs["depth"], batch["depth"], batch["depth_valid"])
    assert torch.equal(losses["mask"], mask)
    assert torch.equal(losses["depth"], depth)
    torch.testing.assert_close(losses["total"], 3 * mask + 0.5 * depth)


@pytest.mark.parametrize("task", ["mask", "depth"])
def test_only_the_tasks_that_came(outputs, batch, task):
    needed = {key: value for key, value in batch.items() if key.startswith(task)}
    losses = DualTaskLoss()({task: outputs[task]}, needed)
    assert set(losses) == {"total", task}
    assert torch.equal(losses["total"], losses[task])


def test_weight_zero_silences_a_task(outputs, batch):
    DualTaskLoss(weights={"depth": 0})(outputs, batch)["total"].backward()
    assert outputs["mask"].grad.abs().sum() > 0
    assert outputs["depth"].grad.abs().sum() == 0


def test_own_losses_with_parameters_are_registered(outputs, batch):
    class Learned(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, logits, target):
            return self.scale * (logits - target).square().mean()

    loss = DualTaskLoss(mask=Learned())
    loss(outputs, batch)["total"].backward()
    assert [name for name, _ in loss.named_parameters()] == ["mask.scale"]
    assert loss.mask.scale.grad is not None


def test_wrong_inputs(outputs, batch):
    with pytest.raises(InvalidArgumentError, match="expected 'mask', 'depth' or both"):
        DualTaskLoss()({}, batch)
    for key in ("mask", "depth", "depth_valid"):
        with pytest.raises(InvalidArgumentError, match=f"has no '{key}'"):
            DualTaskLoss()(outputs, {k: v for k, v in batch.items() if k != key})


def test_wrong_weights():
    with pytest.raises(UnknownNameError, match="'depth'"):
        DualTaskLoss(weights={"dept": 1.0})
    with pytest.raises(InvalidArgumentError, match="weights"):
        DualTaskLoss(weights={"mask": -1.0})


def test_depth_uncertainty_goes_to_the_depth_loss(outputs, batch):
    scale = torch.rand(2, 1, 6, 6) + 0.5
    losses = DualTaskLoss(depth=DepthLoss(gradient=0))({**outputs, "depth_uncertainty": scale}, batch)
    valid = batch["depth_valid"]
    error = (outputs["depth"] - batch["depth"]).abs()[valid]
    torch.testing.assert_close(losses["depth"], (error / scale[valid] + scale[valid].log()).mean())


def test_a_depth_loss_that_would_leave_the_uncertainty_untrained_is_an_error(outputs, batch):
    class Plain(nn.Module):
        def forward(self, prediction, target, valid):
            return (prediction - target)[valid].abs().mean()

    loss = DualTaskLoss(depth=Plain())
    loss(outputs, batch)
    with pytest.raises(InvalidArgumentError, match="leave it untrained"):
        loss({**outputs, "depth_uncertainty": torch.ones(2, 1, 6, 6)}, batch)
