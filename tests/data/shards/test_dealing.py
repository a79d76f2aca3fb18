from collections import Counter

import pytest
import torch
from hypothesis import given, strategies as st

from fgbgnet.data import PairedShardDataset, eval_transform, make_loader, pack_shards
from fgbgnet.data.shards.dealing import deal_batches
from fgbgnet.data.shards.placement import Node
from fgbgnet.data.shards.sources import Source
from fgbgnet.errors import ArchiveError, InvalidArgumentError


def positions(parts):
    """Every sample of some parts, as (shard, number)."""
    return [(p.source.url, n) for p in parts for n in range(p.source.samples)[p.start : p.stop]]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
def test_every_process_has_the_same_number_of_full_batches(lengths, batch_size, processes, workers):
    shards = [Source(str(n), length) for n, length in enumerate(lengths)]
    together, total = batch_size * processes, sum(lengths)
    if total < together:
        with pytest.raises(InvalidArgumentError, match=f"hold {total} samples, fewer than {batch_size} for each of"):
            deal_batches(shards, batch_size, Node(0, processes), 0, workers)
        return
    seen = Counter()
    for rank in range(processes):
        dealt = [positions(deal_batches(shards, batch_size, Node(rank, processes), w, workers)) for w in range(workers)]
        batches = [len(of_worker) / batch_size for of_worker in dealt]
        assert sum(batches) == total // together
        # A loader that asks its workers by turns finds a batch with each, to the end.
        assert batches == sorted(batches, reverse=True)
        assert batches[0] - batches[-1] <= 1
        assert all(count == int(count) for count in batches)
        for of_worker in dealt:
            seen.update(of_worker)
    assert set(seen.values()) == {1}
    assert total - len(seen) == total % together


def test_equal_shards_are_not_cut():
    shards = [Source(str(n), 6) for n in range(4)]
    for rank in range(2):
        parts = [deal_batches(shards, 3, Node(rank, 2), worker, 2) for worker in range(2)]
        assert [[(p.source.url, p.start, p.stop) for p in of_worker] for of_worker in parts] == [
            [(str(2 * rank + worker), 0, None)] for worker in range(2)
        ]


@pytest.fixture(scope="module")
def uneven(quadruples, tmp_path_factory):
    """Shards of 5, 5 and 2 samples."""
    folder = tmp_path_factory.mktemp("uneven")
    pack_shards(quadruples, folder / "%d.tar", samples_per_shard=5)
    return folder / "index.json"


def epochs(index, rank, workers, processes=2, batch_size=2):
    dataset = PairedShardDataset(index, eval_transform(16), shuffle_buffer=3, rank=rank, world_size=processes)
    loader = make_loader(dataset, batch_size, train=True, num_workers=workers)
    return [[batch["id"] for batch in loader] for _ in range(3)], len(loader)


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_of_two_processes_make_the_same_number_of_batches(uneven, workers):
    (first, steps), (second, other) = (epochs(uneven, rank, workers) for rank in range(2))
    assert steps == other == 3
    for batches in zip(first, second, strict=True):
        assert [[len(ids) for ids in of_rank] for of_rank in batches] == [[2, 2, 2], [2, 2, 2]]
        assert sorted(id for of_rank in batches for ids in of_rank for id in ids) == [f"s{n:03d}" for n in range(12)]
    assert first[0] != first[1]


def test_what_is_left_out_changes_from_epoch_to_epoch(uneven):
    shown = [epochs(uneven, rank, workers=0, processes=5)[0] for rank in range(5)]
    left_out = []
    for epoch in range(3):
        ids = [id for of_rank in shown for batch in of_rank[epoch] for id in batch]
        assert len(ids) == len(set(ids)) == 10
        left_out.append({f"s{n:03d}" for n in range(12)} - set(ids))
    assert len(set(map(frozenset, left_out))) > 1


def test_one_process_and_validation_leave_nothing_out(uneven):
    alone = PairedShardDataset(uneven, eval_transform(16), rank=0, world_size=1)
    assert [len(b["id"]) for b in make_loader(alone, 5, train=True)] == [5, 5, 2]
    shares = [PairedShardDataset(uneven, eval_transform(16), rank=rank, world_size=2) for rank in range(2)]
    ids = [[id for b in make_loader(share, 5, train=False) for id in b["id"]] for share in shares]
    assert sorted(ids[0] + ids[1]) == [f"s{n:03d}" for n in range(12)]


def test_a_stream_goes_on_in_the_middle_of_an_epoch(uneven):
    def loader():
        dataset = PairedShardDataset(uneven, eval_transform(16), shuffle_buffer=3, rank=1, world_size=2)
        return make_loader(dataset, 2, train=True)

    before = loader()
    whole = [[batch["id"] for batch in before] for _ in range(2)]
    iterator = iter(before)
    next(iterator)
    after = loader()
    after.load_state_dict(before.state_dict())
    rest = [batch["id"] for batch in after]
    assert rest == [batch["id"] for batch in iterator]
    assert len(rest) == 2
    assert [batch["id"] for batch in after] not in whole


def test_without_an_index_nobody_knows(uneven):
    dataset = PairedShardDataset(uneven.parent / "*.tar", eval_transform(16), rank=0, world_size=2)
    with pytest.raises(InvalidArgumentError, match=r"nobody knows how many samples .*0\.tar holds.*index"):
        next(iter(make_loader(dataset, 2, train=True)))
    assert len(list(make_loader(dataset, 2, train=False))) > 0


def test_a_shard_with_fewer_samples_than_its_index_says(uneven, tmp_path):
    for path in uneven.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "0.tar").write_bytes((uneven.parent / "2.tar").read_bytes())
    dataset = PairedShardDataset(tmp_path / "index.json", eval_transform(16), rank=0, world_size=2)
    with pytest.raises(ArchiveError, match=r"0\.tar holds 2 samples, but its index says 5"):
        list(make_loader(dataset, 2, train=True))


def test_samples_are_those_of_the_whole_shards(uneven):
    """A cut changes who reads a sample, not the sample."""
    whole = {s["id"]: s for s in PairedShardDataset(uneven, eval_transform(16), rank=0, world_size=1)}
    for rank in range(2):
        dataset = PairedShardDataset(uneven, eval_transform(16), rank=rank, world_size=2)
        for batch in make_loader(dataset, 3, train=True):
            for n, id in enumerate(batch["id"]):
                assert all(torch.equal(batch[key][n], whole[id][key]) for key in ("bg", "fg_bg", "mask", "depth"))
