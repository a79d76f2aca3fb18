import pickle

import numpy as np
import pytest
import torch

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth import SceneGenerator
from fgbgnet.synth.scenes import GENERATOR_VERSION

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


def test_mask_and_alpha_agree_with_the_coverage_counted_at_eight_times_the_resolution(generator, batch):
    some = IDS[:8]
    fine = SceneGenerator(size=(8 * 48, 8 * 64), seed=3).batch(some)["mask"]
    share = torch.nn.functional.avg_pool2d(fine, 8)
    wide = torch.nn.functional.avg_pool2d(share, 3, 1, 1)  # the lens spreads an edge by up to a pixel
    mask, alpha = batch["mask"][some] == 1, batch["alpha"][some]
    inside, outside = (share > 0.8) & (wide > 0.6), (share < 0.2) & (wide < 0.4)
    assert inside.sum() > 400
    assert mask[inside].float().mean() > 0.995
    assert mask[outside].float().mean() < 0.0005
    assert abs(mask.sum() / share.sum() - 1) < 0.02
    assert (alpha[share > 0] - share[share > 0]).abs().mean() < 0.1
    assert abs(alpha.sum() / share.sum() - 1) < 0.03
    assert (alpha[wide == 0] == 0).float().mean() > 0.995


def test_alpha_has_soft_edges(batch):
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


def test_scenes_are_those_of_their_version():
    """If this fails because scenes were changed on purpose: raise GENERATOR_VERSION, then note the new figures."""
    assert GENERATOR_VERSION == 1
    found = SceneGenerator(48, seed=0).batch([0])
    blocks = {
        key: torch.nn.functional.avg_pool2d(found[key].mean(1), 16).flatten()
        for key in ("bg", "fg_bg", "mask", "depth")
    }
    expected = {
        "bg": [0.763, 0.657, 0.449, 0.429, 0.462, 0.351, 0.263, 0.255, 0.21],
        "fg_bg": [0.763, 0.657, 0.449, 0.429, 0.462, 0.351, 0.263, 0.346, 0.21],
        "mask": [0, 0, 0, 0, 0, 0, 0, 0.32, 0],
        "depth": [4.335, 4.625, 3.361, 5.166, 5.848, 3.597, 2.748, 2.61, 2.793],
    }
    for key, values in expected.items():
        torch.testing.assert_close(blocks[key], torch.tensor(values, dtype=torch.float32), atol=0.005, rtol=0)


@pytest.mark.parametrize("size", [np.int64(20), torch.tensor(20), [np.int32(20), 20]])
def test_sizes_may_be_any_integers(size):
    assert SceneGenerator(size, seed=np.int64(3)).size == (20, 20)


@pytest.mark.parametrize("size", [64.0, "64", (64, 64, 64), (64, 32.0), None])
def test_sizes_that_are_no_integers_are_named(size):
    with pytest.raises(InvalidArgumentError, match=r"size is .*expected an integer"):
        SceneGenerator(size)


def test_wrong_input_is_named(generator):
    with pytest.raises(InvalidArgumentError, match="at least 16"):
        SceneGenerator(8)
    with pytest.raises(InvalidArgumentError, match="0 ids"):
        generator.batch([])
    with pytest.raises(InvalidArgumentError, match="2 ids and 1 bg_ids"):
        generator.batch([1, 2], bg_ids=[1])
    with pytest.raises(InvalidArgumentError, match="-3"):
        generator.batch([1, -3])
    with pytest.raises(InvalidArgumentError, match=r"ids is 1\.5"):
        generator.batch([1.5])
    with pytest.raises(InvalidArgumentError, match=r"seed is 0\.5"):
        SceneGenerator(32, seed=0.5)
