import sys
from types import SimpleNamespace

import pytest
import torch

from fgbgnet.data import PairedFgBgDataset, eval_transform, train_transform
from fgbgnet.models import DualHeadUNet
from fgbgnet.training import FitConfig, Progress, fit
from fgbgnet.training.callbacks import meter, progress_line
from fgbgnet.training.callbacks.meter import StepMeter
from fgbgnet.training.callbacks.progress_line import ProgressLine

METRICS = {"time/images_per_second": 100.4, "train/mask_loss": 0.5, "val/depth_abs_rel": 0.0789}


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    for module in (progress_line, meter):
        monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
        monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    return now


def trainer(**changes):
    return SimpleNamespace(
        **{"is_global_zero": True, "sanity_checking": False, "callback_metrics": METRICS, "world_size": 2} | changes
    )


def test_a_log_file_gets_whole_lines_now_and_then(clock, capsys):
    progress = Progress(steps=100)
    line = ProgressLine(progress, "phase 2/3")
    progress.start()
    line.on_train_start(trainer(), None)
    for _ in range(100):
        clock[0] += 1
        progress.advance()
        line.on_train_batch_end(trainer())
    line.on_validation_end(trainer(), None)
    line.on_train_end(trainer(), None)
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"train {share:3}%  phase 2/3, 100 images/s, mask loss 0.500, val AbsRel 0.079, {left} left"
        for share, left in ((30, "1:10"), (60, "0:40"), (90, "0:10"), (100, "0:00"))
    ]


def test_a_terminal_gets_one_line(clock, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = Progress(steps=2)
    line = ProgressLine(progress)
    line.on_train_start(trainer(), None)
    clock[0] += 1
    progress.advance()
    line.on_train_batch_end(trainer())
    line.on_exception(None)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert " 50% |" in said
    assert "100 images/s, mask loss 0.500" in said


@pytest.mark.parametrize(("variable", "zero"), [("1", True), ("0", False)])
def test_silence(clock, capsys, monkeypatch, variable, zero):
    monkeypatch.setenv("TQDM_DISABLE", variable)
    line = ProgressLine(Progress(steps=2))
    line.on_train_start(trainer(is_global_zero=zero), None)
    line.on_validation_end(trainer(), None)
    line.on_train_end(trainer(), None)
    assert capsys.readouterr().err == ""


def test_rates_are_those_of_the_last_steps_without_validations(clock):
    logged = {}
    module = SimpleNamespace(log=lambda name, value, batch_size: logged.__setitem__(name, value))
    steps = StepMeter(window=4)
    steps.on_train_start(trainer(), module)
    batch = {"fg_bg": torch.zeros(8, 3, 4, 4)}

    def step(wait, work):
        with steps.timer.profile("[_TrainingEpochLoop].train_dataloader_next"):
            clock[0] += wait
        clock[0] += work
        steps.on_train_batch_end(trainer(), module, None, batch, 0)

    step(9, 1)  # the start of the workers
    assert logged == {"time/images_per_second": 16 / 10, "time/loader_wait": 0.9}
    for _ in range(4):
        step(0.25, 0.75)
        steps.on_validation_start(trainer(), module)
        clock[0] += 1000
        steps.on_validation_end(trainer(), module)
    assert logged["time/images_per_second"] == pytest.approx(16)  # 8 pairs on each of two processes
    assert logged["time/loader_wait"] == pytest.approx(0.25)


def test_the_gradient_norm_is_that_before_clipping(quadruples, tmp_path, monkeypatch):
    """The norm that is noted, against torch's own, taken where the clipping begins."""
    from fgbgnet.training.module import DualTaskModule

    norms = []
    original = DualTaskModule.configure_gradient_clipping

    def clip(self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None):
        norms.append(float(torch.nn.utils.clip_grad_norm_(self.parameters(), float("inf"))))
        original(self, optimizer, gradient_clip_val, gradient_clip_algorithm)

    monkeypatch.setattr(DualTaskModule, "configure_gradient_clipping", clip)
    torch.manual_seed(0)
    model = DualHeadUNet("unet_small", fusion="early_diff", input_size=32)
    data = PairedFgBgDataset(quadruples, train_transform(32)), PairedFgBgDataset(quadruples, eval_transform(32))
    config = FitConfig(epochs=1, batch_size=4, accelerator="cpu", gradient_clip=0.01, pictures=0)
    fit(model, *data, tmp_path, config)
    noted = (tmp_path / "metrics.csv").read_text().splitlines()
    place = noted[0].split(",").index("train/gradient_norm")
    values = [float(line.split(",")[place]) for line in noted[1:] if line.split(",")[place]]
    assert values == pytest.approx(norms[2:3], rel=1e-4)  # of the third and last step: every third is noted here
    assert values[0] > 0.01
