"""Runs of two processes that do not come to their end: nobody waits for ever, and what can go on goes on."""

import json
import signal

import pytest

from tests.training.distributed.conftest import (
    PROGRAM,
    TORCHRUN,
    finish,
    notes,
    python,
    run,
    start,
    steps_of,
    wait_for,
    weights as weights_of,
)

pytestmark = pytest.mark.slow

LAUNCHES = {"torchrun": (TORCHRUN, {}), "lightning": ([], {"devices": 2, "strategy": "ddp"})}


def program(folder, how, run):
    """How Python is to be called for a run."""
    launcher, settings = LAUNCHES[how]
    path = folder / "run.json"
    path.write_text(json.dumps([{**run, "config": {**run["config"], **settings}}]))
    return [*launcher, PROGRAM, str(path)]


@pytest.mark.parametrize(("how", "rank"), [("torchrun", 1), ("lightning", 0)])
def test_a_loss_that_is_no_number_in_one_process_ends_all(splits, tmp_path, how, rank):
    bad = {**run("joint", splits, tmp_path), "bad": [rank, 2]}
    ended = python(*program(tmp_path, how, bad))
    assert ended.code != 0
    assert "the loss is nan at step 1" in ended.output
    named = json.loads((tmp_path / "joint" / f"bad_batch_{rank}.json").read_text())
    assert named["ids"] == notes(tmp_path / "joint", rank)[1]["ids"]
    assert not (tmp_path / "joint" / f"bad_batch_{1 - rank}.json").exists()


def interrupted(folder, how, joint):
    """Ends a run with SIGTERM after its second step has begun."""
    process = start(program(folder, how, {**joint, "slow": 0.5}))
    wait_for(lambda: steps_of(folder / "joint") == 2, process)
    process.send_signal(signal.SIGTERM)
    ended = finish(process)
    assert ended.code != 0
    assert (folder / "joint" / "checkpoints" / "last.ckpt").is_file(), ended.output
    steps = [len(notes(folder / "joint", rank)) for rank in range(2)]
    assert steps[0] == steps[1] < 6


def test_sigterm_to_lightning_s_first_process_saves_and_ends_all(splits, tmp_path):
    interrupted(tmp_path, "lightning", run("joint", splits, tmp_path))


def test_sigterm_to_torchrun_saves_and_the_run_goes_on_as_if_nothing_had_been(splits, alone, tmp_path):
    joint = run("joint", splits, tmp_path)
    interrupted(tmp_path, "torchrun", joint)
    resumed = python(*program(tmp_path, "torchrun", {**joint, "resume": True}))
    assert resumed.code == 0, resumed.output
    assert [len(notes(tmp_path / "joint", rank)) for rank in range(2)] == [6, 6]
    expected, found = weights_of(alone("joint")), weights_of(tmp_path / "joint")
    assert max(float((found[key] - tensor).abs().max()) for key, tensor in expected.items()) < 1e-5
