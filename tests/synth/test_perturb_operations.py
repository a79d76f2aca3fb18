import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth import PERTURBATIONS
from fgbgnet.synth.perturb import draws, geometry, light, optics, sensor, tones
from fgbgnet.synth.streams import stream


def test_shift_of_whole_pixels_moves_the_picture():
    picture = torch.rand(1, 3, 40, 50)
    moved = geometry.warp(picture, geometry.affine(torch.tensor([[3 / 40, -2 / 40, 0.0, 0.0]]), 40, 50))
    # Three pixels to the right and two up: what is at (y, x) came from (y + 2, x - 3).
    torch.testing.assert_close(moved[..., 5:30, 5:40], picture[..., 7:32, 2:37], atol=1e-5, rtol=0)


def test_rotation_agrees_with_the_matrix():
    rows, columns = torch.meshgrid(torch.arange(60.0), torch.arange(80.0), indexing="ij")
    ramp = (0.5 + (columns - 39.5) / 200).expand(1, 3, 60, 80)  # linear in x: bilinear sampling is exact
    turned = geometry.warp(ramp, geometry.affine(torch.tensor([[0.0, 0.0, 10.0, np.log(1.1)]]), 60, 80))
    angle = np.deg2rad(10)
    x = (np.cos(angle) * (columns - 39.5) - np.sin(angle) * (rows - 29.5)) / 1.1
    torch.testing.assert_close(turned[0, 0, 15:45, 20:60], (0.5 + x / 200)[15:45, 20:60], atol=1e-5, rtol=0)


def test_noise_has_the_variance_that_it_claims():
    grey = torch.full((1, 3, 200, 200), 0.4)
    noisy = sensor.noise(grey, torch.tensor([[0.02, 0.03]]), [5])
    assert noisy.std().item() == pytest.approx((0.02**2 + 0.03**2 * 0.4) ** 0.5, rel=0.02)
    assert noisy.mean().item() == pytest.approx(0.4, abs=1e-3)


def test_gamma_agrees_with_pow():
    picture = torch.rand(1, 3, 50, 50)
    torch.testing.assert_close(
        tones.gamma(picture, torch.tensor([[0.4]])), picture ** float(np.exp(0.4)), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("sigma", [0.2, 0.7, 2.0])
def test_blur_has_the_variance_that_it_claims(sigma):
    from scipy.special import ive

    dot = torch.zeros(1, 3, 65, 65, dtype=torch.float64)
    dot[..., 32, 32] = 1
    profile = optics.blur(dot, torch.tensor([[sigma / 65]], dtype=torch.float64))[0, 0].sum(0)
    offsets = torch.arange(65) - 32.0
    assert profile.sum().item() == pytest.approx(1, abs=1e-6)
    assert (profile * offsets**2).sum().item() == pytest.approx(sigma**2, rel=0.06)
    # The discrete Gaussian in closed form: exp(-t) I_n(t), t the variance.
    np.testing.assert_allclose(profile[30:35].numpy(), ive([2, 1, 0, 1, 2], sigma**2), atol=0.02)


def matrix_in_pixels(name, parameters, height, width):
    """Output -> input, by OpenCV, which counts from the centre of the first pixel."""
    side = min(height, width)
    if name == "perspective":
        corners = np.float32([[-0.5, -0.5], [width - 0.5, -0.5], [width - 0.5, height - 0.5], [-0.5, height - 0.5]])
        moved = corners + np.float32(parameters).reshape(4, 2) * side
        return cv2.getPerspectiveTransform(moved, corners)
    right, down, degrees, log_zoom = parameters
    forward = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, np.exp(log_zoom))
    forward[:, 2] += [right * side, down * side]
    return np.linalg.inv(np.vstack([forward, [0, 0, 1]]))


@pytest.mark.parametrize("name", ["shift", "rotate", "zoom", "perspective"])
def test_labels_move_as_a_nearest_neighbour_warp_by_scipy(name):
    height, width = 50, 70
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 255, (8, 2, height, width), generator=generator)
    rows = [getattr(draws, name)(stream(seed, name), 5) for seed in range(8)]
    make = geometry.perspective if name == "perspective" else geometry.affine
    sources = geometry.Sources(make(torch.tensor(rows, dtype=torch.float64), height, width), height, width)
    moved = sources.take(labels)
    y, x = np.mgrid[:height, :width]
    for k, parameters in enumerate(rows):
        u, v, w = np.einsum("ij,jyx->iyx", matrix_in_pixels(name, parameters, height, width), [x, y, np.ones_like(x)])
        where = np.stack([v / w, u / w])
        for channel in range(2):
            expected = map_coordinates(labels[k, channel].numpy(), where, order=0, mode="reflect")
            assert (moved[k, channel].numpy() == expected).mean() > 0.999  # ties of rounding
        inside = (where >= -0.5).all(0) & (where[0] < height - 0.5) & (where[1] < width - 0.5)
        assert (sources.covered[k, 0].numpy() == inside).mean() > 0.999
        assert inside.all() == (name == "zoom" and parameters[3] > 0)


def test_pictures_and_labels_move_alike():
    ramp = torch.linspace(0, 1, 60).expand(1, 1, 40, 60)
    matrices = geometry.perspective(torch.tensor([[0.03, 0.02, -0.02, 0.03, 0.01, -0.03, -0.03, 0.01]]), 40, 60)
    nearest = geometry.Sources(matrices, 40, 60).take(ramp)
    torch.testing.assert_close(geometry.warp(ramp, matrices), nearest, atol=0.51 / 59, rtol=0)


def test_shift_by_whole_pixels_is_roll_away_from_the_border():
    picture = torch.rand(2, 3, 20, 30)
    moved = geometry.shift(picture, torch.tensor([0.1, -0.21]), torch.tensor([0.0, 0.52]))
    assert torch.equal(moved[0, :, :, 2:], picture[0].roll(2, -1)[:, :, 2:])
    assert torch.equal(moved[1, :, 10:, :26], picture[1].roll((10, -4), (-2, -1))[:, 10:, :26])
    assert torch.equal(moved[0, :, :, :2], picture[0, :, :, :2].flip(-1))  # mirrored at the border


def test_only_what_moves_tells_how():
    with pytest.raises(InvalidArgumentError, match="gain moves no pixels"):
        PERTURBATIONS["gain"].moves(torch.rand(1, 3, 8, 8), [1.0], [0])


@pytest.mark.parametrize("degrees", [0, 30, 90, 135])
def test_motion_blur_has_the_moments_of_a_line(degrees):
    dot = torch.zeros(1, 3, 61, 61, dtype=torch.float64)
    dot[..., 30, 30] = 1
    angle = np.deg2rad(degrees)
    parameters = torch.tensor([[9 / 61, np.cos(angle), np.sin(angle)]], dtype=torch.float64)
    kernel = optics.motion_blur(dot, parameters)[0, 0].numpy()
    y, x = np.mgrid[-30:31, -30:31]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    assert kernel.sum() == pytest.approx(1)
    assert (kernel * along).sum() == pytest.approx(0, abs=1e-9)
    assert (kernel * along**2).sum() == pytest.approx(9**2 / 12, abs=0.26)  # sharing among pixels adds up to 1 / 4
    assert (kernel * across**2).sum() < 0.26
    if degrees == 0:
        np.testing.assert_allclose(kernel[30, 24:31], [0, 0, 1 / 9, 1 / 9, 1 / 9, 1 / 9, 1 / 9], atol=0.02)


def test_clipping_agrees_with_numpy():
    picture = torch.rand(2, 3, 20, 20)
    clipped = tones.clip(picture, torch.tensor([[0.2, 1.0], [0.0, 0.6]]))
    np.testing.assert_array_equal(clipped[0], np.clip(picture[0].numpy(), np.float32(0.2), 1))
    np.testing.assert_array_equal(clipped[1], np.clip(picture[1].numpy(), 0, np.float32(0.6)))


def one_thing(width, length, penumbra, growth, size=200):
    """A cast shadow of a thing of constant width from the left edge to the right, as the share of shade."""
    nothing = [0.0, 0.0, 1.0] + [0.0] * light.OUTLINE
    row = [0.0] * 3 + [1.0, 0.0, penumbra, growth, 0.1, 0.5, length, *[width] * light.OUTLINE, *nothing * 2]
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
