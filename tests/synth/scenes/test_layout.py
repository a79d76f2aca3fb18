"""Where furniture and figures come to stand, over many scenes."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fgbgnet.synth.scenes.draws import Draws
from fgbgnet.synth.scenes.enclosure import draw_enclosures
from fgbgnet.synth.scenes.geometry import Cameras
from fgbgnet.synth.scenes.layout import FIGURES, camouflage, draw_foregrounds, draw_furniture
from fgbgnet.synth.scenes.placing import Placed, assemble
from fgbgnet.synth.scenes.props import props

SEED, MANY, ASPECT = 3, 1500, 4 / 3
NUMBERS = np.arange(MANY)


def layout(numbers, aspect=ASPECT, seed=SEED):
    numbers = np.array(numbers, dtype=np.int64)
    draws = Draws(seed, "background", numbers)
    scenes = draw_enclosures(draws)
    furniture = draw_furniture(draws, scenes, props(SEED), numbers)
    return scenes, furniture, draw_foregrounds(seed, scenes, props(SEED), numbers, aspect)


@pytest.fixture(scope="module")
def drawn():
    return layout(NUMBERS)


@pytest.fixture(scope="module")
def scenes(drawn):
    return drawn[0]


@pytest.fixture(scope="module")
def furniture(drawn):
    return drawn[1]


@pytest.fixture(scope="module")
def foregrounds(drawn):
    return drawn[2]


@given(st.lists(st.integers(0, 2**63 - 1), min_size=2, max_size=5))
def test_a_scene_is_the_same_alone(numbers):
    _, furniture, fore = layout(numbers)
    _, furniture_alone, fore_alone = layout(numbers[1:2])
    for whole, part in ((furniture, furniture_alone), (fore.placed, fore_alone.placed)):
        here = whole.where(whole.scene == 1)
        for field in fields(Placed)[1:]:
            np.testing.assert_array_equal(getattr(here, field.name), getattr(part, field.name), field.name)
        assert (part.scene == 0).all()
    for name in ("mimicry", "model", "light", "hardness", "feather"):
        np.testing.assert_array_equal(getattr(fore, name)[1], getattr(fore_alone, name)[0], name)


def test_tables_are_ordered_by_scene(furniture, foregrounds):
    for placed in (furniture, foregrounds.placed):
        assert (np.diff(placed.scene) >= 0).all()


def within(share, count, expected):
    return abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / count) + 1e-9


def test_shares_are_those_that_are_documented(foregrounds):
    """One to three figures (68, 22, 10 %); 45 % pasted under a light of their own; 12 % camouflaged, 28 % in part."""
    number = np.bincount(foregrounds.placed.scene, minlength=MANY)
    assert set(number) == {1, 2, 3}
    assert all(within((number == k).mean(), MANY, p) for k, p in ((1, 0.68), (2, 0.22), (3, 0.1)))
    assert all(within((foregrounds.mimicry == m).mean(), MANY, p) for m, p in ((1, 0.12), (0.35, 0.28), (0, 0.6)))
    assert set(foregrounds.model) == {0, 2, 5}


def test_pasted_figures_have_a_light_of_their_own_and_cast_no_shadow(scenes, foregrounds):
    own = (foregrounds.light != scenes.light).any(1)
    assert within(own.mean(), MANY, 0.45)
    np.testing.assert_array_equal(foregrounds.placed.casts, ~own[foregrounds.placed.scene])


def test_edges_are_hard_or_soft(foregrounds):
    assert set(foregrounds.hardness) == {1.0, 1.6, 4.0}
    soft = foregrounds.feather > 0
    assert within(soft.mean(), MANY, 0.35)
    assert foregrounds.feather[soft].min() >= 0.05
    assert foregrounds.feather.max() <= 0.25


def corners(placed, store):
    """Corners of the boxes around the solids of things, in the world: (N, 8, 3), owner (N,)."""
    made = assemble(placed, store, SEED, "test")
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
    reach = np.stack([np.ones_like(made.solids.length), 1 + made.solids.length, np.ones_like(made.solids.length)], 1)
    unit = signs[None] * reach[:, None]
    return unit @ made.solids.to_world.transpose(0, 2, 1) + made.solids.centre[:, None], made.owner


def test_most_figures_are_in_sight(scenes, foregrounds):
    placed = foregrounds.placed
    points, owner = corners(placed, props(SEED))
    middle = np.stack([np.bincount(owner, points[:, :, k].mean(1)) for k in range(3)], 1)
    middle /= np.bincount(owner)[:, None]
    view = np.einsum("nij,nj->ni", scenes.axes[placed.scene], middle - scenes.camera[placed.scene])
    focal = 2 * scenes.focal[placed.scene]
    x, y = (focal * view[:, k] / np.maximum(view[:, 2], 1e-3) for k in (0, 1))
    seen = (view[:, 2] > 0.3) & (np.abs(x) < ASPECT) & (np.abs(y) < 1)
    assert seen.mean() > 0.9
    some = np.zeros(MANY, dtype=bool)
    some[placed.scene[seen]] = True
    assert some.mean() > 0.95


def test_figures_stay_inside_the_box(scenes, foregrounds):
    placed = foregrounds.placed
    assert (placed.position >= scenes.low[placed.scene] - 1e-9).all()
    assert (placed.position[:, [0, 2]] <= scenes.high[placed.scene][:, [0, 2]] + 1e-9).all()


def test_most_figures_stand_on_the_ground_and_upright(foregrounds):
    placed = foregrounds.placed
    on_ground = placed.position[:, 1] == 0
    upright = placed.rotation[:, 1, 1] > 1 - 1e-9
    assert (placed.position[:, 1] >= 0).all()
    assert 0.55 < on_ground.mean() < 0.95
    assert upright[on_ground].mean() > 0.97
    real = placed.casts  # those that are not pasted
    assert on_ground[real].mean() > on_ground[~real].mean() + 0.15


def test_people_on_the_ground_touch_it(foregrounds):
    placed, store = foregrounds.placed, props(SEED)
    first, count, _ = store.range["figures"][0]
    people = (placed.thing >= first) & (placed.thing < first + count) & (placed.position[:, 1] == 0)
    people &= placed.rotation[:, 1, 1] > 1 - 1e-9
    chosen = placed.where(people)
    points, owner = corners(chosen, store)
    lowest = np.full(len(chosen.thing), np.inf)
    np.minimum.at(lowest, owner, points[..., 1].min(1))
    assert people.sum() > 200
    assert np.abs(lowest).max() < 0.15
    assert np.median(np.abs(lowest)) < 0.05


def test_some_figures_are_mirrored_and_none_is_distorted(foregrounds):
    stretch = foregrounds.placed.stretch
    assert (stretch[:, 0] < 0).mean() == pytest.approx(0.5, abs=0.06)
    assert (stretch[:, 1:] > 0).all()
    size = np.abs(stretch)
    assert (size.max(1) / size.min(1)).max() <= 1.18 / 0.85 + 1e-9


def test_cars_are_rare_in_rooms(scenes, foregrounds):
    placed, store = foregrounds.placed, props(SEED)
    first, count, _ = store.range["figures"][2]
    cars = (placed.thing >= first) & (placed.thing < first + count)
    outdoors, pasted = scenes.outdoors[placed.scene], ~placed.casts
    assert cars[outdoors].mean() == pytest.approx(0.14, abs=0.05)
    assert cars[~outdoors & ~pasted].mean() == pytest.approx(0.3 * 0.14, abs=0.03)


def test_no_furniture_stands_in_front_of_the_lens(scenes, furniture):
    """Boxes around its solids, which are a little larger than they: their nearest point to the camera's axis."""
    standing = furniture.where(furniture.casts)  # pictures, windows, rugs and markings cast no shadow
    points, owner = corners(standing, props(SEED))
    camera = scenes.camera[standing.scene[owner]]
    ground = points[..., [0, 2]] - camera[:, None, [0, 2]]
    distance = np.linalg.norm(ground, axis=-1).min(1)
    assert distance.min() > 0.4


def test_furniture_of_rooms_stands_on_the_floor_inside(scenes, furniture):
    inside = furniture.where(furniture.casts & ~scenes.outdoors[furniture.scene])
    assert (inside.position[:, 1] == 0).all()
    low, high = scenes.low[inside.scene], scenes.high[inside.scene]
    assert (inside.position >= low - 1e-9).all()
    assert (inside.position <= high + 1e-9).all()
    number = np.bincount(inside.scene, minlength=MANY)[~scenes.outdoors]
    assert number.max() <= 9
    assert 3 < number.mean() < 8


def test_fittings_hang_on_walls_and_below_the_ceiling(scenes, furniture):
    store = props(SEED)
    first, last = store.range["walls"][0, 0], store.range["walls"][-1, :2].sum()
    hung = furniture.where((furniture.thing >= first) & (furniture.thing < last))
    low, high = scenes.low[hung.scene], scenes.high[hung.scene]
    x, z = hung.position[:, 0], hung.position[:, 2]
    on_wall = (x == low[:, 0]) | (x == high[:, 0]) | (z == high[:, 2])
    assert on_wall.all()
    assert not scenes.outdoors[hung.scene].any()
    assert (hung.position[:, 1] + hung.stretch[:, 1] < high[:, 1] + 0.1).all()


def test_streets_have_buildings_on_both_sides(scenes, furniture):
    store = props(SEED)
    first, last = store.range["buildings"][0, 0], store.range["buildings"][-1, :2].sum()
    built = furniture.where((furniture.thing >= first) & (furniture.thing < last))
    assert scenes.outdoors[built.scene].all()
    left = np.bincount(built.scene[built.position[:, 0] < 0], minlength=MANY)[scenes.outdoors]
    right = np.bincount(built.scene[built.position[:, 0] > 0], minlength=MANY)[scenes.outdoors]
    assert (left + right).max() <= 6
    assert ((left > 0) & (right > 0)).mean() > 0.95


def test_texels_are_scaled_to_the_distance(scenes, foregrounds):
    placed = foregrounds.placed
    away = np.linalg.norm(placed.position - scenes.camera[placed.scene], axis=1)
    expected = 128 * scenes.focal[placed.scene] / np.maximum(away, 0.5)
    np.testing.assert_allclose(placed.apparent, expected)


def test_camouflage_copies_the_face_and_leaves_other_scenes_alone(scenes, foregrounds):
    plain, disguised = (assemble(foregrounds.placed, props(SEED), SEED, "figures") for _ in range(2))
    camouflage(SEED, disguised, foregrounds, scenes)
    scene = disguised.thing_scene[disguised.thing]
    mimicry = foregrounds.mimicry[scene]
    face = scenes.faces[scene, foregrounds.model[scene]]
    # A texture and its size on the surface say where a material is from.
    changed = (disguised.materials[:, :2] == face[:, :2]).all(1)
    assert changed[mimicry == 1].all()
    assert not changed[mimicry == 0].any()
    some = changed[mimicry == 0.35]
    assert within(some.mean(), len(some), 0.35)
    np.testing.assert_array_equal(disguised.materials[~changed], plain.materials[~changed])
    assert np.abs(disguised.materials[changed][:, 4:7] - face[changed][:, 4:7]).max() <= 0.025
    assert (disguised.materials[changed][:, 14] == 0).all()


@pytest.mark.parametrize("aspect", [0.4, 1.0, 2.5])
def test_figures_are_in_sight_at_any_aspect(aspect):
    scenes, _, fore = layout(range(300), aspect)
    placed = fore.placed
    made = assemble(placed, props(SEED), SEED, "figures")
    size = (100, round(100 * aspect)) if aspect >= 1 else (round(100 / aspect), 100)
    bounds = made.solids.bounds(Cameras(scenes.camera, scenes.axes, scenes.focal * 100, size))
    seen = np.zeros(300, dtype=bool)
    seen[made.solids.scene[(bounds[:, 2:] > bounds[:, :2]).all(1)]] = True
    assert seen.mean() > 0.95
    assert len(placed.thing) <= FIGURES * 300
