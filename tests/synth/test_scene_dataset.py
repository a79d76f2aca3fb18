import pickle

import pytest
import torch
from torch.utils.data import DataLoader

from fgbgnet.data import Manifest, PairedFgBgDataset, seeded_split
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth import SceneDataset, SceneGenerator, write_scenes


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
    with pytest.raises(InvalidArgumentError, match="'background'"):
        dataset.group_ids("background")


def test_written_scenes_are_read_back(dataset, tmp_path):
    path = write_scenes(dataset, tmp_path, progress=False, batch_size=3)
    manifest = Manifest.read(path)
    assert manifest.column("bg_id").tolist() == ["0"] * 4 + ["1"] * 4
    assert len(list((tmp_path / "bg").iterdir())) == 2
    stored = PairedFgBgDataset(path)
    assert list(stored.ids) == dataset.ids
    for k in (0, 5):
        ours, theirs = dataset[k], stored[k]
        for key in ("bg", "fg_bg", "mask", "depth_valid"):
            torch.testing.assert_close(theirs[key], ours[key], atol=1e-6, rtol=0)
        torch.testing.assert_close(theirs["depth"], ours["depth"], atol=6e-4, rtol=0)
    assert stored.depth_unit == "metres"


def test_writing_resumes_and_repairs(dataset, tmp_path):
    write_scenes(dataset, tmp_path, progress=False)
    files = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    kept = tmp_path / "fg_bg" / "scene_00000001.png"
    stamp = kept.stat().st_mtime_ns
    (tmp_path / "mask" / "scene_00000003.png").unlink()
    (tmp_path / "manifest.csv").unlink()
    write_scenes(dataset, tmp_path, progress=False, batch_size=5)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == files
    assert kept.stat().st_mtime_ns == stamp


def test_writing_refuses_other_scenes_in_the_same_folder(dataset, tmp_path):
    write_scenes(dataset.subset([0]), tmp_path, progress=False)
    with pytest.raises(InvalidArgumentError, match="seed: 3 there, 0 now"):
        write_scenes(SceneDataset(1, size=32, seed=0, scenes_per_background=4), tmp_path, progress=False)
    with pytest.raises(InvalidArgumentError, match="no scenes"):
        write_scenes(SceneDataset(0, size=32), tmp_path / "empty", progress=False)
    with pytest.raises(InvalidArgumentError, match="quality is 0"):
        write_scenes(dataset, tmp_path / "other", quality=0, progress=False)
