import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth import PERTURBATIONS
from fgbgnet.synth.perturb import draws, geometry
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
