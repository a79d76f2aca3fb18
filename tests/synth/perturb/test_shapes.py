import math

import numpy as np
import pytest
import torch

from fgbgnet.synth.perturb import shapes


@pytest.mark.parametrize(("height", "width"), [(60, 60), (60, 180), (180, 60)])
def test_a_blob_without_displacements_is_an_ellipse_in_pixels(height, width):
    angle = math.radians(30)
    row = [0.5, 0.5, 0.3, 0.15, math.cos(angle), math.sin(angle), 0.01] + [0.0] * shapes.CONTOUR_GRID**2
    cover = shapes.blob(torch.tensor([row], dtype=torch.float64), torch.empty(height, width, dtype=torch.float64))
    y, x = np.mgrid[:height, :width] + 0.5 - np.array([height, width])[:, None, None] / 2
    second = (cover[0, 0].numpy() * [x * x, x * y, y * y]).sum((1, 2)) / cover.sum().item()
    # The second moments of an ellipse are a quarter of the squares of its radii.
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    expected = turn @ np.diag([(0.3 * 60) ** 2, (0.15 * 60) ** 2]) @ turn.T / 4
    np.testing.assert_allclose(second, expected[[0, 0, 1], [0, 1, 1]], rtol=0.02)


def test_offsets_are_pixels_over_the_shorter_side():
    x, y = shapes.offsets(torch.empty(10, 30, dtype=torch.float64), torch.tensor(0.5), torch.tensor(0.2))
    np.testing.assert_allclose(x, (np.arange(30) + 0.5 - 15) / 10, atol=1e-6)
    np.testing.assert_allclose(y[:, 0], (np.arange(10) + 0.5 - 2) / 10, atol=1e-6)
