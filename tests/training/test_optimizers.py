import pytest
import torch
from torch import nn

from fgbgnet.training import FitConfig, Progress, schedule
from fgbgnet.training.optimizers import advance, is_higher_better, make_optimizer, make_scheduler


def layers():
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


def rates(config, steps, total=None, progress=None):
    optimizer = make_optimizer(layers(), nn.Module(), config)
    progress = progress or Progress(steps=steps)
    scheduler = make_scheduler(optimizer, config, progress, total)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        progress.advance()
        advance(scheduler, progress)
    return found


def test_the_one_cycle_of_the_seed_is_that_of_torch():
    config = FitConfig(
        optimizer="sgd", learning_rate=0.02, lr_schedule="one_cycle", warmup=1 / 3, anneal="linear", cycle_momentum=True
    )
    optimizer = torch.optim.SGD(layers().parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.02, total_steps=30, pct_start=1 / 3, anneal_strategy="linear"
    )
    expected = []
    for _ in range(30):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(expected) < 30:
            schedule.step()
    assert rates(config, 30, 30) == expected
    assert max(expected) == pytest.approx(0.02)


def test_one_cycle_by_the_clock_goes_as_far_as_the_clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(schedule.time, "monotonic", lambda: now[0])
    progress = Progress(seconds=100)
    progress.start()
    config = FitConfig(minutes=5, learning_rate=1.0, lr_schedule="one_cycle", warmup=0.5, anneal="linear")
    optimizer = make_optimizer(layers(), nn.Module(), config)
    scheduler = make_scheduler(optimizer, config, progress, None)
    found = {}
    for seconds in (25, 50, 75, 100, 130):
        now[0] = seconds
        advance(scheduler, progress)
        found[seconds] = optimizer.param_groups[0]["lr"]
    assert found[50] == pytest.approx(1, abs=1e-3)
    assert found[25] == pytest.approx(0.52, abs=1e-3)  # from a 25th
    assert found[75] == pytest.approx(0.5, abs=1e-3)
    assert found[100] == found[130] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("steps", [1, 2, 10, 20])
def test_one_cycle_of_few_steps(steps):
    """With a warm-up of a tenth, ten steps climb within no step at all, by which torch would divide."""
    found = rates(FitConfig(learning_rate=1.0, lr_schedule="one_cycle", warmup=0.1), steps, steps)
    assert all(0 < rate <= 1 for rate in found)


def test_constant_stays_at_the_top_and_cosine_falls():
    constant = rates(FitConfig(learning_rate=1.0, lr_schedule="constant", warmup=0.2), 20)
    assert constant[0] == pytest.approx(0.04)
    assert constant[5:] == [1.0] * 15
    cosine = rates(FitConfig(learning_rate=1.0, lr_schedule="cosine", warmup=0), 20)
    assert cosine == sorted(cosine, reverse=True)
    assert cosine[10] == pytest.approx(0.5)


def test_plateau_lowers_the_rate_when_the_figure_stops_growing():
    config = FitConfig(learning_rate=1.0, lr_schedule="plateau", monitor="val/mask_iou")
    optimizer = make_optimizer(layers(), nn.Module(), config)
    scheduler = make_scheduler(optimizer, config, Progress(steps=1), 1)
    for value in (0.1, 0.2, 0.3):
        scheduler.step(value)
    assert optimizer.param_groups[0]["lr"] == 1
    for _ in range(8):
        scheduler.step(0.3)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.3)


def test_what_decays():
    class Learned(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(2))

    model, loss = layers(), Learned()
    groups = make_optimizer(model, loss, FitConfig(weight_decay=0.1)).param_groups
    decays = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert decays[id(model[0].weight)] == 0.1
    assert all(decays[id(p)] == 0 for p in (model[0].bias, model[1].weight, model[1].bias, loss.weight))
    groups = make_optimizer(model, loss, FitConfig(weight_decay=0.1, decay_all=True)).param_groups
    decays = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert all(decays[id(p)] == 0.1 for p in model.parameters())
    assert decays[id(loss.weight)] == 0


def test_which_way_is_better():
    assert [is_higher_better(f"val/{name}") for name in ("loss", "mask_iou", "mask_f1", "depth_rmse", "depth_d1")] == [
        False, True, True, False, True,
    ]  # fmt: skip
