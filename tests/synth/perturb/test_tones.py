import numpy as np
import torch

from fgbgnet.synth.perturb import tones


def test_gamma_agrees_with_pow():
    picture = torch.rand(1, 3, 50, 50)
    torch.testing.assert_close(
        tones.gamma(picture, torch.tensor([[0.4]])), picture ** float(np.exp(0.4)), atol=1e-5, rtol=0
    )


def test_clipping_agrees_with_numpy():
    picture = torch.rand(2, 3, 20, 20)
    clipped = tones.clip(picture, torch.tensor([[0.2, 1.0], [0.0, 0.6]]))
    np.testing.assert_array_equal(clipped[0], np.clip(picture[0].numpy(), np.float32(0.2), 1))
    np.testing.assert_array_equal(clipped[1], np.clip(picture[1].numpy(), 0, np.float32(0.6)))
