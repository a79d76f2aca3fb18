import pytest
import torch

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.evaluation import BackgroundMeanDepth, GlobalMeanDepth


def scenes(backgrounds=3, each=4, size=16):
    """Per background a ramp of its own, plus a different constant in each picture."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(backgrounds, 3, size, size, generator=generator)
    pictures *= torch.linspace(0.2, 1, backgrounds).view(-1, 1, 1, 1)
    ramps = torch.arange(1.0, backgrounds + 1).view(-1, 1, 1, 1) + torch.linspace(0, 1, size).view(1, 1, 1, size)
    ramps = ramps.expand(-1, -1, size, -1)
    extra = torch.rand(backgrounds * each, 1, 1, 1, generator=generator)
    depth = ramps.repeat_interleave(each, 0) + extra
    bg = pictures.repeat_interleave(each, 0)
    names = [f"room {index}" for index in range(backgrounds) for _ in range(each)]
    valid = torch.ones_like(depth, dtype=torch.bool)
    return {"bg": bg, "fg_bg": bg, "depth": depth, "depth_valid": valid, "mask": torch.zeros_like(depth)}, names


def test_global_mean_pools_valid_pixels():
    depth = torch.tensor([[[[1.0, 3.0]]], [[[8.0, 100.0]]]])
    valid = torch.tensor([[[[True, True]]], [[[True, False]]]])
    batches = [{"depth": depth[i : i + 1], "depth_valid": valid[i : i + 1]} for i in range(2)]
    floor = GlobalMeanDepth(depth_unit="relative").fit(batches)
    assert floor.mean == 4
    prediction = floor.predict(torch.zeros(3, 4, 5), torch.zeros(3, 4, 5))
    assert prediction.mask is None
    assert prediction.depth_unit == "relative"
    assert torch.equal(prediction.depth, torch.full((4, 5), 4.0))
    assert floor.fit(batches[:1]).mean == 2  # a second fit forgets the first


@pytest.mark.parametrize("named", [True, False])
def test_background_mean_is_the_mean_map(named):
    batch, names = scenes()
    floor = BackgroundMeanDepth(map_size=16)
    for part in (slice(0, 5), slice(5, 12)):
        floor.update({key: value[part] for key, value in batch.items()}, names[part] if named else None)
    depth = floor(batch["bg"], batch["fg_bg"])["depth"]
    expected = batch["depth"].view(3, 4, 1, 16, 16).mean(1).repeat_interleave(4, 0)
    torch.testing.assert_close(depth, expected)


def test_an_imperfect_background_is_recognised_and_an_unknown_one_gets_the_mean():
    batch, names = scenes()
    floor = BackgroundMeanDepth(map_size=16)
    floor.update(batch, names)
    perturbed = (batch["bg"].roll(1, -1) * 0.95).clamp(0, 1)
    torch.testing.assert_close(floor(perturbed, perturbed)["depth"], floor(batch["bg"], batch["bg"])["depth"])
    unknown = torch.zeros(1, 3, 16, 16)
    unknown[..., :8] = 1
    torch.testing.assert_close(floor(unknown, unknown)["depth"], torch.full((1, 1, 16, 16), floor.overall.mean))


def test_leave_one_out_equals_fitting_without_the_picture():
    batch, names = scenes()
    batch["depth_valid"][3, :, :5] = False
    floor = BackgroundMeanDepth(map_size=16)
    floor.update(batch, names)
    depth, known = floor.look_up(batch, names, leave_out=True)
    assert known == len(names)
    for index in range(len(names)):
        rest = [i for i in range(len(names)) if i != index]
        other = BackgroundMeanDepth(map_size=16)
        other.update({key: value[rest] for key, value in batch.items()}, [names[i] for i in rest])
        one = {key: value[[index]] for key, value in batch.items()}
        torch.testing.assert_close(depth[[index]], other.look_up(one, [names[index]], leave_out=False)[0])


def test_a_background_seen_once_is_unknown_to_itself():
    batch, _ = scenes(backgrounds=3, each=1)
    floor = BackgroundMeanDepth(map_size=16)
    floor.update(batch, ["a", "b", "c"])
    depth, known = floor.look_up(batch, ["a", "b", "new"], leave_out=True)
    assert known == 0
    torch.testing.assert_close(depth, torch.full_like(depth, floor.overall.mean))


def test_memory_is_bounded():
    batch, names = scenes()
    floor = BackgroundMeanDepth(map_size=16, max_backgrounds=2)
    floor.update(batch, names)
    assert floor.look_up(batch, names, leave_out=False)[1] == 8


@pytest.mark.parametrize("cls", [GlobalMeanDepth, BackgroundMeanDepth])
def test_nothing_to_fit_on(cls):
    batch, _ = scenes()
    batch["depth_valid"][:] = False
    with pytest.raises(InvalidArgumentError, match="no valid depth pixel"):
        cls().fit([batch])
    picture = torch.zeros(1, 3, 4, 4)
    assert cls()(picture, picture, tasks=("mask",)) == {}
