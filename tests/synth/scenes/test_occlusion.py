"""Shadows of ellipsoids: closed forms, brute force, and the culling that makes them fast."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy.spatial.transform import Rotation

from fgbgnet.synth.scenes.enclosure import LIGHT_WIDTH
from fgbgnet.synth.scenes.geometry import CAPSULE, ELLIPSOID
from fgbgnet.synth.scenes.occlusion import bounding_balls, near, occluders, occlusion, padded
from fgbgnet.synth.scenes.placing import Assembly, Placed, assemble, tumbled
from fgbgnet.synth.scenes.props import props

CPU = torch.device("cpu")


def light(position, softness=0.05, count=1):
    lights = np.zeros((count, LIGHT_WIDTH))
    lights[:, :3], lights[:, 6] = position, softness
    return lights


def ball(centre=(0.0, 0.0, 0.0), radius=1.0):
    """One ball as `occluders` gives it."""
    return np.array([[*np.eye(3).ravel() / radius, *(-np.array(centre) / radius)]]), np.array([0])


def at(points, batch=1):
    points = torch.tensor(np.array(points), dtype=torch.float32).reshape(batch, -1, 3)
    return tuple(points[..., k].contiguous() for k in range(3))


def visibility(constants, points):
    return tuple(x[0].numpy() for x in occlusion(constants, at(points)))


def test_behind_a_ball_is_dark_and_far_beside_is_lit():
    constants = padded(*ball((0, 5, 0)), light((0, 50, 0)), CPU)
    key, _ = visibility(constants, [(0, 0, 0), (0.3, 0, 0.3), (4, 0, 0), (0, 10, 0), (0, 0, -5)])
    assert key[:2].max() == 0
    np.testing.assert_array_equal(key[2:], 1)  # beside it, between it and the light, beside it


@pytest.mark.parametrize("softness", [0.02, 0.1, 0.4])
def test_the_penumbra_has_its_closed_form(softness):
    """Under a sun straight above: the approach is the distance from the axis, the width softness times the way."""
    height = 3.0
    constants = padded(*ball((0, height, 0)), light((0, 1e4, 0), softness), CPU)
    x = np.linspace(0, 3, 200)
    key, _ = visibility(constants, np.stack([x, 0 * x, 0 * x], 1))
    width = np.clip(height * softness, 0.03, 0.95)
    shade = np.clip((x - 1 + width) / (2 * width), 0, 1)
    np.testing.assert_allclose(key, shade**2 * (3 - 2 * shade), atol=6e-3 / width)
    assert (np.diff(key) >= -1e-4).all()
    assert key[x < 1 - width - 0.01].max(initial=0) == 0
    assert key[x > 1 + width + 0.01].min() == 1


def test_penumbrae_widen_with_the_distance():
    x = np.linspace(-3, 3, 600)
    wide = []
    for height in (1.5, 4.0, 8.0):
        constants = padded(*ball((0, height, 0)), light((0, 1e4, 0), 0.08), CPU)
        key, _ = visibility(constants, np.stack([x, 0 * x, 0 * x], 1))
        wide.append(((key > 0.01) & (key < 0.99)).sum())
    assert wide[0] < wide[1] < wide[2]


def test_contact_darkens_the_surroundings_by_distance():
    constants = padded(*ball(), light((0, 1e4, 0)), CPU)
    r = np.linspace(0.0, 3, 100)
    _, around = visibility(constants, np.stack([r, 0 * r, 0 * r], 1))
    np.testing.assert_allclose(around, 0.4 + np.clip(0.66 * (r - 1), 0, 0.6), atol=1e-3)


@given(st.integers(0, 999))
def test_the_approach_to_an_ellipsoid_agrees_with_dense_sampling(seed):
    """The ray to the light walked in small steps, in the coordinates of the ellipsoid."""
    rng = np.random.default_rng(seed)
    axes, half = Rotation.random(random_state=seed).as_matrix(), rng.uniform(0.3, 1.5, 3)
    matrix, centre = axes.T / half[:, None], rng.uniform(-1, 1, 3)
    table = np.concatenate([matrix.ravel(), -matrix @ centre])[None]
    lamp, points = rng.uniform(-6, 6, 3), rng.uniform(-4, 4, (40, 3))
    softness = 0.1
    key, around = visibility(padded(table, np.array([0]), light(lamp, softness), CPU), points)
    q, target = (points - centre) @ matrix.T, matrix @ (lamp - centre)
    steps = np.linspace(0, 1, 2001)
    way = q[:, None] + steps[:, None] * (target - q)[:, None]
    distance = np.linalg.norm(way, axis=-1)
    closest, where = distance.min(1), steps[distance.argmin(1)]
    width = np.clip(where * np.linalg.norm(target - q, axis=1) * softness, 0.03, 0.95)
    shade = np.clip((closest - 1 + width) / (2 * width), 0, 1)
    np.testing.assert_allclose(key, shade**2 * (3 - 2 * shade), atol=0.02)
    np.testing.assert_allclose(around, 0.4 + np.clip(0.66 * (np.linalg.norm(q, axis=1) - 1), 0, 0.6), atol=1e-3)


@given(st.integers(0, 999), st.integers(1, 20), st.integers(0, 20))
def test_padding_changes_nothing(seed, count, more):
    """A scene's shadows are the same bits beside scenes with many occluders, with few, or with none."""
    rng = np.random.default_rng(seed)
    table = np.concatenate([ball(rng.uniform(-3, 3, 3), rng.uniform(0.1, 1))[0] for _ in range(count + more)])
    lights = light(rng.uniform(-5, 5, (3, 3)), 0.1, 3)
    points = rng.uniform(-4, 4, (1, 30, 3))
    alone = occlusion(padded(table[:count], np.zeros(count, int), lights[:1], CPU), at(points))
    scenes = np.repeat([0, 2], [count, more])
    beside = occlusion(padded(table, scenes, lights, CPU), at(np.repeat(points, 3, 0), 3))
    for one, other in zip(alone, beside, strict=True):
        assert torch.equal(one[0], other[0])
        assert (other[1] == 1).all()  # the scene without occluders


def test_without_occluders_everything_is_lit():
    constants = padded(np.zeros((0, 12)), np.zeros(0, dtype=int), light((0, 9, 0)), CPU)
    key, around = visibility(constants, np.random.default_rng(0).uniform(-50, 50, (200, 3)))
    assert (key == 1).all()
    assert (around == 1).all()
    assert not near(constants, at(np.zeros((4, 3)))).any()


def test_the_darkest_of_several_counts():
    table = np.concatenate([ball((0, 3, 0))[0], ball((0.8, 6, 0))[0], ball((9, 3, 0))[0]])
    points = np.random.default_rng(0).uniform((-3, 0, -3), (3, 0, 3), (300, 3))
    sun = light((0, 1e3, 0), 0.2)
    together = visibility(padded(table, np.zeros(3, int), sun, CPU), points)
    each = [visibility(padded(row[None], np.array([0]), sun, CPU), points) for row in table]
    for k in (0, 1):
        np.testing.assert_array_equal(together[k], np.min([one[k] for one in each], axis=0))


def placed_things(seed, store):
    """Figures as the layout places them: stretched, mirrored, some tumbled."""
    rng = np.random.default_rng(seed)
    first, last = int(store.range["figures"][0, 0]), int(store.range["figures"][-1, :2].sum())
    stretch = rng.uniform(0.85, 1.18, (3, 3)) * rng.uniform(0.3, 1.25, (3, 1))
    stretch[0, 0] *= -1
    return assemble(
        Placed(
            np.array([0, 0, 1]), rng.integers(first, last, 3), rng.uniform((-3, 0, 1), (3, 1, 12), (3, 3)),
            tumbled(rng.normal(size=(3, 4))), stretch, 64 * np.arange(3), np.full(3, 50.0),
            np.array([True, False, True]),
        ),
        store, 3, "test",
    )  # fmt: skip


@settings(max_examples=150)
@given(st.integers(0, 10_000), st.booleans())
def test_culling_misses_no_point_that_is_darkened(seed, sunny):
    store = props(3)
    made, rng = placed_things(seed, store), np.random.default_rng(seed)
    lights = light(
        rng.uniform((-100, 60, -100), (100, 190, 100)) if sunny else rng.uniform((-3, 2, 0), (3, 3.4, 9)), 0.3, 2
    )
    # Points on the ground, and close to the solids.
    ground = rng.uniform((-6, 0, 0), (6, 0, 16), (1500, 3))
    close = made.solids.centre[rng.integers(len(made.solids.kind), size=1500)] + rng.normal(0, 0.5, (1500, 3))
    points = at(np.repeat(np.concatenate([ground, close])[None], 2, 0), 2)
    key, around = occlusion(padded(*occluders(made, 0.9), lights, CPU), points)
    reached = near(padded(*bounding_balls(made, made.thing_scene), lights, CPU), points)
    dark = (key < 0.999) | (around < 0.999)
    assert not (dark & ~reached).any()
    assert dark[0].any()


def test_culling_sees_what_lies_between_a_point_and_a_lamp_inside_the_ball_around_a_thing():
    """Two small balls 2 m apart are one thing; the lamp hangs between them and the middle, the point outside."""
    both = np.concatenate([ball((x, 0, 0), 0.1)[0] for x in (-1, 1)])
    lamp, point = light((0.5, 0, 0)), at([(3, 0, 0)])
    key, _ = occlusion(padded(both, np.zeros(2, int), lamp, CPU), point)
    assert key.item() == 0
    assert near(padded(*ball((0, 0, 0), 1.2), lamp, CPU), point).item()


def test_culling_leaves_most_of_the_ground_alone():
    made = placed_things(1, props(3))
    points = at(np.random.default_rng(0).uniform((-30, 0, -30), (30, 0, 60), (1, 4000, 3)))
    balls = padded(*bounding_balls(made, made.thing_scene), light((30, 150, 20), 0.3, 2), CPU)
    assert near(balls[:, :1], points).float().mean() < 0.2


def test_only_what_casts_is_an_occluder():
    made = placed_things(2, props(3))
    table, scenes = occluders(made, 0.9)
    assert len(table) == made.casts.sum()
    np.testing.assert_array_equal(scenes, made.solids.scene[made.casts])
    balls, where = bounding_balls(made, made.thing_scene)
    assert where.tolist() == [0, 1]  # the second thing casts none
    assert balls.shape == (2, 12)


@pytest.mark.parametrize("kind", [ELLIPSOID, CAPSULE])
def test_occluders_are_the_solids_a_little_smaller(kind):
    made = placed_things(3, props(3))
    chosen = np.flatnonzero(made.casts & (made.solids.kind == kind))
    rows = np.flatnonzero(made.casts)
    table, _ = occluders(made, 0.9)
    some = [k for k in chosen if made.half[k].min() > 0.03]
    assert some
    for k in some:
        row = table[np.flatnonzero(rows == k)[0]]
        tip = made.solids.to_world[k] @ np.array([0, 1 + made.solids.length[k], 0]) + made.solids.centre[k]
        assert np.linalg.norm(row[:9].reshape(3, 3) @ tip + row[9:]) == pytest.approx(1 / 0.9)


def test_the_parts_of_a_batch_have_the_occluders_of_the_whole():
    made = placed_things(4, props(3))
    part = made.part(1, 2)
    assert isinstance(part, Assembly)
    whole = bounding_balls(made, made.thing_scene)
    balls, scenes = bounding_balls(part, part.thing_scene)
    np.testing.assert_allclose(balls, whole[0][whole[1] == 1])
    assert scenes.tolist() == [0]
