"""Materials: what a finish allows, drawn in one go or one by one."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fgbgnet.synth.scenes.draws import Draws
from fgbgnet.synth.scenes.materials import (
    DRAWS,
    FAMILIES,
    WIDTH,
    Finish,
    draw_materials,
    emitting,
    finish,
    finish_table,
    lookalikes,
    plain,
)
from fgbgnet.synth.scenes.textures import COUNT, KINDS

KIND_OF_FAMILY = {"leaves": range(5), "lattice": range(5, 7), "cloth": range(7, 8), "clouds": range(8, 10)}
"""As the texture bank documents them: leaves 5, lattice 2, cloth 1, clouds 2, grain 2 kinds."""

finishes = st.builds(
    Finish,
    families=st.lists(st.sampled_from(FAMILIES), min_size=1, max_size=4).map(tuple),
    texels=st.floats(1, 500),
    contrast=st.floats(0, 1.5),
    gloss=st.floats(0, 1),
    base=st.none() | st.tuples(*[st.floats(0, 1)] * 3),
    spread=st.tuples(st.floats(0.1, 1), st.floats(1, 2)),
    emission=st.just(0.0) | st.floats(0.1, 2),
)


def numbers(count, seed=0):
    return Draws(seed, "test", np.arange(count)).uniform(0, 1, (DRAWS,))


def many(item, count=2000, **settings):
    return draw_materials(finish_table([item] * count), numbers(count), **settings)


def kinds(textures):
    return np.unique(textures * KINDS // COUNT).astype(int).tolist()


@given(st.lists(finishes, min_size=1, max_size=8), st.integers(0, 1000), st.booleans())
def test_many_at_once_are_those_drawn_one_by_one(items, seed, seen):
    rows, u = finish_table(items), numbers(len(items), seed)
    apparent = np.linspace(5, 500, len(items)) if seen else None
    together = draw_materials(rows, u, apparent)
    for k in range(len(items)):
        alone = draw_materials(rows[k : k + 1], u[k : k + 1], None if apparent is None else apparent[k : k + 1])
        np.testing.assert_array_equal(alone[0], together[k])


@given(finishes, st.integers(0, 1000), st.sampled_from([0.0, 0.5, 1 - 2.0**-53]))
def test_numbers_stay_in_their_ranges(item, seed, extreme):
    """Also where all uniform numbers are 0, or as close to 1 as they come."""
    u = np.concatenate([numbers(20, seed), np.full((1, DRAWS), extreme)])
    found = draw_materials(finish_table([item] * 21), u)
    assert found.shape == (21, WIDTH)
    assert np.isfinite(found).all()
    for textures in (found[:, 0], found[:, 10]):
        np.testing.assert_array_equal(textures, np.floor(textures))
        assert textures.min() >= 0
        assert textures.max() < COUNT
    allowed = {kind for family in item.families for kind in KIND_OF_FAMILY[family]}
    assert set(kinds(found[:, 0])) <= allowed
    assert (found[:, 1] >= item.texels / 2 * (1 - 1e-9)).all()  # within a factor of 2
    assert (found[:, 1] <= item.texels * 2 * (1 + 1e-9)).all()
    assert (found[:, 11] > found[:, 1]).all()  # the second texture is finer
    assert (found[:, 12] >= 0).all()
    assert (found[:, 12] <= 1).all()
    assert (found[:, 13] >= 0).all()
    assert (found[:, 13] < 0.9).all()
    np.testing.assert_array_equal(found[:, 14], item.emission)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_gives_all_of_its_textures_and_no_other(family):
    found = many(finish(family))
    per_kind = COUNT // KINDS
    expected = [kind * per_kind + k for kind in KIND_OF_FAMILY[family] for k in range(per_kind)]
    assert np.unique(found[:, 0]).astype(int).tolist() == expected


def test_families_of_a_finish_are_equally_likely():
    found = many(finish("leaves", "cloth"), 4000)[:, 0] * KINDS // COUNT
    assert (found < 5).mean() == pytest.approx(0.5, abs=0.04)


def test_a_given_base_colour_is_kept_but_for_its_spread():
    base = np.array([0.2, 0.4, 0.8])
    factor = many(finish(base=tuple(base), spread=(0.5, 1.5)))[:, 4:7] / base
    np.testing.assert_allclose(factor, np.repeat(factor[:, :1], 3, 1))  # the hue stays
    assert 0.5 <= factor.min() < 0.55
    assert 1.45 < factor.max() <= 1.5
    np.testing.assert_allclose(many(finish(base=tuple(base)))[:, 4:7], np.tile(base, (2000, 1)))


def test_base_colours_that_are_not_given_are_of_all_kinds():
    base = many(finish())[:, 4:7]
    assert base.min() >= 0
    assert base.max() <= 1
    value, chroma = base.max(1), np.ptp(base, axis=1)
    assert value.min() < 0.12
    assert value.max() > 0.9
    assert np.median(chroma) < 0.2  # mostly dull
    assert (chroma > 0.5).mean() > 0.02
    assert set(base[chroma > 0.3].argmax(1)) == {0, 1, 2}


def test_contrast_scales_the_amplitude_and_zero_is_a_plain_colour():
    half, full = many(finish(contrast=0.5)), many(finish(contrast=1.0))
    np.testing.assert_allclose(full[:, 7:10], 2 * half[:, 7:10])
    assert (many(finish(contrast=0.0))[:, 7:10] == 0).all()
    assert (full[:, 7:10] < 0).any()  # some are inverted


@pytest.mark.parametrize("gloss", [0.0, 0.3, 1.0])
def test_gloss_is_the_share_of_shiny_surfaces(gloss):
    assert (many(finish(gloss=gloss), 4000)[:, 13] > 0).mean() == pytest.approx(gloss, abs=0.03)


def test_what_shines_is_bright():
    found = many(emitting(1.4))
    assert (found[:, 14] == 1.4).all()
    assert found[:, 4:7].min() >= 0.6
    assert (found[:, 13] == 0).all()


def test_most_things_show_texels_as_wide_as_a_pixel():
    ratio = many(finish(texels=100.0), apparent=np.full(2000, 7.0))[:, 1] / 7.0
    near = (ratio > 2**-1.51) & (ratio < 2**1.51)
    assert near.mean() == pytest.approx(0.65, abs=0.04)
    assert (ratio[~near] > 50 / 7 * 0.999).all()  # the others stay as designed


def test_plain_surfaces_have_little_structure_and_settings_override_that():
    assert np.abs(many(plain())[:, 7:10]).mean() < 0.5 * np.abs(many(finish())[:, 7:10]).mean()
    item = plain(contrast=0.9, gloss=0.0)
    assert (item.contrast, item.gloss, item.families) == (0.9, 0.0, ("clouds", "lattice"))


def test_lookalikes_differ_by_little_and_never_shine():
    models = many(emitting(1.0), 500)
    u = Draws(1, "copy", np.arange(500)).uniform(0, 1, (5,))
    before = models.copy()
    copies = lookalikes(models, u)
    np.testing.assert_array_equal(models, before)  # the models stay what they were
    change = np.abs(copies - models)
    assert change[:, 4:7].max() <= 0.025
    assert change[:, 4:7].max() > 0.02
    assert (copies[:, 14] == 0).all()
    same = [0, 1, *range(7, 14)]
    np.testing.assert_array_equal(copies[:, same], models[:, same])
    np.testing.assert_array_equal(copies[:, 2:4], 256 * u[:, :2])  # another cut of the same texture
