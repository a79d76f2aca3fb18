"""Batches are the samples, and their memory is used again only when nobody holds it."""

import gc
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Subset

from fgbgnet.data import Manifest, PairedFgBgDataset, collate_samples, eval_transform, make_loader, train_transform
from fgbgnet.data.batches import SampleList, SlabBatch, write_picture
from fgbgnet.data.slabs import Part, Slab, SlabPool
from fgbgnet.errors import InvalidArgumentError


def stacked(samples):
    """A batch by the plain rule: tensors stacked, ids listed."""
    names = [name for name in samples[0] if name != "id"]
    return {name: torch.stack([s[name] for s in samples]) for name in names} | {"id": [s["id"] for s in samples]}


def same(batch, expected):
    assert list(batch["id"]) == expected["id"]
    assert set(batch) == set(expected)
    for name in expected:
        if name != "id":
            assert batch[name].dtype == expected[name].dtype
            assert batch[name].is_contiguous()
            assert torch.equal(batch[name], expected[name]), name
    return True


@pytest.mark.parametrize("transform", [None, eval_transform(32), train_transform(32)], ids=["none", "eval", "train"])
@pytest.mark.parametrize("workers", [0, 1])
def test_batches_are_the_samples_however_often_memory_is_used_again(quadruples, transform, workers):
    dataset = PairedFgBgDataset(quadruples, transform)
    loader = make_loader(dataset, 2, train=False, num_workers=workers)
    for _ in range(3):
        for k, batch in enumerate(loader):
            assert type(batch) is dict
            same(batch, stacked([dataset[2 * k], dataset[2 * k + 1]]))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_that_are_kept_are_never_written_over(quadruples, workers):
    dataset = PairedFgBgDataset(quadruples, eval_transform(16))
    loader = make_loader(dataset, 1, train=False, num_workers=workers)
    kept = [batch for _ in range(4) for batch in loader]
    views = [batch["bg"][0, 1, 3:5] for batch in loader]  # the rest of the batch is gone
    arrays = [batch["depth"].numpy() for batch in loader]
    for k, batch in enumerate(kept):
        same(batch, stacked([dataset[k % 12]]))
    for k in range(12):
        assert torch.equal(views[k], dataset[k]["bg"][1, 3:5])
        assert np.array_equal(arrays[k][0], dataset[k]["depth"].numpy())


def test_spawned_workers(quadruples):
    dataset = PairedFgBgDataset(quadruples, eval_transform(16))
    loader = make_loader(dataset, 5, train=False, num_workers=1, multiprocessing_context="spawn")
    for k, batch in enumerate(loader):
        same(batch, stacked([dataset[i] for i in range(5 * k, min(5 * k + 5, 12))]))


def test_a_worker_does_not_need_more_memory_than_what_is_alive(quadruples):
    """By counting: the slabs that a worker has after an epoch whose batches nobody keeps."""

    class Counting(PairedFgBgDataset):
        def __getitems__(self, indices):
            samples = super().__getitems__(indices)
            for sample in samples:
                sample["id"] = f"{sample['id']} {len(self._pool._slabs)}"
            samples.batch["id"] = [sample["id"] for sample in samples]
            return samples

    loader = make_loader(Counting(quadruples, eval_transform(16)), 1, train=False, num_workers=1)
    counts = [int(batch["id"][0].split()[1]) for _ in range(5) for batch in loader]
    assert len(counts) == 60
    assert max(counts) <= 6


def test_slabs_are_free_when_all_views_are_gone():
    pool = SlabPool(kept=2)
    slab, lent = pool.take(1000)
    view = lent.tensor(Part(64, (2, 5), torch.uint8))
    del lent
    assert not slab.free
    assert pool.take(1000)[0] is not slab
    array = view.numpy()
    del view
    gc.collect()
    assert not slab.free
    del array
    assert slab.free
    assert pool.take(900)[0] is slab
    assert pool.take(2000)[0] is not slab  # too small
    assert pool.take(100)[0] is not slab  # a waste
    assert len(pool._slabs) == 2


def test_a_sent_slab_is_free_when_the_receiver_lets_go():
    slab = Slab(400, shared=True)
    lent = slab.lend()
    batch = SlabBatch({"a": lent.tensor(Part(0, (10,), torch.float32)).fill_(3), "b": torch.ones(2), "id": ["x"]}, slab)
    batch["c"] = lent.tensor(Part(64, (4, 4), torch.float32)).t()  # not contiguous
    function, arguments = batch.__reduce__()
    del batch, lent
    gc.collect()
    assert not slab.free
    received = function(*arguments)
    del arguments
    assert list(received) == ["a", "b", "id", "c"]
    assert type(received) is dict
    assert (received["a"] == 3).all()
    kept = received["a"][2:4]
    del received
    gc.collect()
    assert not slab.free
    del kept
    gc.collect()
    assert slab.free


def test_pickles_of_other_kinds_are_copies(quadruples):
    dataset = PairedFgBgDataset(quadruples, eval_transform(16))
    twin = pickle.loads(pickle.dumps(dataset))
    same(twin.__getitems__([3, 4]).batch, stacked([dataset[3], dataset[4]]))


@pytest.mark.parametrize("workers", [0, 1])
def test_other_collate_functions_get_samples(quadruples, workers):
    dataset = PairedFgBgDataset(quadruples, eval_transform(16))
    kept = [s for _ in range(5) for s in DataLoader(dataset, 3, collate_fn=list, num_workers=workers)]
    for k, samples in enumerate(kept):
        same(stacked(samples), stacked([dataset[3 * (k % 4) + i] for i in range(3)]))
    changed = DataLoader(dataset, 3, collate_fn=with_a_key, num_workers=workers)
    assert [batch["count"] for batch in changed] == [3] * 4


def with_a_key(samples):
    return {**collate_samples(samples), "count": len(samples)}


def test_subsets_and_subclasses(quadruples):
    class Darker(PairedFgBgDataset):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            return {**sample, "fg_bg": sample["fg_bg"] / 2, "extra": index}

    dataset = PairedFgBgDataset(quadruples, eval_transform(16))
    batch = next(iter(make_loader(Subset(dataset, [4, 2, 9]), 3, train=False)))
    same(batch, stacked([dataset[4], dataset[2], dataset[9]]))
    batch = next(iter(make_loader(Darker(quadruples, eval_transform(16)), 3, train=False)))
    assert torch.equal(batch["fg_bg"][1], dataset[1]["fg_bg"] / 2)
    assert batch["extra"].tolist() == [0, 1, 2]


def test_samples_that_were_changed_are_stacked_as_they_are(quadruples):
    dataset = PairedFgBgDataset(quadruples, eval_transform(16))
    changes = [
        lambda samples: samples[1].update(bg=samples[1]["bg"] * 0),
        lambda samples: samples[0].update(id="other"),
        lambda samples: samples[1]["depth"].mul_(2),
        lambda samples: samples.pop(),
        lambda samples: samples.reverse(),
        lambda samples: [sample.update(weight=torch.tensor(3.0)) for sample in samples],
    ]
    for change in changes:
        samples, expected = dataset.__getitems__([3, 4, 5]), [dataset[3], dataset[4], dataset[5]]
        change(samples)
        change(expected)
        same(collate_samples(samples), stacked(expected))


def test_samples_that_differ_make_no_batch(quadruples, tmp_path):
    manifest = Manifest.read(quadruples)
    other = tmp_path / "small.png"
    Image.open(quadruples.parent / "fg_bg/001.png").resize((32, 24)).save(other)
    columns = {name: manifest.column(name).tolist() for name in manifest.names}
    columns["fg_bg"][1] = str(other)
    dataset = PairedFgBgDataset(Manifest(columns, manifest.root))
    samples = dataset.__getitems__([0, 1, 2])
    assert not isinstance(samples, SampleList)
    assert [tuple(sample["fg_bg"].shape) for sample in samples] == [(3, 48, 64), (3, 24, 32), (3, 48, 64)]
    assert torch.equal(samples[2]["bg"], dataset[2]["bg"])
    with pytest.raises(InvalidArgumentError, match="differ in size"):
        collate_samples(samples)


def test_pictures_are_divided_exactly():
    picture = np.arange(256 * 3, dtype=np.uint8).reshape(16, 16, 3)
    tensor = torch.empty(3, 16, 16)
    write_picture(picture, tensor)
    assert torch.equal(tensor, torch.from_numpy(picture).permute(2, 0, 1).float() / 255)
