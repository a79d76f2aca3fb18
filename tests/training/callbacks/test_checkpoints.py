"""What a run keeps on the disk, and what happens when there is no room."""

import errno
import json
import os
import warnings

import pytest
import torch

import fgbgnet.files
from fgbgnet.data import PairedFgBgDataset, eval_transform, train_transform
from fgbgnet.errors import FgBgWarning, TrainingError
from fgbgnet.training import DualTaskModule, FitConfig, fit
from fgbgnet.training.callbacks.checkpoints import disk_bound
from tests.models.restless import restless

SETTINGS = {"batch_size": 4, "accelerator": "cpu", "learning_rate": 5e-3, "validations": 1, "pictures": 0}


@pytest.fixture
def data(quadruples):
    return PairedFgBgDataset(quadruples, train_transform(16)), PairedFgBgDataset(quadruples, eval_transform(16))


def network():
    return restless(0, input_size=16)


def size_of(folder):
    """Bytes of a folder; files with several names count once."""
    return sum({(s.st_dev, s.st_ino): s.st_size for p in folder.rglob("*") if (s := p.stat()) and p.is_file()}.values())


@pytest.mark.parametrize("keep", [0, 2])
def test_as_many_checkpoints_as_were_said_and_no_more(data, tmp_path, keep, capsys):
    model = network()
    for optimizer, ema in (("adamw", 0.9), ("sgd", 0.0)):
        folder = tmp_path / optimizer
        config = FitConfig(epochs=4, keep_checkpoints=keep, optimizer=optimizer, ema=ema, **SETTINGS)
        fit(model, *data, folder, config)
        names = sorted(p.name for p in (folder / "checkpoints").iterdir())
        assert names == ["best.ckpt", "last.ckpt", *(["step_00000009.ckpt", "step_00000012.ckpt"] if keep else [])]
        bound, count, one = disk_bound(model, optimizer, ema > 0, keep)
        assert f"up to {count} checkpoints" in capsys.readouterr().err
        assert count == len(names) + 1
        assert size_of(folder / "checkpoints") + size_of(folder / "model") < bound + 4 * 100_000  # names and settings
        assert (folder / "checkpoints" / "last.ckpt").stat().st_size > one
        steps = [torch.load(folder / "checkpoints" / name, weights_only=False)["global_step"] for name in names]
        assert steps[1:] == [12, *([9, 12] if keep else [])]


def test_best_is_the_best_by_the_chosen_figure(data, tmp_path, monkeypatch):
    config = FitConfig(epochs=5, monitor="val/mask_iou", keep_checkpoints=9, **SETTINGS)
    fit(network(), *data, tmp_path, config)
    import csv

    with (tmp_path / "metrics.csv").open() as file:
        figures = {int(r["step"]): float(r["val/mask_iou"]) for r in csv.DictReader(file) if r["val/mask_iou"]}
    facts = json.loads((tmp_path / "model" / "config.json").read_text())["metadata"]
    best = min(step for step, value in figures.items() if value == max(figures.values()))
    assert facts["step"] == best
    assert torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=False)["global_step"] == best


class Disk:
    """Raises what a full disk raises, while it is full."""

    def __init__(self, monkeypatch):
        self.full = False
        self.refused = 0
        real = os.fsync

        def fsync(descriptor):
            if self.full:
                self.refused += 1
                raise OSError(errno.ENOSPC, "No space left on device")
            real(descriptor)

        monkeypatch.setattr(fgbgnet.files.os, "fsync", fsync)


def test_a_full_disk_keeps_what_was_there_and_training_goes_on(data, tmp_path, monkeypatch):
    disk = Disk(monkeypatch)
    model = network()
    seen = []

    def fill(module, *_):
        if module.training:
            seen.append(len(seen))
            disk.full = 4 <= len(seen) <= 9  # from the second epoch to the third

    model.register_forward_hook(fill)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", FgBgWarning)
        result = fit(model, *data, tmp_path, FitConfig(epochs=4, checkpoint_minutes=1e-6, **SETTINGS))
    messages = [str(w.message) for w in told if w.category is FgBgWarning]
    assert result.steps == 12
    assert disk.refused > 3
    assert any("last.ckpt of step 5 was not written, the former one is kept" in message for message in messages)
    assert all(message.endswith("training goes on") for message in messages)
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=False)["global_step"] == 12
    assert not list(tmp_path.rglob("*.tmp*"))


def test_a_disk_that_fills_and_stays_full_loses_nothing_that_was_written(data, tmp_path, monkeypatch):
    disk = Disk(monkeypatch)
    model = network()
    model.register_forward_hook(
        lambda *_: setattr(disk, "full", (tmp_path / "checkpoints" / "step_00000006.ckpt").exists())
    )
    with pytest.warns(FgBgWarning, match="disk is full"), pytest.raises(OSError, match="No space left"):
        fit(model, *data, tmp_path, FitConfig(epochs=4, **SETTINGS))  # the note that the phase has ended
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=False)["global_step"] == 6
    network().load_weights(tmp_path / "model")
    disk.full = False
    model._forward_hooks.clear()
    assert fit(network(), *data, tmp_path, FitConfig(epochs=4, **SETTINGS), resume=True).steps == 12


def test_samples_of_a_loss_that_is_not_finite_are_named_in_a_file(data, tmp_path):
    class Diverging(torch.nn.Module):
        steps = 0

        def forward(self, outputs, batch):
            self.steps += self.training
            loss = outputs["mask"].mean() * (float("inf") if self.steps == 5 else 1)
            return {"total": loss, "mask": loss}

    with pytest.raises(TrainingError) as caught:
        fit(network(), *data, tmp_path, FitConfig(epochs=4, **SETTINGS), loss=Diverging())
    noted = json.loads((tmp_path / "bad_batch.json").read_text())
    assert (noted["step"], noted["epoch"], len(noted["ids"])) == (4, 1, 4)
    assert all(id in str(caught.value) for id in noted["ids"])
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()  # of the epoch before


def test_a_best_model_that_found_no_room_does_not_stand_in_the_way_of_the_next(data, tmp_path, monkeypatch):
    """Losses 4, 1, 3, 2: the best, the second, is refused by the disk; then the third and the fourth are better."""
    disk, model, losses = Disk(monkeypatch), network(), iter((4.0, 1.0, 3.0, 2.0))

    class Told(torch.nn.Module):
        value = 0.0

        def forward(self, outputs, batch):
            loss = outputs["mask"].mean() * 0 + (1.0 if model.training else self.value)
            return {"total": loss, "mask": loss}

    loss = Told()

    def begin(*_):
        loss.value = next(losses)
        disk.full = loss.value == 1.0

    monkeypatch.setattr(DualTaskModule, "on_validation_start", begin, raising=False)
    monkeypatch.setattr(DualTaskModule, "on_train_batch_end", lambda *_: setattr(disk, "full", False), raising=False)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", FgBgWarning)
        fit(model, *data, tmp_path, FitConfig(epochs=4, tasks=("mask",), **SETTINGS), loss=loss)
    refused = [str(w.message) for w in told if "the model of step" in str(w.message)]
    assert refused == [
        "the disk is full: the model of step 6 was not written, the best one before is kept; make room, training "
        "goes on"
    ]
    facts = json.loads((tmp_path / "model" / "config.json").read_text())["metadata"]
    assert (facts["step"], facts["validation"]["val/loss"]) == (12, 2.0)


def test_weights_that_are_not_finite_are_not_kept(data, tmp_path):
    """A gradient of NaN under a finite loss: the batch that had it is named, and no checkpoint holds it."""
    model = network()

    class Wrong(torch.nn.Module):
        steps = 0

        def forward(self, outputs, batch):
            self.steps += model.training
            loss = outputs["mask"].mean()
            if self.steps == 5:
                loss = loss + (outputs["mask"] * 0).abs().sum().sqrt() * 0  # its slope at 0 is infinite
            return {"total": loss, "mask": loss}

    config = FitConfig(epochs=4, gradient_clip=0, tasks=("mask",), **SETTINGS)
    with pytest.raises(TrainingError, match="weights are not finite"):
        fit(model, *data, tmp_path / "batch", config, loss=Wrong())
    assert json.loads((tmp_path / "batch" / "bad_batch.json").read_text())["step"] == 5
    often = FitConfig(epochs=4, gradient_clip=0, tasks=("mask",), checkpoint_minutes=1e-6, **SETTINGS)
    model = network()
    with pytest.raises(TrainingError, match="the last checkpoint is from before"):
        fit(model, *data, tmp_path / "last", often, loss=Wrong())
    for folder in ("batch", "last"):
        state = torch.load(tmp_path / folder / "checkpoints" / "last.ckpt", weights_only=False)["state_dict"]
        assert all(bool(value.isfinite().all()) for value in state.values() if value.is_floating_point())


def test_a_full_disk_ends_the_events_and_not_the_run(data, tmp_path, monkeypatch):
    """TensorBoard's own writer fails, as on a disk that is full."""
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    events = iter(range(1000))

    def full(*_):
        if next(events) >= 4:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(EventFileWriter, "add_event", full)
    with pytest.warns(FgBgWarning, match="nothing more is written for TensorBoard") as told:
        result = fit(network(), *data, tmp_path, FitConfig(epochs=2, **{**SETTINGS, "pictures": 2}))
    assert result.steps == 6
    assert len(told) == 1
    assert next(events) == 5  # once it was told, nothing more was tried


def test_events_count_on_through_phases(data, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit(network(), *data, tmp_path, FitConfig(schedule="alternate", epochs=2, **SETTINGS))
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("val/loss")] == [2, 5, 8, 11]
