"""Blur, magnification and levels, against SciPy and closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from scipy import ndimage

from fgbgnet.synth.scenes.planes import CORNERS, doubled, lens_blur, to_levels


@given(st.floats(0, 0.25), st.floats(0, 0.25), st.integers(3, 9), st.integers(3, 9), st.integers(0, 99))
def test_lens_blur_agrees_with_scipy_for_each_picture(first, second, height, width, seed):
    pictures = np.random.default_rng(seed).random((2, 3, height, width))
    weights = np.array([first, second])
    expected = pictures
    for axis in (2, 3):
        rows = [
            ndimage.correlate1d(picture, [weight, 1 - 2 * weight, weight], axis=axis - 1, mode="nearest")
            for picture, weight in zip(expected, weights, strict=True)
        ]
        expected = np.stack(rows)
    given_ = torch.from_numpy(pictures)
    found = lens_blur(given_, torch.from_numpy(weights).view(2, 1, 1, 1))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)
    np.testing.assert_array_equal(given_.numpy(), pictures)  # what is given stays as it is


def test_lens_blur_without_weight_keeps_the_bits_and_is_a_picture_of_its_own():
    picture = torch.rand(2, 3, 5, 6)
    for weight in (torch.zeros(2, 1, 1, 1), torch.tensor([0.0, 0.2]).view(2, 1, 1, 1)):
        found = lens_blur(picture, weight)
        assert torch.equal(found[0], picture[0])
        assert found.data_ptr() != picture.data_ptr()


def test_lens_blur_keeps_a_plain_picture_and_the_sum():
    plain = torch.full((1, 3, 9, 9), 0.25)
    weight = torch.full((1, 1, 1, 1), 0.2)
    torch.testing.assert_close(lens_blur(plain, weight), plain)
    dot = torch.zeros(1, 1, 9, 9)
    dot[..., 4, 4] = 1
    assert lens_blur(dot, weight).sum().item() == pytest.approx(1)


@given(st.integers(2, 20), st.integers(2, 20), st.integers(0, 99))
def test_doubling_keeps_samples_and_is_linear_between_them(height, width, seed):
    coarse = torch.from_numpy(np.random.default_rng(seed).random((2, -(-height // 2), -(-width // 2))))
    large = doubled(coarse, (height, width))
    assert large.shape == (2, height, width)
    assert torch.equal(large[:, ::2, ::2], coarse)
    y, x = np.mgrid[:height, :width] / 2.0
    expected = [ndimage.map_coordinates(plane, (y, x), order=1, mode="nearest") for plane in coarse.numpy()]
    np.testing.assert_allclose(large.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_doubling_is_exact_for_a_ramp(size):
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    ramp = (2.0 * x + 3.0 * y)[None]
    large = doubled(ramp[:, ::2, ::2], size)
    inner = slice(0, (size[0] - 1) // 2 * 2 + 1), slice(0, (size[1] - 1) // 2 * 2 + 1)
    torch.testing.assert_close(large[0][inner], ramp[0][inner])


def test_levels_are_gamma_two_in_8_bits():
    linear = torch.linspace(-0.5, 1.5, 1001)
    expected = np.round(np.sqrt(np.clip(linear.numpy(), 0, 1)) * 255).astype(int)
    out = torch.empty_like(linear)
    to_levels(linear.clone(), out)
    np.testing.assert_allclose(out.numpy() * 255, expected, atol=1e-4)
    assert out.min() == 0
    assert out.max() == 1
    for level in range(256):  # every level survives
        to_levels(torch.tensor([(level / 255) ** 2]), one := torch.empty(1))
        assert round(one.item() * 255) == level


def test_corners_are_the_four_of_a_pixel():
    assert sorted(CORNERS) == [(0, 0), (0, 1), (1, 0), (1, 1)]
