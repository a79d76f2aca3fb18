import pytest

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.training import FitConfig, Progress, schedule, warm_cosine


def test_the_rate_rises_then_falls():
    shares = [i / 100 for i in range(101)]
    rates = [warm_cosine(share, warmup=0.2) for share in shares]
    peak = rates.index(max(rates))
    assert rates[peak] == pytest.approx(1)
    assert shares[peak] == 0.2
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] == pytest.approx(0)
    assert warm_cosine(0, warmup=0) == 1


def test_progress_by_time_goes_on_after_a_resume(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(schedule.time, "monotonic", lambda: now[0])
    progress = Progress(seconds=60)
    assert progress.share == 0
    progress.start()
    now[0] += 15
    assert progress.share == 0.25
    assert progress.seconds_left == 45
    later = Progress(seconds=60)
    later.load_state_dict(progress.state_dict())
    now[0] += 1000  # the time between the sessions does not count
    later.start()
    now[0] += 15
    assert later.share == 0.5
    now[0] += 100
    assert (later.share, later.seconds_left) == (1, 0)


def test_one_clock_counts_for_several_processes(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(schedule.time, "monotonic", lambda: now[0])
    progress = Progress(seconds=60)
    progress.start()
    progress.hold(30)
    now[0] += 7
    assert (progress.share, progress.seconds_done) == (0.5, 7)
    progress.hold(45)
    assert progress.share == 0.75


def test_progress_by_steps_estimates_the_time_left(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(schedule.time, "monotonic", lambda: now[0])
    progress = Progress(steps=10)
    progress.start()
    assert progress.seconds_left == float("inf")
    now[0] += 8
    progress.advance(4)
    assert progress.share == 0.4
    assert progress.seconds_left == pytest.approx(12)


WRONG = [
    ({"epochs": 1, "minutes": 1}, InvalidArgumentError, "one end"),
    ({"epochs": 0}, InvalidArgumentError, "epochs=0"),
    ({"minutes": -1}, InvalidArgumentError, "minutes=-1"),
    ({"minutes": float("nan")}, InvalidArgumentError, "minutes=nan"),
    ({"batch_size": 0}, InvalidArgumentError, "batch_size"),
    ({"warmup": 1}, InvalidArgumentError, "warmup"),
    ({"optimizer": "adam"}, UnknownNameError, "adamw"),
    ({"epochs": 1.5}, InvalidArgumentError, "whole numbers"),
    ({"seed": -1}, InvalidArgumentError, "seed=-1"),
    ({"freeze": ("masks",)}, UnknownNameError, "'mask'"),
    ({"tasks": ()}, InvalidArgumentError, "tasks is empty"),
    ({"tasks": ("dpeth",)}, UnknownNameError, "'depth'"),
]


@pytest.mark.parametrize(("arguments", "error", "words"), WRONG)
def test_wrong_settings(arguments, error, words):
    with pytest.raises(error, match=words):
        FitConfig(**arguments)


def test_default_is_epochs():
    assert FitConfig().epochs == 20
    assert FitConfig(minutes=1).epochs is None
    assert FitConfig(tasks=("mask",)).to_dict()["tasks"] == ["mask"]
