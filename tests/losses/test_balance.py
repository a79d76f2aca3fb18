import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.losses import (
    DualTaskLoss,
    DynamicWeightAverage,
    FixedBalance,
    NormalisedBalance,
    RandomBalance,
    UncertaintyBalance,
    make_balance,
)

NAMES = ["fixed", "normalised", "uncertainty", "dwa", "random"]
WEIGHTS = {"mask": 2.0, "depth": 0.5}


def pair(mask, depth):
    return {"mask": torch.tensor(mask, requires_grad=True), "depth": torch.tensor(depth, requires_grad=True)}


def drive(balance, history, per_epoch=3):
    """Totals of a training with these losses, with epochs."""
    totals = []
    for step, losses in enumerate(history, 1):
        totals.append(balance(pair(*losses), WEIGHTS).item())
        if step % per_epoch == 0:
            balance.end_epoch()
    return totals


def losses_of(seed, steps=12):
    return np.random.default_rng(seed).uniform(0.1, 5, (steps, 2)).tolist()


@given(seed=st.integers(0, 999), momentum=st.sampled_from([0.0, 0.5, 0.99]))
@settings(max_examples=20, deadline=None)
def test_normalised_divides_by_a_running_mean(seed, momentum):
    history = np.array(losses_of(seed))
    means, expected = history[0], []
    for losses in history:
        means = momentum * means + (1 - momentum) * losses
        expected.append((np.array([2, 0.5]) * losses / means).sum())
    assert drive(NormalisedBalance(momentum), history.tolist()) == pytest.approx(expected, rel=1e-5)


def test_normalised_does_not_see_the_unit():
    metres = [[mask, 1000 * depth] for mask, depth in losses_of(1)]
    assert drive(NormalisedBalance(), metres) == pytest.approx(drive(NormalisedBalance(), losses_of(1)), rel=1e-5)


def test_normalised_takes_negative_and_no_losses_and_forgets_infinite_ones():
    balance = NormalisedBalance()
    assert balance(pair(-3.0, 0.0), WEIGHTS).item() == -2
    before = balance.scales.clone()
    balance(pair(float("inf"), float("nan")), WEIGHTS)
    assert torch.equal(balance.scales, before)


@given(seed=st.integers(0, 999))
@settings(max_examples=20, deadline=None)
def test_dwa_follows_its_formula(seed):
    history = np.array(losses_of(seed, 15))
    means = history.reshape(5, 3, 2).mean(1)
    expected = []
    for epoch in range(5):
        ratios = means[epoch - 1] / means[epoch - 2] if epoch >= 2 else np.ones(2)
        shares = np.exp(ratios / 2) / np.exp(ratios / 2).sum()
        expected += (history[3 * epoch : 3 * epoch + 3] * [2, 0.5] * 2 * shares).sum(1).tolist()
    assert drive(DynamicWeightAverage(), history.tolist()) == pytest.approx(expected, rel=1e-5)


def test_dwa_keeps_the_past_of_a_task_that_rests():
    balance = DynamicWeightAverage()
    for mask in (1.0, 0.5):
        balance(pair(mask, 1.0), WEIGHTS)
        balance.end_epoch()
    past = balance.past.clone()
    alone = balance({"depth": torch.tensor(0.25)}, WEIGHTS)
    assert alone.item() == pytest.approx(0.125)  # a task alone has all of the weight
    balance.end_epoch()
    assert torch.equal(balance.past[:, 0], past[:, 0])
    assert balance.past[:, 1].tolist() == [0.25, 1.0]


def test_uncertainty_is_the_likelihood_and_learns_the_variance():
    balance = UncertaintyBalance()
    losses = pair(0.3, 8.0)
    with torch.no_grad():
        balance.log_variance.copy_(torch.tensor([0.7, -0.4]))
    variance = np.exp([0.7, -0.4])
    expected = 0.3 / variance[0] + 8.0 / (2 * variance[1]) + np.log(np.sqrt(variance)).sum()
    assert balance(losses, {"mask": 1.0, "depth": 1.0}).item() == pytest.approx(expected, rel=1e-6)
    optimizer = torch.optim.SGD(balance.parameters(), lr=0.5)
    for _ in range(300):
        optimizer.zero_grad()
        balance(losses, {"mask": 1.0, "depth": 1.0}).backward()
        optimizer.step()
    # Where the derivative is 0: variance = 2 L of the classification, L of the regression.
    np.testing.assert_allclose(balance.log_variance.detach().exp().numpy(), [0.6, 8.0], rtol=1e-3)


def test_random_weights_are_those_of_the_seed_and_the_step():
    history = [[1.0, 1.0]] * 400
    totals = drive(RandomBalance(seed=3), history)
    assert drive(RandomBalance(seed=3), history) == totals
    assert drive(RandomBalance(seed=4), history) != totals
    shares = []
    balance = RandomBalance(seed=3)
    for _ in range(400):
        losses = pair(1.0, 1.0)
        balance(losses, {"mask": 1.0, "depth": 1.0}).backward()
        shares.append([losses["mask"].grad.item(), losses["depth"].grad.item()])
    shares = np.array(shares)
    np.testing.assert_allclose(shares.sum(1), 2, rtol=1e-6)
    assert abs(shares[:, 0].mean() - 1) < 0.1
    assert shares[:, 0].std() > 0.2


@pytest.mark.parametrize("name", NAMES)
def test_a_state_that_is_restored_goes_on_alike(name):
    history = losses_of(7)
    whole = drive(make_balance(name, seed=5), history, per_epoch=4)
    first, second = make_balance(name, seed=5), make_balance(name, seed=5)
    start = drive(first, history[:6], per_epoch=4)
    second.load_state_dict(first.state_dict())
    rest = []
    for step, losses in enumerate(history[6:], 7):
        rest.append(second(pair(*losses), WEIGHTS).item())
        if step % 4 == 0:
            second.end_epoch()
    assert start + rest == whole


@pytest.mark.parametrize("name", NAMES)
def test_in_evaluation_it_is_the_weighted_sum_and_nothing_moves(name):
    balance = make_balance(name)
    drive(balance, losses_of(1, 5))
    state = {key: value.clone() for key, value in balance.state_dict().items()}
    assert balance.eval()(pair(1.5, 4.0), WEIGHTS).item() == 5
    assert all(torch.equal(value, state[key]) for key, value in balance.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("task", ["mask", "depth"])
def test_one_task_alone_has_a_finite_total_and_a_gradient(name, task):
    balance = make_balance(name)
    loss = torch.tensor(2.0, requires_grad=True)
    for _ in range(3):
        balance({task: loss}, {"mask": 1.0, "depth": 1.0}).backward()
        balance.end_epoch()
    assert loss.grad > 0
    assert all(parameter.grad.isfinite().all() for parameter in balance.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_both_losses_in_every_precision(name):
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        losses = {task: torch.tensor(0.5, dtype=dtype, requires_grad=True) for task in ("depth", "mask")}
        total = make_balance(name)(losses, WEIGHTS)
        total.backward()
        assert total.isfinite()
        assert all(loss.grad > 0 for loss in losses.values())


def test_weights_of_the_tasks_multiply_every_balance():
    for name in NAMES:
        losses = pair(1.0, 1.0)
        make_balance(name, seed=2)(losses, {"mask": 1.0, "depth": 0.0}).backward()
        assert losses["depth"].grad == 0
        assert losses["mask"].grad > 0


def test_the_dual_loss_uses_the_balance_and_tells_it_of_epochs():
    batch = {"mask": torch.ones(1, 1, 4, 4), "depth": torch.ones(1, 1, 4, 4)}
    batch["depth_valid"] = batch["mask"].bool()
    outputs = {"mask": torch.zeros(1, 1, 4, 4), "depth": torch.full((1, 1, 4, 4), 3.0)}
    loss = DualTaskLoss(balance="dwa", weights={"depth": 0.5})
    for _ in range(2):
        losses = loss(outputs, batch)
        loss.end_epoch()
    torch.testing.assert_close(losses["total"], losses["mask"] + 0.5 * losses["depth"])
    assert (loss.balance.past > 0).all()
    assert [name for name, _ in DualTaskLoss(balance="uncertainty").named_parameters()] == ["balance.log_variance"]


def test_a_balance_of_ones_own():
    class Larger(FixedBalance):
        def combine(self, weighted, tasks):
            return weighted.max()

    class Plain(torch.nn.Module):
        def forward(self, losses, weights):
            return sum(losses.values())

    assert Larger()(pair(1.0, 6.0), WEIGHTS).item() == 3
    DualTaskLoss(balance=Plain()).end_epoch()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: make_balance("dva"), UnknownNameError, "the nearest are 'dwa'"),
        (lambda: DualTaskLoss(balance="normalized"), UnknownNameError, "normalised"),
        (lambda: NormalisedBalance(1.0), InvalidArgumentError, "momentum=1.0"),
        (lambda: DynamicWeightAverage(0), InvalidArgumentError, "temperature=0"),
        (lambda: RandomBalance(-1), InvalidArgumentError, "seed=-1"),
    ],
)
def test_wrong_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
