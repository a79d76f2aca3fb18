import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from fgbgnet.data import read_depth, read_mask, read_rgb
from fgbgnet.data.audit.edits import edited_picture
from fgbgnet.errors import InvalidArgumentError, MissingFileError, PictureError

RNG = np.random.default_rng(3)
COLOURS = Image.fromarray(RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8))
INSIDE = np.zeros((6, 9), bool)
INSIDE[1:4, 2:5] = True

# Independent of the code under test: Pillow's own operations.
BY_PILLOW = {
    "mirror": ImageOps.mirror,
    "flip": ImageOps.flip,
    "turn": lambda picture: picture.rotate(180),
    "invert": ImageOps.invert,
}
ON_ARRAYS = {
    "mirror": lambda a: a[:, ::-1],
    "flip": lambda a: a[::-1],
    "turn": lambda a: a[::-1, ::-1],
    "invert": lambda a: 1 - a,
}


@pytest.mark.parametrize("edit", BY_PILLOW)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pictures_are_edited_pixel_by_pixel(tmp_path, edit, mode):
    picture = COLOURS.convert(mode)
    picture.save(tmp_path / "p.png")
    copy = edited_picture(tmp_path / "p.png", "bg", [edit])
    assert copy.mode == mode
    assert copy.tobytes() == BY_PILLOW[edit](picture).tobytes()


def test_edits_follow_each_other(tmp_path):
    COLOURS.save(tmp_path / "p.png")
    copy = edited_picture(tmp_path / "p.png", "fg_bg", ["mirror", "invert"])
    assert copy.tobytes() == ImageOps.invert(ImageOps.mirror(COLOURS)).tobytes()


def masks(folder):
    """Files of all kinds that hold one and the same mask."""
    levels = INSIDE.astype(np.uint8) * 255
    grey = Image.fromarray(levels)
    grey.save(folder / "grey.png")
    Image.fromarray(INSIDE.astype(np.uint8)).save(folder / "ones.png")
    grey.convert("1").save(folder / "bits.png")
    grey.convert("RGB").save(folder / "rgb.bmp")
    palette = Image.frombytes("P", (9, 6), INSIDE.astype(np.uint8).tobytes())
    palette.putpalette([0, 0, 0, 200, 0, 0])
    palette.save(folder / "palette.png")
    cutout = COLOURS.copy()
    cutout.putalpha(grey)
    cutout.save(folder / "alpha.png")
    Image.fromarray(levels.astype(np.uint16) * 257).save(folder / "wide.png")
    Image.fromarray(np.kron(levels, np.ones((16, 16), np.uint8))).save(folder / "large.jpg", quality=60)
    np.save(folder / "array.npy", INSIDE)
    return sorted(folder.iterdir())


@pytest.mark.parametrize("edit", ON_ARRAYS)
def test_what_is_read_of_a_masks_copy_is_what_is_read_of_the_mask_edited(tmp_path, edit):
    (tmp_path / "in").mkdir()
    for path in masks(tmp_path / "in"):
        before = read_mask(path)
        assert before.mean() == pytest.approx(INSIDE.mean())
        edited_picture(path, "mask", [edit]).save(tmp_path / "copy.png")
        np.testing.assert_array_equal(read_mask(tmp_path / "copy.png"), ON_ARRAYS[edit](before), err_msg=path.name)
        assert set(np.unique(np.asarray(Image.open(tmp_path / "copy.png")))) == {0, 255}


def pictures(folder):
    COLOURS.save(folder / "rgb.png")
    COLOURS.convert("P").save(folder / "palette.png")
    COLOURS.convert("CMYK").save(folder / "cmyk.tif")
    Image.merge("RGBA", (*COLOURS.split(), COLOURS.getchannel(0))).save(folder / "alpha.png")
    Image.fromarray(RNG.integers(0, 65536, (6, 9), dtype=np.uint16)).save(folder / "wide.png")
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter
    COLOURS.save(folder / "turned.jpg", exif=exif)
    return sorted(folder.iterdir())


def test_what_is_read_of_a_pictures_copy_is_what_is_read_of_the_picture_mirrored(tmp_path):
    (tmp_path / "in").mkdir()
    for path in pictures(tmp_path / "in"):
        edited_picture(path, "bg", ["mirror"]).save(tmp_path / "copy.png")
        np.testing.assert_array_equal(read_rgb(tmp_path / "copy.png"), read_rgb(path)[:, ::-1], err_msg=path.name)


def test_depth_keeps_its_16_bits(tmp_path):
    stored = RNG.integers(1, 65536, (6, 9), dtype=np.uint16)
    Image.fromarray(stored).save(tmp_path / "depth.png")
    edited_picture(tmp_path / "depth.png", "depth", ["mirror"]).save(tmp_path / "copy.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "copy.png")), stored[:, ::-1])
    depth, _ = read_depth(tmp_path / "copy.png", "metres")
    np.testing.assert_array_equal(depth, read_depth(tmp_path / "depth.png", "metres")[0][:, ::-1])
    inverted = np.asarray(edited_picture(tmp_path / "depth.png", "depth", ["invert"]))
    np.testing.assert_array_equal(inverted.astype(int) + stored, 65535)
    COLOURS.convert("L").convert("RGB").save(tmp_path / "grey.png")
    assert edited_picture(tmp_path / "grey.png", "depth", ["mirror"]).mode == "L"


def test_what_cannot_be_edited_without_loss_is_refused(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tif")
    (tmp_path / "scaled.pgm").write_bytes(b"P5 2 1 4095\n" + np.array([7, 4095], ">u2").tobytes())
    for name in ("float.tif", "scaled.pgm"):
        with pytest.raises(PictureError, match=f"{name} cannot be edited without loss"):
            edited_picture(tmp_path / name, "depth", ["mirror"])
    COLOURS.save(tmp_path / "map.png")
    with pytest.raises(PictureError, match="coloured"):
        edited_picture(tmp_path / "map.png", "depth", ["mirror"])
    with pytest.raises(InvalidArgumentError, match="column 'fg_id'"):
        edited_picture(tmp_path / "float.tif", "fg_id", ["mirror"])
    with pytest.raises(MissingFileError, match=r"no\.png"):
        edited_picture(tmp_path / "no.png", "bg", ["mirror"])
    (tmp_path / "cut.png").write_bytes(_png(COLOURS)[:60])
    with pytest.raises(PictureError, match=r"cut\.png"):
        edited_picture(tmp_path / "cut.png", "bg", ["mirror"])


def _png(picture):
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
