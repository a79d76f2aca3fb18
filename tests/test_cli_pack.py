import errno
import subprocess
import sys

import pytest

from fgbgnet.cli import run
from fgbgnet.data import Manifest, PairedShardDataset
from fgbgnet.data.shards import packing


def call(*arguments):
    """Exit code of the command line."""
    try:
        return run([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code


def test_pack(quadruples, tmp_path, capsys):
    out = tmp_path / "out-%06d.tar"
    assert call("pack", quadruples, "--shards", out, "--samples-per-shard", 5, "--no-shuffle") == 0
    printed = capsys.readouterr().out
    assert "12 samples in 3 shards, " in printed
    assert f"Wrote {tmp_path / 'out-index.json'}" in printed
    ids = [sample["id"] for sample in PairedShardDataset(tmp_path / "out-index.json")]
    assert ids == [f"s{n:03d}" for n in range(12)]
    assert call("pack", quadruples, "--shards", out, "--samples-per-shard", 5, "--no-shuffle") == 0
    assert call("pack", quadruples, "--shards", out, "--samples-per-shard", 5) == 2
    assert "of other settings" in capsys.readouterr().err
    assert call("pack", quadruples, "--shards", tmp_path / "small-%d.tar", "--max-mb", 0.04) == 0
    assert len(list(tmp_path.glob("small-*.tar"))) > 1
    assert call("pack", quadruples, "--shards", tmp_path / "none-%d.tar", "--max-mb", 0) == 2
    assert "max_mb is 0; expected megabytes, more than 0" in capsys.readouterr().err


def test_pack_one_side_of_a_split(quadruples, tmp_path, capsys):
    manifest = Manifest.read(quadruples)
    sides = ["val" if n < 5 else "train" for n in range(12)]
    path = manifest.with_column("split", sides).write(tmp_path / "split.csv")
    assert call("pack", path, "--shards", tmp_path / "val-%d.tar", "--split", "val") == 0
    assert len(PairedShardDataset(tmp_path / "val-index.json")) == 5
    assert call("pack", path, "--shards", tmp_path / "vla-%d.tar", "--split", "vla") == 2
    assert "unknown side of the split 'vla'; the nearest are 'val'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("shards", "message"),
    [("out.tar", "does not number the shards"), ("none/../%d.zip", "does not number the shards")],
)
def test_bad_input_is_one_line(quadruples, tmp_path, capsys, shards, message):
    assert call("pack", quadruples, "--shards", tmp_path / shards) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_full_disk_is_a_failure(quadruples, tmp_path, monkeypatch, capsys):
    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(packing, "read_bytes", full)
    assert call("pack", quadruples, "--shards", tmp_path / "%d.tar") == 1
    assert "the disk is full; whole shards so far: 0. Free some space, and the same" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/full and the limits of bash")
def test_a_limit_of_the_system_leaves_nothing_half(quadruples, tmp_path):
    # A limit for the size of files is as real as a full disk.
    command = f"ulimit -f 20; exec {sys.executable} -m fgbgnet pack {quadruples} --shards {tmp_path}/%d.tar"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode != 0
    assert list(tmp_path.iterdir()) == []
