"""The recipes that come with the package, as they stand there."""

from dataclasses import replace

import pytest
import torch

from fgbgnet import SceneDataset, create_model
from fgbgnet.data import eval_transform, train_transform
from fgbgnet.training import FitConfig, fit, list_recipes, load_recipe
from fgbgnet.training.optimizers import make_optimizer, make_scheduler
from fgbgnet.training.schedule import Progress

SMALLER = {"classic": {"encoder_name": "unet_small"}, "l": {"encoder_name": "tu-resnet10t"}}
"""Of the large networks the test takes relatives: their checkpoints alone would be gigabytes."""
NAMES = [recipe.name for recipe in list_recipes()]
SIDE = 32


def tiny(options):
    """The same recipe with one epoch of two pairs a batch at every size."""
    small = dict(options)
    if "sizes" in small:
        small["sizes"] = [[SIDE, 2, 1] for _ in small["sizes"]]
    small |= {name: value for name, value in {"size": SIDE, "epochs": 1, "batch_size": 2}.items() if name in small}
    if "phases" in small:
        small["phases"] = [tiny(phase) for phase in small["phases"]]
    return small


def test_the_promised_recipes_are_there_and_each_says_what_it_is_for():
    assert {"classic", "xs", "s", "m", "l"} <= set(NAMES)
    summaries = [recipe.summary for recipe in list_recipes()]
    assert len(set(summaries)) == len(NAMES)
    assert all(len(summary) > 20 and ":" not in summary[:10] for summary in summaries)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_trains(name, tmp_path):
    options = load_recipe(name)
    torch.manual_seed(0)
    model = create_model(options.pop("model"), depth_unit="metres", **SMALLER.get(name, {}))
    config = FitConfig(**tiny(options))
    config = replace(config, accelerator="cpu", devices=1, num_workers=0, pictures=0)
    train = SceneDataset(4, SIDE, transform=train_transform(SIDE))
    val = SceneDataset(2, SIDE, seed=1, transform=eval_transform(SIDE))
    before = {key: value.clone() for key, value in model.named_parameters()}
    result = fit(model, train, val, tmp_path / "run", config)
    assert result.steps == 2 * sum(len(phase.sizes) or 1 for phase in config.split_phases())
    # The best model may be that of an earlier stage, but never the random one.
    assert any(not torch.equal(value, before[key]) for key, value in result.model.named_parameters())
    assert all(bool(value.isfinite().all()) for value in result.model.state_dict().values())


def test_the_classic_recipe_moves_as_in_2020():
    """SGD with a one-cycle rate: a straight line up to 0.02 in a third of the steps, straight down to nothing."""
    options = load_recipe("classic")
    config = FitConfig(**{key: value for key, value in options.items() if key != "model"}).split_phases()[0]
    assert config.tasks == ("depth",)
    assert config.freeze == ("mask",)
    layer, loss = torch.nn.Linear(2, 2), torch.nn.Identity()
    optimizer = make_optimizer(layer, loss, config)
    steps = 300
    scheduler = make_scheduler(optimizer, config, Progress(steps), steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step() if len(rates) < steps else None
    peak = max(range(steps), key=rates.__getitem__)
    assert isinstance(optimizer, torch.optim.SGD)
    assert rates[peak] == pytest.approx(0.02, rel=0.02)
    assert abs(peak / (steps - 1) - 1 / 3) < 0.05
    for part in (rates[: peak + 1], rates[peak + 1 :]):
        changes = torch.tensor(part, dtype=torch.float64).diff()
        assert torch.allclose(changes, changes.mean().expand_as(changes), rtol=1e-3)
    assert {group["weight_decay"] for group in optimizer.param_groups if group["params"]} == {1e-4}


def test_the_classic_recipe_takes_small_pictures_first_and_both_tasks_in_turns():
    phases = FitConfig(**{k: v for k, v in load_recipe("classic").items() if k != "model"}).split_phases()
    assert [(*phase.tasks, *phase.sizes[0]) for phase in phases] == [
        ("depth", 64, 128, 4),
        ("mask", 64, 128, 3),
        ("depth", 224, 32, 4),
        ("mask", 224, 32, 3),
    ]
