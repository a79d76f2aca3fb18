"""The command line with two processes."""

import csv
import socket

import pytest

from fgbgnet.models import DualHeadUNet
from tests.training.distributed.conftest import TORCHRUN, finish, python, start

pytestmark = pytest.mark.slow

TRAIN = ["-m", "fgbgnet", "train", "--model", "fgbgnet_xs", "--size", "32", "--epochs", "1", "--batch_size", "4"]
OWN = ["--devices", "2", "--strategy", "ddp"]


def arguments(splits, out, *more, data="data"):
    return [*TRAIN, "--data", splits[data], "--val", splits["val"], "--out", out, "--accelerator", "cpu", *more]


@pytest.mark.parametrize(("how", "data"), [("torchrun", "data"), ("lightning", "shards")])
def test_train(splits, tmp_path, how, data):
    out = tmp_path / "run"
    call = arguments(splits, out, *(OWN if how == "lightning" else ()), data=data)
    ended = python(*(TORCHRUN if how == "torchrun" else ()), *call)
    assert ended.code == 0, ended.output
    assert ended.output.count("3 steps in") == 1  # 12 samples in batches of 4, told once
    with (out / "metrics.csv").open() as file:
        assert max(int(row["step"]) for row in csv.DictReader(file)) == 3
    assert DualHeadUNet.from_pretrained(out).tasks == ("mask", "depth")


def test_two_machines(splits, tmp_path):
    """As far as one can be two: a torchrun each, which find each other at an address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    machine = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--local-addr", "127.0.0.1"]
    machine += ["--rdzv-backend", "c10d", "--rdzv-id", "1", "--rdzv-endpoint", address]
    machines = [start([*machine, *map(str, arguments(splits, tmp_path / "run"))]) for _ in range(2)]
    ended = [finish(process) for process in machines]
    assert [end.code for end in ended] == [0, 0], ended
    assert sum(end.output.count("3 steps in") for end in ended) == 1


def test_torchrun_hands_on_that_an_argument_is_wrong(splits, tmp_path):
    ended = python(*TORCHRUN, *arguments(splits, tmp_path / "run", "--batch_size", "5"))
    assert ended.code != 0
    assert "exitcode  : 2" in ended.output
    assert "the batch size 5 cannot be shared by 2 processes" in ended.output
