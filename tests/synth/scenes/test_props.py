"""The store of things: what is on its shelves, and how things are chosen."""

import numpy as np
import pytest

from fgbgnet.synth.scenes.draws import Draws
from fgbgnet.synth.scenes.materials import finish_table
from fgbgnet.synth.scenes.props import SHELVES, props
from fgbgnet.synth.streams import stream

SEED = 3


@pytest.fixture(scope="module")
def store():
    return props(SEED)


@pytest.fixture(scope="module")
def groups():
    """The things as they are designed one by one, in the order of the shelves."""
    return [
        maker(stream(SEED, f"{shelf} {maker.__name__}", k))
        for shelf, kinds in SHELVES.items()
        for maker, _, count in kinds
        for k in range(count)
    ]


def test_arrays_hold_the_groups_that_they_came_from(store, groups):
    assert len(store.first) == len(groups) + 1
    assert store.first[-1] == len(store.kind)
    for k, group in enumerate(groups):
        own = slice(store.first[k], store.first[k + 1])
        assert store.kind[own].tolist() == group.kinds
        assert store.casts[own].tolist() == group.casts
        np.testing.assert_array_equal(store.length[own], group.lengths)
        np.testing.assert_array_equal(store.half[own], group.halves)
        np.testing.assert_array_equal(store.centre[own], group.centres)
        np.testing.assert_array_equal(store.axes[own], group.axes)
        np.testing.assert_array_equal(store.size[k], group.extent())
        rows = store.finishes[store.first_finish[k] + store.finish[own]]
        np.testing.assert_array_equal(rows, finish_table(group.materials))


def test_parts_share_a_finish_as_they_were_designed(store, groups):
    for k, group in enumerate(groups):
        own = store.finish[store.first[k] : store.first[k + 1]]
        same = own[:, None] == own
        designed = np.array([[a is b for b in group.materials] for a in group.materials])
        np.testing.assert_array_equal(same, designed)
        assert store.first_finish[k + 1] - store.first_finish[k] == len({id(item) for item in group.materials})


@pytest.mark.parametrize("shelf", list(SHELVES))
def test_kinds_come_by_their_weights_and_things_of_a_kind_alike(store, shelf):
    count = 60_000
    chosen = store.choose(shelf, Draws(0, shelf, np.arange(count)).uniform())
    total = sum(weight for _, weight, _ in SHELVES[shelf])
    seen = 0
    for (_, weight, number), (first, _, _) in zip(SHELVES[shelf], store.range[shelf], strict=True):
        found = np.bincount(chosen[(chosen >= first) & (chosen < first + number)] - int(first), minlength=number)
        seen += found.sum()
        share = weight / total
        assert found.sum() / count == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / count) + 1e-9)
        expected = found.sum() / number
        assert (np.abs(found - expected) < 5 * np.sqrt(expected)).all()
    assert seen == count  # nothing from other shelves


@pytest.mark.parametrize("shelf", list(SHELVES))
def test_choosing_holds_at_the_ends_and_in_any_shape(store, shelf):
    ends = store.choose(shelf, np.array([[0.0], [1 - 2.0**-53]]))
    first, last = store.range[shelf][0], store.range[shelf][-1]
    assert ends.shape == (2, 1)
    assert ends[0, 0] == first[0]
    assert ends[1, 0] == last[0] + last[1] - 1


def test_choosing_is_monotone(store):
    chosen = store.choose("figures", np.linspace(0, 1, 5000, endpoint=False))
    assert (np.diff(chosen) >= 0).all()


def lowest_points(store):
    """Exact lowest y of each thing: the support of the shapes in the direction of gravity."""
    x, y, z = (store.axes[:, 1] * store.half).T
    box, ball = abs(x) + abs(y) + abs(z), np.sqrt(x * x + y * y + z * z)
    cylinder, capsule = abs(y) + np.hypot(x, z), ball + abs(y) * store.length
    reach = np.choose(store.kind, [box, ball, cylinder, capsule])
    return np.minimum.reduceat(store.centre[:, 1] - reach, store.first[:-1])


@pytest.mark.parametrize(
    ("shelf", "kind", "tolerance"),
    [
        ("figures", "person", 1e-9),
        ("figures", "thing", 1e-9),
        ("figures", "animal", 0.1),
        ("figures", "vehicle", 1e-9),
        ("figures", "tuft", 0.03),
    ]
    + [("furniture", maker.__name__, 0.1) for maker, _, _ in SHELVES["furniture"]]
    + [("buildings", "house", 1e-9), ("roadside", "car", 1e-9), ("roadside", "clutter", 1e-9)],
)
def test_things_stand_on_the_ground(store, shelf, kind, tolerance):
    row = [maker.__name__ for maker, _, _ in SHELVES[shelf]].index(kind)
    first, count, _ = store.range[shelf][row].astype(int)
    assert np.abs(lowest_points(store)[first : first + count]).max() <= tolerance


def test_flat_things_are_a_metre_wide_so_that_they_can_be_stretched_to_size(store):
    for shelf in ("walls", "floor", "road", "pavement"):
        first, count = int(store.range[shelf][0, 0]), int(store.range[shelf][:, 1].sum())
        solids = slice(store.first[first], store.first[first + count])
        assert (np.abs(store.centre[solids]) + store.half[solids])[:, 0].max() == pytest.approx(0.5)


def test_a_store_depends_on_its_seed_alone(store):
    again, other = props.__wrapped__(SEED), props.__wrapped__(SEED + 1)
    np.testing.assert_array_equal(again.centre, store.centre)
    np.testing.assert_array_equal(again.finishes, store.finishes)
    assert len(other.first) == len(store.first)
    assert not np.array_equal(other.size, store.size)


def test_every_shape_and_every_shelf_is_there(store):
    assert set(store.kind) == {0, 1, 2, 3}
    assert list(store.range) == list(SHELVES)
    assert (store.half > 0).all()
    assert (np.diff(store.first) > 0).all()
    turns = store.axes.transpose(0, 2, 1) @ store.axes
    np.testing.assert_allclose(turns, np.broadcast_to(np.eye(3), turns.shape), atol=1e-9)
