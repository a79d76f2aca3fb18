import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torchvision.transforms import functional

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
    layers.depth_valid[:] = True
    layers.mask[:] = 0
    for seed in range(20):
        transform = train_transform((H, W), perturb_bg=0, perturb_fg_bg=0, perturb_pair=0)
        out = transform.apply_layers(layers, "a", seed)
        same = out["depth"][0] == 1  # nothing but equal pixels was averaged
        assert torch.equal(out["bg"][:, same], out["fg_bg"][:, same])
        assert same.float().mean() > 0.2


def reference(picture, brightness, contrast, saturation, hue, grey):
    """Each change on its own in floating point, as torchvision describes them; the hue by a rotation in YIQ."""
    values = picture.astype(float)
    luma = np.array([0.299, 0.587, 0.114])
    values = values * brightness
    values = grey * brightness + contrast * (values - grey * brightness)
    own = (values @ luma)[..., None]
    values = own + saturation * (values - own)
    to_yiq = np.array([luma, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    y, i, q = np.moveaxis(values @ to_yiq.T, -1, 0)
    turned = (i + 1j * q) * np.exp(2j * np.pi * hue)
    return (np.stack([y, turned.real, turned.imag], -1) @ np.linalg.inv(to_yiq).T).clip(0, 255)


@given(
    st.integers(0, 99),
    st.floats(0.6, 1.4),
    st.floats(0.6, 1.4),
    st.floats(0, 1.6),
    st.floats(-0.1, 0.1),
)
def test_one_matrix_is_the_four_changes_one_after_the_other(scene, brightness, contrast, saturation, hue):
    layers = pair(scene)
    fixed = [(value, value) for value in (brightness, contrast, saturation, hue)]
    out = SharedColorJitter(*fixed, p=1)(layers, np.random.default_rng(0))
    grey = (layers.bg @ [0.299, 0.587, 0.114]).mean()
    for picture, changed in ((layers.bg, out.bg), (layers.fg_bg, out.fg_bg)):
        expected = reference(picture, brightness, contrast, saturation, hue, grey)
        np.testing.assert_allclose(changed, expected, atol=0.8)  # OpenCV works with fixed points


def test_contrast_and_saturation_are_those_of_torchvision():
    picture = pair(4).bg
    tensor = torch.from_numpy(picture).permute(2, 0, 1)
    for name, arguments, theirs in [
        ("contrast", (1.4, 1, 1, 0), functional.adjust_contrast(tensor, 1.4)),
        ("saturation", (1, 1, 1.5, 0), functional.adjust_saturation(tensor, 1.5)),
        ("brightness", (1.3, 1, 1, 0), functional.adjust_brightness(tensor, 1.3)),
    ]:
        fixed = [(value, value) for value in arguments]
        if name == "contrast":
            fixed = [fixed[1], fixed[0], *fixed[2:]]
        ours = SharedColorJitter(*fixed, p=1)(pair(4), np.random.default_rng(0)).bg
        assert np.abs(ours.astype(int) - theirs.permute(1, 2, 0).numpy()).max() <= 2, name  # they cut off fractions


def test_it_happens_with_its_probability_and_within_its_ranges():
    layers = pair(1)
    layers.bg[:] = 100
    jitter = SharedColorJitter((0.9, 1.3), (1, 1), (1, 1), (0, 0), p=0.6)
    levels = [jitter(layers, np.random.default_rng(seed)).bg[0, 0, 0] for seed in range(2000)]
    changed = [level for level in levels if level != 100]
    assert len(changed) / 2000 == pytest.approx(0.6 * 39 / 40, abs=0.04)  # a factor near 1 rounds to no change
    assert (min(changed), max(changed)) == (90, 130)
    assert np.mean(changed) == pytest.approx(110, abs=1.5)


def test_pickles():
    transform = train_transform(32)
    again = pickle.loads(pickle.dumps(transform))
    assert isinstance(again.photometric[0], SharedColorJitter)
    layers = pair(2)
    assert torch.equal(again.apply_layers(layers, "a", 1)["bg"], transform.apply_layers(layers, "a", 1)["bg"])
