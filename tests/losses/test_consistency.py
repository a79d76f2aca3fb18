import numpy as np
import pytest
import torch
from scipy import ndimage

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.losses import depth_consistency_loss, unchanged_background


def scene(seed=0, size=32):
    """A background, a frame with a square in it, and the mask."""
    generator = torch.Generator().manual_seed(seed)
    bg = 0.2 + 0.5 * torch.rand(2, 3, size, size, generator=generator, dtype=torch.float64)
    mask = torch.zeros(2, 1, size, size, dtype=torch.float64)
    mask[:, :, 10:20, 8:16] = 1
    return bg, torch.where(mask > 0, 1 - bg, bg), mask


def test_everything_but_the_grown_foreground_is_unchanged():
    bg, fg_bg, mask = scene()
    for width, radius in ((0.02, 1), (0.1, 3)):
        grown = ndimage.binary_dilation(mask[0, 0].numpy(), np.ones((2 * radius + 1, 2 * radius + 1)))
        same = unchanged_background(mask, bg, fg_bg, width=width)
        np.testing.assert_array_equal(same[0, 0].numpy(), ~grown)


def test_another_exposure_is_no_change_but_a_shadow_is():
    bg, fg_bg, mask = scene()
    gains = torch.tensor([0.7, 1.1, 0.9], dtype=torch.float64).view(3, 1, 1)
    same = unchanged_background(mask, bg, fg_bg)
    assert torch.equal(unchanged_background(mask, bg, fg_bg * gains), same)
    shadow = torch.ones(32, 32, dtype=torch.float64)
    shadow[22:30, 4:12] = 0.4
    shaded = unchanged_background(mask, bg, fg_bg * shadow)
    assert not shaded[..., 22:30, 4:12].any()
    assert torch.equal(shaded[..., :22, :], same[..., :22, :])


def test_unknown_mask_pixels_count_as_foreground():
    bg, fg_bg, mask = scene()
    known = torch.ones_like(mask, dtype=torch.bool)
    known[..., :4, :] = False
    same = unchanged_background(torch.where(known, mask, torch.nan), bg, fg_bg, known)
    assert not same[..., :5, :].any()
    assert same[..., 5:8, :].all()


def test_loss_matches_numpy_and_has_the_right_gradient():
    bg, fg_bg, mask = scene()
    frame, background = 1 + torch.rand(2, 2, 1, 32, 32, dtype=torch.float64)
    same = unchanged_background(mask, bg, fg_bg)[:, :].numpy()
    arguments = (mask, bg, fg_bg)
    difference = (frame - background).numpy()[same]
    assert depth_consistency_loss(frame, background, *arguments).item() == pytest.approx(np.abs(difference).mean())
    logs = np.log(frame.numpy()[same]) - np.log(background.numpy()[same])
    assert depth_consistency_loss(frame, background, *arguments, space="log").item() == pytest.approx(
        np.abs(logs).mean()
    )
    frame.requires_grad_()
    background.requires_grad_()
    depth_consistency_loss(frame, background, *arguments).backward()
    assert torch.equal(frame.grad, -background.grad)
    assert torch.equal(frame.grad != 0, torch.from_numpy(same))


@pytest.mark.parametrize("space", ["linear", "log"])
def test_gradcheck(space):
    bg, fg_bg, mask = (layer[:1, :, :, 4:16].clone() for layer in scene(size=24))
    frame, background = 1 + torch.rand(2, 1, 1, 24, 12, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda a, b: depth_consistency_loss(a, b, mask, bg, fg_bg, space=space),
        (frame.requires_grad_(), background.requires_grad_()),
    )


def test_nothing_unchanged_is_exactly_zero():
    bg, fg_bg, mask = scene()
    frame = torch.rand(2, 1, 32, 32, requires_grad=True)
    loss = depth_consistency_loss(frame, torch.rand(2, 1, 32, 32), torch.ones_like(mask), bg, fg_bg)
    loss.backward()
    assert loss.item() == 0
    assert (frame.grad == 0).all()


def test_black_backgrounds_and_half_precision():
    bg, fg_bg, mask = (layer.half() for layer in scene())
    assert unchanged_background(mask, torch.zeros_like(bg), torch.zeros_like(bg)).any()
    assert not unchanged_background(mask, torch.zeros_like(bg), torch.ones_like(bg)).any()
    frame = (100 * torch.rand(2, 1, 32, 32)).bfloat16().requires_grad_()
    loss = depth_consistency_loss(frame, frame.detach() * 2, mask, bg, fg_bg, space="log")
    loss.backward()
    assert loss.dtype == torch.float32
    assert frame.grad.isfinite().all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"bg": torch.rand(2, 3, 16, 16)}, InvalidArgumentError, "expected .B, 3, H, W. of both"),
        ({"mask": torch.zeros(2, 1, 16, 16)}, InvalidArgumentError, "the mask has shape"),
        ({"mask_valid": torch.ones(2, 1, 32, 32)}, InvalidArgumentError, "expected torch.bool"),
        ({"depth_of_background": torch.rand(2, 1, 16, 16)}, InvalidArgumentError, "must be equal"),
        ({"space": "inverse"}, UnknownNameError, "the nearest are 'linear'"),
    ],
)
def test_wrong_inputs(change, error, message):
    bg, fg_bg, mask = scene()
    depth = torch.rand(2, 1, 32, 32)
    given = {"depth_of_frame": depth, "depth_of_background": depth, "mask": mask, "bg": bg, "fg_bg": fg_bg}
    with pytest.raises(error, match=message):
        depth_consistency_loss(**{**given, **change})


def test_depths_of_another_size_than_the_pictures():
    bg, fg_bg, mask = scene()
    depth = torch.rand(2, 1, 16, 16)
    with pytest.raises(InvalidArgumentError, match="the depths have shape"):
        depth_consistency_loss(depth, depth, mask, bg, fg_bg)
