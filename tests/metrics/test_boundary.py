import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy import ndimage

from fgbgnet.metrics import boundary_width, contour_band, inner_boundary


@pytest.mark.parametrize(
    ("size", "width"), [((224, 224), 2), ((112, 112), 1), ((10, 10), 1), ((168, 168), 2), ((100, 448), 4)]
)
def test_width_is_two_pixels_at_224(size, width):
    assert boundary_width(*size) == boundary_width(*size[::-1]) == width


@given(seed=st.integers(0, 9999), width=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_regions_match_scipy(seed, width):
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 20, 2)
    mask = rng.random(shape) < rng.random()
    square = np.ones((3, 3), bool)
    tensor = torch.from_numpy(mask)[None, None]
    eroded = ndimage.binary_erosion(mask, square, iterations=width, border_value=0)
    np.testing.assert_array_equal(inner_boundary(tensor, width)[0, 0].numpy(), mask & ~eroded)
    band = ndimage.binary_dilation(mask, square, iterations=width) & ndimage.binary_dilation(
        ~mask, square, iterations=width
    )
    np.testing.assert_array_equal(contour_band(tensor, width)[0, 0].numpy(), band)


def test_the_edge_of_the_picture_is_a_contour_only_of_the_inner_boundary():
    full = torch.ones(1, 1, 6, 6, dtype=torch.bool)
    assert inner_boundary(full, 1).sum() == 20
    assert not contour_band(full, 1).any()
