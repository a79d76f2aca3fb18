"""Runs of two processes, and of one to compare with."""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from fgbgnet.data import Manifest, pack_shards
from tests.training.distributed.program import train

PROGRAM = str(Path(__file__).with_name("program.py"))
TORCHRUN = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "--local-addr", "127.0.0.1"]
LIMIT = 600
"""Seconds after which a run is taken to hang; it takes about twenty."""


COMMON = {"accelerator": "cpu", "batch_size": 4, "validations": 1, "checkpoint_minutes": 60, "pictures": 0}
SGD = {"optimizer": "sgd", "learning_rate": 0.02}
RUNS = {
    "joint": {"epochs": 2, **SGD},
    # In double precision: AdamW divides rounding noise by rounding noise where a gradient is nearly zero.
    "alternate": {"epochs": 2, "schedule": "alternate", "accumulate": 2, "ema": 0.9, "precision": "64-true"},
    "sizes": {"sizes": ((16, 4, 1), (32, 6, 2)), "precision": "64-true", **SGD},
    "frozen": {"epochs": 1, "freeze": ("shared",), "balance": "uncertainty", **SGD},
    "one_task": {"epochs": 1, "tasks": ("depth",), **SGD},
    "seconds": {"minutes": 0.03, **SGD},
    "shards": {"epochs": 2, **SGD},
}


def run(name: str, splits: dict[str, str], folder: Path, **settings: Any) -> dict[str, Any]:
    """One of the runs, into a folder of its name."""
    data = splits["shards" if name == "shards" else "data"]
    config = {**COMMON, **RUNS[name], **settings}
    return {"data": data, "val": splits["val"], "out": str(folder / name), "config": config}


class Ended(NamedTuple):
    """A program that came to its end."""

    code: int
    output: str


def start(arguments: list[str]) -> subprocess.Popen[str]:
    """Starts Python, as little as possible of this process in its environment."""
    known = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "PL_GLOBAL_SEED")
    environment = {name: value for name, value in os.environ.items() if name not in known}
    environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"}
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> Ended:
    """Waits for the end; one that hangs is killed with all that it started, and fails the test."""
    try:
        output, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        output, _ = process.communicate()
        pytest.fail(f"hangs:\n{output[-5000:]}")
    return Ended(process.returncode, output)


def python(*arguments: object) -> Ended:
    """Runs Python to its end."""
    return finish(start([str(argument) for argument in arguments]))


def steps_of(out: Path) -> int:
    """How many training steps the first process has begun."""
    path = Path(f"{out}.notes/0.jsonl")
    return path.read_text().count('"stage": "train"') if path.is_file() else 0


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Waits until something is so."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.05)


def notes(out: Path, rank: int, stage: str = "train") -> list[dict[str, Any]]:
    """What a process noted of its batches."""
    lines = Path(f"{out}.notes/{rank}.jsonl").read_text().splitlines()
    return [note for note in map(json.loads, lines) if note["stage"] == stage]


def figures(out: Path) -> list[dict[str, float]]:
    """The validations of a run, those figures that do not measure time."""
    with (out / "metrics.csv").open() as file:
        rows = [{k: float(v) for k, v in row.items() if k.startswith("val/") and v} for row in csv.DictReader(file)]
    return [row for row in rows if row]


def weights(out: Path, phase: str = "") -> dict[str, torch.Tensor]:
    """Those of the last checkpoint."""
    checkpoint = torch.load(out / "checkpoints" / phase / "last.ckpt", weights_only=False)
    return checkpoint["state_dict"]


@pytest.fixture(scope="session")
def splits(quadruples, tmp_path_factory):
    """Paths of what runs read: 12 samples to train on and 5 to validate, and shards of 5, 5 and 2 of the former."""
    folder = tmp_path_factory.mktemp("splits")
    whole = Manifest.read(quadruples)
    for name, rows in (("train", range(12)), ("val", range(1, 6))):
        whole.select(list(rows)).write(folder / f"{name}.csv")
    pack_shards(folder / "train.csv", folder / "%d.tar", samples_per_shard=5)
    return {"data": str(folder / "train.csv"), "val": str(folder / "val.csv"), "shards": str(folder / "index.json")}


@pytest.fixture(scope="session")
def alone(splits, tmp_path_factory):
    """Trains one of the runs with one process, once; its folder."""
    folder = tmp_path_factory.mktemp("alone")

    @cache
    def trained(name: str) -> Path:
        train(run(name, splits, folder))
        return folder / name

    return trained
