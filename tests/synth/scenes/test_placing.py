"""Placing things of the store: where their solids come to lie, alone and in a batch."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.spatial.transform import Rotation

from fgbgnet.synth.scenes.draws import Draws
from fgbgnet.synth.scenes.geometry import BOX, CAPSULE, CYLINDER, ELLIPSOID, Solids
from fgbgnet.synth.scenes.materials import DRAWS, draw_materials
from fgbgnet.synth.scenes.parts import turned
from fgbgnet.synth.scenes.placing import Placed, assemble, joined, keys, tumbled
from fgbgnet.synth.scenes.props import props

SEED = 3
angles = st.floats(-7, 7)


@pytest.fixture(scope="module")
def store():
    return props(SEED)


def some(store, seed, scenes=(0, 0, 1, 3)):
    """Things of any kind at random places, turned and stretched, every other one mirrored."""
    rng, count = np.random.default_rng(seed), len(scenes)
    stretch = rng.uniform(0.5, 1.6, (count, 3))
    stretch[::2, 0] *= -1
    return Placed(
        scene=np.array(scenes),
        thing=rng.integers(len(store.size), size=count),
        position=rng.uniform(-5, 5, (count, 3)),
        rotation=Rotation.random(count, random_state=seed).as_matrix(),
        stretch=stretch,
        key=64 * rng.integers(1 << 40, size=count),
        apparent=rng.uniform(10, 200, count),
        casts=rng.random(count) < 0.5,
    )


def contains(kind, length, local):
    x, y, z = np.abs(local.T)
    beyond = np.maximum(y - length, 0)
    return {
        BOX: np.maximum(np.maximum(x, y), z) <= 1,
        ELLIPSOID: x * x + y * y + z * z <= 1,
        CYLINDER: (x * x + z * z <= 1) & (y <= 1),
        CAPSULE: x * x + z * z + beyond * beyond <= 1,
    }[kind]


@given(st.integers(0, 999))
def test_points_of_a_thing_lie_in_the_solid_where_it_was_placed(store, seed):
    """The reference moves points of the thing step by step: stretch, turn, shift."""
    placed = some(store, seed)
    made = assemble(placed, store, SEED, "test")
    solids, rng = made.solids, np.random.default_rng(seed)
    row = 0
    for k, thing in enumerate(placed.thing):
        for item in range(store.first[thing], store.first[thing + 1]):
            unit = rng.uniform(-1.3, 1.3, (40, 3))
            own = store.centre[item] + (unit * store.half[item]) @ store.axes[item].T
            world = (own * placed.stretch[k]) @ placed.rotation[k].T + placed.position[k]
            np.testing.assert_allclose(world @ solids.to_local[row].T + solids.offset[row], unit, atol=1e-8)
            np.testing.assert_allclose(unit @ solids.to_world[row].T + solids.centre[row], world, atol=1e-9)
            inside = contains(store.kind[item], store.length[item], unit)
            local = world @ solids.to_local[row].T + solids.offset[row]
            clear = np.abs(np.abs(unit) - 1).min(1) > 1e-3
            near = contains(store.kind[item], store.length[item], 0.99 * local)
            assert near[inside & clear].all()
            assert (solids.scene[row], solids.kind[row], made.owner[row]) == (placed.scene[k], store.kind[item], k)
            assert made.casts[row] == (store.casts[item] and placed.casts[k])
            row += 1
    assert row == len(solids.kind)


@given(st.integers(0, 999))
def test_world_and_local_coordinates_are_inverse_to_each_other(store, seed):
    solids = assemble(some(store, seed), store, SEED, "test").solids
    product = solids.to_local @ solids.to_world
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(3), product.shape), atol=1e-9)
    back = (solids.to_local @ solids.centre[..., None])[..., 0] + solids.offset
    np.testing.assert_allclose(back, 0, atol=1e-9)


def test_a_mirrored_thing_is_the_mirror_image(store):
    placed = some(store, 5, scenes=(0,))
    plain = Placed(**{**vars(placed), "stretch": np.ones((1, 3)), "rotation": np.eye(3)[None]})
    mirrored = Placed(**{**vars(plain), "stretch": np.array([[-1.0, 1, 1]])})
    one, other = (assemble(p, store, SEED, "test").solids for p in (plain, mirrored))
    flip = np.diag([-1.0, 1, 1])
    np.testing.assert_allclose(other.centre - placed.position, (one.centre - placed.position) @ flip, atol=1e-12)
    determinants = np.linalg.det(one.to_world) * np.linalg.det(other.to_world)
    assert (determinants < 0).all()


@given(st.integers(0, 999))
def test_a_batch_is_the_union_of_its_scenes(store, seed):
    placed = some(store, seed, scenes=(0, 0, 1, 1, 1, 3))
    whole = assemble(placed, store, SEED, "test")
    for scene in range(4):
        part = whole.part(scene, scene + 1)
        alone = placed.where(placed.scene == scene)
        alone = assemble(Placed(**{**vars(alone), "scene": 0 * alone.scene}), store, SEED, "test")
        for field in fields(Solids):
            np.testing.assert_array_equal(getattr(part.solids, field.name), getattr(alone.solids, field.name))
        np.testing.assert_array_equal(part.half, alone.half)
        np.testing.assert_array_equal(part.casts, alone.casts)
        np.testing.assert_array_equal(part.materials[part.row], alone.materials[alone.row])
        np.testing.assert_array_equal(part.thing_scene[part.owner], alone.thing_scene[alone.owner])


def test_a_part_of_several_scenes_is_the_slice_of_the_whole(store):
    whole = assemble(some(store, 1, scenes=(0, 1, 1, 2, 4)), store, SEED, "test")
    part = whole.part(1, 4)
    chosen = (whole.solids.scene >= 1) & (whole.solids.scene < 4)
    np.testing.assert_array_equal(part.solids.scene, whole.solids.scene[chosen] - 1)
    np.testing.assert_array_equal(part.solids.centre, whole.solids.centre[chosen])
    np.testing.assert_array_equal(part.half, whole.half[chosen])
    np.testing.assert_array_equal(part.owner, whole.owner[chosen])
    np.testing.assert_array_equal(part.materials[part.row], whole.materials[whole.row[chosen]])
    np.testing.assert_array_equal(part.thing_scene[part.owner], part.solids.scene)


def test_half_sizes_are_those_in_metres(store):
    placed = some(store, 2, scenes=(0,) * 8)
    placed = Placed(**{**vars(placed), "stretch": np.full((8, 3), 1.5)})
    made = assemble(placed, store, SEED, "test")
    items = np.concatenate([np.arange(store.first[t], store.first[t + 1]) for t in placed.thing])
    np.testing.assert_allclose(made.half, 1.5 * store.half[items], rtol=1e-9)


def test_materials_belong_to_the_thing_and_its_key_alone(store):
    placed = some(store, 4, scenes=(0, 0))
    both = Placed(**{**vars(placed), "thing": placed.thing[[0, 0]], "apparent": placed.apparent[[0, 0]]})
    made = assemble(both, store, SEED, "test")
    first, second = (made.materials[made.thing == k] for k in (0, 1))
    assert not np.array_equal(first, second)  # the same thing is painted anew
    same = assemble(Placed(**{**vars(both), "key": both.key[[1, 1]]}), store, SEED, "test").materials
    np.testing.assert_array_equal(same[: len(second)], second)
    assert not np.array_equal(assemble(both, store, SEED, "other").materials, made.materials)
    assert not np.array_equal(assemble(both, store, SEED + 1, "test").materials, made.materials)


@given(st.integers(0, 999))
def test_every_solid_has_the_material_of_its_own_finish(store, seed):
    """Drawn one by one from the thing's key plus the number of the finish."""
    placed = some(store, seed)
    made = assemble(placed, store, SEED, "test")
    items = np.concatenate([np.arange(store.first[thing], store.first[thing + 1]) for thing in placed.thing])
    for row in np.random.default_rng(seed).integers(len(items), size=5):
        owner, own = made.owner[row], store.finish[items[row]]
        finish = store.finishes[store.first_finish[placed.thing[owner]] + own]
        u = Draws(SEED, "test", [placed.key[owner] + own]).uniform(0, 1, (DRAWS,))
        expected = draw_materials(finish[None], u, placed.apparent[owner : owner + 1])[0]
        np.testing.assert_array_equal(made.materials[made.row[row]], expected)
        assert made.thing[made.row[row]] == owner


@given(st.lists(angles, min_size=1, max_size=5))
def test_turns_agree_with_scipy(some_angles):
    expected = [Rotation.from_euler("y", angle).as_matrix() for angle in some_angles]
    np.testing.assert_allclose(turned(np.array(some_angles)), expected, atol=1e-12)


@given(st.tuples(*[st.floats(-3, 3)] * 4).filter(lambda q: sum(v * v for v in q) > 0.01))
def test_tumbles_agree_with_scipy(quaternion):
    expected = Rotation.from_quat(np.roll(quaternion, -1)).as_matrix()  # SciPy puts the real part last
    np.testing.assert_allclose(tumbled(np.array(quaternion)), expected, atol=1e-8)


@given(st.lists(st.integers(0, 2**51 - 1), min_size=1, max_size=6, unique=True))
def test_no_two_slots_or_finishes_share_a_stream(numbers):
    found = keys(np.array(numbers), 0, 22)
    streams = (found[..., None] + np.arange(64)).ravel()  # a thing has at most 64 finishes
    assert len(np.unique(streams)) == len(streams)
    np.testing.assert_array_equal(keys(np.array(numbers), 9, 6), found[:, 9:15])


def test_keys_of_the_largest_numbers_wrap_around():
    with np.errstate(all="raise"):
        found = keys(np.array([2**63 - 1, 2**62]), 0, 3)
    assert found.shape == (2, 3)
    assert len(np.unique(found[0])) == 3


def test_no_thing_has_more_finishes_than_there_are_streams(store):
    assert np.diff(store.first_finish).max() <= 64


def test_joined_tables_are_ordered_by_scene_and_keep_their_order_within(store):
    one, other = some(store, 1, scenes=(0, 2, 2)), some(store, 2, scenes=(0, 1, 2))
    both = joined(one, other)
    assert both.scene.tolist() == [0, 0, 1, 2, 2, 2]
    expected = np.concatenate([one.key, other.key])[[0, 3, 4, 1, 2, 5]]
    np.testing.assert_array_equal(both.key, expected)


def test_nothing_placed_gives_nothing(store):
    placed = some(store, 0).where(np.zeros(4, dtype=bool))
    made = assemble(placed, store, SEED, "test")
    assert len(made.solids.kind) == len(made.materials) == len(made.owner) == 0
    assert made.solids.to_world.shape == (0, 3, 3)
