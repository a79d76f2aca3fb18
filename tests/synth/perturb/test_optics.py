import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from fgbgnet.synth.perturb import optics


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


@pytest.mark.parametrize("sigma", [0.1, 0.3, 1.1, 3.9, 4.1, 17.0, 60.0, 85.4, 90.0, 200.0])
def test_wide_blurs_keep_the_light_and_the_variance(sigma):
    size = 2 * int(5 * sigma) + 41
    dot = torch.zeros(1, 1, size, size, dtype=torch.float64)
    dot[..., size // 2, size // 2] = 1
    profile = optics.blur(dot, torch.tensor([[sigma / size]], dtype=torch.float64))[0, 0].sum(0)
    offsets = torch.arange(size, dtype=torch.float64) - size // 2
    mean = (profile * offsets).sum().item()
    assert profile.sum().item() == pytest.approx(1, abs=1e-6)
    assert abs(mean) < max(0.3 * sigma, 1e-6)
    # Cut off at 3 sigma.
    assert (profile * (offsets - mean) ** 2).sum().item() == pytest.approx(sigma**2, rel=0.045 if sigma > 1 else 0.1)


def test_a_blur_at_reduced_size_agrees_with_scipy():
    rng = np.random.default_rng(0)
    picture = (rng.random((181, 262)) < 0.02).astype(np.float64)
    picture[40:90, 50:140] = 1
    sigmas = [2.5, 6.0, 13.0]
    found = optics.blur(
        torch.tensor(picture).expand(3, 1, -1, -1), torch.tensor([[sigma / 181] for sigma in sigmas]).double()
    )
    for row, sigma in zip(found[:, 0].numpy(), sigmas, strict=True):
        expected = gaussian_filter(picture, sigma, mode="mirror", truncate=3)
        np.testing.assert_allclose(row, expected, atol=0.025)
