"""A run that is killed and resumed ends with the same bits as one that was not."""

import csv
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fgbgnet.data import PairedFgBgDataset, eval_transform, train_transform
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.training import FitConfig, fit
from fgbgnet.training.callbacks.checkpoints import KeepCheckpoints
from fgbgnet.training.callbacks.curves import read_run_curves
from fgbgnet.training.trials import batch_size
from tests.models.restless import restless

SIZE = 16
SETTINGS = {"batch_size": 2, "accelerator": "cpu", "learning_rate": 5e-3, "validations": 1, "ema": 0.9}


def run(quadruples, out, stop_after=None, how=signal.SIGINT, resume=False, **settings):
    """Trains a network with dropout, BatchNorm and stochastic depth; a signal comes during the step after so many."""
    config = FitConfig(**{"epochs": 4, **SETTINGS, **settings})
    train = PairedFgBgDataset(quadruples, train_transform(SIZE), seed=3)
    val = PairedFgBgDataset(quadruples, eval_transform(SIZE))
    model = restless(99 if resume else 0, input_size=SIZE)
    if stop_after is not None:
        steps = 0

        def count():
            nonlocal steps
            steps += 1
            if steps == stop_after:
                os.kill(os.getpid(), how)

        model.register_forward_hook(lambda module, *_: count() if module.training else None)
    return fit(model, train, val, out, config, resume=resume)


def ends(*folders):
    """The last checkpoints of runs: weights, optimiser, schedule, averages."""
    return [torch.load(folder / "checkpoints" / "last.ckpt", weights_only=False) for folder in folders]


def assert_same(one, other, path="checkpoint"):
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), path
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            assert_same(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), path
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{path}[{number}]")
    else:
        assert one == other, path


def rows(folder):
    """metrics.csv without what a clock says."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in csv.DictReader(file)]


def assert_same_run(*folders):
    one, other = ends(*folders)
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "plateau", "global_step", "epoch"):
        assert_same(one.get(part), other.get(part), part)
    average = [next(v for k, v in end["callbacks"].items() if "AverageWeights" in k) for end in (one, other)]
    assert_same(*average)
    assert torch.equal(one["fgbgnet"]["random"][0]["torch"], other["fgbgnet"]["random"][0]["torch"])
    assert rows(folders[0]) == rows(folders[1])


@pytest.fixture(scope="module")
def whole(quadruples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run(quadruples, folder)
    return folder


@pytest.mark.parametrize(("stop_after", "workers"), [(1, 0), (6, 0), (12, 0), (15, 0), (15, 2), (18, 2), (23, 0)])
def test_an_interrupted_run_goes_on_to_the_same_bits(quadruples, tmp_path, whole, stop_after, workers):
    """24 steps in epochs of 6: within an epoch, at its end, in the first and in the last."""
    with pytest.raises(KeyboardInterrupt):
        run(quadruples, tmp_path, stop_after, num_workers=workers)
    assert ends(tmp_path)[0]["global_step"] == stop_after
    run(quadruples, tmp_path, resume=True, num_workers=workers)
    assert_same_run(whole, tmp_path)


def test_interrupted_again_and_again(quadruples, tmp_path, whole):
    with pytest.raises(KeyboardInterrupt):
        run(quadruples, tmp_path, 4)
    for more in (1, 3, 7):
        with pytest.raises(KeyboardInterrupt):
            run(quadruples, tmp_path, more, resume=True)
    run(quadruples, tmp_path, resume=True)
    assert_same_run(whole, tmp_path)


def test_sigterm_saves_and_ends_with_its_code(quadruples, tmp_path, whole):
    with pytest.raises(SystemExit) as stop:
        run(quadruples, tmp_path, 10, how=signal.SIGTERM)
    assert stop.value.code == 143
    run(quadruples, tmp_path, resume=True)
    assert_same_run(whole, tmp_path)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize(
    "settings",
    [
        {"lr_schedule": "one_cycle", "optimizer": "sgd", "cycle_momentum": True},
        {"lr_schedule": "plateau"},
        {"accumulate": 4},
        {"epochs": None, "sizes": ((8, 3, 1), (16, 2, 2))},
        {"balance": "dwa", "optimizer": "sgd"},
        {"balance": "uncertainty"},
        {"precision": "bf16-mixed"},
    ],
    ids=lambda settings: "-".join(map(str, next(iter(settings.items())))),
)
def test_whatever_the_settings(quadruples, tmp_path, settings):
    """Two interruptions: within an epoch, and at the end of one."""
    run(quadruples, tmp_path / "whole", **settings)
    with pytest.raises(KeyboardInterrupt):
        run(quadruples, tmp_path / "cut", 9, **settings)
    with pytest.raises(KeyboardInterrupt):
        run(quadruples, tmp_path / "cut", 3, resume=True, **settings)
    run(quadruples, tmp_path / "cut", resume=True, **settings)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


PHASES = {
    "phases": (
        {"tasks": ["depth"], "freeze": ["mask"], "epochs": 2},
        {"tasks": ["mask"], "freeze": ["shared", "depth"], "epochs": 1},
    )
}


@pytest.mark.parametrize("stop_after", [9, 12, 15])
def test_in_phases(quadruples, tmp_path, stop_after):
    """12 steps of depth, 6 of the mask."""
    whole = run(quadruples, tmp_path / "whole", **PHASES)
    with pytest.raises(KeyboardInterrupt):
        run(quadruples, tmp_path / "cut", stop_after, **PHASES)
    cut = run(quadruples, tmp_path / "cut", resume=True, **PHASES)
    assert whole.steps == cut.steps == 18
    assert_same(whole.model.state_dict(), cut.model.state_dict())
    assert cut.model.tasks == ("mask", "depth")
    assert rows(tmp_path / "whole") == rows(tmp_path / "cut")


def test_a_second_phase_that_was_killed_before_its_first_checkpoint_begins_again(quadruples, tmp_path, monkeypatch):
    """Its first model has taken the place of what it started from by then."""

    class PowerCutError(RuntimeError):
        pass

    whole = run(quadruples, tmp_path / "whole", **PHASES)
    save, saved = KeepCheckpoints.save_last, []

    def cut(self, trainer):
        saved.append(self.folder.name)
        if saved.count("phase_2"):
            raise PowerCutError
        save(self, trainer)

    monkeypatch.setattr(KeepCheckpoints, "save_last", cut)
    with pytest.raises(PowerCutError):
        run(quadruples, tmp_path / "cut", **PHASES)
    monkeypatch.undo()
    resumed = run(quadruples, tmp_path / "cut", resume=True, **PHASES)
    assert_same(whole.model.state_dict(), resumed.model.state_dict())


def test_a_batch_size_that_was_found_is_kept(quadruples, tmp_path, monkeypatch):
    found = iter((4, 3))
    monkeypatch.setattr(batch_size, "find_batch_size", lambda *_, **__: next(found))
    with pytest.raises(KeyboardInterrupt):
        run(quadruples, tmp_path, 4, batch_size="auto")
    assert run(quadruples, tmp_path, resume=True, batch_size="auto").steps == 4 * 3


KILLED = """
    import sys
    from pathlib import Path
    from tests.training.test_resume import run
    run(Path(sys.argv[1]), Path(sys.argv[2]), num_workers=int(sys.argv[3]), checkpoint_minutes=1e-6)
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_in_the_middle_of_the_third_epoch(quadruples, tmp_path, whole, workers):
    """kill -9 leaves no time to save anything: the run goes on from the last checkpoint that was written."""
    script = [sys.executable, "-c", textwrap.dedent(KILLED), str(quadruples), str(tmp_path), str(workers)]
    process = subprocess.Popen(script, env={**os.environ, "PYTHONPATH": str(Path.cwd())}, stderr=subprocess.PIPE)
    last = tmp_path / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if last.is_file() and 13 <= ends(tmp_path)[0]["global_step"] < 18:
            break
    assert process.poll() is None, process.stderr.read().decode()
    process.kill()
    process.wait()
    process.stderr.close()
    run(quadruples, tmp_path, resume=True, num_workers=workers)
    assert_same_run(whole, tmp_path)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_of_a_run_spares_its_workers(quadruples, tmp_path, whole, how):
    """As Ctrl-C on a terminal sends it, and torchrun."""
    script = [sys.executable, "-c", textwrap.dedent(KILLED).replace("1e-6", "9"), str(quadruples), str(tmp_path), "2"]
    process = subprocess.Popen(
        script, env={**os.environ, "PYTHONPATH": str(Path.cwd())}, stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (tmp_path / "checkpoints" / "last.ckpt").is_file():
        time.sleep(0.01)
    os.killpg(process.pid, how)
    _, told = process.communicate(timeout=120)
    assert process.returncode == {signal.SIGINT: -signal.SIGINT, signal.SIGTERM: 143}[how], told.decode()
    assert "is killed by signal" not in told.decode()
    run(quadruples, tmp_path, resume=True)
    assert_same_run(whole, tmp_path)


@pytest.mark.parametrize("settings", [{}, {"lr_schedule": "plateau"}], ids=["cosine", "plateau"])
def test_validations_that_are_rarer_than_epochs(quadruples, tmp_path, settings):
    """Every second epoch of five, and the last one; stopped in the last."""
    settings = {"epochs": 5, "validations": 12, **settings}
    run(quadruples, tmp_path / "whole", **settings)
    with pytest.raises(KeyboardInterrupt):
        run(quadruples, tmp_path / "cut", 27, **settings)
    run(quadruples, tmp_path / "cut", resume=True, **settings)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
    validated = [int(row["step"]) for row in rows(tmp_path / "whole") if row["val/loss"]]
    assert validated == [12, 24, 30]


def test_phases_that_are_made_longer_are_made_anew_from_there(quadruples, tmp_path):
    """What the second phase had learned rests on the shorter first one."""
    longer = {"phases": ({**PHASES["phases"][0], "epochs": 4}, PHASES["phases"][1])}
    run(quadruples, tmp_path, **PHASES)
    depth = (tmp_path / "checkpoints" / "phase_1" / "model" / "model.safetensors").read_bytes()
    resumed = run(quadruples, tmp_path, resume=True, **longer)
    assert resumed.steps == 4 * 6 + 6
    after = load_file(tmp_path / "checkpoints" / "phase_1" / "model" / "model.safetensors")
    assert depth != (tmp_path / "checkpoints" / "phase_1" / "model" / "model.safetensors").read_bytes()
    for name, tensor in resumed.model.state_dict().items():
        if name.startswith("depth_branch."):  # frozen in the second phase
            assert torch.equal(tensor, after[name]), name


def test_a_last_size_may_be_longer(quadruples, tmp_path):
    sizes = {"epochs": None, "sizes": ((8, 6, 1), (16, 4, 1))}
    run(quadruples, tmp_path, **sizes)
    more = run(quadruples, tmp_path, resume=True, epochs=None, sizes=((8, 6, 1), (16, 4, 3)))
    assert more.steps == 2 + 3 * 3
    with pytest.raises(InvalidArgumentError, match="sizes was"):
        run(quadruples, tmp_path, resume=True, epochs=None, sizes=((8, 6, 2), (16, 4, 3)))


def test_a_run_that_ended_before_its_first_checkpoint_begins_again(quadruples, tmp_path, whole, monkeypatch):
    class PowerCutError(RuntimeError):
        pass

    def cut(*_):
        raise PowerCutError

    monkeypatch.setattr(KeepCheckpoints, "on_train_start", cut)
    with pytest.raises(PowerCutError):
        run(quadruples, tmp_path)
    monkeypatch.undo()
    assert (tmp_path / "config.json").is_file()
    config = FitConfig(**{"epochs": 4, **SETTINGS})
    train = PairedFgBgDataset(quadruples, train_transform(SIZE), seed=3)
    val = PairedFgBgDataset(quadruples, eval_transform(SIZE))
    fit(restless(0, input_size=SIZE), train, val, tmp_path, config, resume=True)
    assert_same_run(whole, tmp_path)


def test_half_a_row_of_figures_is_left_out(quadruples, tmp_path, whole):
    with pytest.raises(KeyboardInterrupt):
        run(quadruples, tmp_path, 9)
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("1,")
    assert read_run_curves(tmp_path / "metrics.csv").values
    run(quadruples, tmp_path, resume=True)
    assert_same_run(whole, tmp_path)
