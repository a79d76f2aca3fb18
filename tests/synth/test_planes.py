import pytest
import torch

from fgbgnet.synth.planes import doubled, lens_blur


def test_lens_blur_keeps_a_plain_picture_and_the_sum():
    plain = torch.full((1, 3, 9, 9), 0.25)
    weight = torch.full((1, 1, 1, 1), 0.2)
    torch.testing.assert_close(lens_blur(plain, weight), plain)
    dot = torch.zeros(1, 1, 9, 9)
    dot[..., 4, 4] = 1
    assert lens_blur(dot, weight).sum().item() == pytest.approx(1)


@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_doubling_is_linear_interpolation(size):
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    ramp = (2.0 * x + 3.0 * y)[None]
    large = doubled(ramp[:, ::2, ::2], size)
    inner = slice(0, (size[0] - 1) // 2 * 2 + 1), slice(0, (size[1] - 1) // 2 * 2 + 1)
    torch.testing.assert_close(large[0][inner], ramp[0][inner])
