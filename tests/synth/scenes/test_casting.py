"""Scenes whose depth is known in closed form, against the ray caster."""

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from scipy.spatial.transform import Rotation

from fgbgnet.synth.scenes.casting import cast_room, cast_solids, cast_tiles, intersect
from fgbgnet.synth.scenes.geometry import BOX, CAPSULE, CYLINDER, ELLIPSOID, TILE, Cameras
from fgbgnet.synth.scenes.materials import Finish
from fgbgnet.synth.scenes.parts import Group
from tests.synth.scenes.groups import solids_of

LEVEL = np.array([[1.0, 0, 0], [0, -1.0, 0], [0, 0, 1.0]])  # right, down, forward of a camera that looks along z


def camera(height=40, width=56, focal=50.0, position=(0.0, 0.0, 0.0), axes=LEVEL):
    return Cameras(np.array([position]), np.array([axes]), np.array([focal]), (height, width))


def pixel_grid(height, width, focal):
    y, x = np.mgrid[:height, :width] + 0.5
    return (x - width / 2) / focal, (y - height / 2) / focal


def one(kind, centre, half, axes=None, length=0.0):
    group = Group()
    group.add(kind, centre, half, Finish(), axes=axes, length=length)
    return solids_of([group])


def test_sphere_has_its_closed_form_depth():
    cameras = camera()
    depth, index = cast_solids(one(ELLIPSOID, (0.3, 0.2, 4.0), (0.8, 0.8, 0.8)), cameras)
    u, v = pixel_grid(40, 56, 50.0)
    # |z (u, -v, 1) - c|^2 = r^2 with z the planar depth.
    a = u * u + v * v + 1
    b = u * 0.3 - v * 0.2 + 4.0
    discriminant = b * b - a * (0.3**2 + 0.2**2 + 16 - 0.64)
    expected = np.where(discriminant > 0, (b - np.sqrt(np.maximum(discriminant, 0))) / a, np.inf)
    certain = np.abs(discriminant) > 1e-3
    np.testing.assert_allclose(depth[0].numpy()[certain], expected[certain], rtol=1e-4)
    assert ((index[0].numpy() == 0) == np.isfinite(depth[0].numpy())).all()
    assert 150 < np.isfinite(expected).sum() < 600


def test_floor_and_far_wall_have_their_closed_form_depth():
    low, high = torch.tensor([[-50.0, -1.5, -1.0]]), torch.tensor([[50.0, 50.0, 6.0]])
    cameras = camera()
    rays = torch.from_numpy(cameras.rays()).float()
    depth, face, _ = cast_room(low, high, torch.zeros(1, 3), rays, (40, 56))
    _, v = pixel_grid(40, 56, 50.0)
    expected = np.minimum(np.where(v > 0, 1.5 / np.maximum(v, 1e-9), np.inf), 6.0)
    np.testing.assert_allclose(depth[0].numpy(), expected, rtol=1e-5)
    assert set(face.unique().tolist()) == {2, 5}


def test_pitched_camera_sees_the_floor_where_trigonometry_puts_it():
    pitch, eye = 0.4, 1.7
    axes = np.array([[1.0, 0, 0], [0, -np.cos(pitch), -np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    cameras = camera(position=(0.0, eye, 0.0), axes=axes)
    depth, _ = cast_solids(one(BOX, (0.0, -1.0, 0.0), (500.0, 1.0, 500.0)), cameras)
    _, v = pixel_grid(40, 56, 50.0)
    expected = eye / (v * np.cos(pitch) + np.sin(pitch))
    below = v * np.cos(pitch) + np.sin(pitch) > 0.02
    np.testing.assert_allclose(depth[0].numpy()[below], expected[below], rtol=1e-4)


def _march(kind, origin, direction, length):
    """Reference: walk along the ray in tiny steps until a point lies inside."""
    t = np.arange(0, 12, 5e-4)
    x, y, z = (origin[k] + t * direction[k] for k in range(3))
    inside = {
        ELLIPSOID: x * x + y * y + z * z < 1,
        BOX: np.maximum(np.maximum(np.abs(x), np.abs(y)), np.abs(z)) < 1,
        CYLINDER: (x * x + z * z < 1) & (np.abs(y) < 1),
        CAPSULE: x * x + z * z + (y - np.clip(y, -length, length)) ** 2 < 1,
    }[kind]
    return t[inside.argmax()] if inside.any() else np.inf, inside.sum()


@pytest.mark.parametrize("kind", [ELLIPSOID, BOX, CYLINDER, CAPSULE])
def test_every_shape_agrees_with_marching_along_the_ray(kind):
    rng = np.random.default_rng(kind)
    hits = 0
    for _ in range(120):
        origin = rng.normal(size=3)
        origin *= 5 / np.linalg.norm(origin)
        direction = rng.normal(0, 0.9, 3) - origin
        direction /= np.linalg.norm(direction)
        length = 1.3 if kind == CAPSULE else 0.0
        expected, steps = _march(kind, origin, direction, length)
        o = tuple(torch.tensor([value], dtype=torch.float32) for value in origin)
        d = tuple(torch.tensor([value], dtype=torch.float32) for value in direction)
        found = intersect(kind, o, d, torch.tensor([length])).item()
        if np.isfinite(expected) and steps > 40:  # not merely grazed
            assert found == pytest.approx(expected, abs=2e-3)
            hits += 1
        elif not np.isfinite(expected):
            assert found == np.inf or steps == 0
    assert hits > 30


@pytest.mark.parametrize("kind", [ELLIPSOID, BOX, CYLINDER, CAPSULE])
def test_tiles_lose_no_pixel(kind):
    """The bounding box of a turned solid holds all of it: casting every pixel finds no more."""
    rng = np.random.default_rng(7)
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    solid = one(
        kind, (-1.2, 0.5, 3.0), (0.4, 0.4, 0.4) if kind == CAPSULE else (0.9, 0.2, 0.5), axes, 2.0 * (kind == CAPSULE)
    )
    cameras = camera(height=37, width=50)
    depth, _ = cast_solids(solid, cameras)
    local = torch.from_numpy(solid.local_rays(cameras)).float()[0]
    x, y = torch.arange(50) + 0.5, (torch.arange(37) + 0.5)[:, None]
    d = tuple(local[1, k] + x * local[2, k] + y * local[3, k] for k in range(3))
    full = intersect(kind, tuple(local[0, k] for k in range(3)), d, torch.from_numpy(solid.length).float())
    assert torch.equal(torch.isfinite(depth[0]), torch.isfinite(full))
    torch.testing.assert_close(depth[0], full, rtol=1e-4, atol=1e-4)
    assert torch.isfinite(full).sum() > 50


def test_the_nearer_solid_wins_and_behind_the_camera_is_nothing():
    group = Group()
    for z in (5.0, 3.0, -4.0):
        group.add(BOX, (0, 0, z), (0.5, 0.5, 0.25), Finish())
    depth, index = cast_solids(solids_of([group]), camera())
    assert depth[0, 20, 28].item() == pytest.approx(2.75)
    assert index[0, 20, 28].item() == 1
    assert depth.shape == (1, 40, 56)
    assert set(index.unique().tolist()) <= {-1, 0, 1}


def test_scene_without_solids_is_empty():
    solids = solids_of([Group(), Group()])
    cameras = Cameras(np.zeros((2, 3)), np.stack([LEVEL] * 2), np.full(2, 30.0), (20, 20))
    depth, index = cast_solids(solids, cameras)
    assert torch.isinf(depth).all()
    assert (index == -1).all()


def full_picture(solid, kind, cameras, shift=0.5):
    """Every pixel cast against one solid, without bounds or tiles; ``shift`` is the position inside the pixel."""
    height, width = cameras.size
    local = torch.from_numpy(solid.local_rays(cameras)).float()[0]
    x, y = torch.arange(width + (shift == 0)) + shift, (torch.arange(height + (shift == 0)) + shift)[:, None]
    d = tuple(local[1, k] + x * local[2, k] + y * local[3, k] for k in range(3))
    return intersect(kind, tuple(local[0, k] for k in range(3)), d, torch.from_numpy(solid.length).float())


@given(
    st.sampled_from([BOX, ELLIPSOID, CYLINDER, CAPSULE]),
    st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(-2, 4)),
    st.tuples(*[st.floats(-3.5, 1.5)] * 3),
    st.integers(0, 10_000),
)
def test_bounds_hold_all_of_a_solid_wherever_it_is(kind, centre, size, seed):
    """Also those that pass the camera's plane, that are thin and long, or behind: nothing lies outside the bounds."""
    half = np.exp(size)
    half, length = (np.full(3, half[0]), half[1]) if kind == CAPSULE else (half, 0.0)
    turn = Rotation.random(2, random_state=seed).as_matrix()
    solid = one(kind, centre, half, turn[0], length)
    cameras = camera(height=30, width=41, focal=25.0, axes=LEVEL @ turn[1])
    left, top, right, bottom = solid.bounds(cameras)[0]
    outside = torch.ones(30, 41, dtype=torch.bool)
    outside[top:bottom, left:right] = False
    full = full_picture(solid, kind, cameras)
    near_edge = full_picture(solid, kind, camera(30, 41, 25.0 * 1.0001, axes=LEVEL @ turn[1])) == torch.inf
    assert not (torch.isfinite(full) & outside & ~near_edge).any()
    depth, index = cast_solids(solid, cameras)
    # Rays are added up in another order: contours may differ by a pixel here and there.
    assert ((torch.isfinite(depth[0]) != torch.isfinite(full)).sum()) <= 2 + 0.002 * full.numel()
    both = torch.isfinite(depth[0]) & torch.isfinite(full)
    assert ((depth[0] - full).abs()[both] <= 1e-2 * full[both] + 1e-3).float().mean().nan_to_num(1) > 0.98
    assert torch.equal(index[0] == 0, torch.isfinite(depth[0]))


def test_bounds_of_an_upright_capsule_are_those_of_the_box_around_it():
    """Radius 0.5 and segment of 2 radii at a depth of 5: nearest corners at 4.5, farthest at 5.5."""
    cameras = camera(height=400, width=400, focal=300.0)
    left, top, right, bottom = one(CAPSULE, (0, 0, 5.0), (0.5,) * 3, length=2.0).bounds(cameras)[0]
    assert (left, right) == (np.floor(200 - 300 * 0.5 / 4.5), np.ceil(200 + 300 * 0.5 / 4.5))
    assert (top, bottom) == (np.floor(200 - 300 * 1.5 / 4.5), np.ceil(200 + 300 * 1.5 / 4.5))


def test_a_box_through_the_plane_of_the_camera_is_seen_to_the_border():
    """A floor that begins behind the camera: its bounds are cut at the near plane and reach the lower border."""
    depth, _ = cast_solids(one(BOX, (0.1, -2.0, 0.0), (4.0, 1.0, 30.0)), camera())
    assert torch.isfinite(depth[0, 30:, 20:40]).all()
    _, v = pixel_grid(40, 56, 50.0)
    np.testing.assert_allclose(depth[0, 30:, 25:30].numpy(), (1 / v)[30:, 25:30], rtol=1e-4)


def random_solids(seed, scenes=3, count=12):
    rng, groups = np.random.default_rng(seed), []
    for _ in range(scenes):
        group = Group()
        for kind in rng.integers(4, size=count):
            half = np.full(3, rng.uniform(0.05, 0.4)) if kind == CAPSULE else np.exp(rng.uniform(-3, 0, 3))
            where = rng.uniform((-2, -2, -1), (2, 2, 7))
            axes = Rotation.random(random_state=int(rng.integers(9999))).as_matrix()
            group.add(int(kind), where, half, Finish(), axes=axes, length=2.0 * (kind == CAPSULE))
        groups.append(group)
    return solids_of(groups)


@pytest.mark.parametrize("size", [(32, 48), (37, 51), (16, 23)])
def test_tiles_are_cuts_of_the_full_picture_at_centres_and_corners(size):
    solids = random_solids(1)
    cameras = Cameras(np.zeros((3, 3)), np.stack([LEVEL] * 3), np.full(3, 30.3), size)
    depth, index = cast_solids(solids, cameras)
    seen = cast_tiles(solids, cameras)
    left = torch.isfinite(depth)
    corners = torch.full((3, size[0] + TILE + 1, size[1] + TILE + 1), -2.0)
    for (scene, top, first), at, which, corner in zip(seen.tile.tolist(), *seen.centre, seen.corner[0], strict=True):
        part = depth[scene, top : top + TILE, first : first + TILE]
        assert torch.equal(at[: part.shape[0], : part.shape[1]], part)
        rows = index[scene, top : top + TILE, first : first + TILE]
        assert torch.equal(which[: part.shape[0], : part.shape[1]], rows)
        left[scene, top : top + TILE, first : first + TILE] = False
        # Corners that two tiles share may be bounded away in one of them, but are never two different hits.
        there = corners[scene, top : top + TILE + 1, first : first + TILE + 1]
        both = torch.isfinite(there) & (there >= 0) & torch.isfinite(corner)
        torch.testing.assert_close(there[both], corner[both], rtol=1e-3, atol=1e-3)
        there.copy_(corner)
    assert not left.any()  # whatever is hit lies in a tile
    assert len(torch.unique(seen.tile, dim=0)) == len(seen.tile)


def test_corners_are_hit_where_the_shape_says():
    solid = one(ELLIPSOID, (0.3, 0.2, 4.0), (0.8, 0.8, 0.8))
    seen = cast_tiles(solid, camera())
    expected = full_picture(solid, ELLIPSOID, camera(), shift=0)
    for (_, top, left), corner in zip(seen.tile.tolist(), seen.corner[0], strict=True):
        part = expected[top : top + TILE + 1, left : left + TILE + 1]
        found = corner[: part.shape[0], : part.shape[1]]
        assert (torch.isfinite(found) != torch.isfinite(part)).sum() <= 1
        both = torch.isfinite(found) & torch.isfinite(part)
        torch.testing.assert_close(found[both], part[both], rtol=1e-3, atol=1e-3)


def test_a_scene_is_cast_alike_in_any_batch():
    solids = random_solids(4)
    cameras = Cameras(np.zeros((3, 3)), np.stack([LEVEL] * 3), np.full(3, 30.3), (33, 40))
    depth, index = cast_solids(solids, cameras)
    for scene in range(3):
        own = solids.scene == scene
        alone = type(solids)(*(value[own] for value in vars(solids).values()))
        alone.scene = 0 * alone.scene
        again = cast_solids(alone, Cameras(np.zeros((1, 3)), LEVEL[None], np.array([30.3]), (33, 40)))
        assert torch.equal(again[0][0], depth[scene])
        first = int(np.flatnonzero(own)[0])
        assert torch.equal(again[1][0], torch.where(index[scene] >= 0, index[scene] - first, -1))


@pytest.mark.parametrize("kind", [BOX, ELLIPSOID, CYLINDER, CAPSULE])
@pytest.mark.parametrize("axis", range(3))
def test_a_ray_almost_along_an_axis_hits(kind, axis):
    o = [torch.zeros(1) for _ in range(3)]
    d = [torch.full((1,), 1e-4) for _ in range(3)]
    o[axis], d[axis] = torch.full((1,), -5.0), torch.ones(1)
    length = torch.full((1,), 2.0 * (kind == CAPSULE))
    expected = 4.0 - 2.0 * (kind == CAPSULE and axis == 1)
    assert intersect(kind, tuple(o), tuple(d), length).item() == pytest.approx(expected, abs=1e-3)
