import io

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from PIL import Image

from fgbgnet.errors import PictureError
from fgbgnet.pictures import load_picture, open_picture, to_rgb


def test_modes():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    expected = np.repeat(grey[..., None], 3, axis=2)
    picture = Image.fromarray(grey)
    for mode in ("L", "RGB", "RGBA", "LA", "P", "CMYK"):
        difference = np.abs(to_rgb(picture.convert(mode)).astype(int) - expected)
        assert difference.max() <= (1 if mode == "CMYK" else 0), mode
    assert np.array_equal(to_rgb(Image.fromarray(grey.astype(np.uint16) * 257)), expected)
    assert np.array_equal(to_rgb(Image.fromarray(grey.astype(np.float32) / 255)), expected)
    assert set(np.unique(to_rgb(picture.convert("1")))) == {0, 255}


def integers(*values):
    return Image.fromarray(np.array([values], np.int32))


def test_sixteen_bits_span_65535_however_dark():
    assert to_rgb(Image.fromarray(np.array([[0, 255, 257, 65535]], np.uint16)))[0, :, 0].tolist() == [0, 1, 1, 255]
    assert integers(0, 257).mode == "I"
    assert to_rgb(integers(0, 257, 65535))[0, :, 0].tolist() == [0, 1, 255]
    assert to_rgb(integers(0, 0)).tolist() == [[[0] * 3] * 2]  # black is black in any scale


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (integers(0, 255), "8-bit grey or a dark 16-bit picture"),
        (integers(0, 1), "up to 1, which may be"),
        (integers(0, 65536), "0 to 65535"),
        (integers(-1, 300), "from -1 to 300"),
        (Image.fromarray(np.array([[0, 255]], np.float32)), "from 0 to 255"),
        (Image.fromarray(np.array([[0, -0.5]], np.float32)), "from -0.5 to 0"),
        (Image.fromarray(np.array([[0, np.nan]], np.float32)), "nan"),
    ],
)
def test_values_that_do_not_say_how_bright_they_are(picture, words, tmp_path):
    with pytest.raises(PictureError, match=words):
        to_rgb(picture)
    with pytest.raises(PictureError, match=f"^fg_bg .*{words}"):
        load_picture(picture, "fg_bg")
    picture.save(tmp_path / "odd.tif")
    with pytest.raises(PictureError, match=rf"odd\.tif .*{words}"):
        load_picture(tmp_path / "odd.tif")


def test_palette_with_transparency_keeps_its_colours(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putdata([0, 1])
    picture.save(tmp_path / "p.png", transparency=0)
    assert to_rgb(open_picture(tmp_path / "p.png")).tolist() == [[[255, 0, 0], [0, 0, 255]]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = np.zeros((20, 30, 3), np.uint8)
    upright[:5, :8] = (200, 30, 30)  # a mark in the top left corner
    turned = upright.transpose(1, 0, 2)  # how a camera held that way stores the scene
    stored = [upright, upright[:, ::-1], upright[::-1, ::-1], upright[::-1]]
    stored += [turned, turned[::-1], turned[::-1, ::-1], turned[:, ::-1]]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored[orientation - 1])).save(tmp_path / "p.png", exif=exif)
    assert np.array_equal(to_rgb(open_picture(tmp_path / "p.png")), upright)


@given(height=st.integers(1, 9), width=st.integers(1, 9), data=st.data())
def test_bytes_survive(height, width, data):
    array = np.array(data.draw(st.lists(st.integers(0, 255), min_size=height * width * 3, max_size=height * width * 3)))
    array = array.reshape(height, width, 3).astype(np.uint8)
    picture = load_picture(array)
    assert picture.shape == (3, height, width)
    assert np.array_equal((picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8), array)
    assert torch.equal(load_picture(Image.fromarray(array)), picture)
    assert torch.equal(load_picture(torch.from_numpy(array).permute(2, 0, 1)), picture)


def test_a_bomb_is_an_error(monkeypatch, tmp_path):
    Image.new("L", (100, 100)).save(tmp_path / "big.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(PictureError, match=r"big\.png"):
        open_picture(tmp_path / "big.png")


@pytest.mark.parametrize("kind", [1, 2])
def test_a_broken_exif_tag_does_not_keep_a_picture_from_being_turned(kind):
    exif = Image.Exif()
    exif[0x0112], exif[0x011A] = 6, 72.0  # orientation, resolution
    file = io.BytesIO()
    Image.new("RGB", (16, 8)).save(file, "JPEG", exif=exif)
    content = file.getvalue().replace(b"\x01\x1a\x00\x05", bytes([1, 0x1A, 0, kind]))  # a resolution is no text
    assert open_picture(content).size == (8, 16)
