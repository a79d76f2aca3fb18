import pickle

import albumentations
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from fgbgnet.data import JointTransform, Layers, train_transform
from fgbgnet.data.colour import SharedColorJitter

H, W = 40, 56


def pair(seed):
    """A background, and the same with a bright or dark object: two pictures of quite different means."""
    rng = np.random.default_rng(seed)
    bg = rng.integers(0, 256, (H, W, 3)).astype(np.uint8)
    frame = bg.copy()
    frame[5:30, 10:50] = rng.choice([0, 128, 255]) if seed % 2 else rng.integers(0, 256, 3)
    mask = (frame != bg).any(axis=2).astype(np.uint8)
    return Layers.without_depth(bg, frame, mask)


@settings(max_examples=60)
@given(st.integers(0, 1000), st.integers(0, 2**62))
def test_pixels_that_are_equal_stay_equal(scene, seed):
    layers = pair(scene)
    colour = train_transform(H, jitter=0.6).photometric
    out = JointTransform((), colour).apply_layers(layers, "a", seed)
    same = torch.from_numpy((layers.bg == layers.fg_bg).all(axis=2))
    assert same.any()
    assert not same.all()
    assert torch.equal(out["bg"][:, same], out["fg_bg"][:, same])


def test_also_in_the_preset_with_its_geometry():
    layers = pair(1)
    layers.depth = (layers.bg == layers.fg_bg).all(axis=2).astype(np.float32)
    for seed in range(20):
        still = {"rotate": 0, "scale": (1, 1), "perturb_bg": 0, "perturb_fg_bg": 0, "perturb_pair": 0}
        transform = train_transform((H, W), ratio=(W / H, W / H), **still)
        out = transform.apply_layers(layers, "a", seed)
        same = out["depth"][0] == 1
        assert torch.equal(out["bg"][:, same], out["fg_bg"][:, same])
        assert same.float().mean() > 0.3


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_a_single_picture_is_treated_as_by_albumentations(kind):
    # Same formulas: only the pivot differs, which is the mean before the other changes instead of among them.
    picture = pair(3).bg if kind is np.uint8 else (pair(3).bg / 255).astype(np.float32)
    amount = {"brightness": (1, 1), "contrast": (0.5, 1.5), "saturation": (1, 1), "hue": (0, 0), "p": 1}
    for seed in range(10):
        ours, theirs = (
            albumentations.Compose([jitter(**amount)], seed=seed)(image=picture)["image"]
            for jitter in (SharedColorJitter, albumentations.ColorJitter)
        )
        assert ours.dtype == kind
        np.testing.assert_allclose(ours.astype(float), theirs.astype(float), atol=1 if kind is np.uint8 else 1e-5)
        assert not np.array_equal(ours, picture)


def test_pickles():
    transform = train_transform(32)
    again = pickle.loads(pickle.dumps(transform))
    assert isinstance(again.photometric[0], SharedColorJitter)
    layers = pair(2)
    assert torch.equal(again.apply_layers(layers, "a", 1)["bg"], transform.apply_layers(layers, "a", 1)["bg"])
