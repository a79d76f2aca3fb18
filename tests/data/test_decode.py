import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from fgbgnet.data import read_depth, read_mask, read_rgb
from fgbgnet.errors import InvalidArgumentError, MaskError, MissingFileError, PictureError, UnknownNameError

H, W = 20, 30


@pytest.fixture
def truth():
    """A mask, bool (H, W)."""
    rows, columns = np.mgrid[:H, :W]
    return (rows - 8) ** 2 + (columns - 12) ** 2 < 40


def save(path, array, mode=None, **options):
    picture = array if isinstance(array, Image.Image) else Image.fromarray(array)
    (picture if mode is None else picture.convert(mode)).save(path, **options)
    return path


def bright(truth, high=255, dtype=np.uint8):
    return np.where(truth, high, 0).astype(dtype)


# Pictures


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK", "1", "I;16", "LA", "F"])
def test_rgb_of_every_mode(tmp_path, mode):
    ramp = np.broadcast_to(np.linspace(0, 255, W).astype(np.uint8), (H, W))
    if mode == "I;16":
        path = save(tmp_path / "a.png", ramp.astype(np.uint16) * 257)
    elif mode == "F":
        path = save(tmp_path / "a.tiff", ramp.astype(np.float32) / 255)
    else:
        path = save(tmp_path / ("a.tiff" if mode == "CMYK" else "a.png"), ramp.copy(), mode)
    rgb = read_rgb(path)
    assert rgb.shape == (H, W, 3)
    assert rgb.dtype == np.uint8
    if mode != "1":
        assert np.abs(rgb.astype(int) - ramp[..., None]).max() <= 1


def test_exif_rotation_is_applied_to_every_kind_of_layer(tmp_path, truth):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: shown rotated by a quarter turn clockwise
    path = save(tmp_path / "a.png", bright(truth), exif=exif)
    upright = np.rot90(truth, -1)
    assert np.array_equal(read_mask(path), upright)
    assert np.array_equal(read_rgb(path)[..., 0] > 0, upright)
    assert np.array_equal(read_depth(path)[0], upright.astype(np.float32))


@pytest.mark.parametrize("read", [read_rgb, read_mask, read_depth])
def test_files_that_are_no_pictures(tmp_path, read):
    with pytest.raises(MissingFileError, match=r"no file at .*gone\.png"):
        read(tmp_path / "gone.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(PictureError, match=r"text\.png is not a picture"):
        read(tmp_path / "text.png")
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(PictureError, match=r"empty\.jpg"):
        read(tmp_path / "empty.jpg")
    with pytest.raises(PictureError, match="is a folder"):
        read(tmp_path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff"])
@pytest.mark.parametrize("read", [read_rgb, read_mask, read_depth])
def test_truncated_files(tmp_path, read, suffix):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    path = save(tmp_path / f"cut.{suffix}", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PictureError, match=rf"cut\.{suffix}"):
        read(path)


# Masks


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGB", "RGBA", "LA", "CMYK"])
def test_mask_of_every_mode(tmp_path, truth, mode):
    suffix = "tiff" if mode == "CMYK" else "png"
    mask = read_mask(save(tmp_path / f"m.{suffix}", bright(truth), mode))
    assert mask.dtype == np.uint8
    assert np.array_equal(mask, truth)


@pytest.mark.parametrize(
    "values",
    [
        lambda t: bright(t, 1),
        lambda t: bright(t, 65535, np.uint16),
        lambda t: bright(t, 255, np.uint16),
        lambda t: bright(t, 1, np.uint16),
        lambda t: bright(t, 255, np.int32),
    ],
    ids=["0/1", "16 bit", "16 bit holding 8", "16 bit 0/1", "32 bit"],
)
def test_lossless_scales(tmp_path, truth, values):
    assert np.array_equal(read_mask(save(tmp_path / "m.tiff", values(truth))), truth)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_mask_arrays(tmp_path, truth, dtype):
    np.save(tmp_path / "m.npy", truth.astype(dtype)[None])
    assert np.array_equal(read_mask(tmp_path / "m.npy"), truth)


def test_jpeg_masks_are_thresholded_and_never_taken_for_0_and_1(tmp_path, truth):
    big = np.kron(truth, np.ones((5, 5), bool))  # not in step with JPEG's blocks
    path = save(tmp_path / "m.jpg", bright(big), quality=60)
    assert len(np.unique(np.asarray(Image.open(path)))) > 2  # the noise is there
    assert (read_mask(path) != big).mean() < 0.005
    assert not read_mask(save(tmp_path / "one.jpg", np.full((16, 16), 1, np.uint8), quality=100)).any()


@given(level=st.integers(0, 255))
def test_the_threshold(tmp_path_factory, level):
    values = np.zeros((20, 20), np.uint8)
    values[0, 0] = level  # one pixel: too few to be taken for another scale
    values[1, 1] = 255
    path = save(tmp_path_factory.getbasetemp() / "threshold.png", values)
    assert read_mask(path)[0, 0] == (level > 127)


def test_a_varying_alpha_channel_is_the_mask(tmp_path, truth):
    photograph = np.random.default_rng(0).integers(0, 255, (H, W, 3), dtype=np.uint8)
    cutout = np.dstack([photograph, bright(truth)])
    assert np.array_equal(read_mask(save(tmp_path / "m.png", cutout)), truth)
    opaque = np.dstack([bright(truth)] * 3 + [np.full((H, W), 255, np.uint8)])
    assert np.array_equal(read_mask(save(tmp_path / "o.png", opaque)), truth)
    grey = np.dstack([np.full((H, W), 99, np.uint8), bright(truth)])
    assert np.array_equal(read_mask(save(tmp_path / "la.png", grey)), truth)


def palette(truth, *colours):
    picture = Image.fromarray(truth.astype(np.uint8))
    picture = picture.convert("P")
    picture.putdata(truth.astype(np.uint8).ravel().tolist())
    picture.putpalette([c for colour in colours for c in colour])
    return picture


def test_palettes_count_by_colour(tmp_path, truth):
    assert np.array_equal(read_mask(save(tmp_path / "a.png", palette(truth, (0, 0, 0), (255, 255, 255)))), truth)
    # The first colour of a palette is not always the background.
    assert np.array_equal(read_mask(save(tmp_path / "b.png", palette(~truth, (255, 255, 255), (0, 0, 0)))), truth)
    # The colours of the Pascal VOC tool: foreground is dark red.
    assert np.array_equal(read_mask(save(tmp_path / "c.png", palette(truth, (0, 0, 0), (128, 0, 0)))), truth)


@pytest.mark.parametrize("value", [0, 255])
def test_empty_and_full_masks_are_masks(tmp_path, value):
    mask = read_mask(save(tmp_path / "m.png", np.full((H, W), value, np.uint8)))
    assert (mask == value // 255).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda t: np.tile(np.arange(W, dtype=np.uint8) * 8, (H, 1)), "is grey on .*% of its pixels"),
        (lambda t: np.where(t[..., None], (200, 30, 30), (0, 60, 200)).astype(np.uint8), "is coloured on 100%"),
        (lambda t: np.where(t, 3, 2).astype(np.uint8), "values up to 3, none above 127"),
        (lambda t: np.where(t, 2, 0).astype(np.uint8), "labels must be merged"),
        (lambda t: np.where(t, 110, 0).astype(np.uint8), "values up to 110"),
        (lambda t: np.where(t, 5, 0).astype(np.float32), "values up to 5"),
        (lambda t: np.where(t, np.nan, 0).astype(np.float32), "values from nan to nan"),
        (lambda t: palette(t, (0, 0, 200), (200, 0, 0)), "is coloured on 100%"),
    ],
    ids=["grey", "coloured", "labels", "label 2", "half bright", "float labels", "nan", "coloured palette"],
)
def test_what_is_no_mask(tmp_path, truth, make, message):
    with pytest.raises(MaskError, match=rf"mask\.tiff .*{message}|mask\.tiff {message}"):
        read_mask(save(tmp_path / "mask.tiff", make(truth)))


def test_a_photograph_as_jpeg_is_no_mask(tmp_path):
    photograph = np.random.default_rng(0).integers(60, 190, (H, W, 3), dtype=np.uint8)
    with pytest.raises(MaskError, match="no mask"):
        read_mask(save(tmp_path / "m.jpg", photograph))


# Depth


@given(st.lists(st.integers(0, 65535), min_size=6, max_size=6))
def test_16_bit_depth_is_unharmed(tmp_path_factory, values):
    stored = np.array(values, np.uint16).reshape(2, 3)
    path = save(tmp_path_factory.getbasetemp() / "d16.png", stored)
    metres, valid = read_depth(path, "metres")
    assert metres.dtype == np.float32
    assert np.array_equal(metres, np.where(stored > 0, (stored / 1000).astype(np.float32), np.float32(0)))
    assert np.array_equal(valid, stored > 0)
    relative, valid = read_depth(path)
    assert np.array_equal(relative, (stored / 65535).astype(np.float32))
    assert valid.all()
    inverse, _ = read_depth(path, "relative", "near_large")
    np.testing.assert_allclose(inverse, 1 - stored / 65535, atol=1e-7)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_8_bit_relative_depth_of_every_mode(tmp_path, mode):
    stored = np.tile(np.arange(W, dtype=np.uint8) * 8, (H, 1))
    depth, valid = read_depth(save(tmp_path / "d.png", stored, mode))
    np.testing.assert_allclose(depth, stored / 255, atol=1e-7)
    assert valid.all()


def test_16_bit_pgm_and_big_endian_tiff(tmp_path):
    stored = np.array([[0, 1, 65535], [1000, 2, 30000]], np.uint16)
    (tmp_path / "d.pgm").write_bytes(b"P5 3 2 65535\n" + stored.astype(">u2").tobytes())
    np.testing.assert_allclose(read_depth(tmp_path / "d.pgm")[0], stored / 65535, atol=1e-7)
    path = save(tmp_path / "d.tiff", Image.frombytes("I;16B", (3, 2), stored.astype(">u2").tobytes()))
    np.testing.assert_allclose(read_depth(path, "metres")[0], stored / 1000, rtol=1e-6)


@pytest.mark.parametrize("suffix", ["npy", "tiff"])
def test_float_depth(tmp_path, suffix):
    stored = np.array([[1.5, 0, -1], [np.nan, np.inf, 70.25]], np.float32)
    path = tmp_path / f"d.{suffix}"
    np.save(path, stored) if suffix == "npy" else save(path, stored)
    metres, valid = read_depth(path, "metres")
    assert valid.tolist() == [[True, False, False], [False, False, True]]
    assert metres.tolist() == [[1.5, 0, 0], [0, 0, 70.25]]
    relative, valid = read_depth(path)
    assert valid.tolist() == [[True, True, True], [False, False, True]]
    assert relative.tolist() == [[1.5, 0, -1], [0, 0, 70.25]]
    with pytest.raises(PictureError, match=r"from -1 to 70\.25; .*\[0, 1\]"):
        read_depth(path, "relative", "near_large")


def test_integer_arrays_and_scales(tmp_path):
    np.save(tmp_path / "d.npy", np.array([[0, 500], [65535, 4000]], np.uint16)[..., None])
    assert read_depth(tmp_path / "d.npy", "metres")[0].tolist() == [[0, 0.5], [np.float32(65.535), 4]]
    assert read_depth(tmp_path / "d.npy", "metres", scale=0.01)[0].tolist() == [[0, 5], [np.float32(655.35), 40]]
    path = save(tmp_path / "d.png", np.array([[0, 51], [102, 255]], np.uint8))
    assert read_depth(path, "metres", scale=0.1)[0].tolist() == [[0, np.float32(5.1)], [np.float32(10.2), 25.5]]


@pytest.mark.parametrize(
    ("make", "unit", "message"),
    [
        (lambda p: save(p / "d.png", np.zeros((H, W), np.uint8)), "metres", r"d\.png has 8 bits.*depth_scale"),
        (lambda p: save(p / "d.tiff", np.zeros((H, W), np.int32)), "relative", "32-bit integers.*depth_scale"),
        (lambda p: np.save(p / "d.npy", np.zeros((3, H, W))) or p / "d.npy", "metres", r"of shape \(3, 20, 30\)"),
        (lambda p: np.save(p / "d.npy", np.array([[None]])) or p / "d.npy", "metres", "not a NumPy array"),
        (lambda p: np.save(p / "d.npy", np.array([["a"]])) or p / "d.npy", "metres", r"d\.npy holds <U1"),
    ],
    ids=["8-bit metres", "32-bit relative", "three channels", "objects", "text"],
)
def test_depth_that_does_not_fit_its_declaration(tmp_path, make, unit, message):
    with pytest.raises(PictureError, match=message):
        read_depth(make(tmp_path), unit)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_colour_mapped_depth(tmp_path, suffix):
    ramp = np.linspace(0, 1, W)
    plasma = np.stack([255 * ramp, 60 + 0 * ramp, 255 * (1 - ramp)], -1).astype(np.uint8)
    path = save(tmp_path / f"d.{suffix}", np.tile(plasma, (H, 1, 1)))
    with pytest.raises(PictureError, match=rf"d\.{suffix} is coloured on \d+%.*store depth as grey"):
        read_depth(path)


def test_depth_declarations_that_are_not_known(tmp_path):
    with pytest.raises(UnknownNameError, match="depth unit 'meters'; the nearest are 'metres'"):
        read_depth(tmp_path / "d.png", "meters")
    with pytest.raises(UnknownNameError, match="depth direction 'near'"):
        read_depth(tmp_path / "d.png", direction="near")
    for scale in (0, -1, float("inf"), float("nan")):
        with pytest.raises(InvalidArgumentError, match=f"the depth scale is {scale!r}; expected a positive number"):
            read_depth(tmp_path / "d.png", scale=scale)


# Worked out by hand: stored values, what is declared, and the distances (0: not valid).
BY_HAND = [
    # The depth of ARC-2017: tenths of a millimetre in 16 bits.
    ("png", np.uint16, [0, 10000, 12345], ("metres", "near_small", 0.0001), [0, 1, 1.2345]),
    # Some cameras write the largest value, not 0, where they measured nothing.
    ("png", np.uint16, [0, 1500, 65535], ("metres", "near_small", None, 65535), [0, 1.5, 0]),
    # Disparities of a stereo camera in whole pixels: 500 px focal length, 0.1 m baseline, 50 m at 1 px.
    ("png", np.uint8, [0, 1, 50], ("metres", "near_large", 0.02), [0, 50, 1]),
    # And in 256ths of a pixel, as KITTI stores them: 50 * 256 / 12800.
    ("png", np.uint16, [0, 12800, 128], ("metres", "near_large", 0.02 / 256), [0, 1, 100]),
    # Inverse distances as floats: 4 dioptres are a quarter of a metre.
    ("tiff", np.float32, [4, 0.5, 0], ("metres", "near_large"), [0.25, 2, 0]),
    ("npy", np.float32, [-2, np.nan, np.inf], ("metres", "near_large"), [0, 0, 0]),
    ("npy", np.float64, [1e-300, 2, 1e300], ("metres", "near_large"), [0, 0.5, 0]),
    ("npy", np.float64, [1e300, 2, 1e-300], ("metres", "near_small"), [0, 2, 0]),
    ("npy", np.float16, [1, 2, 8], ("metres", "near_large", 0.5), [2, 1, 0.25]),
    ("npy", np.int32, [-5, 250, 0], ("metres", "near_small", 0.01), [0, 2.5, 0]),
    # Relative, with a declared value for "not known".
    ("png", np.uint8, [0, 51, 255], ("relative", "near_small", None, 0), [0, 0.2, 1]),
    ("png", np.uint8, [0, 51, 255], ("relative", "near_large", None, 0), [0, 0.8, 0]),
    ("png", np.uint16, [0, 13107, 65535], ("relative", "near_large", None, 65535), [1, 0.8, 0]),
    ("tiff", np.float32, [-1, 0.25, 1], ("relative", "near_large", None, -1), [0, 0.75, 0]),
    ("npy", np.float32, [0.1, 0.25, 1], ("relative", "near_small", 2.0, 0.1), [0, 0.5, 2]),
]
NOT_VALID = [[0], [0, 2], [0], [0], [2], [0, 1, 2], [0, 2], [0, 2], [], [0, 2], [0], [0], [2], [0], [0]]


@pytest.mark.parametrize(("case", "not_valid"), list(zip(BY_HAND, NOT_VALID, strict=True)))
def test_distances_worked_out_by_hand(tmp_path, case, not_valid):
    suffix, kind, stored, declared, distances = case
    path, values = tmp_path / f"d.{suffix}", np.array([stored] * 2, kind)
    np.save(path, values) if suffix == "npy" else save(path, values)
    depth, valid = read_depth(path, *declared)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, [distances] * 2, rtol=1e-6)
    assert valid.tolist() == [[column not in not_valid for column in range(3)]] * 2


def test_inverse_metres_in_integers_need_a_scale(tmp_path):
    path = save(tmp_path / "d.png", np.full((H, W), 100, np.uint16))
    with pytest.raises(PictureError, match=r"d\.png holds integers, declared as inverse distances.*give the manifest"):
        read_depth(path, "metres", "near_large")


@given(st.lists(st.floats(0.05, 200), min_size=6, max_size=6), st.floats(1e-4, 1e3))
def test_inverse_of_the_inverse_is_the_distance(tmp_path_factory, distances, scale):
    path = tmp_path_factory.getbasetemp() / "inverse.npy"
    np.save(path, 1 / (np.array(distances).reshape(2, 3) * scale))
    depth, valid = read_depth(path, "metres", "near_large", scale)
    np.testing.assert_allclose(depth.ravel(), distances, rtol=1e-6)
    assert valid.all()
