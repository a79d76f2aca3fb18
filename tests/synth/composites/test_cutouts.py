import pickle

import numpy as np
import pytest
from PIL import Image

from fgbgnet.errors import PictureError
from fgbgnet.synth.composites.cutouts import Cutout, Shelf, find_pictures, load_background, load_cutout
from fgbgnet.synth.composites.fringe import has_halo, without_halo
from fgbgnet.synth.composites.linear import to_linear, to_srgb


def test_shelf_holds_no_more_bytes_than_allowed_and_keeps_the_first():
    loaded = []

    def load(index):
        loaded.append(index)
        return np.full((4, 5, 5), index, dtype=np.uint8)

    shelf = Shelf(load, limit=350)
    for _ in range(3):
        assert [int(shelf(index)[0, 0, 0]) for index in range(5)] == [0, 1, 2, 3, 4]
    assert shelf.bytes == 300
    assert loaded == [0, 1, 2, 3, 4, 3, 4, 3, 4]


def test_a_shelf_in_another_process_starts_empty():
    shelf = Shelf(np.zeros, limit=10**6)
    shelf(50)
    twin = pickle.loads(pickle.dumps(shelf))
    assert twin.bytes == 0
    assert twin(50).shape == (50,)


def test_cutouts_are_kept_as_they_are_and_reduced_in_linear_light(tmp_path):
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[..., :3] = np.where(np.arange(64)[:, None, None] % 2, 255, 0)  # stripes: half the light
    rgba[..., 3] = np.where(np.arange(64) < 32, 255, 51)
    Image.fromarray(rgba).save(tmp_path / "stripes.png")
    assert np.array_equal(load_cutout(tmp_path / "stripes.png"), rgba)
    cutout = Cutout.of(rgba, 1000)
    assert np.array_equal(cutout.levels[0].colour, rgba[..., :3])
    small = cutout.levels[2]
    assert small.alpha.shape == (32, 32)
    assert set(small.colour.ravel().tolist()) == {188}  # IEC 61966-2-1 of 0.5
    assert set(small.alpha.ravel().tolist()) == {255, 51}
    assert cutout.mean == pytest.approx([188] * 3, abs=1)


def test_colours_under_empty_pixels_do_not_bleed():
    rgba = np.zeros((60, 60, 4), np.uint8)
    rgba[..., :3] = (0, 255, 0)
    rgba[15:45, 17:43] = (200, 30, 60, 255)
    for level in Cutout.of(rgba, 1000).levels:
        assert np.abs(level.colour[level.alpha > 8].astype(int) - (200, 30, 60)).max() <= 3


def test_the_right_level_is_the_smallest_that_need_not_be_enlarged():
    cutout = Cutout.of(np.full((100, 100, 4), 255, np.uint8), 1000)
    for height in range(8, 130):
        level = len(cutout.at(height).alpha)
        assert level >= min(height, 100)
        assert level <= max(np.ceil(height * 2**0.5) + 1, 10)


def test_palette_with_transparency_is_a_cutout(tmp_path):
    image = Image.new("P", (10, 12), 0)
    image.putpalette([255, 0, 255, 10, 200, 30] + [0] * 762)
    image.paste(1, (3, 4, 8, 10))
    image.save(tmp_path / "p.png", transparency=0)
    rgba = load_cutout(tmp_path / "p.png")
    assert rgba.shape == (6, 5, 4)  # without its empty border
    assert (rgba == (10, 200, 30, 255)).all()


@pytest.mark.parametrize(
    ("mode", "name", "text"),
    [
        ("RGB", "x.png", "mode RGB"),
        ("CMYK", "x.jpg", "mode CMYK"),
        ("I;16", "x.png", "mode I;16"),
        ("P", "x.png", "mode P"),
    ],
)
def test_pictures_without_alpha_are_no_cutouts(tmp_path, mode, name, text):
    Image.new(mode, (20, 20)).save(tmp_path / name)
    with pytest.raises(PictureError, match=f"{text} and no alpha channel"):
        load_cutout(tmp_path / name)


def test_cmyk_and_wide_grey_are_backgrounds(tmp_path):
    Image.new("CMYK", (32, 32), (0, 255, 255, 0)).save(tmp_path / "red.jpg", quality=95)
    red = load_background(tmp_path / "red.jpg", (16, 16))
    assert red[..., 0].min() > 200
    assert red[..., 1:].max() < 80
    Image.fromarray(np.full((32, 32), 32896, np.uint16)).save(tmp_path / "grey.png")
    assert set(load_background(tmp_path / "grey.png", (16, 16)).ravel().tolist()) == {128}


def test_linear_light_agrees_with_the_standard():
    levels = np.arange(256, dtype=np.uint8)
    assert to_linear(levels)[128] == pytest.approx(0.2158605, abs=1e-6)  # IEC 61966-2-1
    assert np.array_equal(to_srgb(to_linear(levels)), levels)
    assert to_srgb(np.float32([0.5, 1.0000005])).tolist() == [188, 255]


def test_backgrounds_of_other_shapes_show_their_middle(tmp_path):
    wide = np.zeros((20, 80, 3), np.uint8)
    wide[:, 30:50] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert (load_background(tmp_path / "wide.png", (40, 40))[:, 4:-4] > 245).all()  # the filter rings a little


def test_pictures_are_found_in_natural_order(tmp_path):
    for name in ("b10.png", "b2.png", "b1.PNG", "notes.txt", ".hidden.png"):
        (tmp_path / name).write_bytes(b"")
    assert [p.name for p in find_pictures(tmp_path, "backgrounds")] == ["b1.PNG", "b2.png", "b10.png"]


def cut_from_paper(colour, paper=None):
    """A disc with a soft edge, 60 x 60; its edge mixed with paper, if there is any."""
    y, x = np.mgrid[:60, :60] - 29.5
    alpha = np.clip((25 - np.hypot(x, y)) / 3 + 0.5, 0, 1)[..., None]
    mixed = np.array(colour) * np.ones((60, 60, 1)) if paper is None else alpha * colour + (1 - alpha) * paper
    return np.concatenate([np.rint(mixed), np.rint(255 * alpha)], 2).astype(np.uint8)


@pytest.mark.parametrize("colour", [(20, 40, 120), (130, 60, 40), (5, 5, 5)])
def test_white_halos_are_found_and_removed(colour):
    clean, haloed = cut_from_paper(colour), cut_from_paper(colour, 255)
    assert not has_halo(clean)
    assert has_halo(haloed)
    mended = without_halo(haloed)
    assert np.array_equal(mended[..., 3], haloed[..., 3])
    seen = mended[..., 3] > 8
    assert np.abs(mended[seen].astype(int) - clean[seen]).max() <= 26  # a tenth of paper is left alone
    assert np.abs(haloed[seen].astype(int) - clean[seen]).max() > 80
    assert not has_halo(mended)


def test_white_things_and_thin_things_have_no_halo():
    assert not has_halo(cut_from_paper((240, 240, 235), 255))
    assert not has_halo(cut_from_paper((20, 40, 120), 0))
    line = np.zeros((20, 20, 4), np.uint8)
    line[10] = 255
    assert not has_halo(line)
    assert np.array_equal(without_halo(line), line)
