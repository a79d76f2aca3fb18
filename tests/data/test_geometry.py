import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import ndimage  # a reference that shares no code with OpenCV

from fgbgnet.data import eval_transform, train_transform
from fgbgnet.data.geometry import RandomView, Resize, rotated
from fgbgnet.data.resampling import Scaling
from tests.data.painted import SCALE, H, W, check_painted, painted

boxes = st.tuples(st.integers(0, 20), st.integers(0, 30), st.integers(10, 28), st.integers(12, 34))
sizes = st.sampled_from([(H, W), (24, 40), (96, 96), (33, 71), (12, 16)])


def positions(box, size, flip, degrees):
    """Row and column, in pixels of the source, of every pixel of the result."""
    top, left, height, width = box
    y, x = np.indices(size) + 0.5
    x, y = x - size[1] / 2, y - size[0] / 2
    if flip:
        x = -x
    angle = math.radians(degrees)
    x, y = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
    return top + height / 2 + y * height / size[0] - 0.5, left + width / 2 + x * width / size[1] - 0.5


@settings(max_examples=60)
@given(boxes, sizes, st.booleans(), st.floats(-40, 40), st.integers(0, 99))
def test_a_rotated_crop_against_scipy(box, size, flip, degrees, seed):
    rng = np.random.default_rng(seed)
    layers = painted()
    layers.bg = ndimage.gaussian_filter(rng.integers(0, 256, (H, W, 3)).astype(np.uint8), (1, 1, 0))
    layers.depth_valid = ndimage.gaussian_filter(rng.random((H, W)), 2) > 0.47
    out = rotated(layers, box, size, flip, degrees)
    if box[2] > size[0] or box[3] > size[1]:
        return  # shrunk by areas first, see the tests with painted layers
    rows, columns = positions(box, size, flip, degrees)

    def linear(plane):
        # SciPy's "mirror" is about the centre of the last pixel, as OpenCV's BORDER_REFLECT_101.
        return ndimage.map_coordinates(plane.astype(float), [rows, columns], order=1, mode="mirror")

    for channel in range(3):
        # OpenCV 4 rounds positions to 1/32 of a pixel.
        assert np.abs(out.bg[..., channel] - linear(layers.bg[..., channel])).max() < 4
    cover, valid = linear(layers.mask), layers.depth_valid
    clear = np.abs(cover - 0.5) > 0.05
    assert np.array_equal(out.mask[clear], cover[clear] > 0.5)
    for side in (0, 1):
        own = layers.mask == side
        weight, measured = linear(own), linear(own & valid)
        here = clear & (out.mask == side) & (np.abs(measured - weight / 2) > 0.05)
        assert np.array_equal(out.depth_valid[here], (measured > weight / 2)[here])
        here &= out.depth_valid
        assert np.allclose(
            out.depth[here], (linear(layers.depth * (own & valid)) / measured.clip(1e-9))[here], atol=0.1
        )


@given(boxes, sizes, st.booleans(), st.sampled_from([0.0, 0.01, 7, -33, 90, 180]))
def test_painted_places_agree_in_any_view(box, size, flip, degrees):
    layers = painted()
    out = rotated(layers, box, size, flip, degrees)
    zoom = max(box[2] / size[0], box[3] / size[1], 1)
    # A pixel beside the contour averages what lies on its own side, at most half a pixel of the result off.
    check_painted(out.to_sample("a"), tolerance=0.25 + 0.5 * zoom * (1.5 if zoom > 1 else 1))


@given(st.integers(0, 2**62), sizes)
def test_painted_places_agree_in_the_preset(seed, size):
    transform = train_transform(size, jitter=0, perturb_bg=0, perturb_fg_bg=0, perturb_pair=0)
    sample = transform.apply_layers(painted(), "a", seed)
    assert sample["mask"].shape == (1, *size)
    check_painted(sample, tolerance=0.25 + 0.75 * max(H / size[0], W / size[1], 1))


@given(boxes, st.booleans(), st.floats(-40, 40))
def test_foreground_and_background_never_mix(box, flip, degrees):
    layers = painted()
    layers.depth = np.where(layers.mask, 1, 9).astype(np.float32)
    layers.depth_valid[::7, ::5] = False
    for size in ((40, 40), (9, 13)):
        out = rotated(layers, box, size, flip, degrees)
        expected = np.where(out.mask, 1, 9) * out.depth_valid
        assert np.allclose(out.depth, expected, rtol=1e-6)
        assert out.depth_valid.any()


@pytest.mark.parametrize(
    ("box", "size"), [((3, 5, 30, 40), (30, 40)), ((3, 5, 30, 40), (45, 50)), ((0, 0, 48, 64), (12, 16))]
)
def test_a_view_without_rotation_is_the_limit_of_small_rotations(box, size):
    layers = painted()
    straight, turned = layers.cut(*box).resampled(Scaling(size)), rotated(layers, box, size, False, 1e-7)
    inner = (slice(2, -2), slice(2, -2))  # at the border one sees what lies beside the crop, the other does not
    assert np.abs(straight.bg.astype(int) - turned.bg)[inner].max() <= 1
    assert np.mean(straight.mask != turned.mask) < 0.01
    assert np.abs(straight.depth - turned.depth)[inner].max() < 0.3 * box[2] / size[0]


def test_contours_lie_where_the_picture_says():
    """The foreground is white in the picture: after a view, mask and brightness cross one half at the same places."""
    layers = painted()
    layers.fg_bg = np.repeat((255 * layers.mask)[..., None], 3, axis=2)
    for seed in range(20):
        out = RandomView((60, 70))(layers, np.random.default_rng(seed))
        brightness = out.fg_bg[..., 0].astype(float)
        clear = np.abs(brightness - 127.5) > 4
        assert clear.mean() > 0.99
        assert np.array_equal(out.mask[clear], brightness[clear] > 127.5)


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
def test_enlarging_is_centred_in_every_layer(factor):
    size = (H * factor, W * factor)
    sample = eval_transform(size).apply_layers(painted(), "a", 0)
    expected = ((np.arange(size[1]) + 0.5) / factor - 0.5).clip(0, W - 1)
    assert np.allclose(sample["bg"][0].numpy() * 255 / SCALE, expected, atol=0.2)
    check_painted(sample, tolerance=0.65)


def test_shrinking_is_centred_in_every_layer():
    layers = painted(48, 63)
    still = {"flip": 0, "rotate": 0, "jitter": 0, "perturb_bg": 0, "perturb_fg_bg": 0, "perturb_pair": 0}
    for transform in (
        eval_transform((16, 21)),
        train_transform((16, 21), **still, scale=(1, 1), ratio=(63 / 48, 63 / 48)),
    ):
        sample = transform.apply_layers(layers, "a", 0)
        rows, columns = np.mgrid[:16, :21] * 3 + 1
        assert np.array_equal(sample["bg"][0].numpy() * 255 / SCALE, columns)
        assert np.array_equal(sample["bg"][1].numpy() * 255 / SCALE, rows)
        # The majority of each block of 3 x 3.
        blocks = layers.mask.reshape(16, 3, 21, 3).sum((1, 3)) >= 4.5
        assert np.array_equal(sample["mask"][0].numpy(), blocks)


def test_views_are_drawn_as_the_arguments_say():
    transform = RandomView((48, 64), scale=(0.4, 0.9), ratio=(1.3, 1.4), flip=0.3, rotate=10)
    flips, turns, shares = 0, [], []
    for seed in range(400):
        out = transform(painted(), np.random.default_rng(seed))
        columns, rows = (out.bg[16:32, 20:44, i].astype(float) / SCALE for i in (0, 1))
        (x_down, x_right), (y_down, y_right) = (np.array(np.gradient(layer)).mean((1, 2)) for layer in (columns, rows))
        flips += x_right < 0
        turns.append(math.degrees(math.atan2(y_right, abs(x_right))))
        shares.append(abs(x_right * y_down - x_down * y_right))
    assert flips / 400 == pytest.approx(0.3, abs=0.07)
    assert np.mean(np.abs(turns) > 0.5) == pytest.approx(0.475, abs=0.08)
    assert 9 < max(turns) < 10.5
    assert -9 > min(turns) > -10.5
    assert min(shares) == pytest.approx(0.4, abs=0.02)
    assert max(shares) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 50), (300, 200)])
def test_pictures_of_any_shape(shape):
    layers = painted(*shape)
    for seed in range(10):
        for out in (RandomView((20, 30), rotate=180)(layers, np.random.default_rng(seed)), Resize(7, 5)(layers, None)):
            assert {layer.shape[:2] for layer in (out.bg, out.fg_bg, out.mask, out.depth, out.depth_valid)} == {
                out.size
            }
            assert out.depth_valid.all()


def test_beyond_the_border_every_layer_is_mirrored():
    layers = painted()
    out = rotated(layers, (0, 0, H, W), (H, W), False, 45)
    _, columns = positions((0, 0, H, W), (H, W), False, 45)
    outside = columns < -1
    assert outside.any()
    assert np.abs(out.bg[..., 0][outside] / SCALE + columns[outside]).max() < 1
    assert np.abs(out.depth[outside] - 1 + columns[outside]).max() < 1


def test_known_labels_follow():
    layers = painted()
    layers.mask_valid = np.ones((H, W), bool)
    layers.mask_valid[20:30] = False
    out = rotated(layers, (4, 4, 40, 50), (80, 100), True, 10)
    rows = out.bg[..., 1] / SCALE
    assert not out.mask_valid[(rows > 19.6) & (rows < 29.4)].any()
    assert out.mask_valid[(rows < 18.8) | (rows > 30.2)].all()


@pytest.mark.parametrize(
    ("transform", "stored", "expected"),
    [
        (eval_transform(64), (224, 224), (64, 64)),
        (eval_transform((30, 40)), (480, 640), (30, 40)),
        (eval_transform(), (224, 224), None),
    ],
)
def test_min_decoded_size(transform, stored, expected):
    assert transform.min_decoded_size(*stored) == expected


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(60, 400), st.integers(60, 400), st.sampled_from([(0.25, 1), (0.6, 0.9)]))
def test_no_crop_of_the_least_decoded_picture_is_enlarged(seed, height, width, scale):
    view = RandomView((32, 48), scale, (0.7, 1.4))
    least = view.min_decoded_size(height, width)
    assert least[0] / height == pytest.approx(least[1] / width, rel=0.03)
    _, _, h, w = view._box(least, np.random.default_rng(seed))
    fits = math.sqrt(scale[0] * height * width * 1.4) <= min(height, width)  # else crops are cut short
    assert not fits or (h >= 31 and w >= 47)
