"""Transforms that are any callable: `apply_transform`."""

import random
import warnings

import albumentations
import numpy as np
import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from fgbgnet.data import PairedFgBgDataset, apply_transform, check_sample
from fgbgnet.errors import InvalidArgumentError

H, W = 48, 64


def noise_sample(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        "bg": torch.rand(3, H, W, generator=generator),
        "fg_bg": torch.rand(3, H, W, generator=generator),
        "mask": (torch.rand(1, H, W, generator=generator) > 0.7).float(),
        "depth": torch.rand(1, H, W, generator=generator) + 1,
        "depth_valid": torch.rand(1, H, W, generator=generator) > 0.1,
        "id": "a",
    }


def equal(first, second):
    return all(torch.equal(first[k], second[k]) if k != "id" else first[k] == second[k] for k in first | second)


def plain(sample):
    """A callable as a user writes it, with all three global generators."""
    scale = random.random() * np.random.rand() * torch.rand(())
    return {**sample, "bg": sample["bg"] * scale}


def test_plain_callables_are_reproducible_and_leave_the_generators_alone():
    sample = noise_sample()
    state = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    first = apply_transform(plain, sample, 7)
    assert equal(apply_transform(plain, sample, 7), first)
    assert not equal(apply_transform(plain, sample, 8), first)
    assert random.getstate() == state[0]
    assert np.array_equal(np.random.get_state()[1], state[1])
    assert torch.equal(torch.get_rng_state(), state[2])


TORCHVISION = v2.Compose(
    [
        v2.RandomResizedCrop((40, 40), scale=(0.4, 1)),
        v2.RandomHorizontalFlip(),
        v2.RandomRotation(20),
        v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
    ]
)


def test_torchvision_v2_is_reproducible_and_keeps_mask_and_depth_true():
    sample = noise_sample()
    out = apply_transform(TORCHVISION, sample, 3)
    check_sample(out, "torchvision")
    assert type(out["mask"]) is torch.Tensor
    assert set(out["depth"].unique().tolist()) <= {0.0, *sample["depth"].unique().tolist()}
    assert equal(apply_transform(TORCHVISION, sample, 3), out)
    assert not equal(apply_transform(TORCHVISION, sample, 4), out)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (lambda s: None, "gave a NoneType; expected the sample"),
        (lambda s: {k: v for k, v in s.items() if k != "depth"}, "without 'depth'; it has bg, fg_bg, mask"),
        (lambda s: {**s, "mask": s["mask"] * 0.5}, "values other than 0 and 1 .for one 0.5.; interpolate masks"),
        (lambda s: {**s, "mask": s["mask"].bool()}, "mask as torch.bool .*expected torch.float32"),
        (lambda s: {**s, "bg": s["bg"][:, :10]}, r"bg as torch.float32 of shape \(3, 10, 64\); .*\(3, 48, 64\)"),
        (lambda s: {**s, "fg_bg": s["fg_bg"].numpy()}, "fg_bg as ndarray"),
        (lambda s: {**s, "depth_valid": s["depth_valid"] * 0.5}, "depth_valid as torch.float32"),
        (
            lambda s: {**s, "bg": (s["bg"] - 0.485) / 0.229},
            r"bg with values from -2.*\[0, 1\]. Do not normalise, the model",
        ),
        (v2.Normalize([0.5] * 3, [0.5] * 3), "gave bg with values from -.*Do not normalise"),
        (lambda s: {**s, "fg_bg": s["fg_bg"] * 255}, "fg_bg with values from .* to 25"),
        (lambda s: {**s, "bg": s["bg"] * float("nan")}, "bg with values from nan"),
        (lambda s: {**s, "depth": s["depth"] / 0}, "depth that is not finite where depth_valid is true"),
    ],
)
def test_what_a_plain_callable_may_not_give_back(transform, message):
    with pytest.raises(InvalidArgumentError, match=f"the transform .* gave .*{message}|{message}"):
        apply_transform(transform, noise_sample(), 0)


def flipped(sample, names=("bg", "fg_bg", "mask", "depth", "depth_valid")):
    return {key: value.flip(-1) if key in names else value for key, value in sample.items()}


class Wrapper(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, sample):
        return self.inner(sample)


FLIP = v2.RandomHorizontalFlip(p=1)


@pytest.mark.parametrize(
    "transform",
    [
        FLIP,
        v2.Compose([FLIP]),
        torch.nn.Sequential(FLIP),
        torch.nn.Sequential(Wrapper(FLIP), torch.nn.Identity()),
        lambda sample: FLIP(sample),
        lambda sample: {**FLIP({k: v for k, v in sample.items() if k != "id"}), "id": sample["id"]},
    ],
)
def test_torchvision_v2_flips_all_layers_wherever_it_is_called(transform):
    sample = noise_sample()
    out = apply_transform(transform, sample, 0)
    assert equal(out, flipped(sample))
    assert all(type(out[name]) is torch.Tensor for name in out if name != "id")
    assert out["depth_valid"].dtype == torch.bool


def test_a_callable_that_treats_one_entry_treats_one_entry():
    sample = noise_sample()
    out = apply_transform(lambda s: {**s, "bg": FLIP(s["bg"])}, sample, 0)
    assert equal(out, flipped(sample, ["bg"]))


def test_plain_code_finds_plain_tensors():
    sample = noise_sample()

    def code(s):
        assert isinstance(s["bg"], tv_tensors.Image)
        assert s["depth_valid"].dtype == torch.bool
        depth = s["depth"].clone()
        depth[~s["depth_valid"]] = 9.0
        s["fg_bg"] = torch.where(s["mask"] > 0, s["fg_bg"], s["bg"])
        s["depth"] = depth
        return s

    before = {k: v.clone() if k != "id" else v for k, v in sample.items()}
    out = apply_transform(code, sample, 0)
    assert equal(sample, before)
    assert (out["depth"][~sample["depth_valid"]] == 9).all()
    assert all(type(out[name]) is torch.Tensor for name in out if name != "id")


@pytest.mark.parametrize(
    "transform",
    [
        v2.Resize((20, 30)),
        v2.RandomCrop(70, pad_if_needed=True),
        v2.Pad(4, padding_mode="reflect"),
        v2.RandomZoomOut(p=1),
        v2.RandomAffine(20, scale=(0.5, 2)),
        v2.RandomPerspective(p=1),
        v2.ElasticTransform(),
        v2.RandomRotation(20, expand=True),
        v2.GaussianNoise(),
        v2.ToPureTensor(),
        # Casts depth_valid to a number, which is cast back.
        v2.ToDtype({tv_tensors.Image: torch.float32, tv_tensors.Mask: torch.float32, "others": None}, scale=True),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_torchvision_v2_gives_samples_back(transform):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as one about layers that are passed through
        out = apply_transform(transform, noise_sample(), 1)
    check_sample(out, "torchvision")
    assert out["depth_valid"].any()


ALBUMENTATIONS = [
    albumentations.HorizontalFlip(p=1),
    albumentations.Compose([albumentations.HorizontalFlip(p=1)], additional_targets={"fg_bg": "image"}),
    albumentations.ReplayCompose([]),
]


@pytest.mark.parametrize("transform", ALBUMENTATIONS, ids=lambda transform: type(transform).__name__)
def test_albumentations_must_be_wrapped(quadruples, transform):
    message = rf"{type(transform).__name__} of albumentations.*wrap it in JointTransform\(geometry=\[\.\.\.\]\)"
    with pytest.raises(InvalidArgumentError, match=message):
        apply_transform(transform, noise_sample(), 0)
    with pytest.raises(InvalidArgumentError, match=message):
        PairedFgBgDataset(quadruples, transform)
    with pytest.raises(InvalidArgumentError, match=message):
        PairedFgBgDataset(quadruples).with_transform(transform)
    with pytest.raises(InvalidArgumentError, match=message):
        PairedFgBgDataset(quadruples).subset([0], transform)
