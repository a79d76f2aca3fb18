"""Masks that a plain threshold, or a plain look at the alpha channel, would get wrong."""

import numpy as np
import pytest
from PIL import Image

from fgbgnet.data import read_mask
from fgbgnet.errors import MaskError

H, W = 40, 60


@pytest.fixture
def truth():
    """A mask, bool (H, W), with 6 % of foreground."""
    rows, columns = np.mgrid[:H, :W]
    return (rows - 15) ** 2 + (columns - 24) ** 2 < 50


def save(path, array, **options):
    picture = array if isinstance(array, Image.Image) else Image.fromarray(array)
    picture.save(path, **options)
    return path


def stack(colours, alpha):
    if isinstance(colours, int):
        colours = np.full((H, W, 3), colours)
    return np.dstack([np.broadcast_to(colours if colours.ndim == 3 else colours[..., None], (H, W, 3)), alpha]).astype(
        np.uint8
    )


@pytest.mark.parametrize("level", [2, 7, 60, 127])
def test_one_dark_pixel_is_no_empty_mask(tmp_path, level):
    values = np.zeros((200, 200), np.uint8)
    values[3, 4] = level
    with pytest.raises(MaskError, match=rf"m\.png has values up to {level}, none above 127"):
        read_mask(save(tmp_path / "m.png", values))
    values[3, 4] = 1  # literally
    assert read_mask(save(tmp_path / "m.png", values)).sum() == 1


@pytest.mark.parametrize("level", [8, 60, 120])
def test_dark_jpeg_masks_are_refused(tmp_path, level):
    path = save(tmp_path / "m.jpg", np.full((16, 16), level, np.uint8), quality=100)
    with pytest.raises(MaskError, match=rf"m\.jpg (has values up to {level}|is grey)"):
        read_mask(path)


@pytest.mark.parametrize("level", [0, 1, 7])
def test_jpeg_noise_is_empty(tmp_path, level):
    assert not read_mask(save(tmp_path / "m.jpg", np.full((16, 16), level, np.uint8), quality=100)).any()


@pytest.mark.parametrize(
    ("high", "dtype", "message"),
    [
        (0.001, np.float32, "values up to 0.001, none above 0.498"),
        (0.4, np.float32, "values up to 0.4, none above 0.498"),
        (1.2, np.float32, "values up to 1.2, none above 127"),
        (300, np.uint16, "values up to 300, none above 3.264e.04"),
        (26001, np.uint16, "values up to 26001"),
        (3, np.uint16, "values up to 3, none above 127"),
    ],
)
def test_dark_numbers_are_refused_before_they_are_rounded(tmp_path, truth, high, dtype, message):
    np.save(tmp_path / "m.npy", np.where(truth, high, 0).astype(dtype))
    with pytest.raises(MaskError, match=message):
        read_mask(tmp_path / "m.npy")


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
def test_an_alpha_channel_that_clears_nothing_is_no_mask(tmp_path, truth):
    alpha = np.full((H, W), 255)
    alpha[0, :5] = 254
    alpha[1, :5] = 0  # 0.2 % of the pixels
    assert np.array_equal(read_mask(save(tmp_path / "m.png", stack(truth * 255, alpha))), truth)
    grey = np.dstack([truth * 255, alpha]).astype(np.uint8)
    assert np.array_equal(read_mask(save(tmp_path / "la.png", grey)), truth)
    palette = Image.fromarray((truth * 1).astype(np.uint8)).convert("P")
    palette.putdata(truth.astype(int).ravel().tolist())
    palette.putpalette([0, 0, 0, 128, 0, 0])
    path = save(tmp_path / "p.png", palette, transparency=bytes([255, 250]))
    assert np.array_equal(read_mask(path), truth)


@pytest.mark.parametrize("colour", [0, 90, 255])
def test_alpha_over_one_colour_is_the_mask(tmp_path, truth, colour):
    assert np.array_equal(read_mask(save(tmp_path / "m.png", stack(colour, truth * 255))), truth)
    nearly_full = np.full((H, W), 255)
    nearly_full[0, 0] = 0
    assert np.array_equal(read_mask(save(tmp_path / "f.png", stack(colour, nearly_full))), nearly_full // 255)


def test_alpha_that_agrees_with_the_colours_or_cuts_out_a_photograph_is_the_mask(tmp_path, truth):
    assert np.array_equal(read_mask(save(tmp_path / "a.png", stack(truth * 255, truth * 255))), truth)
    photograph = np.random.default_rng(0).integers(0, 255, (H, W, 3))
    assert np.array_equal(read_mask(save(tmp_path / "b.png", stack(photograph, truth * 255))), truth)
    on_black = photograph * truth[..., None]
    assert np.array_equal(read_mask(save(tmp_path / "c.png", stack(on_black, truth * 255))), truth)


def test_two_different_masks_in_one_file(tmp_path, truth):
    other = np.zeros((H, W))
    other[:, 30:] = 255
    with pytest.raises(MaskError, match=r"m\.png holds two masks.*differ on 5\d%"):
        read_mask(save(tmp_path / "m.png", stack(truth * 255, other)))
    with pytest.raises(MaskError, match=r"m\.png holds two masks.*differ on 100%"):
        read_mask(save(tmp_path / "m.png", stack(truth * 255, ~truth * 255)))


def test_a_soft_alpha_channel_is_no_mask(tmp_path):
    soft = np.tile(np.linspace(0, 255, W), (H, 1))
    with pytest.raises(MaskError, match=r"the alpha channel of .*m\.png is grey"):
        read_mask(save(tmp_path / "m.png", stack(0, soft)))
