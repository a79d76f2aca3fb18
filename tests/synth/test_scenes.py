import pickle

import pytest
import torch

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth import SceneGenerator
from fgbgnet.synth.scenes import _blur, _doubled

IDS = list(range(24))


@pytest.fixture(scope="module")
def generator():
    return SceneGenerator(size=(48, 64), seed=3)


@pytest.fixture(scope="module")
def batch(generator):
    return generator.batch(IDS)


def test_shapes_types_and_ranges(batch):
    for key in ("bg", "fg_bg"):
        assert batch[key].shape == (24, 3, 48, 64)
        assert batch[key].dtype == torch.float32
        assert batch[key].min() >= 0
        assert batch[key].max() <= 1
        levels = batch[key] * 255
        torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    for key in ("mask", "alpha", "depth", "depth_bg", "depth_valid"):
        assert batch[key].shape == (24, 1, 48, 64)
    assert set(batch["mask"].unique().tolist()) == {0.0, 1.0}
    assert batch["depth_valid"].dtype == torch.bool
    assert not any(torch.isnan(value.float()).any() for value in batch.values())


def test_mask_is_exactly_where_depth_differs(batch):
    differs = batch["depth"] != batch["depth_bg"]
    assert torch.equal(differs, batch["mask"].bool())
    both = differs & (batch["depth_bg"] > 0)
    assert (batch["depth"][both] < batch["depth_bg"][both]).all()  # what is new stands in front


def test_mask_is_alpha_of_one_half(batch):
    assert torch.equal(batch["mask"].bool(), batch["alpha"] >= 0.5)
    assert batch["alpha"].min() >= 0
    assert batch["alpha"].max() <= 1
    assert ((batch["alpha"] > 0.05) & (batch["alpha"] < 0.95)).any()  # edges are soft


def test_depth_is_valid_but_for_the_sky(batch):
    assert torch.equal(batch["depth"] > 0, batch["depth_valid"])
    assert batch["depth_valid"][batch["mask"].bool()].all()
    assert batch["depth"].max() < 65.535  # fits 16-bit millimetres
    assert (~batch["depth_valid"]).any()


def test_pictures_are_equal_far_from_foreground_and_shadow(batch):
    residual = (batch["fg_bg"] - batch["bg"]).abs().amax(1, keepdim=True)
    outside = batch["alpha"] == 0
    unchanged = (residual[outside] == 0).float().mean()
    assert unchanged > 0.5  # most of the ground is bit-identical
    assert (batch["fg_bg"] - batch["bg"])[outside.expand(-1, 3, -1, -1)].max() <= 1 / 255 + 1e-6  # shadows only darken
    assert (residual[outside] > 0.05).any()  # and there are shadows


def test_foreground_is_seen_in_most_scenes(batch):
    share = batch["mask"].mean((1, 2, 3))
    assert (share > 0.002).float().mean() > 0.8
    assert share.max() < 0.95


def test_scene_is_the_same_in_any_batch_and_order(generator, batch):
    order = [17, 3, 22, 0, 9]
    shuffled = generator.batch(order)
    for key, value in shuffled.items():
        assert torch.equal(value, batch[key][order]), key
    alone = SceneGenerator(size=(48, 64), seed=3).batch([22])
    for key, value in alone.items():
        assert torch.equal(value[0], batch[key][22]), key


def test_scene_does_not_depend_on_threads(generator, batch):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        again = generator.batch(IDS[:6])
    finally:
        torch.set_num_threads(threads)
    for key, value in again.items():
        assert torch.equal(value, batch[key][:6]), key


def test_other_seeds_and_ids_give_other_scenes(generator, batch):
    other = SceneGenerator(size=(48, 64), seed=0).batch([0])
    assert not torch.equal(other["bg"][0], batch["bg"][0])
    assert len({picture.numpy().tobytes() for picture in batch["bg"]}) == len(IDS)


def test_shared_background_is_bit_identical_and_foreground_differs(generator):
    shared = generator.batch([100, 101, 102], bg_ids=[7, 7, 7])
    for key in ("bg", "depth_bg"):
        assert torch.equal(shared[key][0], shared[key][1])
        assert torch.equal(shared[key][0], shared[key][2])
    assert not torch.equal(shared["mask"][0], shared["mask"][1])
    alone = generator.batch([101], bg_ids=[7])
    assert all(torch.equal(alone[key][0], shared[key][1]) for key in alone)


def test_depth_does_not_depend_on_resolution():
    small, large = SceneGenerator(32, seed=3).batch([1]), SceneGenerator(96, seed=3).batch([1])
    # The centre of every small pixel is the centre of the middle one of three by three.
    ratio = small["depth_bg"] / large["depth_bg"][..., 1::3, 1::3]
    assert ((ratio - 1).abs() < 1e-4)[torch.isfinite(ratio)].float().mean() > 0.98


def test_generator_survives_pickling(generator, batch):
    again = pickle.loads(pickle.dumps(generator)).batch([2])
    assert torch.equal(again["fg_bg"][0], batch["fg_bg"][2])


@pytest.mark.parametrize("size", [(17, 33), 16, (50, 16)])
def test_any_size_works(size):
    out = SceneGenerator(size, seed=3).batch([0, 1])
    height, width = (size, size) if isinstance(size, int) else size
    assert out["fg_bg"].shape == (2, 3, height, width)
    assert torch.equal(out["depth"] != out["depth_bg"], out["mask"].bool())


def test_wrong_input_is_named(generator):
    with pytest.raises(InvalidArgumentError, match="at least 16"):
        SceneGenerator(8)
    with pytest.raises(InvalidArgumentError, match="0 ids"):
        generator.batch([])
    with pytest.raises(InvalidArgumentError, match="2 ids and 1 bg_ids"):
        generator.batch([1, 2], bg_ids=[1])
    with pytest.raises(InvalidArgumentError, match="-3"):
        generator.batch([1, -3])


def test_lens_blur_keeps_a_plain_picture_and_the_sum():
    plain = torch.full((1, 3, 9, 9), 0.25)
    weight = torch.full((1, 1, 1, 1), 0.2)
    torch.testing.assert_close(_blur(plain, weight), plain)
    dot = torch.zeros(1, 1, 9, 9)
    dot[..., 4, 4] = 1
    assert _blur(dot, weight).sum().item() == pytest.approx(1)


@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_doubling_is_linear_interpolation(size):
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    ramp = (2.0 * x + 3.0 * y)[None]
    doubled = _doubled(ramp[:, ::2, ::2], size)
    inner = slice(0, (size[0] - 1) // 2 * 2 + 1), slice(0, (size[1] - 1) // 2 * 2 + 1)
    torch.testing.assert_close(doubled[0][inner], ramp[0][inner])
