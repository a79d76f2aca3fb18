import torch
from hypothesis import given, settings, strategies as st

from fgbgnet.synth.blending import Placement, blend, draw_placement
from fgbgnet.synth.cutouts import to_linear


def wedge():
    """Bright at the left, dark at the right, wider at the bottom; float32 (4, 20, 30), opaque inside."""
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(30.0), indexing="ij")
    alpha = (x <= y).float()
    return torch.stack([alpha * (1 - x / 40), alpha * 0.5, alpha * x / 40, alpha])


def test_mirrored_is_the_flipped_cutout_in_the_same_place():
    background = torch.full((3, 40, 60), 90, dtype=torch.uint8)
    plain, alpha = blend(background, wedge(), Placement(0.5, 0.25, 0.25, False, 0.0, 0.0))
    flipped, mirrored = blend(background, wedge(), Placement(0.5, 0.25, 0.25, True, 0.0, 0.0))
    by_hand, expected = blend(background, wedge().flip(2), Placement(0.5, 0.25, 0.25, False, 0.0, 0.0))
    assert not torch.equal(alpha, mirrored)
    assert torch.equal(mirrored, expected)
    assert torch.equal(flipped, by_hand)
    # 20 x 30 pixels at (10, 15): the box is the same, its content turned over.
    assert torch.equal(mirrored[10:30, 15:45], alpha[10:30, 15:45].flip(1))
    assert torch.equal(flipped[:, 10:30, 15:45], plain[:, 10:30, 15:45].flip(2))


def test_edge_blur_is_binomial_and_as_strong_as_asked():
    background = torch.zeros(3, 40, 40, dtype=torch.uint8)
    profiles = []
    for strength in (0.0, 0.5, 1.0):
        _, alpha = blend(background, torch.ones(4, 20, 20), Placement(0.5, 0.25, 0.25, False, strength, 0.0))
        profiles.append(alpha[20, 8:13])  # across the left side, between pixels 9 and 10
        assert abs(alpha.sum().item() - 400) < 1e-3  # nothing is lost
    torch.testing.assert_close(profiles[0], torch.tensor([0.0, 0, 1, 1, 1]))
    torch.testing.assert_close(profiles[1], torch.tensor([0.0, 0.125, 0.875, 1, 1]))
    torch.testing.assert_close(profiles[2], torch.tensor([0.0, 0.25, 0.75, 1, 1]))


def test_half_alpha_is_half_the_light():
    background = torch.full((3, 32, 32), 255, dtype=torch.uint8)
    cutout = torch.zeros(4, 16, 16)
    cutout[3] = 0.5  # black, half transparent
    picture, alpha = blend(background, cutout, Placement(0.5, 0.25, 0.25, False, 0.0, 0.0))
    assert (picture[:, 10:20, 10:20] == 188).all()  # half of the light, not half of the code value
    assert (alpha[10:20, 10:20] == 0.5).all()
    assert (picture[:, :6] == 255).all()


def test_opaque_cutout_replaces_and_transparent_leaves():
    background = torch.randint(0, 256, (3, 40, 40), dtype=torch.uint8)
    colour = to_linear(torch.tensor([10, 120, 250], dtype=torch.uint8))
    opaque = torch.cat([colour, torch.ones(1)])[:, None, None].expand(4, 20, 20).contiguous()
    picture, alpha = blend(background, opaque, Placement(0.5, 0.25, 0.25, True, 0.0, 0.0))
    assert (torch.tensor([10, 120, 250]) == picture[:, 11:29, 11:29].flatten(1).T).all()
    assert torch.equal(picture[:, alpha == 0], background[:, alpha == 0])
    picture, alpha = blend(background, torch.zeros(4, 20, 20), Placement(0.5, 0.25, 0.25, True, 0.5, 0.0))
    assert torch.equal(picture, background)
    assert not alpha.any()


def test_shadow_darkens_the_ground_and_is_not_in_the_mask():
    background = torch.full((3, 64, 64), 180, dtype=torch.uint8)
    cutout = torch.ones(4, 20, 20)
    plain, alpha = blend(background, cutout, Placement(0.3, 0.3, 0.3, False, 0.0, 0.0))
    shaded, same = blend(background, cutout, Placement(0.3, 0.3, 0.3, False, 0.0, 0.6))
    assert torch.equal(alpha, same)
    assert (shaded <= plain).all()
    darker = (shaded.int() < plain.int() - 5).any(0)
    assert darker.any()
    assert not (darker & (alpha == 1)).any()


def test_cut_by_the_frame_keeps_the_rest():
    background = torch.zeros(3, 40, 40, dtype=torch.uint8)
    whole, full = blend(background, torch.ones(4, 10, 10), Placement(0.5, 0.2, 0.2, False, 0.0, 0.0))
    moved, part = blend(background, torch.ones(4, 10, 10), Placement(0.5, -0.25, 0.2, False, 0.0, 0.0))
    assert torch.equal(moved[:, :, :10], whole[:, :, 18:28])
    assert part.sum() == full.sum() / 2
    away, none = blend(background, torch.ones(4, 10, 10), Placement(0.5, 3.0, 0.2, False, 0.0, 0.5))
    assert torch.equal(away, background)
    assert not none.any()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 2**50), st.integers(1, 400), st.integers(1, 400), st.booleans())
def test_placements_are_drawn_within_their_ranges(seed, number, rows, columns, anywhere):
    arguments = {"mirrored": False, "anywhere": anywhere}
    place = draw_placement(seed, number, (rows, columns), (60, 90), **arguments)
    assert place == draw_placement(seed, number, (rows, columns), (60, 90), **arguments)
    wide = place.scale * columns / rows * 60 / 90
    assert place.scale <= 0.7
    assert wide <= 0.951
    assert -0.21 * wide <= place.left <= 1
    assert place.top >= -0.21 * place.scale
    if not anywhere:
        assert 0.599 <= place.top + place.scale <= 1.03
