"""Layers whose values say where their pixels come from."""

import numpy as np

from fgbgnet.data import Layers

H, W = 48, 64
SCALE = 4  # grey levels per pixel, so that rounding to 8 bits does not hide half a pixel


def half_plane(columns, rows, angle=0.6):
    """Signed distance in pixels from a line through the middle."""
    return (columns - W / 2) * np.cos(angle) + (rows - H / 2) * np.sin(angle)


def painted(height=H, width=W):
    """Red is the column, green the row, depth the column + 1, and the mask a half-plane."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    picture = np.stack([columns * SCALE, rows * SCALE, 0 * rows], -1).astype(np.uint8)
    return Layers(
        picture,
        picture + np.array([0, 0, 200], np.uint8),
        (half_plane(columns, rows) > 0).astype(np.uint8),
        columns + 1,
        np.ones((height, width), bool),
    )


def check_painted(sample, tolerance):
    """All layers of a sample show the same places, to a tolerance in pixels of the source."""
    columns, rows = (sample["bg"][i].numpy() * (255 / SCALE) for i in (0, 1))
    assert np.array_equal(sample["bg"][:2], sample["fg_bg"][:2])
    valid, mask = sample["depth_valid"][0].numpy(), sample["mask"][0].numpy()
    assert np.abs(sample["depth"][0].numpy() - 1 - columns)[valid].max(initial=0) <= tolerance
    distance = half_plane(columns, rows)
    clear = np.abs(distance) > tolerance
    assert np.array_equal(mask[clear], distance[clear] > 0)
    assert np.isin(mask, (0, 1)).all()
