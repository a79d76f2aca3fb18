import dataclasses
import json

import pytest

from fgbgnet.training.trials.diagnosis import GROUPS, THRESHOLDS, PartTime, TrainingProfile
from fgbgnet.training.trials.step_profiler import PARTS


def profile(sample_seconds=0.001, validation=None, **changes):
    """A profile whose step takes 100 ms, of which every part takes the percentage that is given."""
    shares = {name.replace(" ", "_"): name for name in PARTS}
    parts = {shares[key]: changes.pop(key) / 100 for key in list(changes) if key in shares}
    assert sum(parts.values()) == pytest.approx(1)
    settings = {
        "device": "cpu", "batch_size": 16, "size": (96, 96), "num_workers": 0, "cores": 4, "threads": 4,
        "precision": "32-true", "compiled": False, "images_per_second": 160.0,
    }  # fmt: skip
    times = {name: PartTime(0.1 * share, 0.1 * share, 0.1 * share, share) for name, share in parts.items()}
    return TrainingProfile(
        **settings | changes, step=PartTime(0.1, 0.1, 0.1, 1.0), parts=times, sample_seconds=sample_seconds,
        validation=validation or {},
    )  # fmt: skip


def settings(found, kind=None):
    return [advice.setting for advice in found.advice if kind in (None, advice.kind)]


def test_waiting_for_samples_asks_for_as_many_workers_as_the_steps_need():
    # 16 samples of 10 ms are 160 ms of work for every 60 ms in which the loop does not wait: three workers.
    found = profile(wait_for_data=40, forward=20, backward=40, sample_seconds=0.010)
    assert found.workers_needed == 3
    assert found.bound == "compute"
    assert settings(found, "loader") == ["num_workers=3"]
    on_gpu = dataclasses.replace(found, device="cuda", cores=2)
    assert settings(on_gpu, "loader") == ["num_workers=2"]  # no more than there are cores


def test_a_loader_that_has_its_workers_is_told_otherwise():
    waiting = {"wait_for_data": 80, "forward": 10, "backward": 10, "sample_seconds": 0.010}
    assert profile(**waiting).bound == "loader"
    assert settings(profile(**waiting, num_workers=3), "loader") == ["data"]  # the fourth core trains
    assert settings(profile(**waiting, num_workers=8), "loader") == ["num_workers=3"]


def test_computing_on_a_processor():
    busy = {"wait_for_data": 1, "forward": 33, "loss": 6, "backward": 60}
    assert settings(profile(**busy)) == ["sizes"]
    assert settings(profile(**busy, precision="bf16-mixed")) == ["precision=32-true", "sizes"]
    assert settings(profile(**busy, threads=1, num_workers=1)) == ["OMP_NUM_THREADS=3", "sizes"]
    hungry = {"wait_for_data": 12, "forward": 30, "backward": 58, "threads": 1, "cores": 2}
    # The core that is free is for the worker that is missing.
    assert settings(profile(**hungry)) == ["sizes", "num_workers=1"]


def test_computing_on_a_gpu():
    busy = {"wait_for_data": 2, "forward": 38, "backward": 60, "device": "cuda"}
    assert settings(profile(**busy)) == ["precision=bf16-mixed", "compile=true"]
    assert settings(profile(**busy, precision="bf16-mixed", compiled=True)) == ["sizes"]


@pytest.mark.parametrize(
    ("part", "kind", "setting"),
    [
        ("transfer", "transfer", "size"),
        ("optimiser_step", "optimiser", "batch_size or accumulate"),
        ("logging_and_callbacks", "logging", "batch_size, or out on a faster disk"),
        ("engine", "engine", "batch_size"),
    ],
)
def test_each_kind_of_work_has_a_rule_with_a_threshold(part, kind, setting):
    def with_share(percent):
        rest = (95 - percent) / 2  # none of which is worth an advice
        return profile(**{part: percent, "wait_for_data": 5, "forward": rest, "metrics": rest})

    above, below = (with_share(100 * THRESHOLDS[kind] + change) for change in (1, -1))
    assert settings(above) == [setting]
    assert settings(below) == []
    assert profile(**{part: 70, "wait_for_data": 30}).bound == kind


def test_the_most_costly_kind_comes_first():
    found = profile(wait_for_data=15, transfer=20, logging_and_callbacks=30, engine=35, sample_seconds=0.002)
    assert [advice.kind for advice in found.advice] == ["engine", "logging", "transfer", "loader"]


def test_every_kind_of_work_is_a_part_and_the_table_says_all_of_it():
    assert {part for parts in GROUPS.values() for part in parts} | {"metrics"} == set(PARTS)
    time = PartTime(0.012, 0.011, 0.014, 1.0)
    found = profile(wait_for_data=40, forward=20, backward=40, sample_seconds=0.010, validation={"metrics": time})
    table = found.table()
    for words in ("16 pairs of 96 x 96", "160.0 images/s", "num_workers=3", "validation batch", "compute (60%)"):
        assert words in table
    (row,) = (line.split() for line in table.splitlines() if line.startswith("backward"))
    assert row == ["backward", "40.00", "40.00", "to", "40.00", "40.0%"]
    assert "One process makes a sample in 10.00 ms; 1 thus at most 100 images/s." in table
    content = json.loads(json.dumps(found.to_dict()))
    assert content["parts"]["backward"]["share"] == 0.4
    assert content["validation"]["metrics"]["high"] == 0.014
    assert [advice["setting"] for advice in content["advice"]] == settings(found)
