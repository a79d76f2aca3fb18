import itertools
import pickle

import albumentations
import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torchvision.transforms import v2

from fgbgnet.data import JointTransform, Layers, apply_transform, check_sample, eval_transform, train_transform
from fgbgnet.errors import InvalidArgumentError

H, W = 48, 64
SCALE = 4  # grey levels per pixel, so that rounding to 8 bits does not hide half a pixel


def coordinates(height=H, width=W):
    """Every layer tells where its pixels come from: red the column, green the row; depth and mask likewise."""
    rows, columns = np.mgrid[:height, :width]
    picture = np.stack([columns * SCALE, rows * SCALE, 0 * rows], -1).astype(np.uint8)
    return Layers(
        picture,
        picture + np.array([0, 0, 200], np.uint8),
        ((rows // 8 + columns // 8) % 2).astype(np.uint8),
        (rows * 1000 + columns + 1).astype(np.float32),
        (rows // 8 + columns // 8) % 3 > 0,
    )


def origins(depth):
    """Row and column that each depth pixel came from."""
    values = depth[0].numpy().round().astype(int) - 1
    return values // 1000, values % 1000


def noise_sample(seed=0, height=H, width=W, id="a"):
    generator = torch.Generator().manual_seed(seed)
    picture = torch.rand(2, 3, height, width, generator=generator).mul(255).round().div(255)
    return {
        "bg": picture[0],
        "fg_bg": picture[1],
        "mask": (torch.rand(1, height, width, generator=generator) > 0.7).float(),
        "depth": torch.rand(1, height, width, generator=generator) + 1,
        "depth_valid": torch.rand(1, height, width, generator=generator) > 0.1,
        "id": id,
    }


def equal(first, second):
    return all(torch.equal(first[k], second[k]) if k != "id" else first[k] == second[k] for k in first | second)


geometries = st.lists(
    st.sampled_from(
        [
            albumentations.HorizontalFlip(p=0.5),
            albumentations.VerticalFlip(p=0.5),
            albumentations.Transpose(p=0.5),
            albumentations.RandomRotate90(p=1),
            albumentations.D4(p=1),
            albumentations.RandomCrop(40, 40, p=1, pad_if_needed=True, border_mode=cv2.BORDER_REFLECT_101),
            albumentations.RandomResizedCrop((56, 40), (0.3, 1), mask_interpolation=cv2.INTER_NEAREST_EXACT),
            albumentations.Affine(scale=(0.7, 1.4), rotate=(-25, 25), shear=(-8, 8), border_mode=4, p=1),
            albumentations.Perspective((0.02, 0.08), border_mode=cv2.BORDER_REFLECT_101, p=1),
            albumentations.OneOf([albumentations.HorizontalFlip(p=1), albumentations.VerticalFlip(p=1)], p=1),
        ]
    ),
    min_size=1,
    max_size=3,
)


def check_layers_agree(sample, layers, tolerance):
    check_sample(sample, "the transform")
    rows, columns = origins(sample["depth"])
    # Depth and mask take the nearest pixel of the same place, so they agree exactly with each other...
    assert np.array_equal(sample["mask"][0].numpy(), layers.mask[rows, columns])
    assert np.array_equal(sample["depth_valid"][0].numpy(), layers.depth_valid[rows, columns])
    # ... and no value appears that was not there.
    assert set(np.unique(sample["depth"].numpy())) <= set(np.unique(layers.depth))
    for name in ("bg", "fg_bg"):
        picture = sample[name].numpy() * 255 / SCALE
        assert np.abs(picture[0] - columns).max() <= tolerance
        assert np.abs(picture[1] - rows).max() <= tolerance
    assert torch.equal(sample["bg"][:2], sample["fg_bg"][:2])


@given(geometries, st.integers(0, 2**62))
def test_coordinates_painted_into_all_layers_still_agree(transforms, seed):
    layers = coordinates()
    sample = JointTransform(transforms).apply_layers(layers, "a", seed)
    # The nearest pixel is at most half a pixel off at each step, in source pixels; a crop may shrink them.
    check_layers_agree(sample, layers, tolerance=0.75 + 1.25 * len(transforms))


@given(st.integers(0, 2**62), st.sampled_from([(H, W), (24, 40), (96, 96), (33, 71)]))
def test_coordinates_agree_in_the_preset(seed, size):
    layers = coordinates()
    transform = train_transform(size, jitter=0, perturb_bg=0, perturb_fg_bg=0, perturb_pair=0)
    sample = transform.apply_layers(layers, "a", seed)
    assert sample["mask"].shape == (1, *size)
    check_layers_agree(sample, layers, tolerance=2.5)


@pytest.mark.parametrize("factor", [2, 3, 5])  # 4 would be biased by how cv2 rounds exact halves
def test_resizing_is_centred_in_every_layer(factor):
    layers = coordinates()
    sample = eval_transform((H * factor, W * factor)).apply_layers(layers, "a", 0)
    rows, columns = origins(sample["depth"])
    assert np.array_equal(rows, np.mgrid[: H * factor, : W * factor][0] // factor)
    inner = (slice(factor, -factor), slice(factor, -factor))
    offset = (sample["bg"][0].numpy() * 255 / SCALE - columns)[inner]
    assert abs(offset.mean()) < 0.05  # half a pixel of drift would show as up to 0.5


def test_shrinking_is_centred_in_every_layer():
    # cv2.INTER_NEAREST takes the corner of each block of 3 x 3, the pictures' mean lies in its middle.
    layers = coordinates(48, 63)
    still = {"flip": 0, "rotate": 0, "jitter": 0, "perturb_bg": 0, "perturb_fg_bg": 0, "perturb_pair": 0}
    for transform in (
        eval_transform((16, 21)),
        train_transform((16, 21), **still, scale=(1, 1), ratio=(63 / 48, 63 / 48)),
    ):
        sample = transform.apply_layers(layers, "a", 0)
        rows, columns = origins(sample["depth"])
        assert np.array_equal(rows, np.mgrid[:16, :21][0] * 3 + 1)
        assert np.array_equal(sample["bg"][0].numpy() * 255 / SCALE, columns)


@settings(max_examples=40)
@given(st.integers(0, 2**62))
def test_photometrics_never_touch_mask_and_depth(seed):
    sample = noise_sample()
    colours = train_transform(H, jitter=0.5, perturb_bg=1, perturb_fg_bg=1, max_severity=5)
    only_colours = JointTransform((), colours.photometric, colours.perturb_bg, colours.perturb_fg_bg)
    out = only_colours(sample, seed=seed)
    for name in ("mask", "depth", "depth_valid"):
        assert torch.equal(out[name], sample[name])
    assert not torch.equal(out["bg"], sample["bg"])
    for name in ("bg", "fg_bg"):
        assert 0 <= out[name].min() <= out[name].max() <= 1


def test_shared_photometrics_are_one_draw_for_both_pictures():
    sample = noise_sample()
    sample["fg_bg"] = sample["bg"].clone()
    out = train_transform((H, W), jitter=0.4, perturb_bg=0, perturb_fg_bg=0, perturb_pair=0)(sample, seed=5)
    assert torch.equal(out["bg"], out["fg_bg"])
    apart = train_transform((H, W), jitter=0, perturb_bg=1, perturb_fg_bg=1)(sample, seed=5)
    assert not torch.equal(apart["bg"], apart["fg_bg"])


def test_the_frame_is_never_moved_on_its_own():
    layers = coordinates()
    transform = train_transform((H, W), perturb_bg=0, perturb_fg_bg=1)
    names = transform.perturb_fg_bg.names
    assert "noise" in names
    assert not {"shift", "rotate", "zoom", "perspective", "mixed"} & set(names)
    assert "shift" in train_transform(8).perturb_bg.names
    assert layers.mask.any()


def test_pairs_are_perturbed_before_their_pictures():
    layers = coordinates()
    layers.mask[:] = 0
    layers.mask[8:20, 10:24] = 1
    still = {"flip": 0, "rotate": 0, "jitter": 0, "scale": (1, 1), "ratio": (W / H, W / H)}
    plain = train_transform((H, W), **still, perturb_bg=0, perturb_fg_bg=0, perturb_pair=0)
    pairs = train_transform((H, W), **still, perturb_bg=0, perturb_fg_bg=0, perturb_pair=1)
    before = plain.apply_layers(layers, "a", 0)
    kinds = {"empty": 0, "bg": 0, "fg_bg": 0}
    for seed in range(60):
        after = pairs.apply_layers(layers, "a", seed)
        assert equal(after, pairs.apply_layers(layers, "a", seed))
        assert torch.equal(after["depth"], before["depth"])
        kinds["empty"] += not after["mask"].any()
        kinds["bg"] += not torch.equal(after["bg"], before["bg"])
        kinds["fg_bg"] += not torch.equal(after["fg_bg"], before["fg_bg"])
        assert after["mask"].any() == torch.equal(after["mask"], before["mask"])
    assert 1 <= kinds["empty"] < 20  # 12 % of 60
    assert 20 < kinds["bg"] < 55  # what is empty, wrong, or has another object
    assert 8 < kinds["fg_bg"] < 30  # 30 %
    order = []
    spied = JointTransform(
        perturb_bg=lambda picture, seed: (order.append("bg"), picture)[1],
        perturb_fg_bg=lambda picture, seed: (order.append("fg_bg"), picture)[1],
        perturb_pair=lambda sample, seed: (order.append("pair"), sample)[1],
    )
    spied(noise_sample(), seed=1)
    assert order == ["pair", "bg", "fg_bg"]


def test_perturb_pair_is_the_share_of_samples_that_change():
    augment = train_transform(8, perturb_pair=0.3).perturb_pair.__self__
    counts = [len(augment.draw(seed)[0]) for seed in range(5000)]
    assert max(counts) == 1
    assert sum(counts) / 5000 == pytest.approx(0.3, abs=0.02)


def test_flip_and_rotation_are_drawn_independently():
    # Compose.set_random_seed gives every transform the same stream: there, exactly the flipped samples are rotated.
    transform = JointTransform([albumentations.HorizontalFlip(p=0.5), albumentations.VerticalFlip(p=0.5)])
    layers = coordinates(8, 8)
    seen = set()
    for seed in range(60):
        rows, columns = origins(transform.apply_layers(layers, "a", seed)["depth"])
        seen.add((bool(rows[0, 0]), bool(columns[0, 0])))
    assert seen == set(itertools.product([False, True], repeat=2))


@settings(max_examples=20)
@given(st.integers(0, 2**62))
def test_the_result_is_a_function_of_the_seed(seed):
    sample, transform = noise_sample(), train_transform(32)
    first = transform(sample, seed=seed)
    transform(noise_sample(1), seed=seed + 1)  # what came before does not matter
    assert equal(transform(sample, seed=seed), first)
    assert equal(train_transform(32)(sample, seed=seed), first)
    assert not equal(transform(sample, seed=seed + 1), first)


def test_without_a_seed_torch_s_generator_decides():
    sample, transform = noise_sample(), train_transform(32)
    torch.manual_seed(3)
    first, second = transform(sample), transform(sample)
    torch.manual_seed(3)
    assert equal(transform(sample), first)
    assert not equal(first, second)


def test_the_given_sample_is_not_changed():
    sample = noise_sample()
    before = {k: v.clone() if k != "id" else v for k, v in sample.items()}
    for transform in (train_transform(32), train_transform((H, W)), eval_transform((H, W))):
        out = transform(sample, seed=1)
        out["depth"].add_(1)
        out["bg"].add_(1)
        assert equal(sample, before)


def test_eval_transform():
    sample = noise_sample()
    assert equal(eval_transform()(sample), sample)
    assert equal(eval_transform((H, W))(sample), sample)
    out = eval_transform((20, 30))(sample, seed=1)
    assert out["bg"].shape == (3, 20, 30)
    assert equal(out, eval_transform((20, 30))(sample, seed=2))
    for size in (16, np.int64(16), (np.int32(16), 16)):
        assert eval_transform(size)(sample)["depth"].shape == (1, 16, 16)
        assert train_transform(size)(sample, seed=0)["depth"].shape == (1, 16, 16)


def test_fast_path_and_tensor_path_agree():
    sample, transform = noise_sample(), train_transform(40)
    assert equal(transform(sample, seed=9), transform.apply_layers(Layers.from_sample(sample), "a", 9))


def test_pickles():
    transform = train_transform(32)
    copy = pickle.loads(pickle.dumps(transform))
    assert equal(copy(noise_sample(), seed=4), transform(noise_sample(), seed=4))
    assert "RandomResizedCrop" in repr(copy)


V2 = v2.Compose([v2.RandomResizedCrop((H, W), scale=(0.5, 1)), v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()])


@pytest.mark.parametrize(
    "transform",
    [V2, torch.nn.Sequential(*V2.transforms), lambda sample: V2(sample), lambda sample: {**V2(sample)}],
    ids=["as it is", "Sequential", "lambda", "new dict"],
)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**62))
def test_torchvision_v2_moves_all_layers_together(transform, seed):
    layers = coordinates()
    sample = apply_transform(transform, layers.to_sample("a"), seed)
    check_layers_agree(sample, layers, tolerance=2.5)


def test_the_two_pictures_are_perturbed_by_independent_draws():
    def darken(picture, seed):
        return picture * (1 + seed % 1000) / 1000

    sample = noise_sample()
    sample["fg_bg"] = sample["bg"].clone()
    out = JointTransform(perturb_bg=darken, perturb_fg_bg=darken)(sample, seed=5)
    assert not torch.equal(out["bg"], out["fg_bg"])
    assert equal(JointTransform(perturb_bg=darken, perturb_fg_bg=darken)(sample, seed=5), out)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: JointTransform([albumentations.GaussNoise()]), "geometry holds GaussNoise.*DualTransform"),
        (lambda: JointTransform((), [albumentations.HorizontalFlip()]), "photometric holds HorizontalFlip.*ImageOnly"),
        (lambda: JointTransform([albumentations.OneOf([albumentations.Blur()])]), "geometry holds Blur"),
        (lambda: JointTransform([albumentations.Resize(8, 8, mask_interpolation=1)]), "mask_interpolation=1"),
        (lambda: train_transform(0), "size is 0; expected a positive integer"),
        (lambda: eval_transform((3, 4, 5)), r"size is \(3, 4, 5\)"),
        (lambda: eval_transform(2.5), "size is 2.5"),
        (lambda: eval_transform("ab"), "size is 'ab'"),
        (lambda: train_transform(8, flip=2), "flip is 2; expected a value from 0 to 1"),
        (lambda: train_transform(8, scale=(0.9, 0.1)), "scale is"),
        (lambda: train_transform(8, ratio=(0, 1)), "ratio is"),
        (lambda: train_transform(8, perturb_bg=-0.1), "perturb_bg is -0.1"),
        (lambda: train_transform(8, perturb_pair=1.1), "perturb_pair is 1.1"),
        (lambda: train_transform(8, max_severity=9), "max_severity is 9"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(InvalidArgumentError, match=message):
        make()
