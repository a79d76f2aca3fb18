import numpy as np
import pytest
import torch
from PIL import Image

from fgbgnet.synth.cutouts import (
    Shelf,
    find_pictures,
    load_background,
    load_cutout,
    premultiplied,
    resize,
    to_linear,
    to_srgb,
)


def test_shelf_holds_no_more_bytes_than_allowed_and_keeps_the_first():
    loaded = []

    def load(index):
        loaded.append(index)
        return torch.full((4, 5, 5), index, dtype=torch.uint8)

    shelf = Shelf(load, limit=350)
    for _ in range(3):
        assert [int(shelf(index)[0, 0, 0]) for index in range(5)] == [0, 1, 2, 3, 4]
    assert shelf.bytes == 300
    assert loaded == [0, 1, 2, 3, 4, 3, 4, 3, 4]


def test_cutouts_are_kept_as_bytes_and_reduced_in_linear_light(tmp_path):
    rng = np.random.default_rng(0)
    rgba = rng.integers(0, 256, (60, 40, 4), dtype=np.uint8)
    rgba[..., 3] = np.where(np.arange(40) < 20, 255, rgba[..., 3])
    Image.fromarray(rgba).save(tmp_path / "noise.png")
    whole = load_cutout(tmp_path / "noise.png", 100)
    assert whole.dtype == torch.uint8
    assert torch.equal(whole, torch.from_numpy(rgba).permute(2, 0, 1))  # stored as it was: nothing is lost
    small = load_cutout(tmp_path / "noise.png", 30)
    assert small.shape == (4, 30, 20)
    light = premultiplied(whole)
    assert light[3].max() == 1
    torch.testing.assert_close(light[:3], to_linear(whole[:3]) * whole[3] / 255)
    torch.testing.assert_close(premultiplied(small), resize(light, (30, 20)), atol=0.01, rtol=0)


def test_palette_with_transparency_is_a_cutout(tmp_path):
    image = Image.new("P", (10, 12), 0)
    image.putpalette([255, 0, 255, 10, 200, 30] + [0] * 762)
    image.paste(1, (3, 4, 8, 10))
    image.save(tmp_path / "p.png", transparency=0)
    layers = load_cutout(tmp_path / "p.png", 100)
    assert layers.shape == (4, 6, 5)  # without its empty border
    assert (layers[3] == 255).all()


def test_linear_light_agrees_with_the_standard():
    levels = torch.arange(256, dtype=torch.uint8)
    assert to_linear(levels)[128].item() == pytest.approx(0.2158605, abs=1e-6)  # IEC 61966-2-1
    assert torch.equal(to_srgb(to_linear(levels)), levels)
    assert to_srgb(torch.tensor([0.5])).item() == 188


def test_backgrounds_of_other_shapes_show_their_middle(tmp_path):
    wide = np.zeros((20, 80, 3), np.uint8)
    wide[:, 30:50] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert (load_background(tmp_path / "wide.png", (40, 40))[:, 4:-4] > 245).all()  # the filter rings a little


def test_pictures_are_found_in_natural_order(tmp_path):
    for name in ("b10.png", "b2.png", "b1.PNG", "notes.txt", ".hidden.png"):
        (tmp_path / name).write_bytes(b"")
    assert [p.name for p in find_pictures(tmp_path, "backgrounds")] == ["b1.PNG", "b2.png", "b10.png"]
