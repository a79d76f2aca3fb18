"""Balances of a distributed run: all processes hold the same state, that of one process with the mean losses."""

import numpy as np
import pytest
import torch

from fgbgnet.losses import make_balance

NAMES = ("normalised", "dwa", "random")
HISTORY = np.random.default_rng(0).uniform(0.1, 5, (6, 2, 2))  # step, process, task


def states(history):
    """The state of every balance after a training with these losses, (step, task)."""
    result = {}
    for name in NAMES:
        balance = make_balance(name, seed=1)
        for step, (mask, depth) in enumerate(history.tolist(), 1):
            losses = {"mask": torch.tensor(mask), "depth": torch.tensor(depth)}
            balance(losses, {"mask": 1.0, "depth": 1.0})
            if step % 2 == 0:
                balance.end_epoch()
        result[name] = balance.state_dict()
    return result


def work(rank, folder):
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    try:
        torch.save(states(HISTORY[:, rank]), f"{folder}/{rank}.pt")
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without torch.distributed")
def test_two_processes_hold_the_state_of_one(tmp_path):
    torch.multiprocessing.spawn(work, args=(str(tmp_path),), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    alone = states(HISTORY.mean(1))
    for name in NAMES:
        for key, value in first[name].items():
            assert torch.equal(value, second[name][key])
            torch.testing.assert_close(value, alone[name][key])
