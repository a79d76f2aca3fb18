"""The fast path gives the pixels of the careful path, or steps aside."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from fgbgnet.data import plain, plain_jpeg
from fgbgnet.data.decode import decode_depth, decode_mask, decode_rgb
from fgbgnet.data.plain import plain_grey, plain_rgb, reduction
from fgbgnet.data.plain_png import decode_png
from fgbgnet.errors import MaskError, PictureError


def encode(picture, kind="JPEG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def photograph(height, width, seed, mode="RGB"):
    """A smooth picture with edges: noise, blurred, and a few rectangles."""
    rng = np.random.default_rng(seed)
    pixels = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), (5, 5), 2)
    for _ in range(3):
        top, left = rng.integers(0, height), rng.integers(0, width)
        pixels[top : top + 9, left : left + 13] = rng.integers(0, 256, 3)
    return Image.fromarray(pixels).convert(mode)


def blob(height, width, seed):
    """A mask, L, 0 and 255, with a soft contour as JPEG makes it."""
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    return Image.fromarray(np.where(cv2.GaussianBlur(noise, (0, 0), 6) > 0.02, 255, 0).astype(np.uint8))


jpegs = st.fixed_dictionaries(
    {
        "quality": st.integers(1, 100),
        "subsampling": st.sampled_from([0, 1, 2]),
        "progressive": st.booleans(),
        "optimize": st.booleans(),
        "restart_marker_rows": st.sampled_from([0, 1]),
    }
)
sides = st.integers(1, 70)


@settings(max_examples=50)
@given(height=sides, width=sides, seed=st.integers(0, 99), mode=st.sampled_from(["RGB", "L"]), options=jpegs)
def test_jpeg_pictures_are_those_of_pillow(height, width, seed, mode, options):
    content = encode(photograph(height, width, seed, mode), **options)
    fast = plain_rgb(content)
    assert fast is not None
    assert fast.flags.writeable
    assert np.array_equal(fast, np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))


@settings(max_examples=50)
@given(
    height=sides, width=sides, seed=st.integers(0, 99), options=jpegs, factor=st.sampled_from([2, 4, 8]), data=st.data()
)
def test_smaller_jpeg_pictures_are_those_of_pillow(height, width, seed, options, factor, data):
    least = height // factor, width // factor
    content = encode(photograph(height, width, seed), **options)
    fast = plain_rgb(content, lambda h, w: least)
    picture = Image.open(io.BytesIO(content))
    if min(least) > 0:
        picture.draft("RGB", (width // factor, height // factor))
        assert fast.shape[0] >= least[0]
        assert fast.shape[1] >= least[1]
    if picture.size == fast.shape[1::-1]:  # Pillow does not go below one pixel
        assert np.array_equal(fast, np.asarray(picture))


@settings(max_examples=50)
@given(height=sides, width=sides, seed=st.integers(0, 99), mode=st.sampled_from(["L", "RGB"]), options=jpegs)
def test_masks_and_depth_as_jpeg_are_those_of_the_careful_path(height, width, seed, mode, options):
    mask = encode(blob(height, width, seed).convert(mode), **options)
    depth = encode(photograph(height, width, seed, "L").convert(mode), **options)
    assert plain_grey(mask) is not None
    with pytest.MonkeyPatch.context() as patch:
        quick = [outcome(decode_mask, mask), outcome(decode_depth, depth)]
        for module in ("masks", "depths"):
            patch.setattr(f"fgbgnet.data.{module}.plain_grey", lambda content: None)
        careful = [outcome(decode_mask, mask), outcome(decode_depth, depth)]
    assert all(alike(one, other) for one, other in zip(quick, careful, strict=True))


def outcome(decode, content):
    try:
        return decode(content, "x.jpg")
    except PictureError as error:
        return str(error)


def alike(one, other):
    if isinstance(one, tuple) and isinstance(other, tuple):
        return all(alike(*pair) for pair in zip(one, other, strict=True))
    return type(one) is type(other) and np.array_equal(one, other)


@settings(max_examples=50)
@given(
    height=sides,
    width=sides,
    seed=st.integers(0, 99),
    mode=st.sampled_from(["L", "RGB", "1", "I;16"]),
    level=st.integers(0, 9),
)
def test_png_files_are_those_of_pillow(height, width, seed, mode, level):
    picture = photograph(height, width, seed, "L" if mode in ("1", "I;16") else mode)
    if mode == "1":
        picture = picture.convert("1")
    elif mode == "I;16":
        picture = Image.fromarray(np.asarray(picture).astype(np.uint16) * 201)
    content = encode(picture, "PNG", compress_level=level)
    stored = np.asarray(picture) * 255 if mode == "1" else np.asarray(picture)
    assert np.array_equal(decode_png(content), stored)
    if mode != "I;16":
        assert np.array_equal(plain_rgb(content), np.asarray(picture.convert("RGB")))


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>'


@pytest.mark.parametrize(
    "content",
    [
        encode(photograph(20, 30, 0), exif=exif(6)),
        encode(photograph(20, 30, 0), xmp=XMP),
        encode(photograph(20, 30, 0, "CMYK")),
        encode(photograph(20, 30, 0), "PNG", exif=exif(6)),
        encode(photograph(20, 30, 0, "P"), "PNG"),
        encode(photograph(20, 30, 0, "RGBA"), "PNG"),
        encode(photograph(20, 30, 0, "LA"), "PNG"),
        encode(photograph(20, 30, 0, "L"), "PNG", transparency=3),
        encode(photograph(20, 30, 0), "BMP"),
        encode(photograph(20, 30, 0), "WEBP"),
        b"",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0",
        b"\xff\xd8\xff\xc0\x00\x04\x08\x00",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + b"IHDR" * 20,
    ],
)
def test_what_needs_care_is_left_alone(content):
    assert plain_rgb(content) is None
    assert plain_grey(content) is None


def test_an_upright_camera_needs_no_care():
    content = encode(photograph(20, 30, 0), exif=exif(1))
    assert plain_rgb(content) is not None


def test_coloured_pictures_are_not_grey():
    assert plain_grey(encode(photograph(20, 30, 0))) is None
    with pytest.raises(MaskError, match="coloured"):
        decode_mask(encode(Image.new("RGB", (30, 20), (200, 30, 30))), "m.jpg")


@given(cut=st.floats(0.01, 0.999), kind=st.sampled_from(["JPEG", "PNG"]))
def test_truncated_files_are_errors_and_never_grey(cut, kind):
    content = encode(photograph(64, 64, 1), kind)
    content = content[: int(len(content) * cut)]
    assert plain_rgb(content) is None
    with pytest.raises(PictureError):
        decode_rgb(content, "cut")


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_damaged_png_files_never_give_other_pixels(position, bit):
    picture = photograph(40, 40, 2)
    content = bytearray(encode(picture, "PNG"))
    content[position % len(content)] ^= 1 << bit
    decoded = decode_png(bytes(content))
    assert decoded is None or np.array_equal(decoded, np.asarray(picture))


def test_a_png_file_with_too_few_rows_is_no_picture():
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = zlib.compress(b"\0" + bytes(range(40)) + b"\0" + bytes(7))
    header = struct.pack(">IIBBBBB", 40, 30, 8, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    with pytest.raises(PictureError):
        decode_rgb(content, "short.png")


@given(stored=st.tuples(st.integers(1, 5000), st.integers(1, 5000)), least=st.tuples(sides, sides))
def test_a_reduced_picture_is_large_enough(stored, least):
    factor = reduction(stored, lambda height, width: least)
    assert factor in (1, 2, 4, 8)
    if factor > 1:
        assert stored[0] // factor >= least[0]
        assert stored[1] // factor >= least[1]
    if factor < 8:
        assert stored[0] // (2 * factor) < least[0] or stored[1] // (2 * factor) < least[1]


def test_a_bomb_is_left_to_pillow(monkeypatch):
    jpeg, png = (encode(photograph(100, 100, 0), kind) for kind in ("JPEG", "PNG"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for content in (jpeg, png):
        with pytest.raises(PictureError, match=r"big"):
            decode_rgb(content, "big")


def test_without_simplejpeg_pillow_decodes_the_same(monkeypatch):
    content = encode(photograph(50, 70, 4))
    quick = decode_rgb(content, "a.jpg")
    monkeypatch.setattr(plain_jpeg, "simplejpeg", None)
    assert plain.plain_rgb(content) is None
    assert np.array_equal(decode_rgb(content, "a.jpg"), quick)
    # It has no scaled decoding then, and the pictures are as large as they are stored.
    assert decode_rgb(content, "a.jpg", lambda height, width: (10, 10)).shape == (50, 70, 3)


@settings(max_examples=30)
@given(seed=st.integers(0, 99), height=st.integers(90, 130), width=st.integers(90, 130), top=st.integers(0, 60))
def test_pixels_that_are_equal_stay_equal_when_decoded_smaller(seed, height, width, top):
    """Something new in the frame changes the blocks that it touches, at every scale."""
    bg = photograph(height, width, seed)
    frame = bg.copy()
    frame.paste((250, 10, 10), (top, top, top + 20, top + 20))
    small = [decode_rgb(encode(p, subsampling=0), "x", lambda h, w: (40, 40)) for p in (bg, frame)]
    assert small[0].shape[0] == (height + 1) // 2
    changed = np.argwhere((small[0] != small[1]).any(axis=2)) * 2
    assert len(changed)
    assert changed.min() >= top // 8 * 8
    assert changed.max() < -(-(top + 20) // 8) * 8


@pytest.mark.parametrize("length", range(8, 30))
def test_exif_that_ends_early_is_passed_over_or_a_clear_error(length):
    content = bytearray(encode(photograph(16, 24, 0), exif=exif(6)))
    start = content.index(b"Exif")
    end = start - 2 + int.from_bytes(content[start - 2 : start])
    content[start + length : end] = b""
    content[start - 2 : start] = (length + 2).to_bytes(2)
    try:
        assert sorted(decode_rgb(bytes(content), "frame.jpg").shape) == [3, 16, 24]
    except PictureError as error:
        assert "frame.jpg" in str(error)  # noqa: PT017 - either will do
