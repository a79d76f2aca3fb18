import cv2
import numpy as np
import pytest
import torch

from fgbgnet.synth.perturb import draws, light
from fgbgnet.synth.streams import stream


def one_thing(width, length, penumbra, growth, size=200):
    """A cast shadow of a thing of constant width from the left edge to the right, as the share of shade."""
    nothing = [0.0, 0.0, 0.0, 1.0] + [0.0] * light.OUTLINE
    row = [0.0] * 3 + [1.0, 0.0, penumbra, growth, 0.1, 0.5, 0.0, length, *[width] * light.OUTLINE, *nothing * 2]
    return 1 - light.cast_shadow(torch.ones(1, 3, size, size), torch.tensor([row]))[0, 0]


def test_cast_shadow_has_the_area_of_what_throws_it():
    shade = one_thing(width=0.2, length=0.6, penumbra=0.01, growth=0.0)
    assert shade.mean().item() == pytest.approx(0.2 * 0.6, rel=0.01)
    assert shade[100, 60].item() == pytest.approx(1, abs=1e-5)
    assert shade[100, 15] == shade[100, 145] == shade[75, 60] == 0


def test_cast_shadow_blurs_with_distance_and_thin_things_fade():
    edges = one_thing(width=0.2, length=0.8, penumbra=0.01, growth=0.2)

    def soft(column):
        return ((edges[:, column] > 0.02) & (edges[:, column] < 0.98)).sum().item()

    assert soft(40) < soft(90) < soft(140)
    thin = one_thing(width=0.01, length=0.8, penumbra=0.005, growth=0.2)[100]
    assert thin[25] > 0.8
    assert thin[60] > 2 * thin[150] > 0
    # What the thing takes of the light is the same at every distance.
    across = one_thing(width=0.05, length=0.8, penumbra=0.01, growth=0.3)[:, 40:140].sum(0)
    torch.testing.assert_close(across, torch.full((100,), 0.05 * 200), rtol=0.02, atol=0)


def test_sun_falls_through_leaves():
    rows = [draws.dappled_shadow(stream(seed, "leaves"), 5) for seed in range(30)]
    factor = light.dappled_shadow(torch.ones(30, 3, 100, 100), torch.tensor(rows))[:, 1]
    for picture in factor:
        dark = (picture < 0.5).numpy().astype(np.uint8)
        if dark.mean() > 0.05:
            holes = cv2.connectedComponents(1 - dark)[0] + cv2.connectedComponents(dark)[0]
            assert holes > 5
    assert 0.1 < (factor < 0.7).float().mean() < 0.6


def test_reflection_is_the_mirrored_picture():
    picture = torch.zeros(1, 3, 60, 60)
    picture[..., 10:20, 5:15] = 0.8
    everywhere = [0.5, 0.5, 50.0, 50.0, 1.0, 0.0, 0.1] + [0.0] * 36
    seen = light.reflection(picture, torch.tensor([[0.5, 1e-4, *everywhere]]))
    assert seen[0, 0, 15, 50].item() == pytest.approx(0.4, abs=1e-3)
    assert seen[0, 0, 15, 10].item() == pytest.approx(0.8, abs=1e-3)
    assert seen[0, 0, 40, 50].item() == pytest.approx(0, abs=1e-3)


def test_glare_halves_at_its_half_widths():
    row = [0.4, 0.4, 0.4, 0.505, 0.505, 1.0, 0.0, 0.3, 0.1]  # centre: that of pixel 50
    light_ = light.glare(torch.zeros(1, 3, 100, 100), torch.tensor([row]))[0, 0]
    assert light_[50, 50].item() == pytest.approx(0.4)
    assert light_[50, 80].item() == pytest.approx(0.2, abs=1e-5)
    assert light_[60, 50].item() == pytest.approx(0.2, abs=1e-5)


@pytest.mark.parametrize(("height", "width"), [(48, 144), (144, 48)])
def test_every_cast_shadow_is_seen_in_a_narrow_picture(height, width):
    rows = torch.tensor([draws.cast_shadow(stream(seed, "cast_shadow"), 5) for seed in range(300)])
    factor = light.cast_shadow(torch.ones(300, 3, height, width), rows)
    assert factor.flatten(1).amin(1).max() < 0.95


@pytest.mark.parametrize(("height", "width"), [(40, 120), (120, 40)])
def test_a_cast_shadow_is_cut_out_of_that_of_a_larger_picture(height, width):
    """The same thing in a narrow picture and in the square around it: lengths are fractions of one shorter side."""
    row = [0.0] * 3 + [0.6, 0.8, 0.02, 0.05, 0.5, 0.5, 0.5, 0.9, *[0.3] * light.OUTLINE]
    row += ([0.0, 0.0, 0.0, 1.0] + [0.0] * light.OUTLINE) * 2
    narrow = light.cast_shadow(torch.ones(1, 3, height, width), torch.tensor([row]))
    scaled = torch.tensor([row])
    for index in (5, 9, 10, *range(11, 11 + light.OUTLINE)):
        scaled[:, index] /= 3
    square = light.cast_shadow(torch.ones(1, 3, 120, 120), scaled)
    top, left = (120 - height) // 2, (120 - width) // 2
    torch.testing.assert_close(narrow, square[..., top : top + height, left : left + width], atol=1e-5, rtol=0)
