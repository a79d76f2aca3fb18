import json
import os
import subprocess
import sys

import pytest

from fgbgnet.data import pack_shards

PROGRAM = """
import json, os, sys
import torch
from torch.utils.data import DataLoader
from fgbgnet.data import PairedShardDataset, collate_samples, eval_transform

def main():
    index, out, initialise, start = sys.argv[1:]
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dataset = PairedShardDataset(index, eval_transform(16), shuffle_buffer=3)
    if initialise:
        # What torch.distributed says counts, not the environment, which a launcher need not set.
        del os.environ["RANK"], os.environ["WORLD_SIZE"]
        torch.distributed.init_process_group("gloo", init_method=initialise, rank=rank, world_size=world)
    loader = DataLoader(
        dataset, 2, num_workers=2, collate_fn=collate_samples, persistent_workers=True, multiprocessing_context=start
    )
    epochs = []
    for epoch in range(2):
        dataset.set_epoch(epoch)
        epochs.append([id for batch in loader for id in batch["id"]])
    with open(out, "w") as file:
        json.dump(epochs, file)

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(
    ("initialise", "start"), [(False, "fork"), pytest.param(True, "spawn", marks=pytest.mark.slow)], ids=["env", "gloo"]
)
def test_two_processes_with_two_workers_each(quadruples, tmp_path, initialise, start):
    pack_shards(quadruples, tmp_path / "%d.tar", samples_per_shard=2)
    (tmp_path / "program.py").write_text(PROGRAM)
    method = f"file://{tmp_path}/rendezvous" if initialise else ""
    processes = []
    for rank in range(2):
        arguments = [tmp_path / "program.py", tmp_path / "index.json", tmp_path / f"{rank}.json", method, start]
        environment = {**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
        processes.append(subprocess.Popen([sys.executable, *map(str, arguments)], env=environment))
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    epochs = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    for epoch in range(2):
        assert [len(ids[epoch]) for ids in epochs] == [6, 6]
        assert sorted(epochs[0][epoch] + epochs[1][epoch]) == [f"s{n:03d}" for n in range(12)]
    assert epochs[0][0] != epochs[0][1]
