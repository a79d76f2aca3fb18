import numpy as np
import pytest
import torch
from scipy import ndimage

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.evaluation import CompensatedDifference, Difference
from fgbgnet.evaluation.baselines.mask import median3x3
from fgbgnet.metrics import compute_mask_metrics, mask_statistics


def pair(gain=1.0, offset=0.0, size=48, batch=3, contrast=0.25):
    """Textured backgrounds, and frames of them with a square that differs from it by ``contrast``."""
    generator = torch.Generator().manual_seed(0)
    bg = 0.3 + 0.3 * torch.rand(batch, 3, size, size, generator=generator)
    mask = torch.zeros(batch, 1, size, size)
    mask[..., 10:30, 15:33] = 1
    fg_bg = bg + contrast * mask
    return {"bg": gain * bg + offset, "fg_bg": fg_bg, "mask": mask}


def iou(floor, batch):
    outputs = floor(batch["bg"], batch["fg_bg"])
    return compute_mask_metrics(mask_statistics(outputs["mask"], batch["mask"]))["iou"]


def test_difference_is_the_largest_channel_above_the_threshold():
    generator = torch.Generator().manual_seed(1)
    bg, fg_bg = torch.rand(2, 2, 3, 9, 7, generator=generator)
    expected = np.abs(fg_bg.numpy() - bg.numpy()).max(1, keepdims=True) > np.float32(0.4)
    logits = Difference(threshold=0.4)(bg, fg_bg)["mask"]
    np.testing.assert_array_equal((logits > 0).numpy(), expected)
    assert 0 < expected.mean() < 1


def test_one_channel_is_enough_and_the_default_is_24_grey_levels():
    bg = torch.full((1, 3, 1, 3), 100 / 255)
    fg_bg = bg.clone()
    fg_bg[0, 0, 0] += torch.tensor([23, 25, -25]) / 255
    assert (Difference()(bg, fg_bg)["mask"] > 0).flatten().tolist() == [False, True, True]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (8, 11)])
def test_median_matches_scipy(shape):
    picture = np.random.default_rng(0).random((4, 1, *shape)).astype(np.float32)
    expected = ndimage.median_filter(picture, size=(1, 1, 3, 3), mode="nearest")
    np.testing.assert_array_equal(median3x3(torch.from_numpy(picture)).numpy(), expected)


def test_clean_up_is_a_majority_vote_of_the_decisions():
    generator = torch.Generator().manual_seed(0)
    bg, fg_bg = torch.rand(2, 1, 3, 20, 20, generator=generator)
    plain = (Difference(0.5)(bg, fg_bg)["mask"] > 0).float()
    clean = Difference(0.5, clean=True)(bg, fg_bg)["mask"] > 0
    assert torch.equal(clean, median3x3(plain) > 0.5)
    assert not torch.equal(clean.float(), plain)


@pytest.mark.parametrize(("gain", "offset"), [(0.6, 0.0), (1.4, -0.05), (0.7, 0.25), (1.0, 0.15)])
def test_compensation_finds_gain_and_offset_in_spite_of_the_foreground(gain, offset):
    batch = pair(gain, offset)
    found = CompensatedDifference().fit_exposure(batch["bg"], batch["fg_bg"])
    for value, expected in zip(found, (1 / gain, -offset / gain), strict=True):
        torch.testing.assert_close(value, torch.full((3, 3, 1, 1), expected), atol=1e-3, rtol=1e-3)
    assert iou(CompensatedDifference(), batch) > 0.99
    assert iou(Difference(), batch) < 0.9


def test_compensation_works_per_picture_and_channel():
    batch = pair()
    gains = torch.rand(3, 3, 1, 1, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.7
    batch["bg"] = batch["bg"] * gains
    assert iou(CompensatedDifference(), batch) > 0.99


def test_compensation_of_a_background_of_one_colour():
    bg = torch.full((1, 3, 12, 12), 0.25)
    fg_bg = torch.full((1, 3, 12, 12), 0.5)
    assert torch.equal(CompensatedDifference().score(bg, fg_bg), torch.zeros(1, 1, 12, 12))


def test_an_overexposed_background_is_no_foreground():
    batch = pair(contrast=-0.25)
    batch["bg"] = (2.2 * batch["bg"]).clamp(0, 1)
    assert 0.1 < (batch["bg"] == 1).float().mean() < 0.6
    assert iou(CompensatedDifference(), batch) > 0.95


def test_a_foreground_of_almost_half_the_picture_is_not_fitted_to():
    batch = pair(0.7)
    batch["mask"][..., :22, :] = 1
    texture = 0.8 + 0.2 * torch.rand(batch["bg"].shape, generator=torch.Generator().manual_seed(2))
    batch["fg_bg"] = torch.where(batch["mask"] > 0, texture, batch["bg"] / 0.7)
    assert batch["mask"].mean() > 0.45
    assert iou(CompensatedDifference(), batch) > 0.95


@pytest.mark.parametrize("cls", [Difference, CompensatedDifference])
def test_fit_finds_the_best_threshold_of_all(cls):
    batch = pair(contrast=0.2)
    noise = torch.rand(batch["bg"].shape, generator=torch.Generator().manual_seed(5)) * 0.3
    batch["fg_bg"] = batch["fg_bg"] + noise
    halves = [{key: value[part] for key, value in batch.items()} for part in (slice(0, 1), slice(1, 3))]
    floor = cls().fit(halves)
    tried = {level: iou(cls((level + 0.5) / 255), batch) for level in range(255)}
    assert iou(floor, batch) == max(tried.values())
    assert max(tried.values()) > tried[23]


def test_stands_where_a_model_stands():
    floor = CompensatedDifference().train()
    prediction = floor.predict(torch.zeros(3, 8, 6), torch.eye(8)[:, :6].expand(3, 8, 6))
    assert prediction.mask.shape == (8, 6)
    assert prediction.mask.sum() == 6
    assert prediction.depth is None
    assert floor.training
    assert floor(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), tasks=("depth",)) == {}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Difference(24), "24 / 255"),
        (lambda: Difference(-0.1), "threshold=-0.1"),
        (lambda: CompensatedDifference(keep=0), "keep=0"),
        (lambda: CompensatedDifference(rounds=0), "rounds=0"),
        (lambda: Difference().fit([]), "no batches"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(InvalidArgumentError, match=message):
        make()
