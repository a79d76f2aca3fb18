import pytest
import torch

from fgbgnet.errors import InvalidArgumentError, TrainingError
from fgbgnet.models import DualHeadUNet
from fgbgnet.training import FitConfig, find_batch_size
from fgbgnet.training.trials import batch_size
from fgbgnet.training.trials.batch_size import Trial
from fgbgnet.training.trials.free_memory import PeakMemory, available_memory

CONFIG = FitConfig(accelerator="cpu")
MB = 1 << 20


def network():
    torch.manual_seed(0)
    return DualHeadUNet("unet_small", fusion="early_diff", input_size=32)


@pytest.fixture
def machine(monkeypatch):
    """Steps whose time and memory are known: ``machine(rate, peak, room)`` with functions of the batch size."""

    def make(rate, peak, room=1 << 60):
        tried = []

        def steps(model, size, config, pairs):
            tried.append(pairs)
            return Trial(pairs, rate(pairs), peak(pairs))

        monkeypatch.setattr(batch_size, "_make_steps", steps)
        monkeypatch.setattr(batch_size, "available_memory", lambda device: room)
        return tried

    return make


def test_it_ends_where_doubling_brings_nothing(machine):
    tried = machine(rate=lambda pairs: min(pairs, 64) ** 0.5, peak=lambda pairs: pairs)
    assert find_batch_size(network(), 32, CONFIG, quiet=True) == 64
    assert tried == [2, 4, 8, 16, 32, 64, 128]


def test_eight_pairs_are_taken_even_if_they_are_no_faster(machine):
    machine(rate=lambda pairs: 100, peak=lambda pairs: pairs)
    assert find_batch_size(network(), 32, CONFIG, quiet=True) == 8


def test_what_would_not_fit_is_not_tried(machine):
    """100 MB and 10 MB for each pair: 32 pairs take 420 MB, 64 would take 740 MB, and of 900 MB a fifth stays free."""
    tried = machine(rate=lambda pairs: pairs, peak=lambda pairs: (100 + 10 * pairs) * MB, room=900 * MB)
    assert find_batch_size(network(), 32, CONFIG, quiet=True) == 32
    assert tried[-1] == 32


def test_limits(machine):
    machine(rate=lambda pairs: pairs, peak=lambda pairs: pairs)
    assert [find_batch_size(network(), 32, CONFIG, limit=n, quiet=True) for n in (1, 2, 7, 8, 100)] == [1, 2, 4, 8, 64]
    for size, limit in ((0, 8), (32, 0)):
        with pytest.raises(InvalidArgumentError, match=f"size={size}, limit={limit}"):
            find_batch_size(network(), size, CONFIG, limit=limit)


@pytest.mark.parametrize("message", ["CUDA out of memory.", "[enforce] DefaultCPUAllocator: can't allocate memory"])
def test_running_out_of_memory_is_an_answer(machine, monkeypatch, message):
    machine(rate=lambda pairs: pairs, peak=lambda pairs: 0)
    fits = batch_size._make_steps

    def steps(model, size, config, pairs):
        if pairs > most:
            raise torch.cuda.OutOfMemoryError(message) if "CUDA" in message else RuntimeError(message)
        return fits(model, size, config, pairs)

    monkeypatch.setattr(batch_size, "_make_steps", steps)
    most = 16
    assert find_batch_size(network(), 32, CONFIG, quiet=True) == 16
    most = 1
    with pytest.raises(TrainingError, match="not even 2 pairs of 32 x 32 pixels fit"):
        find_batch_size(network(), 32, CONFIG, quiet=True)


def test_other_errors_are_not_taken_for_it(machine, monkeypatch):
    def steps(*_):
        raise RuntimeError("something else")

    monkeypatch.setattr(batch_size, "_make_steps", steps)
    with pytest.raises(RuntimeError, match="something else"):
        find_batch_size(network(), 32, CONFIG, quiet=True)


def test_real_steps_leave_the_model_as_it_was_and_say_what_they_tried(capsys):
    model = network().eval()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    config = FitConfig(accelerator="cpu", accumulate=2, freeze=("depth",))
    assert find_batch_size(model, 32, config, limit=8) == 8  # up to 8 speed does not count
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert not model.training
    said = capsys.readouterr().err.splitlines()
    assert [line.split()[2] for line in said[:3]] == ["2", "4", "8"]
    assert said[3] == "batch size: the batch size is 8"


def test_peak_memory_sees_what_was_freed_again():
    device = torch.device("cpu")
    peak = PeakMemory(device)
    block = torch.ones(48 * MB // 4)
    del block
    assert 40 * MB < peak.growth() < 200 * MB
    assert PeakMemory(device).growth() < 20 * MB
    assert available_memory(device) > 100 * MB
