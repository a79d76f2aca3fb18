"""What people do with batches: none of it may let a worker write over what somebody still holds."""

import copy
import gc
import io
import os
import pickle

import numpy as np
import pytest
import torch

from fgbgnet.data import PairedFgBgDataset, collate_samples, eval_transform, make_loader
from fgbgnet.data.batches import SlabBatch
from fgbgnet.data.sampler import SeededSampler
from fgbgnet.data.slabs import Part, Slab

WORKERS = pytest.mark.parametrize("workers", [0, 1])


def batches(quadruples, workers, **kwargs):
    dataset = PairedFgBgDataset(quadruples, eval_transform(16))
    return iter(make_loader(dataset, 1, train=False, num_workers=workers, **kwargs))


def drain(iterator):
    for _ in iterator:
        pass


def in_a_fork(work):
    """Runs a function in a forked process and returns what it says: a byte."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writer, work())
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(reader, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@WORKERS
def test_a_forked_process_lets_go(quadruples, workers):
    iterator = batches(quadruples, workers)
    box = [next(iterator)]
    expected = copy.deepcopy(box[0])

    def let_go():
        held = box.pop()
        del held
        gc.collect()
        return b"."

    assert in_a_fork(let_go) == b"."
    drain(iterator)
    assert all(torch.equal(box[0][name], expected[name]) for name in expected if name != "id")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@WORKERS
def test_a_forked_process_holds_what_its_parent_lets_go(quadruples, workers):
    iterator = batches(quadruples, workers)
    batch = next(iterator)
    expected = batch["fg_bg"].clone()
    go, ready = os.pipe()
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.read(go, 1)
        os.write(writer, b"y" if torch.equal(batch["fg_bg"], expected) else b"n")
        os._exit(0)
    del batch
    drain(iterator)
    os.write(ready, b".")
    os.waitpid(child, 0)
    assert os.read(reader, 1) == b"y"


@WORKERS
def test_arrays_of_a_tensor_that_was_moved_to_shared_memory(quadruples, workers):
    iterator = batches(quadruples, workers)
    batch = next(iterator)
    array = batch["fg_bg"].numpy()
    expected = array.copy()
    for value in batch.values():
        if isinstance(value, torch.Tensor):
            value.share_memory_()  # as a queue of torch.multiprocessing does
    drain(iterator)
    assert np.array_equal(array, expected)


def test_memory_that_tensors_left_is_used_again_when_they_are_gone():
    slab = Slab(100, shared=False)
    lent = slab.lend()
    tensor = lent.tensor(Part(0, (10,), torch.float32)).fill_(2)
    array = tensor.numpy()
    del lent
    tensor.share_memory_()
    gc.collect()
    assert not slab.free
    assert (array == 2).all()
    del tensor, array
    Slab(10, shared=False).lend()  # whoever comes next looks
    assert slab.free


@WORKERS
def test_entries_of_a_batch_do_not_concern_one_another(quadruples, workers):
    batch = next(batches(quadruples, workers))
    weight = torch.nn.Parameter(torch.ones(()))
    loss = (batch["bg"] * weight).sum()
    batch["depth"].mul_(2)
    loss.backward()
    assert weight.grad == batch["bg"].sum()
    file = io.BytesIO()
    torch.save(batch["mask"], file)
    assert file.tell() < 2 * batch["mask"].nbytes + 2000


@WORKERS
def test_loaders_in_inference_mode(quadruples, workers):
    dataset = PairedFgBgDataset(quadruples, eval_transform(16))
    with torch.inference_mode():
        for k, batch in enumerate(make_loader(dataset, 1, train=False, num_workers=workers, timeout=60 * workers)):
            assert torch.equal(batch["fg_bg"][0], dataset[k]["fg_bg"])


def test_another_default_device(quadruples):
    torch.set_default_device("meta")
    try:
        dataset = PairedFgBgDataset(quadruples, eval_transform(16))
        batch = collate_samples(dataset.__getitems__(list(SeededSampler(dataset))[:2]))
    finally:
        torch.set_default_device(None)
    assert batch["bg"].device.type == "cpu"


def test_a_slab_is_sent_once():
    slab = Slab(400, shared=True)
    batch = SlabBatch({"a": slab.lend().tensor(Part(0, (10,), torch.float32)).fill_(3)}, slab)
    first = copy.copy(batch)
    second = copy.copy(batch)
    assert second["a"] is batch["a"]
    del batch
    gc.collect()
    assert not slab.free
    del second
    gc.collect()
    assert not slab.free
    assert (first["a"] == 3).all()
    del first
    gc.collect()
    assert slab.free


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda samples: pickle.loads(pickle.dumps(samples))])
def test_copies_of_samples_are_on_their_own(quadruples, twin):
    samples = twin(PairedFgBgDataset(quadruples, eval_transform(16)).__getitems__([3, 4]))
    assert type(samples) is list
    samples[1]["depth"].fill_(7)
    assert (collate_samples(samples)["depth"][1] == 7).all()


def test_samples_changed_in_their_shape_in_place(quadruples):
    samples = PairedFgBgDataset(quadruples, eval_transform(16)).__getitems__([3, 4])
    for sample in samples:
        sample["mask"].squeeze_(0)
    assert collate_samples(samples)["mask"].shape == (2, 16, 16)
