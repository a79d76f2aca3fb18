import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.evaluation.baselines import CompensatedDifference
from fgbgnet.models import DualHeadUNet
from fgbgnet.models.registration import align_background, compensate_exposure, find_homography, fit_exposure
from fgbgnet.synth import SceneGenerator, perturb_pair


@pytest.fixture(scope="module")
def scenes():
    batch = SceneGenerator(size=96, seed=5).batch(range(24))
    few = batch["mask"].mean((1, 2, 3)) < 0.4
    return {key: layer[few] for key, layer in batch.items() if torch.is_tensor(layer)}


def background_error(bg, fg_bg, mask):
    """Mean absolute difference per picture where nothing is new."""
    empty = (mask == 0).expand_as(bg)
    return ((bg - fg_bg).abs() * empty).sum((1, 2, 3)) / empty.sum((1, 2, 3))


@pytest.mark.parametrize("seed", range(3))
def test_a_known_gain_and_offset_come_back_behind_foreground(scenes, seed):
    generator = torch.Generator().manual_seed(seed)
    count = len(scenes["bg"])
    gain = 0.7 + 0.6 * torch.rand(count, 3, 1, 1, generator=generator)
    offset = 0.2 * torch.rand(count, 3, 1, 1, generator=generator) - 0.1
    frame = (scenes["fg_bg"] * gain + offset).clamp(0, 1)
    found_gain, found_offset = fit_exposure(scenes["bg"], frame)
    good = (found_gain - gain).abs().flatten(1).amax(1) < 0.02
    assert good.float().mean() > 0.9
    assert ((found_offset - offset).abs().flatten(1).amax(1) < 0.02)[good].all()
    before = background_error(scenes["bg"], frame, scenes["mask"])
    after = background_error(compensate_exposure(scenes["bg"], frame), frame, scenes["mask"])
    assert after.mean() < 0.1 * before.mean()


def test_better_than_least_squares_over_all_pixels(scenes):
    """What is new pulls at an ordinary fit, and not at this one."""
    frame = (0.8 * scenes["fg_bg"] + 0.05).clamp(0, 1)
    for number in range(0, len(frame), 5):
        x, y = scenes["bg"][number].double(), frame[number].double()
        ordinary = np.array([np.polyfit(x[c].flatten(), y[c].flatten(), 1) for c in range(3)])
        gain = fit_exposure(scenes["bg"][number : number + 1], frame[number : number + 1])[0].flatten().numpy()
        assert np.abs(gain - 0.8).max() <= np.abs(ordinary[:, 0] - 0.8).max() + 1e-3


def test_subtraction_gains_as_much_as_from_the_floors_own_compensation(scenes):
    """The floor of the same idea, made independently: after this correction it finds nothing left to correct."""
    frame = (0.75 * scenes["fg_bg"] + 0.1).clamp(0, 1)
    floor = CompensatedDifference()
    corrected = floor(compensate_exposure(scenes["bg"], frame), frame)["mask"]
    untouched = floor(scenes["bg"], scenes["fg_bg"])["mask"]
    assert ((corrected > 0) == (untouched > 0)).float().mean() > 0.97


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_equal_pictures_come_back_bit_by_bit(height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    picture = torch.rand(2, 3, height, width, generator=generator)
    assert torch.equal(compensate_exposure(picture, picture), picture)
    assert torch.equal(align_background(picture, picture), picture)


@pytest.mark.parametrize("low", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("high", [0.0, 0.3, 1.0])
def test_flat_pictures_are_safe(low, high):
    bg, frame = torch.full((1, 3, 16, 16), low), torch.full((1, 3, 16, 16), high)
    result = compensate_exposure(bg, frame)
    assert result.isfinite().all()
    assert ((result >= 0) & (result <= 1)).all()
    if low == 0.5 and high == 0.3:
        assert torch.allclose(result, frame, atol=1e-6)


def test_each_picture_of_a_batch_for_itself(scenes):
    frame = scenes["fg_bg"] * torch.linspace(0.6, 1, len(scenes["bg"])).reshape(-1, 1, 1, 1)
    together = compensate_exposure(scenes["bg"], frame)
    for number in (0, 7):
        alone = compensate_exposure(scenes["bg"][number : number + 1], frame[number : number + 1])
        torch.testing.assert_close(together[number : number + 1], alone)


@pytest.mark.parametrize("name", ["shift", "rotate", "zoom", "perspective"])
def test_moved_backgrounds_come_nearer_and_never_further(scenes, name):
    moved = perturb_pair(scenes, name, 5, seeds=list(range(len(scenes["bg"]))))
    aligned = align_background(moved["bg"], moved["fg_bg"])
    before = background_error(moved["bg"], moved["fg_bg"], moved["mask"])
    after = background_error(aligned, moved["fg_bg"], moved["mask"])
    assert (after <= before * 1.02).all()
    assert after.mean() < 0.6 * before.mean()
    assert torch.equal(align_background(moved["bg"], moved["fg_bg"]), aligned)


def test_a_known_homography_comes_back():
    picture = SceneGenerator(size=224, seed=3).batch(range(1))["bg"][0]
    grey = (picture.mean(0) * 255).round().byte().numpy()
    truth = np.array([[1.01, 0.02, 4.0], [-0.015, 0.99, -3.0], [2e-5, -1e-5, 1.0]])
    import cv2

    moved = cv2.warpPerspective(grey, truth, grey.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    found = find_homography(grey, moved)
    corners = np.array([[20, 20, 1], [200, 20, 1], [200, 200, 1], [20, 200, 1]], float)
    one, other = ((corners @ matrix.T) for matrix in (truth, found))
    assert np.abs(one[:, :2] / one[:, 2:] - other[:, :2] / other[:, 2:]).max() < 1


def test_what_cannot_be_trusted_changes_nothing(scenes):
    other = scenes["bg"].roll(1, 0)
    assert torch.equal(align_background(other, scenes["fg_bg"]), other)  # another place altogether
    flat = torch.full_like(scenes["bg"][:2], 0.4)
    assert torch.equal(align_background(flat, scenes["fg_bg"][:2]), flat)
    turned = scenes["fg_bg"][:4].flip(2)
    assert torch.equal(align_background(scenes["bg"][:4], turned), scenes["bg"][:4])
    tiny = torch.rand(1, 3, 4, 5)
    assert torch.equal(align_background(tiny, tiny.flip(3)), tiny)


def test_models_see_the_registered_background(scenes):
    plain = DualHeadUNet("unet_small", fusion="early_diff").eval()
    registering = DualHeadUNet(
        "unet_small", fusion="early_diff", compensate_exposure=True, align_background=True
    ).eval()
    registering.load_state_dict(plain.state_dict())
    bg, frame = scenes["bg"][:4] * 0.7, scenes["fg_bg"][:4]
    with torch.no_grad():
        expected = plain(compensate_exposure(align_background(bg, frame), frame), frame)
        assert torch.equal(registering(bg, frame)["mask"], expected["mask"])
        assert not torch.equal(plain(bg, frame)["mask"], expected["mask"])


def test_what_changes_with_every_frame_cannot_be_kept_or_compiled():
    for name in ("compensate_exposure", "align_background"):
        model = DualHeadUNet("unet_small", fusion="siamese", **{name: True})
        with pytest.raises(InvalidArgumentError, match=f"{name}=True changes the background"):
            model.fix_background(torch.rand(3, 32, 32))
    with pytest.raises(InvalidArgumentError, match="2 channels"):
        align_background(torch.rand(1, 2, 8, 8), torch.rand(1, 2, 8, 8))


def test_exposure_compensation_is_part_of_an_exported_graph():
    model = DualHeadUNet("unet_small", compensate_exposure=True).eval()
    bg, frame = torch.rand(2, 1, 3, 40, 50)
    program = torch.export.export(model, (0.7 * bg, frame))
    with torch.no_grad():
        expected = model(0.7 * bg, frame)
    torch.testing.assert_close(program.module()(0.7 * bg, frame)["mask"], expected["mask"])
