"""Transforms of albumentations in a `JointTransform`."""

import itertools

import albumentations
import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fgbgnet.data import JointTransform
from tests.data.painted import H, W, check_painted, painted

# With an enlargement of at most 1.6 each. Default interpolations of masks are by the nearest pixel.
geometries = st.lists(
    st.sampled_from(
        [
            albumentations.HorizontalFlip(p=0.5),
            albumentations.VerticalFlip(p=0.5),
            albumentations.Transpose(p=0.5),
            albumentations.RandomRotate90(p=1),
            albumentations.D4(p=1),
            albumentations.RandomCrop(40, 40, p=1, pad_if_needed=True, border_mode=cv2.BORDER_REFLECT_101),
            albumentations.RandomResizedCrop((56, 40), (0.3, 1)),
            albumentations.RandomResizedCrop((30, 40), (0.3, 1), area_for_downscale="image"),
            albumentations.Affine(scale=(0.7, 1.4), rotate=(-25, 25), shear=(-8, 8), border_mode=4, p=1),
            albumentations.Perspective((0.02, 0.08), border_mode=cv2.BORDER_REFLECT_101, p=1),
            albumentations.GridDistortion(p=1),
            albumentations.OneOf([albumentations.HorizontalFlip(p=1), albumentations.VerticalFlip(p=1)], p=1),
        ]
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=80)
@given(geometries, st.integers(0, 2**62))
def test_painted_places_agree_after_any_pipeline(transforms, seed):
    sample = JointTransform(transforms).apply_layers(painted(), "a", seed)
    # Every step averages a wider neighbourhood, of which depth takes what lies on its own side.
    check_painted(sample, tolerance=0.5 + 0.9 * len(transforms))


@settings(max_examples=60)
@given(geometries, st.integers(0, 2**62))
def test_foreground_and_background_never_mix(transforms, seed):
    layers = painted()
    layers.depth = np.where(layers.mask, 1, 9).astype(np.float32)
    layers.depth_valid[::5, ::7] = False
    layers.depth[::5, ::7] = 0
    sample = JointTransform(transforms).apply_layers(layers, "a", seed)
    mask, depth, valid = (sample[name][0].numpy() for name in ("mask", "depth", "depth_valid"))
    assert np.allclose(depth, np.where(mask, 1, 9) * valid, rtol=1e-5)
    assert valid.any()


@pytest.mark.parametrize(
    "transform",
    [
        albumentations.PadIfNeeded(80, 90, border_mode=cv2.BORDER_CONSTANT, fill=255, p=1),
        albumentations.Affine(translate_percent=0.3, border_mode=cv2.BORDER_CONSTANT, fill=255, p=1),
        albumentations.ShiftScaleRotate(border_mode=cv2.BORDER_CONSTANT, fill=255, rotate_limit=40, p=1),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_what_a_transform_uncovers_is_no_foreground_and_has_no_depth(transform):
    layers = painted()
    layers.bg[..., 2] = 0
    sample = JointTransform([transform]).apply_layers(layers, "a", 1)
    uncovered = sample["bg"][2].numpy() > 0.9  # blue is 0 everywhere else
    assert 0.05 < uncovered.mean() < 0.95
    assert not sample["mask"][0].numpy()[uncovered].any()
    assert not sample["depth_valid"][0].numpy()[uncovered].any()
    assert sample["depth_valid"][0].numpy()[sample["bg"][2].numpy() == 0].all()


@pytest.mark.parametrize("transform", [albumentations.CoarseDropout(p=1), albumentations.GridDropout(p=1)])
def test_dropouts_leave_labels_alone(transform):
    layers = painted()
    sample = JointTransform([transform]).apply_layers(layers, "a", 1)
    assert not np.array_equal(sample["bg"][0].numpy() * 255, layers.bg[..., 0])
    assert np.array_equal(sample["mask"][0], layers.mask)
    assert np.array_equal(sample["depth"][0], layers.depth)


def test_transforms_that_look_for_the_foreground_find_it():
    layers = painted()
    layers.mask[:] = 0
    layers.mask[30:34, 10:14] = 1
    crop = JointTransform([albumentations.CropNonEmptyMaskIfExists(12, 12, p=1)])
    assert all(crop.apply_layers(layers, "a", seed)["mask"].any() for seed in range(20))


def test_transforms_are_copied():
    resize = albumentations.Resize(20, 20)
    before = vars(resize).copy()
    JointTransform([resize, albumentations.Sequential([resize])]).apply_layers(painted(), "a", 0)
    assert resize.mask_interpolation == cv2.INTER_NEAREST == before["mask_interpolation"]


@pytest.mark.parametrize("interpolation", [cv2.INTER_NEAREST, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4, cv2.INTER_AREA])
def test_any_interpolation_of_pictures(interpolation):
    layers = painted()
    layers.depth = np.where(layers.mask, 1, 9).astype(np.float32)
    sample = JointTransform([albumentations.Resize(31, 90, interpolation=interpolation)]).apply_layers(layers, "a", 0)
    assert set(np.unique(sample["mask"])) == {0, 1}
    assert np.allclose(sample["depth"], np.where(sample["mask"], 1, 9), rtol=1e-5)


def test_flips_are_drawn_independently():
    # Compose.set_random_seed gives every transform the same stream: there, exactly the flipped samples are flipped
    # the other way, too.
    transform = JointTransform([albumentations.HorizontalFlip(p=0.5), albumentations.VerticalFlip(p=0.5)])
    seen = set()
    for seed in range(60):
        picture = transform.apply_layers(painted(), "a", seed)["bg"]
        seen.add((bool(picture[0, 0, 0]), bool(picture[1, 0, 0])))
    assert seen == set(itertools.product([False, True], repeat=2))


def test_known_labels_follow():
    layers = painted()
    layers.mask_valid = layers.depth > W / 2
    flipped = JointTransform([albumentations.HorizontalFlip(p=1)]).apply_layers(layers, "a", 0)
    assert np.array_equal(flipped["mask_valid"][0], layers.mask_valid[:, ::-1])


@pytest.mark.parametrize(
    ("geometry", "least"),
    [
        ([albumentations.Resize(30, 40), albumentations.HorizontalFlip()], (30, 40)),
        ([albumentations.RandomResizedCrop((50, 50), (0.25, 1), (1, 1))], (100, 100)),
        ([albumentations.Resize(30, 40, p=0.5)], None),
        ([albumentations.HorizontalFlip(), albumentations.Resize(30, 40)], None),
        ([albumentations.RandomCrop(30, 40)], None),
    ],
)
def test_min_decoded_size(geometry, least):
    assert JointTransform(geometry).min_decoded_size(200, 200) == least
    assert H < 200
