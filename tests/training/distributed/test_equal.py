"""Two processes compute what one computes, however they are started."""

import json
from collections import Counter

import pytest

from tests.training.distributed.conftest import PROGRAM, RUNS, TORCHRUN, figures, notes, python, run, weights

COMPARED = ("joint", "alternate", "sizes", "frozen", "one_task")
IDS = [f"s{n:03d}" for n in range(12)]


@pytest.fixture(scope="module", params=["torchrun", "lightning"])
def together(request, splits, tmp_path_factory):
    """The same runs, of two processes, all in one program."""
    folder = tmp_path_factory.mktemp(request.param)
    settings = {} if request.param == "torchrun" else {"devices": 2, "strategy": "ddp"}
    (folder / "runs.json").write_text(json.dumps([run(name, splits, folder, **settings) for name in RUNS]))
    ended = python(*(TORCHRUN if request.param == "torchrun" else ()), PROGRAM, folder / "runs.json")
    assert ended.code == 0, ended.output[-8000:]
    return folder


pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", COMPARED)
def test_weights_and_figures_equal_those_of_one_process(alone, together, name):
    phases = ("phase_1", "phase_2") if name == "alternate" else ("",)
    for phase in phases:
        expected, found = (weights(folder, phase) for folder in (alone(name), together / name))
        assert expected.keys() == found.keys()
        assert max(float((found[key] - tensor).abs().max()) for key, tensor in expected.items()) < 1e-5
    expected, found = (figures(folder) for folder in (alone(name), together / name))
    assert len(found) == len(expected) > 0
    for before, after in zip(expected, found, strict=True):
        assert after == pytest.approx(before, abs=1e-5, rel=1e-5, nan_ok=True)


@pytest.mark.parametrize("name", ["joint", "alternate", "shards"])
def test_no_sample_is_seen_twice_or_missed(together, name):
    both = [notes(together / name, rank) for rank in range(2)]
    assert len(both[0]) == len(both[1])
    seen = Counter((*note["tasks"], note["epoch"], id) for of_rank in both for note in of_rank for id in note["ids"])
    assert set(seen.values()) == {1}
    epochs = {key[:-1] for key in seen}
    assert len(epochs) == (4 if name == "alternate" else 2)
    assert len(seen) == len(epochs) * len(IDS)
    assert {len(note["ids"]) for of_rank in both for note in of_rank} == {2}


def test_the_processes_see_together_what_one_sees(alone, together):
    expected = [set(note["ids"]) for note in notes(alone("joint"), 0)]
    shares = zip(*(notes(together / "joint", rank) for rank in range(2)), strict=True)
    assert [set(one["ids"]) | set(other["ids"]) for one, other in shares] == expected


def test_every_sample_is_validated_once(together):
    for epoch in range(2):
        seen = Counter(
            id
            for rank in range(2)
            for note in notes(together / "joint", rank, "val")
            if note["epoch"] == epoch
            for id in note["ids"]
        )
        assert seen == Counter(IDS[1:6])  # five samples, of which no two processes have equally many


def test_a_run_that_is_bounded_by_time_ends_with_the_same_step(together):
    steps = [len(notes(together / "seconds", rank)) for rank in range(2)]
    assert steps[0] == steps[1] > 0


def test_processes_draw_random_numbers_of_their_own(together):
    seeds = [{note["seed"] for note in notes(together / "joint", rank)} for rank in range(2)]
    assert [len(of_rank) for of_rank in seeds] == [1, 1]
    assert seeds[0] != seeds[1]


def test_a_run_leaves_one_folder(together):
    folder = together / "joint"
    assert {"checkpoints", "config.json", "metrics.csv", "model", "train.csv", "val.csv"} <= {
        path.name for path in folder.iterdir()
    }
    assert (folder / "metrics.csv").read_text().count("epoch") == 1
    assert not list(folder.rglob("*.tmp*"))
