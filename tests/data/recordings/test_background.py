import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from fgbgnet.data.recordings import temporal_median
from fgbgnet.data.recordings.background import spread
from fgbgnet.data.recordings.labels import read_labels
from fgbgnet.errors import InvalidArgumentError, MaskError, PictureError


@pytest.fixture
def frames(tmp_path):
    """Seven random frames, uint8 (7, 5, 4, 3), and their paths."""
    stack = np.random.default_rng(3).integers(0, 256, (7, 5, 4, 3), dtype=np.uint8)
    paths = [tmp_path / f"{index}.png" for index in range(7)]
    for picture, path in zip(stack, paths, strict=True):
        Image.fromarray(picture).save(path)
    return stack, paths


@pytest.mark.parametrize("count", [1, 2, 6, 7])
@pytest.mark.parametrize("memory", [1, 7 * 4 * 3 * 4 * 2, 2**27], ids=["row by row", "two rows", "at once"])
def test_is_the_median_in_any_blocks(frames, count, memory):
    stack, paths = frames
    picture, seen = temporal_median(paths[:count], memory=memory)
    np.testing.assert_array_equal(picture, np.rint(np.median(stack[:count].astype(float), axis=0)))
    assert seen.all()


@settings(max_examples=25)
@given(seed=st.integers(0, 9999))
def test_only_what_counts_makes_the_median(tmp_path_factory, seed):
    rng, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("masked")
    stack = rng.integers(0, 256, (4, 3, 3, 3), dtype=np.uint8)
    counts = rng.random((4, 3, 3)) < 0.5
    for index, picture in enumerate(stack):
        Image.fromarray(picture).save(folder / f"{index}.png")
    picture, seen = temporal_median([folder / f"{index}.png" for index in range(4)], list(counts), memory=1)
    np.testing.assert_array_equal(seen, counts.any(0))
    for row, column in np.ndindex(3, 3):
        valid = counts[:, row, column]
        values = stack[valid if valid.any() else slice(None), row, column].astype(float)
        np.testing.assert_array_equal(picture[row, column], np.rint(np.median(values, axis=0)))


@pytest.mark.parametrize("masked", [False, True])
def test_memory_is_bounded(tmp_path, masked):
    picture = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "0.png")
    counts = [np.ones((200, 300), bool)] * 30 if masked else None
    budget = 2**21  # the stack of all frames is five times that
    tracemalloc.start()
    temporal_median([tmp_path / "0.png"] * 30, counts, memory=budget)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < budget + 8 * picture.nbytes  # a few frames beside it


def test_wrong_input(frames, tmp_path):
    with pytest.raises(InvalidArgumentError, match="no frames"):
        temporal_median([])
    Image.new("RGB", (5, 5)).save(tmp_path / "3.png")
    with pytest.raises(PictureError, match=r"3\.png is 5 x 5 pixels, but .*0\.png is 4 x 5"):
        temporal_median(frames[1])


@given(st.integers(1, 200), st.integers(1, 60))
def test_spread_is_even(count, most):
    chosen = spread(range(count), most)
    assert len(set(chosen)) == len(chosen) == min(count, most)
    assert chosen[0] == 0
    assert chosen[-1] == count - 1 or most == 1
    gaps = np.diff(chosen)
    assert not len(gaps) or gaps.max() - gaps.min() <= 1


def test_stray_levels_are_unknown_and_many_are_an_error(tmp_path):
    labels = np.zeros((20, 20), np.uint8)
    labels[0, :5] = 0, 50, 85, 170, 255
    labels[1, :3] = 7, 128, 254
    Image.fromarray(labels).save(tmp_path / "gt.png")
    assert read_labels(tmp_path / "gt.png")[0, :5].tolist() == [0, 50, 85, 170, 255]
    assert read_labels(tmp_path / "gt.png")[1, :4].tolist() == [170, 170, 170, 0]
    Image.fromarray(np.dstack([labels] * 3)).save(tmp_path / "rgb.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "rgb.png"), read_labels(tmp_path / "gt.png"))
    labels[2, :3] = 1
    Image.fromarray(labels).save(tmp_path / "gt.png")
    with pytest.raises(MaskError, match=r"gt\.png is 1 \(and other levels\) on 1\.5% of its pixels"):
        read_labels(tmp_path / "gt.png")
