"""Backgrounds are decoded once, and never keep more memory than they may."""

import multiprocessing
import os
import pickle

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from fgbgnet.data import PairedFgBgDataset, backgrounds, eval_transform, make_loader
from fgbgnet.data.backgrounds import BackgroundCache
from fgbgnet.errors import InvalidArgumentError, MissingFileError


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """Ten pictures of 3000 bytes each, of as many greys."""
    folder = tmp_path_factory.mktemp("rooms")
    for k in range(10):
        Image.new("RGB", (40, 25), (k, k, k)).save(folder / f"{k}.png")
    return [str(folder / f"{k}.png") for k in range(10)]


@pytest.fixture
def reads(monkeypatch):
    """Paths of the files that are read, as it happens."""
    paths, original = [], backgrounds.read_bytes

    def read(path):
        paths.append(path)
        return original(path)

    monkeypatch.setattr(backgrounds, "read_bytes", read)
    return paths


@given(
    order=st.lists(st.integers(0, 9), max_size=60),
    limit=st.sampled_from([0, 0.002, 0.003, 0.007, 0.012, 1]),
)
def test_the_cache_is_bounded_right_and_forgets_what_was_used_the_longest_ago(rooms, order, limit):
    cache, recent = BackgroundCache(limit), []
    with pytest.MonkeyPatch.context() as patch:
        count = 0
        original = backgrounds.decode_rgb

        def decode(*arguments):
            nonlocal count
            count += 1
            return original(*arguments)

        patch.setattr(backgrounds, "decode_rgb", decode)
        for k in order:
            before = count
            assert (cache.read(rooms[k]) == k).all()
            assert count - before == (k not in recent)
            recent = [k, *(other for other in recent if other != k)][: int(limit * 1e6) // 3000]
            assert cache.bytes == 3000 * len(cache) == 3000 * len(recent) <= limit * 1e6


def test_a_file_that_was_replaced_is_read_again(tmp_path):
    path, cache = tmp_path / "room.png", BackgroundCache(1)
    for level in (10, 20):
        Image.new("RGB", (40, 25 + level), (level, level, level)).save(path)
        assert (cache.read(str(path)) == level).all()
    assert len(cache) == 1
    path.unlink()
    with pytest.raises(MissingFileError, match=r"room\.png"):
        cache.read(str(path))


def test_what_is_shared_cannot_be_written(rooms):
    with pytest.raises(ValueError, match="read-only"):
        BackgroundCache(1).read(rooms[0])[:] = 3


def test_each_kind_is_kept_on_its_own(tmp_path):
    path = str(tmp_path / "room.jpg")
    Image.new("RGB", (64, 64)).save(path)
    cache = BackgroundCache(1)
    assert cache.read(path, lambda h, w: (16, 16), "small").shape == (16, 16, 3)
    assert cache.read(path).shape == (64, 64, 3)
    assert cache.read(path, lambda h, w: (16, 16), "small").shape == (16, 16, 3)


def test_filling_stops_at_the_limit_and_passes_over_what_is_missing(rooms, reads):
    cache = BackgroundCache(0.0095)
    cache.fill([rooms[0] + ".gone", *rooms])
    assert reads == [rooms[0] + ".gone", *rooms[:3]]
    assert len(cache) == 3


def test_a_pickled_cache_arrives_empty(rooms):
    cache = BackgroundCache(1.5)
    cache.read(rooms[0])
    twin = pickle.loads(pickle.dumps(cache))
    assert (len(twin), twin.bytes, twin.limit) == (0, 0, cache.limit)
    assert (twin.read(rooms[1]) == 1).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_processes_share_what_was_decoded(rooms, reads):
    cache = BackgroundCache(1)
    cache.fill(rooms)
    queue = multiprocessing.get_context("fork").SimpleQueue()
    cache._lock.acquire()  # by another thread, at the wrong moment

    def work():
        before = len(reads)
        levels = [int(cache.read(path)[0, 0, 0]) for path in rooms]
        queue.put((levels, len(reads) - before))

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    assert queue.get() == (list(range(10)), 0)
    process.join()


@pytest.mark.parametrize(("context", "ahead"), [("fork", 4), ("spawn", 0)])
def test_loaders_decode_backgrounds_before_they_fork(quadruples, reads, context, ahead):
    dataset = PairedFgBgDataset(quadruples, eval_transform(32))
    make_loader(dataset, 4, train=False, num_workers=0)
    assert reads == []
    make_loader(dataset, 4, train=False, num_workers=1, multiprocessing_context=context)
    assert len(reads) == ahead
    make_loader(dataset.subset([0, 1, 2]), 3, train=False, num_workers=1, multiprocessing_context=context)
    assert len(reads) == ahead  # three samples, three backgrounds


def test_a_data_set_reads_each_background_once(quadruples, reads):
    dataset = PairedFgBgDataset(quadruples, eval_transform(32))
    first = [sample["bg"].clone() for sample in dataset]
    assert len(reads) == 4
    again = [sample["bg"] for sample in dataset]
    assert len(reads) == 4
    uncached = [sample["bg"] for sample in PairedFgBgDataset(quadruples, eval_transform(32), background_cache=0)]
    assert len(reads) == 16
    for samples in (again, uncached):
        assert all(np.array_equal(one, other) for one, other in zip(first, samples, strict=True))
    with pytest.raises(InvalidArgumentError, match="background_cache is -1; expected megabytes"):
        PairedFgBgDataset(quadruples, background_cache=-1)
