import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from fgbgnet.errors import InvalidArgumentError, MissingFileError, OutputError
from fgbgnet.evaluation import Difference
from fgbgnet.files import is_full_disk
from fgbgnet.inference import FlipAveraged, Pair, folder_pairs, folders as folders_module, manifest_pairs, predict_pairs
from fgbgnet.inference.reading import batches, mapped_ahead
from fgbgnet.models import DualHeadUNet, PredictMixin
from tests.inference.networks import speaking


class Counting(PredictMixin):
    """Foreground where the frame is brighter; depth 1 m to 2 m. Counts batches, and can stop after some."""

    def __init__(self, stop_after=None, tasks=("mask", "depth")):
        super().__init__()
        self.shapes, self.stop_after, self.tasks = [], stop_after, tasks

    def forward(self, bg, fg_bg, tasks=None):
        if self.stop_after is not None and len(self.shapes) == self.stop_after:
            raise KeyboardInterrupt
        self.shapes.append(tuple(fg_bg.shape))
        outputs = {"mask": (fg_bg - bg).mean(1, keepdim=True) * 50, "depth": 1 + fg_bg[:, :1]}
        return {key: outputs[key] for key in self.tasks}


@pytest.fixture
def frames(tmp_path):
    """The pairs of ten frames of two sizes on one background, in ``frames``; the fifth is cut short."""
    rng = np.random.default_rng(0)
    (tmp_path / "frames").mkdir()
    Image.fromarray(np.full((20, 30, 3), 100, np.uint8)).save(tmp_path / "room.png")
    for n in range(10):
        size = (20, 30, 3) if n < 7 else (24, 36, 3)
        Image.fromarray(rng.integers(0, 255, size, dtype=np.uint8)).save(tmp_path / f"frames/{n}.png")
    broken = tmp_path / "frames/4.png"
    broken.write_bytes(broken.read_bytes()[:200])
    return tmp_path


def pairs_of(folder):
    return folder_pairs(folder / "room.png", folder / "frames")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def run(folder, model=None, **arguments):
    model = Counting() if model is None else model
    return predict_pairs(model, pairs_of(folder), folder / "out", progress=False, **{"batch_size": 3, **arguments})


@pytest.mark.parametrize("input_size", [None, 16])
def test_results_are_those_of_predict(frames, input_size):
    model = speaking(encoder_depth=3, input_size=input_size)
    report = run(frames, model)
    assert (report.written, report.skipped, list(report.failed)) == (9, 0, ["4"])
    assert "4.png cannot be decoded" in report.failed["4"]
    for pair in pairs_of(frames):
        if pair.name == "4":
            continue
        prediction = model.predict(pair.bg, pair.fg_bg)
        mask, depth = (np.asarray(Image.open(frames / f"out/{key}/{pair.name}.png")) for key in ("mask", "depth"))
        certain = (prediction.mask_probability - 0.5).abs().numpy() > 1e-4
        assert np.array_equal((mask > 0)[certain], prediction.mask.numpy()[certain])
        assert np.allclose(depth, (1000 * prediction.depth.numpy()).clip(max=65535), rtol=1e-4, atol=0.6)
    assert names(frames / "out") == ["depth", "mask", "pairs.json", "settings.json"]
    assert names(frames / "out/mask") == names(frames / "out/depth") == [f"{n}.png" for n in range(10) if n != 4]


def test_neighbours_of_one_size_are_batches(frames):
    model = Counting()
    run(frames, model)
    assert model.shapes == [(3, 3, 20, 30), (3, 3, 20, 30), (3, 3, 24, 36)]


def test_the_number_of_threads_changes_nothing(frames):
    contents = []
    for workers in (1, 5):
        run(frames, workers=workers, overwrite=True)
        contents.append([(frames / f"out/depth/{name}").read_bytes() for name in names(frames / "out/depth")])
    assert contents[0] == contents[1]


def test_an_interrupted_run_goes_on(frames):
    with pytest.raises(KeyboardInterrupt):
        run(frames, Counting(stop_after=1))
    there = names(frames / "out/mask")
    assert set(there) <= {"0.png", "1.png", "2.png"}
    assert not list(frames.rglob("*.tmp"))
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]
    model = Counting()
    report = run(frames, model)
    assert (report.written, report.skipped, list(report.failed)) == (9 - len(there), len(there), ["4"])
    assert sum(shape[0] for shape in model.shapes) == report.written
    again = Counting()
    assert run(frames, again).skipped == 9
    assert again.shapes == []


def test_a_repaired_frame_is_tried_again_and_new_ones_join(frames):
    run(frames)
    good = Image.fromarray(np.zeros((20, 30, 3), np.uint8))
    good.save(frames / "frames/4.png")
    good.save(frames / "frames/11.png")
    report = run(frames)
    assert (report.written, report.skipped, report.failed) == (2, 9, {})


@pytest.mark.parametrize("tasks", [("mask",), ("depth",)])
def test_results_of_which_a_layer_is_missing_are_made_again(frames, tasks):
    run(frames, Counting(tasks=tasks))
    assert names(frames / "out") == sorted([*tasks, "pairs.json", "settings.json"])
    (frames / "out" / tasks[0] / "3.png").unlink()
    (frames / "out" / tasks[0] / "5.png").write_bytes(b"")
    assert run(frames, Counting(tasks=tasks)).written == 2


def test_folders_hold_results_of_one_kind(frames):
    run(frames)
    for change in ({"threshold": 0.4}, {"model": FlipAveraged(Counting())}, {"model": Difference()}):
        with pytest.raises(InvalidArgumentError, match="made with other settings"):
            run(frames, **change)
    before = json.loads((frames / "out/settings.json").read_text())
    assert run(frames, Difference(), overwrite=True).written == 9
    assert json.loads((frames / "out/settings.json").read_text()) != before
    assert names(frames / "out") == ["mask", "pairs.json", "settings.json"]
    other = [Pair("0", str(frames / "room.png"), str(frames / "frames/1.png"))]
    with pytest.raises(InvalidArgumentError, match="results of other pictures under the names of 1 of these"):
        predict_pairs(Difference(), other, frames / "out", progress=False)


def test_weights_are_part_of_the_kind(frames):
    model = speaking(encoder_depth=2)
    run(frames, model)
    assert run(frames, speaking(encoder_depth=2)).skipped == 9
    with torch.no_grad():
        model.mask_branch.head.convolution.bias += 0.1
    with pytest.raises(InvalidArgumentError, match="made with other settings"):
        run(frames, model)


def test_a_folder_of_something_else_is_left_alone(frames):
    for overwrite in (False, True):
        with pytest.raises(InvalidArgumentError, match="not empty"):
            predict_pairs(Counting(), pairs_of(frames), frames / "frames", overwrite=overwrite, progress=False)
    assert len(names(frames / "frames")) == 10


def test_a_damaged_record_is_told(frames):
    run(frames)
    (frames / "out/pairs.json").write_text("[1")
    with pytest.raises(InvalidArgumentError, match=r"pairs\.json is damaged"):
        run(frames)
    assert run(frames, overwrite=True).written == 9


def test_ids_with_folders(quadruples, tmp_path):
    pairs = [Pair(f"a/{pair.name}", pair.bg, pair.fg_bg) for pair in manifest_pairs(quadruples)]
    assert predict_pairs(Difference(), pairs, tmp_path / "out", progress=False).written == 12
    assert len(names(tmp_path / "out/mask/a")) == 12


def test_a_full_disk_ends_the_run_with_whole_files(frames, monkeypatch):
    def full(path, content):
        if path.name == "5.png":
            raise OSError(28, "No space left on device")
        put(path, content)

    put = folders_module.put
    monkeypatch.setattr(folders_module, "put", full)
    with pytest.raises(OutputError, match="make room") as caught:
        run(frames)
    assert is_full_disk(caught.value.__cause__)
    monkeypatch.setattr(folders_module, "put", put)
    assert run(frames).skipped >= 3


def test_wrong_arguments(frames, tmp_path):
    for arguments, words in (
        ({"batch_size": 0}, "batch_size=0"),
        ({"workers": 0}, "workers=0"),
        ({"threshold": 1.0}, "threshold=1"),
        ({"model": DualHeadUNet("unet_small", in_channels=4)}, "in_channels=4"),
        ({"model": Counting(tasks=())}, "neither mask nor depth"),
    ):
        with pytest.raises(InvalidArgumentError, match=words):
            run(frames, **arguments)
    with pytest.raises(InvalidArgumentError, match="no pair"):
        predict_pairs(Counting(), [], tmp_path / "out")
    with pytest.raises(InvalidArgumentError, match="called '0'"):
        predict_pairs(Counting(), 2 * pairs_of(frames)[:1], tmp_path / "o")
    with pytest.raises(MissingFileError, match=r"no\.png"):
        predict_pairs(Counting(), [Pair("0", str(frames / "no.png"), pairs_of(frames)[0].fg_bg)], tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_order_is_kept_and_nothing_is_read_too_far_ahead():
    from concurrent.futures import ThreadPoolExecutor

    begun = []
    with ThreadPoolExecutor(3) as pool:
        for index, item in enumerate(mapped_ahead(pool, lambda n: begun.append(n) or n, range(50), ahead=4)):
            assert item == index
            assert len(begun) <= index + 6
    assert list(batches([], 3)) == [([], [])]


SCRIPT = """
import sys, time
import torch
from fgbgnet.inference import folder_pairs, predict_pairs
from fgbgnet.models import PredictMixin

class Slow(PredictMixin):
    def forward(self, bg, fg_bg, tasks=None):
        print("step", flush=True)
        time.sleep(0.2)
        return {"mask": fg_bg[:, :1] - bg[:, :1]}

folder = sys.argv[1]
predict_pairs(Slow(), folder_pairs(folder + "/room.png", folder + "/frames"), folder + "/out", batch_size=1)
"""


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as a signal")
def test_ctrl_c_leaves_whole_files(frames):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(frames)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "step\n"
    assert process.stdout.readline() == "step\n"
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert "KeyboardInterrupt" in errors
    assert "Exception ignored" not in errors
    done = names(frames / "out/mask")
    assert 1 <= len(done) < 9
    for name in done:
        Image.open(frames / "out/mask" / name).load()
