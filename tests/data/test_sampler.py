import subprocess
import sys
from itertools import chain

import pytest
import torch
from hypothesis import given, settings, strategies as st

from fgbgnet.data import PairedFgBgDataset, SeededSampler, make_loader, train_transform
from fgbgnet.errors import InvalidArgumentError


@given(
    total=st.integers(1, 60),
    processes=st.integers(1, 5),
    batch=st.integers(1, 4),
    seed=st.integers(0, 9),
    epoch=st.integers(0, 3),
)
@settings(max_examples=60)
def test_processes_share_the_batches_that_one_alone_would_see(total, processes, batch, seed, epoch):
    def samples(rank, of, multiple):
        sampler = SeededSampler(range(total), seed, multiple=multiple, node=(rank, of))
        sampler.set_epoch(epoch)
        found = list(sampler)
        assert len(sampler) == len(found)
        return found

    if total < processes * batch and processes > 1:
        with pytest.raises(InvalidArgumentError, match="fewer than"):
            samples(0, processes, batch)
        return
    alone = samples(0, 1, None)
    assert sorted(alone) == list(range(total))
    shares = [samples(rank, processes, batch) for rank in range(processes)]
    assert len({len(share) for share in shares}) == 1  # all make the same number of steps
    together = processes * batch
    steps = total // together if processes > 1 else total // batch
    for step in range(steps):
        of_all = chain.from_iterable(share[step * batch : (step + 1) * batch] for share in shares)
        assert sorted(of_all) == sorted(alone[step * together : (step + 1) * together])
    assert sum(map(len, shares)) == (steps * together if processes > 1 else total)


@given(total=st.integers(0, 30), processes=st.integers(1, 5))
def test_validation_shows_every_sample_once(total, processes):
    shares = [list(SeededSampler(range(total), shuffle=False, node=(rank, processes))) for rank in range(processes)]
    assert sorted(chain(*shares)) == list(range(total))
    assert all(share == sorted(share) for share in shares)


def test_validation_does_not_move_the_epoch(quadruples):
    data = PairedFgBgDataset(quadruples)
    data.set_epoch(5)
    list(make_loader(data, 2, False, distributed=True))
    assert data.epoch == 5


def test_rank_and_size_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert list(SeededSampler(range(7), shuffle=False)) == [1, 4]
    assert len(make_loader(range(7), 1, False, collate_fn=list)) == 7  # only training is shared unless asked
    assert len(make_loader(range(7), 1, False, collate_fn=list, distributed=True)) == 2


def seen(batches):
    return [(batch["id"], batch["fg_bg"]) for batch in batches]


def assert_same_batches(one, other):
    assert [ids for ids, _ in one] == [ids for ids, _ in other]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(one, other, strict=True))


def loader(quadruples, workers):
    return make_loader(PairedFgBgDataset(quadruples, train_transform(16), seed=2), 5, True, num_workers=workers)


@pytest.mark.parametrize("workers", [(0, 0), (0, 2), (2, 0)], ids=str)
@pytest.mark.parametrize("done", [0, 1, 2])
def test_a_loader_goes_on_where_another_stopped(quadruples, workers, done):
    """In the second epoch, after some of its two batches; whatever the number of workers then and now."""
    first = loader(quadruples, workers[0])
    whole = [seen(first) for _ in range(3)]
    interrupted = loader(quadruples, workers[0])
    seen(interrupted)
    batches = iter(interrupted)
    for _ in range(done):
        next(batches)
    state = interrupted.state_dict()
    later = loader(quadruples, workers[1])
    later.load_state_dict(state)
    assert later.state_dict() == state
    if 0 < done < 2:
        assert_same_batches(seen(later), whole[1][done:])
        assert_same_batches(seen(later), whole[2])
    else:
        assert_same_batches(seen(later), whole[2 if done else 1])


def test_a_state_that_is_none():
    with pytest.raises(InvalidArgumentError, match="expected 'epoch' and 'batches'"):
        make_loader(range(4), 2, True).load_state_dict({"step": 3})


LEFT_OPEN = """
from fgbgnet.data import PairedFgBgDataset, make_loader
loader = make_loader(PairedFgBgDataset({path!r}), 2, True, num_workers=2)
batches = iter(loader)
next(batches)
print("the end", flush=True)
"""


def test_a_program_ends_although_its_workers_wait(quadruples):
    """Python ends workers that were left behind with SIGTERM, and waits for them."""
    script = [sys.executable, "-c", LEFT_OPEN.format(path=str(quadruples))]
    ended = subprocess.run(script, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, "the end\n"), ended.stderr
