"""Depth in 16 bits, which Pillow would cut to 8 or stretch."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from fgbgnet.data import read_depth
from fgbgnet.errors import PictureError

STORED = np.array([[0, 1, 257, 258], [1000, 30001, 65534, 65535]], np.uint16)


def netpbm(path, kind, values, maximum, comment=b""):
    width = values.shape[1]
    head = kind + b"\n" + comment + b"%d %d\n%d\n" % (width, len(values), maximum)
    if kind in (b"P2", b"P3"):
        body = b" ".join(b"%d" % value for value in values.ravel().tolist())
    else:
        body = values.astype(">u2" if maximum > 255 else "u1").tobytes()
    path.write_bytes(head + body)
    return path


@given(maximum=st.integers(1, 65535), kind=st.sampled_from([b"P5", b"P2"]), data=st.data())
def test_pgm_of_any_maximum_keeps_its_values(tmp_path_factory, maximum, kind, data):
    values = data.draw(st.lists(st.integers(0, maximum), min_size=6, max_size=6))
    stored = np.array(values).reshape(2, 3)
    path = netpbm(tmp_path_factory.getbasetemp() / "d.pgm", kind, stored, maximum, b"# of a camera\n")
    np.testing.assert_allclose(read_depth(path)[0], stored / maximum, atol=1e-7)
    np.testing.assert_allclose(read_depth(path, "metres", scale=0.5)[0], stored * 0.5, rtol=1e-7)
    if maximum > 255:
        np.testing.assert_allclose(read_depth(path, "metres")[0], stored / 1000, rtol=1e-6)
    else:
        with pytest.raises(PictureError, match=r"d\.pgm has 8 bits"):
            read_depth(path, "metres")


def test_ppm(tmp_path):
    grey = np.repeat(np.array([[0, 50], [70, 100]])[..., None], 3, axis=2)
    path = netpbm(tmp_path / "d.ppm", b"P6", grey, 100)
    np.testing.assert_allclose(read_depth(path)[0], grey[..., 0] / 100, atol=1e-7)
    with pytest.raises(PictureError, match=r"d\.ppm has 16 bits of colour"):
        read_depth(netpbm(tmp_path / "d.ppm", b"P6", grey, 1000))


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize("alpha", [False, True])
def test_16_bit_grey_in_several_channels_keeps_its_bits(tmp_path, suffix, alpha):
    channels = [STORED] * 3 + ([np.full_like(STORED, 65535)] if alpha else [])
    cv2.imwrite(str(tmp_path / f"d.{suffix}"), np.dstack(channels))
    with Image.open(tmp_path / f"d.{suffix}") as picture:
        assert np.asarray(picture).dtype == np.uint8  # what Pillow makes of it
    depth, valid = read_depth(tmp_path / f"d.{suffix}", "metres")
    assert np.array_equal(depth, (STORED / 1000).astype(np.float32))
    assert np.array_equal(valid, STORED > 0)
    assert np.array_equal(read_depth(tmp_path / f"d.{suffix}")[0], (STORED / 65535).astype(np.float32))


def png(path, colour_type, channels):
    """A 16-bit PNG written by hand: neither Pillow nor OpenCV writes grey with alpha."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in np.dstack(channels))
    header = struct.pack(">IIBBBBB", STORED.shape[1], STORED.shape[0], 16, colour_type, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return path


def test_16_bit_grey_with_alpha(tmp_path):
    path = png(tmp_path / "d.png", 4, [STORED, np.full_like(STORED, 65535)])
    assert np.array_equal(read_depth(path, "metres")[0], (STORED / 1000).astype(np.float32))


def test_16_bit_colour_maps_are_still_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "d.png"), np.dstack([STORED, STORED[::-1], STORED[:, ::-1]]))
    with pytest.raises(PictureError, match=r"d\.png is coloured on \d+%"):
        read_depth(tmp_path / "d.png")


def test_what_cannot_be_read_without_loss_is_refused(tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / "d.png"), np.dstack([STORED] * 3))
    monkeypatch.setattr(cv2, "imdecode", lambda content, flags: None)
    with pytest.raises(PictureError, match=r"d\.png has 16 bits in several channels.*store it as 16-bit grey"):
        read_depth(tmp_path / "d.png")


def test_turned_files_of_16_bit_colour_are_refused(tmp_path):
    # OpenCV would leave them lying on their side.
    cv2.imwrite(str(tmp_path / "d.png"), np.dstack([STORED] * 3))
    content = (tmp_path / "d.png").read_bytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = len(body).to_bytes(4, "big") + b"eXIf" + body + zlib.crc32(b"eXIf" + body).to_bytes(4, "big")
    (tmp_path / "d.png").write_bytes(content[:33] + chunk + content[33:])
    with pytest.raises(PictureError, match=r"d\.png has 16 bits in several channels"):
        read_depth(tmp_path / "d.png")
