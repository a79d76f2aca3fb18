import dataclasses
import math

import pytest
from hypothesis import given, strategies as st

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.synth.composites.placement import draw_layers
from fgbgnet.synth.composites.style import CompositeStyle

SHAPES = [(40, 20), (30, 90), (50, 50), (7, 300)]


def draw(style, number=0, seed=0, background=0, cutout=0, size=(60, 90)):
    return draw_layers(seed, number, background, cutout, False, style, lambda k: SHAPES[k], len(SHAPES), size)


@given(
    seed=st.integers(0, 2**40), number=st.integers(0, 2**50), background=st.integers(0, 9), cutout=st.integers(0, 3),
    many=st.integers(1, 5), low=st.floats(0.05, 0.7), more=st.floats(0, 0.5), horizon=st.floats(-1, 0.8),
)  # fmt: skip
def test_things_stand_on_the_ground_and_shrink_towards_the_horizon(
    seed, number, background, cutout, many, low, more, horizon
):
    style = CompositeStyle(horizon=horizon, scale=(low, low + more), max_cutouts=many)
    drawn = draw(style, number, seed, background, cutout)
    assert drawn == draw(style, number, seed, background, cutout)
    assert drawn.horizon == pytest.approx(horizon)
    assert 1 <= len(drawn.layers) <= many
    assert drawn.layers[drawn.primary].cutout == cutout
    feet = [layer.placement.top + layer.placement.scale for layer in drawn.layers]
    assert feet == sorted(feet)  # the nearest is pasted last
    for layer, foot in zip(drawn.layers, feet, strict=True):
        assert max(horizon, 0.29) < foot <= 1.02 + 1e-9
        assert layer.placement.top < 1  # something of it is in the picture
        rows, columns = SHAPES[layer.cutout]
        wide = columns / rows * 60 / 90
        at_the_bottom = layer.placement.scale * (1 - horizon) / (foot - horizon)
        assert at_the_bottom <= low + more + 1e-9
        assert at_the_bottom >= min(low, 0.95 / wide) - 1e-9
        assert at_the_bottom * wide <= 0.95 + 1e-9
        assert -0.21 * wide * layer.placement.scale <= layer.placement.left <= 1


def test_the_horizon_belongs_to_the_background():
    style = CompositeStyle(horizon=(0.2, 0.6))
    same = {draw(style, number, background=3).horizon for number in range(20)}
    others = {draw(style, 0, background=b).horizon for b in range(20)}
    assert len(same) == 1
    assert len(others) == 20
    assert all(0.2 <= h <= 0.6 for h in others)


def test_only_with_anywhere_things_fly():
    feet = {
        name: [sum(layer.placement[k] for k in (0, 2)) for n in range(300) for layer in draw(style, n).layers]
        for name, style in (
            ("ground", CompositeStyle()),
            ("free", CompositeStyle(horizon=None)),
            ("air", CompositeStyle(anywhere=True)),
        )
    }
    assert min(feet["ground"]) > 0.45
    assert min(feet["free"]) >= 0.6 - 1e-9
    assert min(feet["air"]) < 0.4
    assert draw(CompositeStyle(anywhere=True)).horizon is None
    assert not draw(CompositeStyle(anywhere=True)).layers[0].placement.grounded
    assert draw(CompositeStyle()).layers[0].placement.grounded


@pytest.mark.parametrize("seed", range(3))
def test_a_picture_has_one_sun(seed):
    drawn = [draw(CompositeStyle(max_cutouts=6, shadow=0.5), n, seed) for n in range(60)]
    lights = [{(p.shadow, p.shear, p.squash) for _, p in d.layers} for d in drawn]
    assert all(len(light) == 1 for light in lights)
    assert 15 < sum((0, 0, 0) in light for light in lights) < 45
    assert len({next(iter(light)) for light in lights}) > 15


def test_chances_happen_as_often_as_they_say_and_within_their_range():
    style = CompositeStyle(erode=(0.25, 0.5, 0.75), blur=0.0, shadow=1.0)
    placements = [draw(style, n).layers[0].placement for n in range(2000)]
    eroded = [p.erode for p in placements if p.erode]
    assert abs(len(eroded) / 2000 - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 2000)
    assert min(eroded) >= 0.5
    assert max(eroded) <= 0.75
    assert not any(p.blur for p in placements)
    assert all(p.shadow and p.squash and abs(p.shear) <= 1.2 for p in placements)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"scale": (0.5, 0.1)}, "scale"),
        ({"scale": 0.5}, "scale is 0.5; expected two rising numbers"),
        ({"scale": (0.5, 3)}, "up to 2"),
        ({"horizon": 1.0}, "horizon is 1.0"),
        ({"horizon": (0.6, 0.4)}, "horizon"),
        ({"horizon": "sky"}, "horizon is 'sky'"),
        ({"horizon": math.nan}, "horizon"),
        ({"shadow": 2.0}, "shadow is 2.0; expected a probability"),
        ({"blur": -0.1}, "blur"),
        ({"blur": (0.5, 0.1)}, "blur"),
        ({"blur": (0.5, 0.2, 1.5)}, "rising range from 0 to 1"),
        ({"erode": (0.5, 2, 1)}, "erode"),
        ({"feather": None}, "feather is None"),
        ({"colour_match": "much"}, "colour_match"),
        ({"max_cutouts": 0}, "max_cutouts"),
        ({"max_cutouts": 1.5}, "max_cutouts"),
        ({"max_cutouts": True}, "max_cutouts"),
        ({"max_cutouts": 2.0}, "max_cutouts is 2.0"),
    ],
)
def test_wrong_styles_are_named(options, text):
    with pytest.raises(InvalidArgumentError, match=text):
        CompositeStyle.of(options)


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"unknown argument 'shadw'.*'shadow'"):
        CompositeStyle.of({"shadw": 0.5})
    assert CompositeStyle.of({"shadow": 0.5}) == dataclasses.replace(CompositeStyle(), shadow=0.5)
