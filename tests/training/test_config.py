import pytest

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.training import FitConfig


def test_settings_survive_json_and_yaml():
    import json

    import yaml

    config = FitConfig(
        sizes=((64, 128, 2), (96, 32, 1)), freeze=("mask",), tasks=("depth",), depth_loss={"berhu": 2.0}, ema=0.99
    )
    assert FitConfig(**json.loads(json.dumps(config.to_dict()))) == config
    assert FitConfig(**yaml.safe_load(yaml.safe_dump(config.to_dict()))) == config


def test_phases_take_what_they_do_not_say_from_the_run():
    config = FitConfig(
        epochs=3,
        learning_rate=0.5,
        phases=({"tasks": ["depth"], "minutes": 1}, {"sizes": [[32, 4, 2]], "learning_rate": 0.1}, {}),
    )
    first, second, third = config.split_phases()
    assert (first.tasks, first.epochs, first.minutes, first.learning_rate) == (("depth",), None, 1, 0.5)
    assert (second.tasks, second.epochs, second.sizes, second.learning_rate) == (
        ("mask", "depth"), None, ((32, 4, 2),), 0.1,
    )  # fmt: skip
    assert third.epochs == 3
    assert all(phase.split_phases() == (phase,) for phase in (first, second, third))


def test_alternate_keeps_what_the_first_phase_learned():
    depth, mask = FitConfig(schedule="alternate", epochs=2).split_phases()
    assert (depth.tasks, depth.freeze) == (("depth",), ("mask",))
    assert (mask.tasks, mask.freeze) == (("mask",), ("shared", "depth"))


def test_alternate_keeps_frozen_what_the_settings_freeze():
    depth, mask = FitConfig(schedule="alternate", freeze=("shared",)).split_phases()
    assert set(depth.freeze) == {"mask", "shared"}
    assert set(mask.freeze) == {"shared", "depth"}


def test_lists_may_be_texts_with_commas():
    config = FitConfig(tasks="mask, depth", freeze="shared")
    assert (config.tasks, config.freeze) == (("mask", "depth"), ("shared",))


WRONG = [
    ({"learning_rate": "1e-3"}, InvalidArgumentError, "expected a number; YAML takes 1e-3 for text, write 1.0e-3"),
    ({"epochs": "ten"}, InvalidArgumentError, "epochs='ten'; expected a number"),
    ({"phases": ({"ema": "high"},)}, InvalidArgumentError, "ema='high'"),
    ({"anneal": "line"}, UnknownNameError, "'linear'"),
    ({"schedule": "alternate", "tasks": ("mask",)}, InvalidArgumentError, "both, in turns"),
    ({"epochs": 1, "sizes": ((64, 8, 1),)}, InvalidArgumentError, "one end"),
    ({"sizes": ((64, 8),)}, InvalidArgumentError, r"sizes holds \(64, 8\); expected"),
    ({"sizes": ((64, 0, 1),)}, InvalidArgumentError, "sizes holds"),
    ({"sizes": ((64, 8, 1),), "size": 3}, InvalidArgumentError, "choose one"),
    ({"phases": ({},), "schedule": "alternate"}, InvalidArgumentError, "choose one"),
    ({"phases": ({"taks": ["mask"]},)}, UnknownNameError, "setting of phase 1 'taks'.*'tasks'"),
    ({"phases": ({}, {"seed": 3})}, InvalidArgumentError, "phase 2 has its own seed"),
    ({"phases": ({"batch_size": 0},)}, InvalidArgumentError, "batch_size=0"),
    ({"schedule": "turns"}, UnknownNameError, "'alternate'"),
    ({"lr_schedule": "onecycle"}, UnknownNameError, "'one_cycle'"),
    ({"monitor": "val/mask_io"}, UnknownNameError, "'val/mask_iou'"),
    ({"monitor": "val/depth_rmse", "tasks": ("mask",)}, UnknownNameError, "val/depth_rmse"),
    ({"ema": 1}, InvalidArgumentError, "ema=1"),
    ({"momentum": -0.1}, InvalidArgumentError, "momentum"),
    ({"accumulate": 0}, InvalidArgumentError, "accumulate=0"),
    ({"patience": 0}, InvalidArgumentError, "patience=0"),
    ({"consistency": -1}, InvalidArgumentError, "consistency"),
    ({"checkpoint_minutes": 0}, InvalidArgumentError, "checkpoint_minutes"),
    ({"keep_checkpoints": -1}, InvalidArgumentError, "keep_checkpoints"),
]


@pytest.mark.parametrize(("arguments", "error", "words"), WRONG)
def test_wrong_settings(arguments, error, words):
    with pytest.raises(error, match=words):
        FitConfig(**arguments)
