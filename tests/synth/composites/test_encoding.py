import io

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from fgbgnet.synth.composites.encoding import encode_grey, encode_picture


@given(st.sampled_from([np.uint8, np.uint16]).flatmap(lambda kind: arrays(kind, st.tuples(*[st.integers(1, 20)] * 2))))
def test_what_pillow_reads_is_what_was_written(levels):
    with Image.open(io.BytesIO(encode_grey(levels))) as picture:
        picture.load()
        assert picture.mode == {1: "L", 2: "I;16"}[levels.dtype.itemsize]
        assert np.array_equal(np.asarray(picture), levels)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_opencv_reads_the_same(kind):
    import cv2

    levels = np.random.default_rng(0).integers(0, np.iinfo(kind).max, (31, 17)).astype(kind)
    read = cv2.imdecode(np.frombuffer(encode_grey(levels), np.uint8), cv2.IMREAD_UNCHANGED)
    assert read.dtype == kind
    assert np.array_equal(read, levels)


def test_pictures_keep_their_colours_in_order():
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[..., 0], pixels[:, 16:, 2] = 220, 130
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_picture(pixels, None, "4:2:0")))), pixels)
    lossy = np.asarray(Image.open(io.BytesIO(encode_picture(pixels, 95, "4:4:4"))))
    assert np.abs(lossy.astype(int) - pixels).max() < 12
