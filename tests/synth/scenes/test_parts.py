"""Groups of solids: where their parts are, before and after they are moved."""

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from scipy.spatial.transform import Rotation

from fgbgnet.synth.scenes.materials import Finish
from fgbgnet.synth.scenes.parts import BOX, CAPSULE, CYLINDER, ELLIPSOID, Group, turned, vec
from tests.synth.scenes.groups import solids_of

coordinate = st.floats(-5, 5)
points = st.tuples(coordinate, coordinate, coordinate)


def unit_points(kind, length, count=200, seed=0):
    """Points on and in the unit shape."""
    rng = np.random.default_rng(seed)
    if kind == BOX:
        return rng.uniform(-1, 1, (count, 3))
    ball = rng.normal(size=(count, 3))
    ball /= np.maximum(np.linalg.norm(ball, axis=1, keepdims=True), 1e-9) / rng.random((count, 1)) ** (1 / 3)
    if kind == ELLIPSOID:
        return ball
    if kind == CAPSULE:
        return ball + np.stack([0 * ball[:, 0], rng.uniform(-length, length, count), 0 * ball[:, 0]], 1)
    disc = rng.normal(size=(count, 2))
    disc /= np.linalg.norm(disc, axis=1, keepdims=True) / np.sqrt(rng.random((count, 1)))
    return np.stack([disc[:, 0], rng.uniform(-1, 1, count), disc[:, 1]], 1)


def random_group(seed, count=5):
    rng = np.random.default_rng(seed)
    group = Group()
    for _ in range(count):
        kind = int(rng.integers(4))
        half = np.full(3, rng.uniform(0.1, 0.5)) if kind == CAPSULE else rng.uniform(0.1, 0.6, 3)
        axes = Rotation.random(random_state=int(rng.integers(1000))).as_matrix()
        length = rng.uniform(0.2, 3) if kind == CAPSULE else 0.0
        group.add(kind, rng.uniform(-1, 1, 3), half, Finish(), axes=axes, length=length, casts=bool(rng.integers(2)))
    return group


@given(st.floats(-10, 10))
def test_yaw_agrees_with_scipy(angle):
    np.testing.assert_allclose(turned(angle), Rotation.from_euler("y", angle).as_matrix(), atol=1e-12)


@given(points, points, st.floats(0.01, 1))
def test_a_limb_reaches_from_point_to_point(start, end, radius):
    assume(np.abs(np.subtract(start, end)).max() > 1e-100)  # smaller ones vanish when they are squared
    group = Group()
    group.limb(start, end, radius, Finish())
    axes, half, length = group.axes[0], group.halves[0], group.lengths[0]
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)
    tips = group.centres[0] + np.outer([-1, 1], axes[:, 1] * length * half[1])
    np.testing.assert_allclose(tips, [start, end], atol=1e-9)
    np.testing.assert_array_equal(half, radius)
    assert group.kinds == [CAPSULE]


@pytest.mark.parametrize("direction", [(0, 1, 0), (1, 0, 0), (0, 0, 1), (0, 0, -1), (0.3, 0.1, -0.94)])
def test_axes_of_a_limb_turn_right_in_every_direction(direction):
    group = Group()
    group.limb(vec(0, 0, 0), vec(*direction), 0.1, Finish())
    assert np.linalg.det(group.axes[0]) == pytest.approx(1)


@given(st.integers(0, 99), st.floats(-3, 3), st.floats(0.3, 3), points)
def test_placing_a_group_moves_every_point_of_it(seed, angle, scale, position):
    group = random_group(seed)
    rotation = Rotation.from_euler("yxz", [angle, 0.3, -0.2]).as_matrix()
    moved = group.place(np.array(position), rotation, scale)
    before, after = solids_of([group]), solids_of([moved])
    for k, kind in enumerate(group.kinds):
        unit = unit_points(kind, group.lengths[k], 20)
        here = unit @ before.to_world[k].T + before.centre[k]
        there = unit @ after.to_world[k].T + after.centre[k]
        np.testing.assert_allclose(there, scale * here @ rotation.T + position, atol=1e-9)
    assert moved.casts == group.casts


@given(st.integers(0, 99))
def test_a_group_lies_inside_its_extent(seed):
    group = random_group(seed)
    height, radius = group.extent()
    solids = solids_of([group])
    world = np.concatenate([
        unit_points(kind, group.lengths[k]) @ solids.to_world[k].T + solids.centre[k]
        for k, kind in enumerate(group.kinds)
    ])  # fmt: skip
    assert world[:, 1].max() <= height + 1e-9
    assert np.hypot(world[:, 0], world[:, 2]).max() <= radius + 1e-9


@given(st.integers(0, 99))
def test_the_lowest_point_is_that_of_a_dense_sample(seed):
    group = random_group(seed, 3)
    solids = solids_of([group])
    sampled = min(
        (unit_points(kind, group.lengths[k], 4000) @ solids.to_world[k].T + solids.centre[k])[:, 1].min()
        for k, kind in enumerate(group.kinds)
    )
    assert group.lowest() <= sampled + 1e-9
    size = max(float(half.max()) * (1 + length) for half, length in zip(group.halves, group.lengths, strict=True))
    assert group.lowest() > sampled - 0.25 * size


@pytest.mark.parametrize(
    ("kind", "angle", "expected"),
    [
        (BOX, 0.0, -0.5),
        (BOX, np.pi / 4, -(0.5 + 0.2) / np.sqrt(2)),
        (ELLIPSOID, np.pi / 2, -0.2),
        (ELLIPSOID, np.pi / 4, -np.sqrt((0.5**2 + 0.2**2) / 2)),
        (CYLINDER, np.pi / 4, -(0.5 + 0.2) / np.sqrt(2)),
        (CAPSULE, 0.0, -0.2 * 3),
        (CAPSULE, np.pi / 2, -0.2),
    ],
)
def test_the_lowest_point_has_its_closed_form(kind, angle, expected):
    group = Group()
    half = (0.2,) * 3 if kind == CAPSULE else (0.2, 0.5, 0.2)
    axes = Rotation.from_euler("z", angle).as_matrix()
    group.add(kind, (3.0, 1.0, 2.0), half, Finish(), axes=axes, length=2.0 * (kind == CAPSULE))
    assert group.lowest() == pytest.approx(1.0 + expected)


def test_a_limb_of_no_length_is_a_ball():
    group = Group()
    group.limb((1, 2, 3), (1, 2, 3), 0.5, Finish())
    assert group.lengths == [0.0]
    assert np.linalg.det(group.axes[0]) == pytest.approx(1)


def test_extent_of_an_upright_box_is_exact():
    group = Group()
    group.box((1.0, 2.0, 0.5), (0.5, 2.0, 0.25), Finish())
    assert group.extent() == (4.0, pytest.approx(np.hypot(1.5, 0.75)))


@given(st.integers(0, 99))
def test_local_coordinates_are_the_inverse_of_world_coordinates(seed):
    solids = solids_of([random_group(seed), Group(), random_group(seed + 100, 2)])
    assert solids.scene.tolist() == [0] * 5 + [2] * 2
    np.testing.assert_allclose(solids.to_local @ solids.to_world, np.broadcast_to(np.eye(3), (7, 3, 3)), atol=1e-9)
    there = (solids.to_local @ solids.centre[..., None])[..., 0] + solids.offset
    np.testing.assert_allclose(there, 0, atol=1e-9)


def test_joining_groups_keeps_both():
    one, other = random_group(0, 2), random_group(1, 3)
    kinds, materials = one.kinds + other.kinds, one.materials + other.materials
    one.extend(other)
    assert one.kinds == kinds
    assert one.materials == materials
    assert len(one.casts) == len(one.lengths) == len(one.axes) == 5
    assert len(other.kinds) == 3
