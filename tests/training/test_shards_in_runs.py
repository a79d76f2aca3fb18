"""Training from shards, by one process; several are tested in ``distributed``."""

import csv

import pytest
import torch

from fgbgnet.commands.learn import prepare
from fgbgnet.data import Manifest, PairedFgBgDataset, PairedShardDataset, eval_transform, pack_shards, train_transform
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.models import DualHeadUNet
from fgbgnet.training import FitConfig, fit


@pytest.fixture(scope="module")
def index(quadruples, tmp_path_factory):
    """Shards of 5, 5 and 2 samples, in metres."""
    folder = tmp_path_factory.mktemp("shards")
    pack_shards(quadruples, folder / "%d.tar", samples_per_shard=5)
    return folder / "index.json"


def network(**arguments):
    torch.manual_seed(0)
    return DualHeadUNet("unet_small", fusion="early_diff", input_size=32, **arguments)


def test_two_sizes_of_shards(index, tmp_path):
    data = PairedShardDataset(index, train_transform(16), shuffle_buffer=4), PairedShardDataset(index)
    config = FitConfig(sizes=((16, 4, 1), (32, 6, 2)), accelerator="cpu", validations=1)
    result = fit(network(depth_unit="metres"), *data, tmp_path, config)
    assert result.steps == 3 + 2 * 2
    with (tmp_path / "metrics.csv").open() as file:
        assert len([row for row in csv.DictReader(file) if row["val/mask_iou"]]) == 3


def test_the_unit_of_shards_must_be_that_of_the_model(index, tmp_path):
    data = PairedShardDataset(index, eval_transform(32))
    with pytest.raises(InvalidArgumentError, match="the depth of train is in 'metres', the model predicts 'relative'"):
        fit(network(depth_unit="relative"), data, data, tmp_path, FitConfig(epochs=1, accelerator="cpu"))


def test_shards_without_an_index_have_no_epochs(index, tmp_path):
    data = PairedShardDataset(index.parent / "*.tar", eval_transform(32))
    with pytest.raises(InvalidArgumentError, match=r"3 shards.* does not say how many samples it has.*index"):
        fit(network(depth_unit="metres"), data, data, tmp_path, FitConfig(epochs=1, accelerator="cpu"))


def test_what_the_first_sample_says(index, quadruples, tmp_path):
    dataset = PairedShardDataset(index)
    assert (dataset.depth_unit, dataset.has_depth, dataset.count_samples()) == ("metres", True, 12)
    Manifest.read(quadruples).with_column("depth", "").write(tmp_path / "masks.csv")
    pack_shards(tmp_path / "masks.csv", tmp_path / "%d.tar")
    assert not PairedShardDataset(tmp_path / "index.json").has_depth


def test_another_transform_counts_its_own_epochs(index):
    dataset = PairedShardDataset(index, eval_transform(16), seed=3)
    dataset.set_epoch(2)
    twin = dataset.with_transform(eval_transform(24))
    twin.set_epoch(5)
    assert (dataset.epoch, next(iter(twin))["mask"].shape[-1], next(iter(dataset))["mask"].shape[-1]) == (2, 24, 16)


@pytest.mark.parametrize("kinds", ["shards", "shards and manifest", "manifest and shards"])
def test_the_command_takes_shards(index, quadruples, kinds):
    data, val = {
        "shards": (index, index),
        "shards and manifest": (index, quadruples),
        "manifest and shards": (quadruples, index),
    }[kinds]
    setup = prepare(str(data), str(val), "fgbgnet_xs", None, None, None, FitConfig(size=32))
    expected = [PairedShardDataset if path == index else PairedFgBgDataset for path in (data, val)]
    assert [type(setup.train), type(setup.val)] == expected
    assert setup.network.depth_unit == "metres"
    assert next(iter(setup.val))["mask"].shape == (1, 32, 32)


def test_the_command_cannot_hold_backgrounds_of_shards_out(index):
    with pytest.raises(InvalidArgumentError, match="no backgrounds can be held out of them; give --val"):
        prepare(str(index), None, "fgbgnet_xs", None, None, None, FitConfig(size=32))
