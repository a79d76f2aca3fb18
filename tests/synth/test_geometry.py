"""Scenes whose depth is known in closed form, against the ray caster."""

import numpy as np
import pytest
import torch

from fgbgnet.synth.geometry import (
    BOX,
    CAPSULE,
    CENTRE,
    CYLINDER,
    ELLIPSOID,
    QUINCUNX,
    Cameras,
    cast_room,
    cast_solids,
    intersect,
)
from fgbgnet.synth.parts import Group, join_solids

LEVEL = np.array([[1.0, 0, 0], [0, -1.0, 0], [0, 0, 1.0]])  # right, down, forward of a camera that looks along z


def camera(height=40, width=56, focal=50.0, position=(0.0, 0.0, 0.0), axes=LEVEL):
    return Cameras(np.array([position]), np.array([axes]), np.array([focal]), (height, width))


def pixel_grid(height, width, focal):
    y, x = np.mgrid[:height, :width] + 0.5
    return (x - width / 2) / focal, (y - height / 2) / focal


def one(kind, centre, half, axes=None, length=0.0):
    group = Group()
    group.add(kind, centre, half, np.zeros(15), axes=axes, length=length)
    return join_solids([group])[0]


def test_sphere_has_its_closed_form_depth():
    cameras = camera()
    depth, index = cast_solids(one(ELLIPSOID, (0.3, 0.2, 4.0), (0.8, 0.8, 0.8)), cameras, CENTRE)
    u, v = pixel_grid(40, 56, 50.0)
    # |z (u, -v, 1) - c|^2 = r^2 with z the planar depth.
    a = u * u + v * v + 1
    b = u * 0.3 - v * 0.2 + 4.0
    discriminant = b * b - a * (0.3**2 + 0.2**2 + 16 - 0.64)
    expected = np.where(discriminant > 0, (b - np.sqrt(np.maximum(discriminant, 0))) / a, np.inf)
    certain = np.abs(discriminant) > 1e-3
    np.testing.assert_allclose(depth[0, 0].numpy()[certain], expected[certain], rtol=1e-4)
    assert ((index[0, 0].numpy() == 0) == np.isfinite(depth[0, 0].numpy())).all()
    assert 150 < np.isfinite(expected).sum() < 600


def test_floor_and_far_wall_have_their_closed_form_depth():
    low, high = torch.tensor([[-50.0, -1.5, -1.0]]), torch.tensor([[50.0, 50.0, 6.0]])
    cameras = camera()
    rays = torch.from_numpy(cameras.rays()).float()
    depth, face = cast_room(low, high, torch.zeros(1, 3), rays, (40, 56))
    _, v = pixel_grid(40, 56, 50.0)
    expected = np.minimum(np.where(v > 0, 1.5 / np.maximum(v, 1e-9), np.inf), 6.0)
    np.testing.assert_allclose(depth[0].numpy(), expected, rtol=1e-5)
    assert set(face.unique().tolist()) == {2, 5}


def test_pitched_camera_sees_the_floor_where_trigonometry_puts_it():
    pitch, eye = 0.4, 1.7
    axes = np.array([[1.0, 0, 0], [0, -np.cos(pitch), -np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    cameras = camera(position=(0.0, eye, 0.0), axes=axes)
    depth, _ = cast_solids(one(BOX, (0.0, -1.0, 0.0), (500.0, 1.0, 500.0)), cameras, CENTRE)
    _, v = pixel_grid(40, 56, 50.0)
    expected = eye / (v * np.cos(pitch) + np.sin(pitch))
    below = v * np.cos(pitch) + np.sin(pitch) > 0.02
    np.testing.assert_allclose(depth[0, 0].numpy()[below], expected[below], rtol=1e-4)


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
    depth, _ = cast_solids(solid, cameras, CENTRE)
    local = torch.from_numpy(solid.local_rays(cameras)).float()[0]
    x, y = torch.arange(50) + 0.5, (torch.arange(37) + 0.5)[:, None]
    d = tuple(local[1, k] + x * local[2, k] + y * local[3, k] for k in range(3))
    full = intersect(kind, tuple(local[0, k] for k in range(3)), d, torch.from_numpy(solid.length).float())
    assert torch.equal(torch.isfinite(depth[0, 0]), torch.isfinite(full))
    torch.testing.assert_close(depth[0, 0], full, rtol=1e-4, atol=1e-4)
    assert torch.isfinite(full).sum() > 50


def test_the_nearer_solid_wins_and_behind_the_camera_is_nothing():
    group = Group()
    for z in (5.0, 3.0, -4.0):
        group.add(BOX, (0, 0, z), (0.5, 0.5, 0.25), np.zeros(15))
    depth, index = cast_solids(join_solids([group])[0], camera(), QUINCUNX)
    assert depth[0, 0, 20, 28].item() == pytest.approx(2.75)
    assert index[0, 0, 20, 28].item() == 1
    assert depth.shape == (1, 2, 40, 56)
    assert set(index.unique().tolist()) <= {-1, 0, 1}


def test_scene_without_solids_is_empty():
    solids, _, _ = join_solids([Group(), Group()])
    cameras = Cameras(np.zeros((2, 3)), np.stack([LEVEL] * 2), np.full(2, 30.0), (20, 20))
    depth, index = cast_solids(solids, cameras, CENTRE)
    assert torch.isinf(depth).all()
    assert (index == -1).all()
