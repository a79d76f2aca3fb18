import pickle
from dataclasses import replace

import albumentations
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torchvision.transforms import v2

from fgbgnet.data import JointTransform, Layers, apply_transform, eval_transform, train_transform
from fgbgnet.errors import InvalidArgumentError
from tests.data.painted import H, W, check_painted, painted


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
    layers = painted()
    transform = train_transform((H, W), perturb_bg=0, perturb_fg_bg=1)
    names = transform.perturb_fg_bg.names
    assert "noise" in names
    assert not {"shift", "rotate", "zoom", "perspective", "mixed"} & set(names)
    assert "shift" in train_transform(8).perturb_bg.names
    assert layers.mask.any()


def test_pairs_are_perturbed_before_their_pictures():
    layers = painted()
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
    augment = train_transform(8, perturb_pair=0.3).perturb_pair.augment
    counts = [len(augment.draw(seed)[0]) for seed in range(5000)]
    assert max(counts) == 1
    assert sum(counts) / 5000 == pytest.approx(0.3, abs=0.02)


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
    assert "RandomView" in repr(copy)


V2 = v2.Compose([v2.RandomResizedCrop((H, W), scale=(0.5, 1)), v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()])


@pytest.mark.parametrize(
    "transform",
    [V2, torch.nn.Sequential(*V2.transforms), lambda sample: V2(sample), lambda sample: {**V2(sample)}],
    ids=["as it is", "Sequential", "lambda", "new dict"],
)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**62))
def test_torchvision_v2_moves_all_layers_together(transform, seed):
    layers = painted()
    sample = apply_transform(transform, layers.to_sample("a"), seed)
    check_painted(sample, tolerance=2.5)


def test_the_two_pictures_are_perturbed_by_independent_draws():
    def darken(picture, seed):
        return picture * (1 + seed % 1000) / 1000

    sample = noise_sample()
    sample["fg_bg"] = sample["bg"].clone()
    out = JointTransform(perturb_bg=darken, perturb_fg_bg=darken)(sample, seed=5)
    assert not torch.equal(out["bg"], out["fg_bg"])
    assert equal(JointTransform(perturb_bg=darken, perturb_fg_bg=darken)(sample, seed=5), out)


def crop_left(layers, rng):
    """A transform as a user writes it."""
    return layers.cut(0, int(rng.integers(8)), H, W // 2)


def test_any_function_of_layers_may_be_a_stage():
    transform = JointTransform([crop_left, albumentations.HorizontalFlip(p=1), crop_left], [lambda layers, rng: layers])
    sample = transform.apply_layers(painted(), "a", 3)
    assert sample["bg"].shape == (3, H, W // 2)
    check_painted(sample, tolerance=0.01)
    assert equal(sample, transform.apply_layers(painted(), "a", 3))
    assert len({transform.apply_layers(painted(), "a", seed)["bg"].sum().item() for seed in range(10)}) > 3


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (lambda layers, rng: layers.bg, "<lambda> gave a ndarray; expected a transform of layers to give"),
        (v2.RandomHorizontalFlip(), "RandomHorizontalFlip gave a tuple"),
        (lambda layers, rng: replace(layers, mask=layers.mask[:5]), r"gave layers of the shapes \[\(5, 64\), \(48"),
    ],
)
def test_stages_that_give_no_layers_back(stage, message):
    with pytest.raises(InvalidArgumentError, match=message):
        JointTransform([stage]).apply_layers(painted(), "a", 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: JointTransform([albumentations.GaussNoise()]), "geometry holds GaussNoise.*DualTransform"),
        (lambda: JointTransform((), [albumentations.HorizontalFlip()]), "photometric holds HorizontalFlip.*ImageOnly"),
        (lambda: JointTransform([albumentations.OneOf([albumentations.Blur()])]), "geometry holds Blur"),
        (lambda: JointTransform([albumentations.Affine(fill_mask=1)]), "holds Affine with fill_mask=1.*expected 0"),
        (lambda: JointTransform([8]), r"geometry holds 8; expected .* callables \(layers, generator\) -> layers"),
        (lambda: JointTransform((), ["blur"]), "photometric holds 'blur'; expected"),
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
