import numpy as np
import pytest

from fgbgnet.synth.composites.blending import blend
from fgbgnet.synth.composites.cutouts import Cutout
from fgbgnet.synth.composites.linear import to_linear
from fgbgnet.synth.composites.placement import Placement


def thing(rows, columns, colour=(255, 255, 255), alpha=255):
    rgba = np.zeros((rows, columns, 4), np.uint8)
    rgba[..., :3], rgba[..., 3] = colour, alpha
    return Cutout.of(rgba, 1000)


def wedge():
    """Wider at the bottom, brighter at the left."""
    y, x = np.mgrid[:20, :30]
    rgba = np.zeros((20, 30, 4), np.uint8)
    rgba[..., 0], rgba[..., 1], rgba[..., 3] = 250 - 8 * x, 90, 255 * (x <= y)
    return Cutout.of(rgba, 1000)


def flat(level=0, size=(40, 40)):
    return np.full((*size, 3), level, np.uint8)


def on_frame(patch, size):
    whole = np.zeros(size, np.float32)
    whole[patch.top : patch.top + patch.values.shape[0], patch.left : patch.left + patch.values.shape[1]] = patch.values
    return whole


def pasted(picture, cutout, **numbers):
    picture = picture.copy()
    patch = blend(picture, cutout, Placement(**{"scale": 0.5, "left": 0.25, "top": 0.25, **numbers}))
    return picture, on_frame(patch, picture.shape[:2])


def test_mirrored_is_the_same_box_turned_over():
    plain, alpha = pasted(flat(90, (40, 60)), wedge())
    turned, mirrored = pasted(flat(90, (40, 60)), wedge(), mirrored=True)
    assert not np.array_equal(alpha, mirrored)
    # 20 x 30 pixels at (10, 15)
    assert np.array_equal(mirrored[10:30, 15:45], alpha[10:30, 15:45][:, ::-1])
    assert np.array_equal(turned[10:30, 15:45], plain[10:30, 15:45][:, ::-1])


def test_half_alpha_is_half_the_light():
    picture, alpha = pasted(flat(255), thing(20, 20, (0, 0, 0), 128))
    inside = picture[12:28, 12:28]
    # 255 (1 - 128/255)^(1/2.2) is about 186; the exact curve of IEC 61966-2-1 gives 187.
    assert set(inside.ravel().tolist()) == {187}
    assert alpha[20, 20] == pytest.approx(128 / 255)
    assert (picture[:9] == 255).all()


def test_opaque_replaces_and_what_is_not_covered_stays_to_the_bit():
    background = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    picture, alpha = pasted(background, thing(20, 20, (10, 120, 250)))
    assert (picture[alpha == 1] == (10, 120, 250)).all()
    assert np.array_equal(picture[alpha == 0], background[alpha == 0])
    assert (alpha == 1).sum() == 400


def test_blur_is_binomial_and_as_strong_as_asked():
    profiles = []
    for strength in (0.0, 0.5, 1.0):
        _, alpha = pasted(flat(), thing(20, 20), blur=strength)
        profiles.append(alpha[20, 8:13])  # across the left side, between pixels 9 and 10
        assert alpha.sum() == pytest.approx(400, abs=1e-3)  # nothing is lost
    np.testing.assert_allclose(profiles, [[0, 0, 1, 1, 1], [0, 0.125, 0.875, 1, 1], [0, 0.25, 0.75, 1, 1]], atol=1e-6)


def test_erosion_takes_whole_and_parts_of_pixels_off_the_contour():
    _, whole = pasted(flat(), thing(20, 20), erode=1.0)
    assert whole.sum() == 18 * 18
    picture, alpha = pasted(flat(), thing(20, 20), erode=1.25)
    assert alpha[20, 10] == 0
    assert alpha[20, 11] == pytest.approx(0.75)
    assert alpha[20, 12] == 1
    # What is left of a pixel has its own colour, not a darker one: white, three quarters of the light.
    assert to_linear(picture[20, 11])[0] == pytest.approx(0.75, abs=0.01)


def test_feathering_fades_inwards_only():
    _, sharp = pasted(flat(), thing(20, 20))
    _, soft = pasted(flat(), thing(20, 20), feather=1.5)
    assert (soft <= sharp).all()
    assert 0 < soft[20, 10] < soft[20, 11] < soft[20, 12] < 1
    assert soft[20, 20] == pytest.approx(1, abs=1e-3)


def test_colours_move_towards_the_background_but_black_stays_black():
    rgba = np.zeros((20, 20, 4), np.uint8)
    rgba[..., :3], rgba[..., 3] = np.where(np.arange(20) < 10, 0, 160)[None, :, None], 255
    rgba[0, 0, 3] = 0
    cutout = Cutout.of(rgba, 1000)
    own, _ = pasted(flat(200), cutout)
    means = [pasted(flat(200), cutout, colour_match=s)[0][12:28, 12:28].mean() for s in (0.0, 0.3, 0.6)]
    assert own[12:28, 12:28].mean() == means[0]
    assert means[0] + 10 < means[1] < means[2]
    matched, _ = pasted(flat(200), cutout, colour_match=0.3)
    assert matched[20, 12].max() < 30
    assert pasted(flat(20), cutout, colour_match=0.6)[0][12:28, 12:28].mean() < means[0] - 10


def test_the_shadow_darkens_the_ground_and_is_not_in_alpha():
    background = flat(200, (80, 80))
    _, plain = pasted(background, thing(40, 20), scale=0.4, top=0.3)
    shaded, alpha = pasted(background, thing(40, 20), scale=0.4, top=0.3, shadow=0.6, shear=1.0, squash=0.3)
    assert np.array_equal(alpha, plain)
    fallen = (200 - shaded[..., 0].astype(int)) * (alpha == 0)
    assert fallen.min() >= 0
    # The thing is 32 rows high and 16 wide, its foot in row 56, columns 20 to 36: a sun from the left.
    assert fallen[56, 22:34].min() > 40
    assert fallen[40:56, 40:].max() > 20
    assert fallen[:, :14].max() <= 1
    # The light that is left is 1 - 0.6 at least.
    assert to_linear(shaded).min() >= to_linear(np.uint8([200]))[0] * 0.4 - 0.01
    towards, _ = pasted(background, thing(40, 20), scale=0.4, top=0.3, shadow=0.6, shear=1.0, squash=-0.3)
    assert (200 - towards[60:, :, 0].astype(int)).sum() > 2 * fallen[60:].sum()


def test_cut_by_the_frame_keeps_the_rest():
    whole, full = pasted(flat(), thing(10, 10), left=0.2, top=0.2)
    moved, part = pasted(flat(), thing(10, 10), left=-0.25, top=0.2)
    assert np.array_equal(moved[:, :10], whole[:, 18:28])
    assert part.sum() == full.sum() / 2


@pytest.mark.parametrize("place", [{"left": 3.0}, {"left": -3.0}, {"top": 2.0}, {"top": -5.0}])
def test_outside_the_frame_nothing_changes(place):
    background = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    picture, alpha = pasted(background, thing(10, 10), shadow=0.5, squash=0.2, colour_match=0.5, **place)
    assert np.array_equal(picture, background)
    assert not alpha.any()


def test_only_what_stands_on_the_ground_darkens_it_where_it_touches_it():
    pictures = []
    for grounded in (True, False):
        picture = np.full((100, 100, 3), 200, np.uint8)
        thing = Cutout.of(np.full((40, 40, 4), 255, np.uint8), 100)
        blend(picture, thing, Placement(0.4, 0.3, 0.3, shadow=0.8, shear=0.6, squash=0.3, grounded=grounded))
        pictures.append(picture[..., 0].astype(int))
    below = slice(71, 73), slice(35, 50)
    assert pictures[0][below].max() < 170
    assert pictures[1][below].min() > pictures[0][below].max()
    assert pictures[1][60:68, 72:80].min() < 170  # the cast one is there
