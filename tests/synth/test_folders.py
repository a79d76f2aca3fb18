import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

import fgbgnet
from fgbgnet.errors import FgBgError, InvalidArgumentError
from fgbgnet.synth import SceneDataset, compose, write_scenes
from fgbgnet.synth.folders import _from_ranges, _to_ranges, claim, put

SETTINGS = {"kind": "test", "size": (4, 5)}


def numbers(*values):
    return np.array(values, dtype=np.int64)


def test_a_folder_is_claimed_and_taken_up_again(tmp_path):
    out = tmp_path / "deep" / "folder"
    claim(out, SETTINGS, "the same", numbers(0, 1, 2, 7))
    record = (out / "settings.json").read_bytes()
    claim(out, SETTINGS, "the same", numbers(7, 2, 1, 0))
    assert (out / "settings.json").read_bytes() == record
    claim(out, SETTINGS, "the same", numbers(0, 1, 2, 3, 7))
    with pytest.raises(InvalidArgumentError, match="holds 5 other samples, of which 1 are not in this run"):
        claim(out, SETTINGS, "the same", numbers(0, 1, 2, 7))
    with pytest.raises(InvalidArgumentError, match=r"kind: test there, other now.*accepted there is the same"):
        claim(out, {**SETTINGS, "kind": "other"}, "the same", numbers(0))
    with pytest.raises(InvalidArgumentError, match="version: nothing recorded there, 2 now"):
        claim(out, {**SETTINGS, "version": 2}, "the same", numbers(0))


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InvalidArgumentError, match=r"not empty .* thesis\.tex"):
        claim(tmp_path, SETTINGS, "the same")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"\xff\xfe", b'{"kind": "test", "size": [4, 5], "numbers": "a-b"}']
)
def test_damaged_settings_are_named(tmp_path, content):
    (tmp_path / "settings.json").write_bytes(content)
    with pytest.raises(InvalidArgumentError, match=r"settings\.json is damaged"):
        claim(tmp_path, SETTINGS, "the same", numbers(1))


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_in_place_of_the_folder_is_named(tmp_path, name):
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(FgBgError, match="file is a file; expected a folder"):
        write_scenes(SceneDataset(1, size=32), tmp_path / name, progress=False)


@given(st.sets(st.one_of(st.integers(0, 40), st.integers(0, 2**62))))
def test_ranges_hold_every_number(values):
    there = _from_ranges(_to_ranges(numbers(*values)))
    assert there.tolist() == sorted(values)


@pytest.mark.skipif(os.name != "posix", reason="processes cannot be asked for")
def test_rubbish_of_dead_processes_is_removed(tmp_path):
    claim(tmp_path, SETTINGS, "the same")
    (tmp_path / "mask").mkdir()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = [f".1.png.{dead.pid}.tmp", f".2.png.{os.getpid()}.tmp", ".mine.tmp"]
    for name in names:
        (tmp_path / "mask" / name).write_bytes(b"half")
    claim(tmp_path, SETTINGS, "the same")
    assert sorted(p.name for p in (tmp_path / "mask").iterdir()) == sorted(names[1:])


@pytest.mark.parametrize("name", ["a.png", "m" * 250 + ".png", "\N{CAT FACE}" * 60 + ".png"])
def test_threads_that_write_the_same_file_leave_one_of_theirs_whole(tmp_path, name):
    contents = [bytes([k]) * 100_000 for k in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: put(tmp_path / "new" / name, content), contents * 20))
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]
    assert (tmp_path / "new" / name).read_bytes() in contents


SCENES = "write_scenes(SceneDataset(12, size=32, seed=3), {out!r}, num_workers=0, batch_size=2, progress=False)"
COMPOSITES = "compose({bg!r}, {fg!r}, {out!r}, per_pair=12, size=32, num_workers=0, progress=False)"
ARCHIVES = COMPOSITES.replace("num_workers=0", "num_workers=0, shard=2")

# kill -9 between writing a temporary file and giving it its name: the worst moment there is.
KILLED = """
import os, pathlib, signal, torch
from fgbgnet.synth import *
torch.set_num_threads(1)
rename, calls = pathlib.Path.replace, []
def replace(self, target):
    calls.append(target)
    if len(calls) == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
pathlib.Path.replace = replace
"""


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for name, channels in (("bg", 3), ("fg", 4)):
        (tmp_path / name).mkdir()
        pixels = rng.integers(0, 256, (80, 90, channels), dtype=np.uint8)
        pixels[2:-2, 2:-2, 3:] = 255
        Image.fromarray(pixels).save(tmp_path / name / "1.png")
    return tmp_path


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9")
@pytest.mark.parametrize(
    ("call", "at", "most"),
    # Renamings: of settings.json, and then of every file (composites: of every part's record, too) or archive.
    [
        (SCENES, 20, 45),
        (COMPOSITES, 20, 73),
        (COMPOSITES, 78, 73),
        (COMPOSITES, 79, 73),
        (ARCHIVES, 2, 12),
        (ARCHIVES, 9, 12),
    ],
)
def test_a_run_killed_in_the_middle_goes_on_with_the_same_result(folders, call, at, most):
    def line(out):
        return call.format(bg=str(folders / "bg"), fg=str(folders / "fg"), out=str(folders / out))

    def files(out):
        return {p.relative_to(folders / out): p.read_bytes() for p in (folders / out).rglob("*") if p.is_file()}

    environment = {**os.environ, "PYTHONPATH": str(Path(fgbgnet.__file__).parents[1])}
    process = subprocess.run(
        [sys.executable, "-c", KILLED.format(at=at) + line("killed")], env=environment, check=False
    )
    assert process.returncode == -signal.SIGKILL
    left = files("killed")
    assert at - 1 <= len(left) <= at + 1
    assert any(".tmp" in path.suffixes for path in left)
    assert Path("manifest.csv") not in left
    names = {"write_scenes": write_scenes, "SceneDataset": SceneDataset, "compose": compose}
    for out in ("killed", "undisturbed"):
        eval(line(out), names)
    assert files("killed") == files("undisturbed")
    assert len(files("killed")) > most
