"""A scene built by hand, whose depth, mask, alpha and colours are known in closed form, through the whole renderer."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

from fgbgnet.synth.scenes.enclosure import LIGHT_WIDTH, Enclosures
from fgbgnet.synth.scenes.geometry import ELLIPSOID
from fgbgnet.synth.scenes.layout import Foregrounds
from fgbgnet.synth.scenes.materials import WIDTH, Finish
from fgbgnet.synth.scenes.parts import Group
from fgbgnet.synth.scenes.placing import Assembly, Placed
from fgbgnet.synth.scenes.rendering import SceneBatch, render
from fgbgnet.synth.scenes.textures import TextureBank
from tests.synth.scenes.groups import solids_of

SIZE, FOCAL = (45, 61), 0.9
LOW, HIGH, EYE = np.array([-40.0, 0.0, -2.0]), np.array([40.0, 30.0, 12.0]), np.array([0.1, 1.6, 0.0])
GROUND, BALL = np.array([0.6, 0.5, 0.4]), np.array([0.3, 0.7, 0.9])
AMBIENT = 0.8
CAMERAS = {"level": (0.0, 0.0, 0.0), "tilted": (0.35, -0.2, 0.1), "up": (-0.4, 0.3, -0.05)}
"""Pitch, yaw and roll."""


@pytest.fixture(scope="module")
def bank():
    return TextureBank(3)


def plain(colour):
    material = np.zeros(WIDTH)
    material[[1, 11]] = 1
    material[4:7] = colour
    return material


def axes_of(pitch, yaw, roll):
    """Rows right, down, forward."""
    turn = Rotation.from_euler("yxz", [yaw, pitch, roll]).as_matrix()
    return (turn @ np.diag([1.0, -1.0, 1.0])).T


def spheres(balls, casts):
    """Balls (centre, radius) as an assembly of one thing each."""
    groups = [Group() for _ in balls] or [Group()]
    for group, (centre, radius) in zip(groups, balls, strict=False):
        group.add(ELLIPSOID, centre, (radius,) * 3, Finish())
    solids, count = solids_of(groups), len(balls)
    solids.scene = np.zeros(count, dtype=np.int64)
    index = np.arange(count)
    return Assembly(
        solids, np.array([[r] * 3 for _, r in balls]).reshape(-1, 3), index, index,
        np.array([plain(BALL)] * count).reshape(-1, WIDTH), index, np.full(count, casts), 0 * index,
    )  # fmt: skip


def scene(camera, balls=(), furniture=(), outdoors=False, casts=False, key=0.0, hardness=1.0, feather=0.0, lens=0.0):
    """One scene of plain surfaces under ambient light, and under a sun straight above if ``key`` is not 0."""
    light = np.zeros((1, LIGHT_WIDTH))
    light[0, :3], light[0, 3:6], light[0, 6], light[0, 7] = (0, 2000, 8), key, 0.05, 2000.0**2
    light[0, 8:14], light[0, 14] = AMBIENT, lens
    box = Enclosures(
        np.array([outdoors]), LOW[None], HIGH[None], np.array([[plain(GROUND)] * 6]), np.array([4.0]), EYE[None],
        axes_of(*camera)[None], np.array([FOCAL]), light,
    )  # fmt: skip
    nothing = Placed(*(np.zeros(0) for _ in range(8)))
    fore = Foregrounds(
        nothing, np.array([False]), np.array([0]), light, np.array([float(hardness)]), np.array([float(feather)])
    )
    return SceneBatch(box, spheres(furniture, casts), spheres(balls, casts), fore)


def rendered(batch, bank, size=SIZE):
    layers = {"bg": 3, "fg_bg": 3, "mask": 1, "alpha": 1, "depth": 1, "depth_bg": 1, "depth_valid": 1}
    out = {
        name: torch.full((1, channels, *size), 77).to(torch.bool if name == "depth_valid" else torch.float32)
        for name, channels in layers.items()
    }
    render(batch, size, bank, torch.device("cpu"), out)
    return {name: layer[0].numpy() for name, layer in out.items()}


def view(camera, dx=0.5, dy=0.5, size=SIZE):
    """World directions of rays scaled to a camera z of 1, (H, W, 3)."""
    height, width = size
    y, x = np.mgrid[:height, :width] + 0.0
    focal = FOCAL * min(size)
    inside = np.stack([(x + dx - width / 2) / focal, (y + dy - height / 2) / focal, np.ones((height, width))], -1)
    return inside @ axes_of(*camera)


def box_depth(d):
    """Distance to the faces of the box, and the face."""
    with np.errstate(divide="ignore"):
        t = np.where(d > 0, HIGH - EYE, EYE - LOW) / np.abs(d)
    return t.min(-1), 2 * t.argmin(-1) + (np.take_along_axis(d, t.argmin(-1)[..., None], -1)[..., 0] > 0)


def sphere_depth(d, centre, radius):
    """Nearer root of |eye + t d - centre| = radius, and how clearly it is hit."""
    o = EYE - centre
    a, b, c = (d * d).sum(-1), d @ o, o @ o - radius**2
    disc = b * b - a * c
    return np.where(disc > 0, (-b - np.sqrt(np.maximum(disc, 0))) / a, np.inf), np.abs(disc) / a


CENTRE, RADIUS = np.array([0.4, 1.2, 5.0]), 1.2


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
@pytest.mark.parametrize("outdoors", [False, True])
def test_depth_mask_and_validity_of_a_sphere_on_a_plane(bank, camera, outdoors):
    out = rendered(scene(camera, [(CENTRE, RADIUS)], outdoors=outdoors), bank)
    d = view(camera)
    ground, face = box_depth(d)
    ball, clear = sphere_depth(d, CENTRE, RADIUS)
    clear = clear > 1e-2
    sky = outdoors & (face != 2)
    np.testing.assert_allclose(out["depth_bg"][0], np.where(sky, 0, ground), rtol=1e-4)
    inside = ball < ground
    np.testing.assert_array_equal(out["mask"][0][clear] == 1, inside[clear])
    np.testing.assert_allclose(out["depth"][0][clear & inside], ball[clear & inside], rtol=1e-3)
    np.testing.assert_array_equal(out["depth"][0][clear & ~inside], out["depth_bg"][0][clear & ~inside])
    np.testing.assert_array_equal(out["depth_valid"][0][clear], (~sky | inside)[clear])
    assert inside.sum() > 60
    assert clear.mean() > 0.9
    assert not outdoors or sky.any()


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
def test_alpha_counts_the_centre_for_half_and_each_corner_for_an_eighth(bank, camera):
    out = rendered(scene(camera, [(CENTRE, RADIUS)]), bank)
    expected, sure = np.zeros(SIZE), np.ones(SIZE, dtype=bool)
    for dx, dy, weight in ((0.5, 0.5, 0.5), (0, 0, 0.125), (1, 0, 0.125), (0, 1, 0.125), (1, 1, 0.125)):
        ball, clear = sphere_depth(view(camera, dx, dy), CENTRE, RADIUS)
        expected += weight * (ball < box_depth(view(camera))[0])
        sure &= clear > 1e-2
    np.testing.assert_allclose(out["alpha"][0][sure], expected[sure], atol=1e-6)
    assert ((expected > 0) & (expected < 1) & sure).sum() > 5


@pytest.mark.parametrize("hardness", [1.0, 1.6, 4.0])
def test_colours_are_a_convex_combination_in_linear_light(bank, hardness):
    """Under ambient light alone every plain surface has its one colour: the picture follows from alpha."""
    out = rendered(scene((0.2, 0.1, 0.0), [(CENTRE, RADIUS)], hardness=hardness), bank)
    soft = rendered(scene((0.2, 0.1, 0.0), [(CENTRE, RADIUS)]), bank)["alpha"]
    np.testing.assert_allclose(out["alpha"], np.clip((soft - 0.5) * hardness + 0.5, 0, 1), atol=1e-6)
    ground, ball = (np.square(c)[:, None, None] * AMBIENT for c in (GROUND, BALL))
    np.testing.assert_allclose(out["bg"], np.broadcast_to(np.round(np.sqrt(ground) * 255) / 255, (3, *SIZE)), atol=1e-5)
    expected = np.sqrt((1 - out["alpha"]) * ground + out["alpha"] * ball)
    np.testing.assert_allclose(out["fg_bg"], expected, atol=0.51 / 255)
    np.testing.assert_array_equal(out["mask"], out["alpha"] >= 0.5)


def test_feather_and_lens_spread_the_edge_and_keep_the_area(bank):
    hard = rendered(scene((0.2, 0.1, 0.0), [(CENTRE, 0.8)]), bank)
    for settings_ in ({"feather": 0.25}, {"lens": 0.2}, {"feather": 0.1, "lens": 0.1}):
        out = rendered(scene((0.2, 0.1, 0.0), [(CENTRE, 0.8)], **settings_), bank)
        assert out["alpha"].sum() == pytest.approx(hard["alpha"].sum(), rel=1e-4)
        assert ((out["alpha"] > 0.01) & (out["alpha"] < 0.99)).sum() > 1.5 * (
            (hard["alpha"] > 0.01) & (hard["alpha"] < 0.99)
        ).sum()
        far = torch.nn.functional.max_pool2d(torch.from_numpy(hard["alpha"]), 7, 1, 3).numpy() == 0
        np.testing.assert_array_equal(out["alpha"][far], 0)
        np.testing.assert_array_equal(out["mask"] == 1, out["depth"] != out["depth_bg"])
        outside = np.broadcast_to(out["alpha"] == 0, out["bg"].shape)
        np.testing.assert_array_equal(out["fg_bg"][outside], out["bg"][outside])


def test_a_feather_is_two_blurs_of_the_alpha_and_the_lens_one_more(bank):
    hard = rendered(scene((0.2, 0.1, 0.0), [(CENTRE, 0.8)]), bank)["alpha"][0].astype(np.float64)
    found = rendered(scene((0.2, 0.1, 0.0), [(CENTRE, 0.8)], feather=0.25, lens=0.1), bank)["alpha"][0]
    for weight in (0.25, 0.25, 0.1):
        for axis in (0, 1):
            hard = ndimage.correlate1d(hard, [weight, 1 - 2 * weight, weight], axis=axis, mode="nearest")
    np.testing.assert_allclose(found, hard, atol=1e-6)


def test_the_nearer_of_two_spheres_wins(bank):
    balls = [(np.array([-0.2, 1.5, 4.0]), 0.6), (np.array([0.3, 1.5, 6.0]), 1.0)]
    out = rendered(scene((0.0, 0.05, 0.0), balls), bank)
    d = view((0.0, 0.05, 0.0))
    found = [sphere_depth(d, *ball) for ball in balls]
    expected = np.minimum(np.minimum(found[0][0], found[1][0]), box_depth(d)[0])
    clear = (found[0][1] > 1e-2) & (found[1][1] > 1e-2)
    np.testing.assert_allclose(out["depth"][0][clear], expected[clear], rtol=1e-3)


def test_furniture_in_front_hides_the_figure(bank):
    """A figure behind a ball of furniture: the background has the ball, the mask only what looks out beside it."""
    front, behind = (np.array([0.2, 1.5, 4.0]), 0.9), (np.array([0.5, 1.6, 7.0]), 1.4)
    camera = (0.0, 0.05, 0.0)
    out = rendered(scene(camera, [behind], furniture=[front]), bank)
    d = view(camera)
    (near, sure), (far, certain) = sphere_depth(d, *front), sphere_depth(d, *behind)
    ground = np.minimum(near, box_depth(d)[0])
    clear = (sure > 1e-2) & (certain > 1e-2)
    np.testing.assert_allclose(out["depth_bg"][0][clear], ground[clear], rtol=1e-3)
    np.testing.assert_array_equal(out["mask"][0][clear] == 1, (far < ground)[clear])
    assert (np.isfinite(far) & np.isfinite(near) & clear).sum() > 20
    unchanged = np.broadcast_to(out["alpha"] == 0, out["bg"].shape)
    np.testing.assert_array_equal(out["fg_bg"][unchanged], out["bg"][unchanged])


def test_furniture_before_the_sky_has_depth_and_the_sky_beside_it_has_none(bank):
    camera, ball = CAMERAS["up"], (np.array([0.6, 4.5, 6.0]), 1.2)
    out = rendered(scene(camera, furniture=[ball], outdoors=True), bank)
    depth, clear = sphere_depth(view(camera), *ball)
    sky = box_depth(view(camera))[1] != 2
    inside, beside = sky & np.isfinite(depth) & (clear > 1e-2), sky & np.isinf(depth) & (clear > 1e-2)
    assert inside.sum() > 50
    assert out["depth_valid"][0][inside].all()
    np.testing.assert_allclose(out["depth_bg"][0][inside], depth[inside], rtol=1e-3)
    assert not out["depth_valid"][0][beside].any()
    assert (out["depth_bg"][0][beside] == 0).all()


def test_a_sun_straight_above_throws_a_shadow_below_the_ball(bank):
    camera, centre, radius = (0.5, 0.0, 0.0), np.array([0.3, 3.0, 4.0]), 0.8
    out = rendered(scene(camera, [(centre, radius)], casts=True, key=0.8), bank)
    d = view(camera)
    depth, face = box_depth(d)
    place = EYE + depth[..., None] * d
    away = np.hypot(place[..., 0] - centre[0], place[..., 2] - centre[2]) / radius
    floor = (face == 2) & (out["alpha"][0] == 0)
    dark, lit = floor & (away < 0.5), floor & (away > 1.5)
    assert dark.sum() > 5
    shadow = np.sqrt(np.square(GROUND) * AMBIENT)[:, None]  # what the ambient light leaves
    np.testing.assert_allclose(out["fg_bg"][:, dark], np.repeat(shadow, dark.sum(), 1), atol=0.6 / 255)
    np.testing.assert_array_equal(out["fg_bg"][:, lit], out["bg"][:, lit])
    full = np.sqrt(np.square(GROUND) * (AMBIENT + 0.8))[:, None]
    np.testing.assert_allclose(out["bg"][:, lit], np.repeat(np.minimum(full, 1), lit.sum(), 1), atol=0.02)
    cast_by_nobody = rendered(scene(camera, [(centre, radius)], casts=False, key=0.8), bank)
    np.testing.assert_array_equal(cast_by_nobody["fg_bg"][:, dark], out["bg"][:, dark])


@pytest.mark.parametrize("balls", [[], [(np.array([0.0, 1.6, -5.0]), 0.5)], [(np.array([30.0, 1.0, 3.0]), 0.5)]])
def test_where_nothing_new_is_in_sight_nothing_changes(bank, balls):
    out = rendered(scene((0.1, 0.0, 0.0), balls, casts=True, feather=0.2, lens=0.2), bank)
    np.testing.assert_array_equal(out["fg_bg"], out["bg"])
    np.testing.assert_array_equal(out["depth"], out["depth_bg"])
    assert not out["mask"].any()
    assert not out["alpha"].any()
    assert out["depth_valid"].all()


def test_a_ball_around_the_camera_is_not_seen_from_inside(bank):
    out = rendered(scene((0.1, 0.0, 0.0), [(EYE, 1.0)]), bank)
    assert not out["mask"].any()


@settings(max_examples=25)
@given(
    st.floats(-0.4, 0.5), st.floats(-0.5, 0.5), st.floats(-0.1, 0.1), st.floats(-1, 1), st.floats(0.3, 2),
    st.floats(3, 9), st.floats(0.2, 1.0), st.tuples(st.integers(16, 50), st.integers(16, 50)),
)  # fmt: skip
def test_any_sphere_from_any_camera_at_any_size(bank, pitch, yaw, roll, x, y, z, radius, size):
    camera, centre = (pitch, yaw, roll), np.array([x, y, z])
    out = rendered(scene(camera, [(centre, radius)]), bank, size)
    d = view(camera, size=size)
    ground, (ball, clear) = box_depth(d)[0], sphere_depth(d, centre, radius)
    clear = (clear > 1e-2) & (np.abs(ball - ground) > 1e-2)
    expected = np.minimum(ball, ground)
    np.testing.assert_allclose(out["depth"][0][clear], expected[clear], rtol=2e-3)
    np.testing.assert_array_equal(out["mask"][0][clear] == 1, (ball < ground)[clear])
