import numpy as np
import pytest

from fgbgnet.data import Layers, Manifest, PairedFgBgDataset
from fgbgnet.errors import PictureError


def layers(bg, fg_bg, mask, depth=None):
    made = Layers.without_depth(*(np.zeros((*size, 3), np.uint8) for size in (bg, fg_bg)), np.zeros(mask, np.uint8))
    if depth is not None:
        made.depth, made.depth_valid = np.ones(depth, np.float32), np.ones(depth, bool)
    return made


@pytest.mark.parametrize(
    ("other", "frame"),
    [
        ((220, 220), (256, 256)),
        ((222, 222), (224, 224)),
        ((222, 224), (224, 224)),
        ((80, 160), (40, 80)),
        ((40, 80), (80, 160)),
        ((105, 100), (100, 100)),
        ((5, 9), (480, 854)),  # small files are rounded to whole pixels
        ((480, 854), (5, 9)),
    ],
)
def test_layers_that_differ_in_scale_are_matched(other, frame):
    out = layers(other, frame, other, other).matched()
    assert out.bg.shape == (*frame, 3)
    assert out.mask.shape == out.depth.shape == out.depth_valid.shape == frame


@pytest.mark.parametrize("name", ["bg", "mask", "depth"])
@pytest.mark.parametrize(
    ("other", "frame"),
    [((60, 80), (80, 60)), ((100, 106), (100, 100)), ((106, 100), (100, 100)), ((10, 11), (10, 10)), ((4, 6), (6, 4))],
)
def test_layers_of_another_shape_are_refused(name, other, frame):
    sizes = {"bg": frame, "fg_bg": frame, "mask": frame, "depth": frame} | {name: other}
    message = rf"^{name} is {other[1]} x {other[0]} pixels, but fg_bg is {frame[1]} x {frame[0]};.*turned on its side"
    with pytest.raises(PictureError, match=message):
        layers(**sizes).matched()


def test_the_data_set_names_the_files(tmp_path):
    from PIL import Image

    for name, size in [("room", (64, 48)), ("frame", (64, 48)), ("mask", (48, 64))]:
        Image.new("L", size).save(tmp_path / f"{name}.png")
    dataset = PairedFgBgDataset(Manifest.from_lists("room.png", ["frame.png"], ["mask.png"], root=tmp_path))
    with pytest.raises(PictureError, match=r"mask\.png is 48 x 64 pixels, but .*frame\.png is 64 x 48"):
        dataset[0]
