"""Two processes that average their gradients."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.models.freezing import adamw, assert_still, both, carelessly, completely, movement, sgd

WAYS = {"completely": completely, "carelessly": carelessly}
CASES = [
    ("completely", ("shared", "mask"), both, 1000),
    ("carelessly", ("shared", "mask"), sgd, 5),
    ("carelessly", ("shared", "mask"), adamw, 5),
]


def work(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    results = []
    for way, names, optimizer, steps in CASES:

        def wrap(model, rank=rank):
            wrapper = nn.parallel.DistributedDataParallel(model)
            torch.manual_seed(rank)  # other pictures in each process
            return wrapper

        results.append(movement(WAYS[way], names, optimizer, steps, wrap=wrap))
    (folder / f"{rank}.json").write_text(json.dumps(results))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes(tmp_path, monkeypatch):
    if Path("/sys/class/net/lo").exists():
        monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    torch.multiprocessing.spawn(work, (tmp_path,), nprocs=2)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    for case, one, other in zip(CASES, first, second, strict=True):
        if case[0] == "completely":
            assert_still(one)
            assert_still(other)
        else:
            assert min(one["parameters"], one["buffers"], one["outputs"]) > 0
        assert one["parameters"] == other["parameters"]  # what is not frozen learns alike
        assert one["rest"] == other["rest"]
