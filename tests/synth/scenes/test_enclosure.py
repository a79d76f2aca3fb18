"""Boxes, cameras and lights of scenes."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fgbgnet.synth.scenes.draws import Draws
from fgbgnet.synth.scenes.enclosure import FLOOR, LIGHT_WIDTH, Enclosures, draw_enclosures, draw_lights
from fgbgnet.synth.scenes.materials import WIDTH
from fgbgnet.synth.scenes.textures import COUNT

MANY = 3000


@pytest.fixture(scope="module")
def scenes():
    return draw_enclosures(Draws(0, "background", np.arange(MANY)))


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=6), st.integers(-5, 5))
def test_a_scene_is_the_same_alone(numbers, seed):
    together = draw_enclosures(Draws(seed, "background", numbers))
    alone = draw_enclosures(Draws(seed, "background", numbers[-1:]))
    for field in fields(Enclosures):
        np.testing.assert_array_equal(getattr(alone, field.name)[0], getattr(together, field.name)[-1], field.name)


def test_cameras_stand_inside_their_boxes(scenes):
    assert (scenes.camera > scenes.low + 0.2).all()
    assert (scenes.camera < scenes.high - 0.2).all()
    assert (scenes.low[:, 1] == 0).all()
    indoors = ~scenes.outdoors
    assert scenes.high[indoors, 1].max() < 3.5
    assert (scenes.camera[:, 1] >= 0.7).all()


def test_axes_are_orthonormal_and_turn_the_way_of_pictures(scenes):
    """Rows right, down, forward in a world with x right, y up, z forward: pictures are not mirrored."""
    product = scenes.axes @ scenes.axes.transpose(0, 2, 1)
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(3), product.shape), atol=1e-12)
    right, down, forward = (scenes.axes[:, k] for k in range(3))
    # Up turned to forward is right in this left-handed world, as y x z = x.
    np.testing.assert_allclose(np.cross(-down, forward), right, atol=1e-12)
    assert (down[:, 1] < -0.5).all()
    assert (right[:, 0] > 0).mean() > 0.99
    assert np.abs(right[:, 1]).max() < 0.12  # hardly any roll


def test_cameras_look_down_a_little_and_along_the_street(scenes):
    assert (scenes.axes[:, 2, 2] > 0).mean() > 0.99
    pitch = np.arcsin(scenes.axes[:, 2, 1])
    assert -0.25 < pitch.mean() < -0.03
    angle = np.degrees(2 * np.arctan(0.5 / scenes.focal))
    assert 40 < angle.min() < 41
    assert 84 < angle.max() < 85


def test_half_of_the_scenes_are_outdoors(scenes):
    assert scenes.outdoors.mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(MANY))


def test_depth_of_the_ground_fits_16_bit_millimetres(scenes):
    """The farthest corner, as planar depth, whether it is in sight or not; the sky has no depth."""
    farthest = np.where(scenes.axes[:, 2] > 0, scenes.high, scenes.low) - scenes.camera
    farthest[:, 1] = np.where(scenes.outdoors, -scenes.camera[:, 1], farthest[:, 1])
    assert ((farthest * scenes.axes[:, 2]).sum(1) < 65.535).all()


def test_materials_of_faces_are_complete(scenes):
    assert scenes.faces.shape == (MANY, 6, WIDTH)
    assert np.isfinite(scenes.faces).all()
    assert scenes.faces[..., [0, 10]].min() >= 0
    assert scenes.faces[..., [0, 10]].max() < COUNT
    assert scenes.faces[..., 4:7].min() >= 0


def test_side_walls_match_and_the_far_wall_may_differ(scenes):
    rooms = scenes.faces[~scenes.outdoors]
    np.testing.assert_array_equal(rooms[:, 0], rooms[:, 1])
    np.testing.assert_array_equal(rooms[:, 0], rooms[:, 4])
    other = (rooms[:, 5] != rooms[:, 0]).any(1)
    assert other.mean() == pytest.approx(0.4, abs=0.06)
    assert (rooms[:, FLOOR] != rooms[:, 0]).any(1).all()


def test_the_sky_is_of_one_piece_and_shines(scenes):
    streets = scenes.faces[scenes.outdoors]
    sky = [0, 1, 3, 4, 5]
    np.testing.assert_array_equal(streets[:, sky], np.repeat(streets[:, :1], 5, 1))
    assert (streets[:, sky, 14] > 0).all()
    assert (streets[:, FLOOR, 14] == 0).all()
    assert (scenes.faces[~scenes.outdoors][..., 14] == 0).all()
    blue = streets[:, 0, 6] > streets[:, 0, 4]
    assert 0.6 < blue.mean() < 0.99  # most skies are bluish, evenings are not


def test_lights_are_where_they_can_shine(scenes):
    light = scenes.light
    assert light.shape == (MANY, LIGHT_WIDTH)
    assert np.isfinite(light).all()
    assert (light[:, 3:6] > 0).all()
    assert (light[:, 8:14] > 0).all()
    assert (light[:, 1] > 0).all()  # none from below the ground
    away = np.linalg.norm(light[:, :3] - scenes.camera, axis=1)
    sun = away > 100
    assert sun[scenes.outdoors].all()
    assert sun[~scenes.outdoors].mean() == pytest.approx(0.4, abs=0.06)
    lamps = ~sun
    assert (light[lamps, :3] > scenes.low[lamps]).all()
    assert (light[lamps, :3] < scenes.high[lamps]).all()
    # The nominal distance is that to the middle of the scene: the sun is as strong everywhere.
    target = np.where(scenes.outdoors[:, None], [0.0, 1.0, 8.0], (scenes.low + scenes.high) / 2)
    np.testing.assert_allclose(light[:, 7], ((light[:, :3] - target) ** 2).sum(1) + 0.5)
    assert (light[:, 14] >= 0).all()
    assert (light[:, 14] <= 0.25).all()  # beyond that a blur would invert contrasts


def test_exposure_levels_the_light(scenes):
    """Whatever the light, a white surface half turned to it is exposed about alike."""
    light = scenes.light
    level = 0.5 * light[:, 4] + 0.5 * light[:, 9]
    assert 0.3 < np.median(level) < 1.3
    assert np.quantile(level, 0.95) / np.quantile(level, 0.05) < 4


def test_lights_differ_from_call_to_call(scenes):
    draws = Draws(0, "light", np.arange(50))
    box = scenes.outdoors[:50], scenes.low[:50], scenes.high[:50]
    assert not np.array_equal(draw_lights(draws, *box), draw_lights(draws, *box))
