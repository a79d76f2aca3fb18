import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import IMAGES, EventAccumulator

from fgbgnet.data import Manifest, PairedFgBgDataset, PairedShardDataset, eval_transform, pack_shards, train_transform
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.models import DualHeadUNet
from fgbgnet.synth import SceneDataset
from fgbgnet.training import FitConfig, ValidationPictures, fit
from fgbgnet.training.callbacks.sample_pictures import fixed_samples, pictures_by_step, spread_steps

FAST = {"batch_size": 4, "accelerator": "cpu", "learning_rate": 5e-3, "validations": 1}


def network():
    torch.manual_seed(0)
    return DualHeadUNet("unet_small", fusion="early_diff", input_size=32)


@pytest.fixture
def data(quadruples):
    return PairedFgBgDataset(quadruples, train_transform(32)), PairedFgBgDataset(quadruples, eval_transform(32))


def columns(path, first, last):
    """Some of the columns of a sheet whose panels are 128 pixels wide and stand 4 apart."""
    return np.asarray(Image.open(path))[:, first * 132 : last * 132 + 128]


def test_the_same_samples_after_every_validation(data, tmp_path):
    fit(network(), *data, tmp_path, FitConfig(epochs=3, pictures=3, **FAST))
    pictures = pictures_by_step(tmp_path / "pictures")
    assert list(pictures) == [3, 6, 9]
    first, last = pictures[3], pictures[9]
    for column in (0, 1, 2, 5):  # bg, fg_bg, mask, depth
        assert np.array_equal(columns(first, column, column), columns(last, column, column))
    assert not np.array_equal(columns(first, 6, 6), columns(last, 6, 6))  # the predicted depth
    sheet = Image.open(first)
    assert sheet.width == 8 * 132 - 4
    assert sheet.height >= 3 * 128
    sample = data[1][11]  # the last one: the foreground that it does not have
    assert not sample["mask"].any()
    shown = columns(first, 0, 0)[-128 - 8 : -8]
    pixels = np.rint(255 * sample["bg"].permute(1, 2, 0).numpy()).repeat(4, axis=0).repeat(4, axis=1)
    assert np.array_equal(shown, pixels)


def test_large_samples_are_drawn_smaller(quadruples, tmp_path):
    data = PairedFgBgDataset(quadruples, eval_transform(400))
    fit(network(), data.subset([0]), data.subset([1]), tmp_path, FitConfig(epochs=1, pictures=1, **FAST))
    (path,) = pictures_by_step(tmp_path / "pictures").values()
    assert Image.open(path).width == 2000


def test_tensorboard_has_the_first_picture_and_those_after_half_as_many_steps_again(data, tmp_path):
    fit(network(), *data, tmp_path, FitConfig(epochs=4, pictures=1, **FAST))
    (file,) = (tmp_path / "tensorboard").glob("events*")
    events = EventAccumulator(str(file), size_guidance={IMAGES: 0}).Reload()
    assert [event.step for event in events.Images("val/pictures")] == [3, 6, 9]  # 12 is not yet 13.5


def test_what_lies_behind_the_checkpoint_goes(data, tmp_path):
    config = FitConfig(epochs=2, pictures=1, **FAST)
    fit(network(), *data, tmp_path, config)
    future = tmp_path / "pictures" / "step_00000500.png"
    future.write_bytes(b"of a run that was lost")
    fit(network(), *data, tmp_path, FitConfig(epochs=3, pictures=1, **FAST), resume=True)
    assert list(pictures_by_step(tmp_path / "pictures")) == [3, 6, 9]


def test_no_pictures_if_none_are_asked_for(data, tmp_path):
    fit(network(), *data, tmp_path, FitConfig(epochs=1, pictures=0, **FAST))
    assert not (tmp_path / "pictures").exists()


def test_phases_count_on_and_show_what_they_train(data, tmp_path):
    fit(network(), *data, tmp_path, FitConfig(epochs=1, schedule="alternate", pictures=2, **FAST))
    pictures = pictures_by_step(tmp_path / "pictures")
    assert list(pictures) == [3, 6]
    # bg, fg_bg, mask and depth, and either depth and its error or mask and its error
    assert [Image.open(path).width for path in pictures.values()] == [6 * 132 - 4] * 2


def test_samples_are_spread_over_a_data_set_and_the_first_of_a_stream(quadruples, tmp_path):
    ids = [sample["id"] for sample in fixed_samples(PairedFgBgDataset(quadruples), 4)]
    assert ids == ["s000", "s003", "s007", "s011"]
    assert len(fixed_samples(PairedFgBgDataset(quadruples), 50)) == 12
    pack_shards(Manifest.read(quadruples), tmp_path / "s-%06d.tar", shuffle=False)
    shards = PairedShardDataset(tmp_path / "s-index.json")
    assert [sample["id"] for sample in fixed_samples(shards, 3)] == ["s000", "s001", "s002"]
    scenes = SceneDataset(9, size=32, fresh=True)
    first = fixed_samples(scenes, 3)
    assert [sample["id"] for sample in first] == ["scene_00000000", "scene_00000004", "scene_00000008"]


@given(st.sets(st.integers(0, 100_000), min_size=1), st.integers(2, 12))
def test_kept_steps_are_bounded_and_hold_both_ends(steps, keep):
    steps = sorted(steps)
    kept = spread_steps(steps, keep)
    assert len(kept) == min(keep, len(steps))
    assert set(kept) <= set(steps)
    assert (kept[0], kept[-1]) == (steps[0], steps[-1])


def test_a_long_run_keeps_early_and_late_pictures():
    kept = []
    for step in range(100, 100_001, 100):
        kept = spread_steps([*kept, step], 12)
    ratios = np.diff(np.log(kept))
    assert (kept[0], kept[-1]) == (100, 100_000)
    assert ratios.max() < 2.5 * np.log(1000) / 11  # 11 gaps that share three decades


def test_wrong_numbers(data, tmp_path):
    for count, keep in ((0, 5), (3, 1)):
        with pytest.raises(InvalidArgumentError, match=f"count={count}, keep={keep}"):
            ValidationPictures(data[1], tmp_path, count, keep)
