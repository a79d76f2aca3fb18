import pytest
import torch

from fgbgnet.synth.perturb import sensor


def test_noise_has_the_variance_that_it_claims():
    grey = torch.full((1, 3, 200, 200), 0.4)
    noisy = sensor.noise(grey, torch.tensor([[0.02, 0.03]]), [5])
    assert noisy.std().item() == pytest.approx((0.02**2 + 0.03**2 * 0.4) ** 0.5, rel=0.02)
    assert noisy.mean().item() == pytest.approx(0.4, abs=1e-3)
