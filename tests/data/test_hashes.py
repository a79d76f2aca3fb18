import numpy as np
import pytest
from hypothesis import given, strategies as st

from fgbgnet.data import near_duplicates
from fgbgnet.errors import InvalidArgumentError


def by_comparing_all(hashes, distance, groups=None):
    """The plain definition."""
    return [
        [i, j]
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if hashes[i] and hashes[j] and (int(hashes[i]) ^ int(hashes[j])).bit_count() <= distance
        if groups is None or groups[i] != groups[j]
    ]


@st.composite
def clustered(draw):
    """Hashes in clusters, so that all distances from 0 to about 20 occur, in every band."""
    centres = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4))
    members = draw(st.lists(st.tuples(st.sampled_from(centres), st.sets(st.integers(0, 63), max_size=10)), max_size=25))
    return np.array([centre ^ sum(1 << bit for bit in flips) for centre, flips in members], dtype=np.uint64)


@given(clustered(), st.integers(0, 20), st.data())
def test_finds_exactly_the_pairs_that_a_comparison_of_all_finds(hashes, distance, data):
    assert near_duplicates(hashes, distance).tolist() == by_comparing_all(hashes, distance)
    groups = data.draw(st.lists(st.integers(-2, 2), min_size=len(hashes), max_size=len(hashes)))
    found = near_duplicates(hashes, distance, np.array(groups, dtype=np.int64))
    assert found.tolist() == by_comparing_all(hashes, distance, groups)
    assert found.shape[1] == 2


@pytest.mark.parametrize("distance", [0, 1, 5, 8, 11, 30])
def test_many_hashes_in_portions(distance, monkeypatch):
    monkeypatch.setattr("fgbgnet.data.hashes._CHUNK", 7)
    rng = np.random.default_rng(distance)
    hashes = rng.integers(1, 2**64, 30, dtype=np.uint64)
    hashes = np.concatenate([hashes, hashes ^ np.uint64(1 << 63), hashes, np.zeros(3, np.uint64)])
    assert near_duplicates(hashes, distance).tolist() == by_comparing_all(hashes, distance)


def test_pairs_within_a_group_cost_nothing():
    # 20,000 equal hashes have 200 million pairs, of which one row of another group sees 20,000.
    hashes = np.full(20_001, 12345, np.uint64)
    groups = np.array([0] * 20_000 + [1])
    assert len(near_duplicates(hashes, groups=groups)) == 20_000
    for equal in (hashes, hashes[:-1]):
        with pytest.raises(InvalidArgumentError, match="more than 5000000 pairs"):
            near_duplicates(equal)
    near = hashes ^ (np.arange(20_001, dtype=np.uint64) % 256)
    with pytest.raises(InvalidArgumentError, match=r"more than 30000 pairs of 20001 hashes.*give groups"):
        near_duplicates(near, max_pairs=30_000)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hashes": np.array([1, 2])}, r"hashes are int64 of shape \(2,\); expected uint64"),
        ({"hashes": np.ones((2, 2), np.uint64)}, r"shape \(2, 2\)"),
        ({"max_distance": 64}, "max_distance is 64; expected a whole number from 0 to 63"),
        ({"max_distance": -1}, "max_distance is -1"),
        ({"max_distance": 1.5}, r"max_distance is 1\.5"),
        ({"groups": np.array([1])}, r"groups are int64 of shape \(1,\) for 2 hashes"),
        ({"groups": np.array(["a", "b"])}, "expected one integer for each"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        near_duplicates(**({"hashes": np.array([1, 2], np.uint64)} | arguments))
