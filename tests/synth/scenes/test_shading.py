"""Normals, light and textures on solids, against closed forms."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from fgbgnet.synth.scenes.enclosure import LIGHT_WIDTH
from fgbgnet.synth.scenes.geometry import BOX, CAPSULE, CYLINDER, ELLIPSOID, Cameras
from fgbgnet.synth.scenes.materials import WIDTH, Finish
from fgbgnet.synth.scenes.parts import Group
from fgbgnet.synth.scenes.shading import (
    Columns,
    Hits,
    Surface,
    colours,
    painted,
    rays,
    scene_table,
    solid_table,
    strengths,
    surface,
)
from fgbgnet.synth.scenes.textures import TextureBank
from tests.synth.scenes.groups import solids_of

EYE = np.array([0.5, 1.0, -20.0])
LEVEL = np.diag([1.0, -1.0, 1.0])


@pytest.fixture(scope="module")
def bank():
    return TextureBank(3)


def plain(colour=(0.5, 0.6, 0.7), gloss=0.0, glow=0.0):
    """A material without texture."""
    material = np.zeros(WIDTH)
    material[[1, 11]] = 1
    material[4:7], material[13], material[14] = colour, gloss, glow
    return material


def lamp(position, strength=(1.0, 1.0, 1.0), above=(0.0,) * 3, below=(0.0,) * 3, nominal=None):
    """A light whose strength is its nominal one where it is ``nominal`` metres away."""
    light = np.zeros((1, LIGHT_WIDTH))
    light[0, :3], light[0, 3:6], light[0, 8:11], light[0, 11:14] = position, strength, above, below
    light[0, 7] = np.sum(np.square(position)) if nominal is None else nominal**2
    return light


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def scene_columns(light, count, size=(40, 60), focal=50.0, axes=LEVEL):
    cameras = Cameras(EYE[None], np.asarray(axes)[None], np.array([focal]), size)
    return Columns(tensor(scene_table(cameras, light).T), torch.zeros(count, dtype=torch.int64))


def shade(group, points, light, bank, material=None):
    """Surface at world points of a group's only solid."""
    solids = solids_of([group])
    half = np.array(group.halves)
    table = solid_table(solids, half, np.stack([plain() if material is None else material]))
    rows = torch.zeros(len(points), dtype=torch.int64)
    view = tuple(tensor(points[:, k] - EYE[k]) for k in range(3))
    hits = Hits(Columns(tensor(table.T), rows), scene_columns(light, len(points)), view, torch.ones(len(points)))
    return surface(hits, bank)


def surface_points(kind, length, count=200):
    """Points on the unit shape, well away from its edges, and the normals there."""
    rng = np.random.default_rng(kind)
    ball = rng.normal(size=(count, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    if kind == ELLIPSOID:
        return ball, ball
    if kind == CAPSULE:
        return ball + np.outer(np.sign(ball[:, 1]) * length, [0, 1, 0]), ball
    faces = rng.integers(3, size=count), rng.choice([-1.0, 1.0], count)
    normal = np.zeros((count, 3))
    normal[np.arange(count), faces[0]] = faces[1]
    if kind == BOX:
        return np.where(normal != 0, normal, rng.uniform(-0.95, 0.95, (count, 3))), normal
    angle, inner = rng.uniform(0, 6.3, count), np.sqrt(rng.uniform(0, 0.9, count))
    lid = rng.random(count) < 0.5
    side = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], 1)
    up = np.outer(faces[1], [0.0, 1, 0])
    point = np.where(
        lid[:, None], inner[:, None] * side + up, side + np.outer(rng.uniform(-0.9, 0.9, count), [0, 1, 0])
    )
    return point, np.where(lid[:, None], up, side)


@pytest.mark.parametrize("kind", [BOX, ELLIPSOID, CYLINDER, CAPSULE])
def test_light_falls_by_the_cosine_to_the_normal_of_every_shape(kind, bank):
    """Normals of a stretched solid are those of the unit shape times the inverse transpose of the map."""
    rng = np.random.default_rng(10 + kind)
    axes = Rotation.random(random_state=kind).as_matrix()
    half = np.full(3, 0.4) if kind == CAPSULE else rng.uniform(0.3, 1.5, 3)
    length = 1.7 if kind == CAPSULE else 0.0
    group = Group()
    group.add(kind, (0.2, 1.4, 0.3), half, Finish(), axes=axes, length=length)
    unit, normal = surface_points(kind, length)
    points = (unit * half) @ axes.T + [0.2, 1.4, 0.3]
    world = (normal / half) @ axes.T
    world /= np.linalg.norm(world, axis=1, keepdims=True)
    for sun in np.eye(3) * 1e4:
        found = shade(group, points, lamp(sun), bank)
        np.testing.assert_allclose(found.lit.numpy(), np.maximum(world @ sun / 1e4, 0), atol=3e-3)
    np.testing.assert_allclose(found.up.numpy(), 0.5 + 0.5 * world[:, 1], atol=2e-3)
    np.testing.assert_allclose(torch.stack(found.position, 1).numpy(), points, atol=1e-5)
    np.testing.assert_allclose(
        torch.stack(found.albedo, 1).numpy(), np.tile(np.square([0.5, 0.6, 0.7]), (200, 1)), rtol=1e-5
    )


def test_a_mirror_shines_where_the_light_is_reflected_into_the_eye(bank):
    """Phong's model: the 16th power of the cosine between reflection and light."""
    group = Group()
    group.add(ELLIPSOID, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), Finish())
    normal = np.random.default_rng(0).normal(size=(500, 3))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    sun = np.array([3e3, 5e3, -8e3])
    found = shade(group, normal, lamp(sun), bank, plain(gloss=0.8))
    to_eye, to_sun = EYE - normal, sun - normal
    to_eye /= np.linalg.norm(to_eye, axis=1, keepdims=True)
    to_sun /= np.linalg.norm(to_sun, axis=1, keepdims=True)
    mirrored = 2 * (normal * to_eye).sum(1, keepdims=True) * normal - to_eye
    cosine = (mirrored * to_sun).sum(1)
    expected = 0.8 * np.where((normal * to_sun).sum(1) > 0, np.maximum(cosine, 0) ** 16, 0)
    np.testing.assert_allclose(found.shine.numpy(), expected, atol=2e-3)
    assert found.shine.max() > 0.5
    assert (shade(group, normal, lamp(sun), bank).shine == 0).all()


def test_lamps_fade_with_the_square_of_the_distance_and_not_without_bound():
    columns = scene_columns(lamp((0.0, 2.0, 0.0), nominal=2.0), 5)
    distance = np.array([0.01, 1.5, 2.0, 4.0, 8.0])
    where = tuple(tensor(v) for v in (distance, np.full(5, 2.0), np.zeros(5)))
    towards, length, strength = strengths(columns, where)
    np.testing.assert_allclose(length.numpy(), distance, rtol=1e-5)
    np.testing.assert_allclose(towards[0].numpy(), -distance, rtol=1e-5)
    np.testing.assert_allclose(strength.numpy(), np.minimum(4 / (distance**2 + 0.3), 3), rtol=1e-4)


def test_colours_add_up_linearly():
    """Light from the key, from above, from below, and emission: each alone, then together, then half in shadow."""
    rng = np.random.default_rng(0)
    part = [tensor(rng.uniform(0.1, 1, 50)) for _ in range(11)]
    lit = Surface((part[0], part[1], part[2]), part[3], part[4], part[5], part[6], (part[7], part[8], part[9]))
    strength, above, below = rng.uniform(0.2, 1, (3, 3))
    columns = scene_columns(lamp((0, 9, 0), strength, above, below), 50)
    before = [p.clone() for p in part]
    for key, around in ((1.0, 1.0), (0.0, 1.0), (0.3, 0.6), (0.0, 0.0)):
        found = torch.stack(colours(lit, columns, key, around), 1).double().numpy()
        albedo = np.stack([p.numpy() for p in part[:3]], 1).astype(float)
        up, direct, shine, glow = (p.numpy()[:, None].astype(float) for p in part[3:7])
        ambient = around * (up * above + (1 - up) * below)
        expected = albedo * (ambient + key * direct * strength + glow) + key * shine * strength
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(part, before, strict=True))  # nothing is changed in place


def test_rays_go_through_the_pixels():
    axes = Rotation.from_euler("xyz", [0.2, -0.4, 0.1]).as_matrix() @ LEVEL
    columns = scene_columns(lamp((0, 9, 0)), 4, axes=axes)
    x, y = tensor([0.5, 30, 59.5, 30]), tensor([0.5, 20, 39.5, 0])
    view = torch.stack(rays(columns, x, y), 1).numpy()
    inside = view @ axes.T  # in the camera's coordinates
    np.testing.assert_allclose(inside[:, 2], 1, atol=1e-5)
    np.testing.assert_allclose(inside[:, 0] * 50 + 30, x, atol=1e-3)
    np.testing.assert_allclose(inside[:, 1] * 50 + 20, y, atol=1e-3)


def test_paint_is_base_plus_texture_times_detail(bank):
    """A base alone; a texture in its own colours; and the limits that no surface leaves."""
    place, size = torch.linspace(-3, 3, 100), torch.full((100,), 1e-3)

    def paint(**settings):
        material = plain((0.4, 0.5, 0.6))
        for column, value in settings.items():
            material[int(column[1:])] = value
        columns = [torch.full((100,), float(v)) for v in material[:13]]
        return torch.stack(painted(columns, bank, place, 0.5 * place, size), 1).numpy()

    np.testing.assert_allclose(paint(), np.tile(np.square([0.4, 0.5, 0.6]), (100, 1)), rtol=1e-5)
    texture = torch.stack(bank.smooth(torch.full((100,), 20.0), place * 30, place * 15, size * 30), 1).numpy()
    found = paint(_0=20, _1=30, _7=1, _8=1, _9=1)
    np.testing.assert_allclose(found, np.clip(texture - 0.45 + [0.4, 0.5, 0.6], 0.03, 1) ** 2, atol=1e-5)
    inverse = paint(_0=20, _1=30, _7=-1, _8=-1, _9=-1)
    np.testing.assert_allclose(inverse, np.clip(0.45 - texture + [0.4, 0.5, 0.6], 0.03, 1) ** 2, atol=1e-5)
    wild = paint(_0=20, _1=30, _7=9, _8=9, _9=9, _12=1, _10=50)
    assert wild.min() == pytest.approx(0.03**2)
    assert wild.max() == 1
