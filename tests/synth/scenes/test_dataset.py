import copy
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from fgbgnet.data import make_loader, seeded_split
from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.synth import SceneDataset, SceneGenerator


@pytest.fixture(scope="module")
def dataset():
    return SceneDataset(8, size=32, seed=3, scenes_per_background=4)


def same(a, b):
    return a["id"] == b["id"] and all(torch.equal(a[k], b[k]) for k in ("bg", "fg_bg", "mask", "depth", "depth_valid"))


def test_sample_contract(dataset):
    sample = dataset[3]
    assert set(sample) == {"bg", "fg_bg", "mask", "depth", "depth_valid", "id"}
    assert sample["bg"].shape == sample["fg_bg"].shape == (3, 32, 32)
    assert sample["mask"].shape == sample["depth"].shape == sample["depth_valid"].shape == (1, 32, 32)
    assert sample["mask"].dtype == sample["depth"].dtype == torch.float32
    assert sample["depth_valid"].dtype == torch.bool
    assert dataset.depth_unit == "metres"
    assert len(dataset) == len(set(dataset.ids)) == 8


def test_samples_are_the_generators_scenes(dataset):
    batch = SceneGenerator(32, seed=3).batch([5], bg_ids=[1])
    for key in ("bg", "fg_bg", "mask", "depth"):
        assert torch.equal(dataset[5][key], batch[key][0])


def test_scenes_of_one_background_share_it_exactly(dataset):
    samples = dataset.__getitems__(range(8))
    assert dataset.group_ids("bg").tolist() == ["0"] * 4 + ["1"] * 4
    assert len(set(dataset.group_ids("fg").tolist())) == 8
    for k in range(8):
        assert torch.equal(samples[k]["bg"], samples[k // 4 * 4]["bg"])
    assert not torch.equal(samples[0]["bg"], samples[4]["bg"])
    assert len({sample["mask"].numpy().tobytes() for sample in samples}) == 8


def test_start_subset_and_order_agree(dataset):
    later = SceneDataset(3, size=32, seed=3, scenes_per_background=4, start=4)
    picked = dataset.subset([6, 4])
    masked = dataset.subset(torch.arange(8).numpy() == 6)
    assert later.ids == dataset.ids[4:7]
    assert same(picked[0], later[2])
    assert same(picked[1], later[0])
    assert same(masked[0], picked[0])
    assert same(dataset[-1], dataset[7])


def test_loader_with_workers_gives_the_same(dataset):
    loader = DataLoader(dataset, batch_size=4, num_workers=2, multiprocessing_context="fork")
    batches = list(loader)
    assert [i for batch in batches for i in batch["id"]] == dataset.ids
    assert torch.equal(batches[1]["fg_bg"][2], dataset[6]["fg_bg"])


def test_transform_is_seeded_by_epoch_and_id(dataset):
    def jitter(sample):
        return {**sample, "bg": (sample["bg"] + 0.1 * torch.rand(1)).clamp(0, 1)}

    noisy = dataset.with_transform(jitter)
    first, again = noisy[2], noisy.__getitems__([5, 2])[1]
    assert same(first, again)
    assert not torch.equal(first["bg"], dataset[2]["bg"])
    noisy.set_epoch(1)
    assert noisy.epoch == 1
    assert not torch.equal(noisy[2]["bg"], first["bg"])
    assert dataset.transform is None
    assert noisy.subset([1]).transform is jitter
    assert noisy.subset([1], transform=None).transform is None


def test_split_by_background_works(dataset):
    train, val = seeded_split(SceneDataset(40, size=32, scenes_per_background=4), (0.7, 0.3), seed=0, group_by="bg")
    assert not set(train.group_ids("bg")) & set(val.group_ids("bg"))
    assert len(train) + len(val) == 40


def test_pickling_keeps_the_scenes(dataset):
    again = pickle.loads(pickle.dumps(dataset.subset([6, 1])))
    assert again.generator.size == (32, 32)
    assert same(again[1], dataset[1])


def test_running_workers_see_a_new_epoch(dataset):
    def stamp(sample):
        return {**sample, "bg": torch.full_like(sample["bg"], torch.rand(()).item())}

    noisy = dataset.with_transform(stamp)
    loader = DataLoader(noisy, batch_size=8, num_workers=1, persistent_workers=True, multiprocessing_context="fork")
    first = next(iter(loader))["bg"]
    noisy.set_epoch(1)
    second = next(iter(loader))["bg"]
    noisy.set_epoch(0)
    assert not torch.equal(first, second)
    assert torch.equal(next(iter(loader))["bg"], first)


@pytest.mark.parametrize("arguments", [{"n": -1}, {"scenes_per_background": 0}, {"start": -2}, {"size": 4}])
def test_wrong_arguments_are_named(arguments):
    with pytest.raises(InvalidArgumentError, match=next(iter(arguments))):
        SceneDataset(**{"n": 2, **arguments})


def test_wrong_index_and_group(dataset):
    with pytest.raises(IndexError, match="8 of 8"):
        dataset[8]
    for index in (1.7, "1", torch.tensor(1.0)):
        with pytest.raises(TypeError):
            dataset[index]
    assert same(dataset[np.int64(3)], dataset[3])
    with pytest.raises(UnknownNameError, match="'background'"):
        dataset.group_ids("background")


@pytest.mark.parametrize(
    ("indices", "text"),
    [
        ([0, 0], "position 0 twice"),
        ([0, -8], "position 0 twice"),
        ([3, 8], "indices hold 8; expected positions in 8 samples"),
        ([-9], "indices hold -9"),
        ([True, False], "a mask of 2 values came to select from 8 samples"),
        ([0.5], "float64"),
        ([[0, 1]], "shape"),
        (3, "shape"),
    ],
)
def test_wrong_subsets_are_refused_at_once(dataset, indices, text):
    with pytest.raises(InvalidArgumentError, match=text):
        dataset.subset(indices)


def test_copies_keep_the_epoch_and_count_on_their_own(dataset):
    first = dataset.with_transform(None)
    first.set_epoch(5)
    others = [
        first.subset([1, 2]),
        first.subset([]),
        first.with_transform(None),
        copy.deepcopy(first),
        copy.copy(first),
    ]
    others.append(pickle.loads(pickle.dumps(first)))
    assert [other.epoch for other in others] == [5] * 6
    first.set_epoch(6)
    assert [other.epoch for other in others] == [5] * 6
    with pytest.raises(InvalidArgumentError, match="epoch is -1"):
        first.set_epoch(-1)


def test_fresh_scenes_are_those_of_their_numbers():
    fresh = SceneDataset(4, size=32, seed=3, scenes_per_background=2, start=2, fresh=True)
    plain = SceneDataset(40, size=32, seed=3, scenes_per_background=2)
    seen = []
    for epoch in range(3):
        fresh.set_epoch(epoch)
        assert fresh.ids == plain.ids[2 + 4 * epoch : 6 + 4 * epoch]
        assert fresh.group_ids("bg").tolist() == ["1", "1", "2", "2"]
        assert fresh.group_ids("fg").tolist() == ["2", "3", "4", "5"]
        assert fresh.subset([3, 1]).ids == [fresh.ids[3], fresh.ids[1]]
        assert all(same(fresh[k], plain[2 + 4 * epoch + k]) for k in (0, 3))
        seen += fresh.ids
    assert len(set(seen)) == 12
    for wrong in ({"n": 5}, {"n": 4, "start": 1}):
        with pytest.raises(InvalidArgumentError, match="multiples of scenes_per_background = 2"):
            SceneDataset(**wrong, scenes_per_background=2, fresh=True)


def test_sides_of_a_fresh_dataset_share_no_background_in_any_epoch():
    whole = SceneDataset(24, size=32, scenes_per_background=3, fresh=True)
    sides = seeded_split(whole, (0.5, 0.5), seed=1, group_by="bg")
    shown = [set(), set()]
    for epoch in range(4):
        for side, backgrounds in zip(sides, shown, strict=True):
            side.set_epoch(epoch)
            backgrounds.update((side.numbers // 3).tolist())
    assert not shown[0] & shown[1]
    assert len(shown[0] | shown[1]) == 4 * 8


@pytest.mark.parametrize("num_workers", [0, 1])
def test_training_never_sees_a_fresh_scene_twice(num_workers):
    def epochs(workers):
        fresh = SceneDataset(6, size=32, seed=3, fresh=True)
        loader = make_loader(
            fresh, 3, train=True, num_workers=workers, **({"multiprocessing_context": "fork"} if workers else {})
        )
        assert loader.persistent_workers == (workers > 0)
        return [list(loader) for _ in range(3)]

    found = epochs(num_workers)
    ids = [[i for batch in epoch for i in batch["id"]] for epoch in found]
    for epoch in range(3):
        assert sorted(ids[epoch]) == [f"scene_{k:08d}" for k in range(6 * epoch, 6 * epoch + 6)]
    last = SceneDataset(18, size=32, seed=3)[int(ids[2][1][-8:])]
    assert torch.equal(found[2][0]["fg_bg"][1], last["fg_bg"])
    if num_workers:
        assert ids == [[i for batch in epoch for i in batch["id"]] for epoch in epochs(0)]
