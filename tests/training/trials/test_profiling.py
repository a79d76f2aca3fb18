import time

import pytest
import torch
from torch.utils.data import Dataset

from fgbgnet.data import PairedFgBgDataset, train_transform
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.losses import DualTaskLoss
from fgbgnet.models import DualHeadUNet
from fgbgnet.training import FitConfig, profile_training
from fgbgnet.training.trials import step_profiler
from fgbgnet.training.trials.step_profiler import PARTS, StepProfiler

CONFIG = FitConfig(batch_size=4, accelerator="cpu")


def network():
    torch.manual_seed(0)
    return DualHeadUNet("unet_small", fusion="early_diff", input_size=32)


@pytest.fixture
def data(quadruples):
    return PairedFgBgDataset(quadruples, train_transform(32))


class Slow(Dataset):
    """Samples that take long to come."""

    def __init__(self, data, seconds):
        self.data, self.seconds = data, seconds

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        time.sleep(self.seconds)
        return self.data[index]


def test_every_moment_of_a_step_belongs_to_the_innermost_part(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(step_profiler.time, "perf_counter", lambda: now[0])
    profiler = StepProfiler()

    def work(seconds):
        now[0] += seconds

    for _ in range(2):
        with profiler.profile("[_TrainingEpochLoop].train_dataloader_next"):
            work(1)
        work(2)  # of nobody: the engine's
        with profiler.profile("run_training_batch"):
            with profiler.profile("[LightningModule]DualTaskModule.optimizer_step"):
                work(4)
                with profiler.profile("[Strategy]SingleDeviceStrategy.training_step"):
                    with profiler.profile("forward"), profiler.profile("something within"):
                        work(8)
                    work(16)  # in the step, neither forward nor loss
                with profiler.profile("[Strategy]SingleDeviceStrategy.backward"):
                    work(32)
                work(64)
            with profiler.profile("[Callback]ProgressLine.on_train_batch_end"):
                work(128)
    parts = {"wait for data": 1, "engine": 2, "optimiser step": 68, "forward": 8, "backward": 32}
    parts["logging and callbacks"] = 16 + 128
    assert profiler.steps == [parts]  # the second has no end yet
    profiler.finish()
    assert profiler.steps == [parts, parts]
    assert set(parts) < set(PARTS)


def test_a_profile_adds_up_and_leaves_the_model_as_it_was(data):
    model = network().eval()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    profile = profile_training(model, data, CONFIG, val=data, steps=4, warmup=1)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert not model.training
    assert sum(part.share for part in profile.parts.values()) == pytest.approx(1)
    # Training has no metrics; everything else happened, in every step.
    assert set(profile.parts) == set(PARTS) - {"metrics"}
    assert all(profile.parts[part].low > 0 for part in ("wait for data", "forward", "loss", "backward"))
    assert {"wait for data", "forward", "loss", "metrics"} <= set(profile.validation)
    assert "backward" not in profile.validation
    assert (profile.batch_size, profile.size, profile.device) == (4, (32, 32), "cpu")


def test_a_slow_data_set_is_what_the_steps_wait_for(data):
    profile = profile_training(network(), Slow(data, 0.3), CONFIG, steps=2, warmup=0)
    assert profile.bound == "loader"
    assert profile.advice[0].kind == "loader"
    assert profile.sample_seconds >= 0.3
    assert profile.parts["wait for data"].low >= 4 * 0.3


def test_a_slow_loss_is_not_taken_for_something_else(data):
    class Slowest(DualTaskLoss):
        def forward(self, outputs, batch):
            time.sleep(1.0)
            return super().forward(outputs, batch)

    profile = profile_training(network(), data, CONFIG, steps=2, warmup=0, loss=Slowest())
    assert profile.bound == "compute"
    assert profile.parts["loss"].low >= 1.0


def test_what_workers_do_is_not_waited_for_but_its_cost_is_told(data):
    """A worker makes a batch while the step before sleeps: the step hardly waits, and the sample's cost is the same."""

    class Pause(DualTaskLoss):
        def forward(self, outputs, batch):
            time.sleep(1.5)
            return super().forward(outputs, batch)

    config = FitConfig(batch_size=4, accelerator="cpu", num_workers=1)
    profile = profile_training(network(), Slow(data, 0.05), config, steps=2, warmup=1, loss=Pause())
    assert profile.sample_seconds >= 0.05
    assert profile.parts["loss"].median > profile.parts["wait for data"].median


def test_wrong_profiles(data):
    with pytest.raises(InvalidArgumentError, match="steps=0"):
        profile_training(network(), data, CONFIG, steps=0)
    with pytest.raises(InvalidArgumentError, match="2 phases"):
        profile_training(network(), data, FitConfig(schedule="alternate"))
    with pytest.raises(InvalidArgumentError, match="batch_size is 'auto'"):
        profile_training(network(), data, FitConfig(batch_size="auto"))
    with pytest.raises(InvalidArgumentError, match="accelerator='abacus'"):
        profile_training(network(), data, FitConfig(accelerator="abacus"))
