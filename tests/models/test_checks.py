import pytest
import torch
from torch import nn

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.models import DualHeadUNet, StagedEncoder


def pair(*size):
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(2, 3, *size, generator=generator) for _ in range(2)]


class Chain(StagedEncoder):
    """A staged encoder of the user's own; ``repeat`` uses one module in the last two stages."""

    def __init__(self, repeat=False):
        last = nn.Conv2d(8, 8, 3, 2, 1)
        stages = [nn.Conv2d(6, 8, 3, 2, 1), last, last if repeat else nn.Conv2d(8, 8, 3, 2, 1)]
        super().__init__(stages, (8, 8, 8), (2, 4, 8))


def test_an_own_staged_encoder_is_copied_for_the_second_task():
    model = DualHeadUNet(Chain(), shared_stages=1, decoder_channels=(8, 8, 8))
    mask, depth = ({id(p) for p in branch.parameters()} for branch in (model.mask_branch, model.depth_branch))
    assert not mask & depth
    assert not {id(p) for p in model.shared.parameters()} & (mask | depth)
    mask, depth = (branch.tail.state_dict() for branch in (model.mask_branch, model.depth_branch))
    assert mask.keys() == depth.keys()
    assert all(torch.equal(mask[key], depth[key]) for key in mask)
    outputs = model(*pair(16, 16))
    outputs["mask"].sum().backward()
    assert all(p.grad is None for p in model.depth_branch.parameters())


def test_branches_that_overlap_are_refused():
    assert DualHeadUNet(Chain(repeat=True), decoder_channels=(8, 8, 8)) is not None
    with pytest.raises(InvalidArgumentError, match="'shared' and 'mask' share"):
        DualHeadUNet(Chain(repeat=True), shared_stages=2, decoder_channels=(8, 8, 8))


@pytest.mark.parametrize("fusion", ["early", "early_diff", "siamese"])
@pytest.mark.parametrize("in_channels", [1, 4])
@pytest.mark.parametrize("encoder", ["unet_small", "resnet18"])
def test_pictures_of_other_than_three_channels(encoder, in_channels, fusion):
    model = DualHeadUNet(encoder, in_channels=in_channels, fusion=fusion)
    assert model.mean.shape == model.std.shape == (1, in_channels, 1, 1)
    assert model.mean.flatten().tolist() == pytest.approx([(0.485 + 0.456 + 0.406) / 3] * in_channels)
    outputs = model(torch.rand(2, in_channels, 33, 40), torch.rand(2, in_channels, 33, 40))
    assert outputs["mask"].shape == (2, 1, 33, 40)
    assert f"({in_channels}, 32, 32) -> mask" in model.summary(32)


def test_own_statistics_of_every_channel_are_kept():
    encoder = Chain()
    encoder.mean, encoder.std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    assert DualHeadUNet(encoder, decoder_channels=(8, 8, 8)).std.flatten().tolist() == pytest.approx([0.4, 0.5, 0.6])


def test_a_lone_task_stands_for_a_tuple_of_one():
    model = DualHeadUNet("unet_small", tasks="mask")
    assert model.tasks == ("mask",)
    assert list(model(*pair(16, 16))) == ["mask"]
    assert list(model(*pair(16, 16), tasks="depth")) == ["depth"]
    model.tasks = "depth"
    assert list(model(*pair(16, 16))) == ["depth"]


def test_integer_pictures_are_refused():
    good = torch.rand(1, 3, 16, 16)
    for dtype in (torch.uint8, torch.int64, torch.bool):
        wrong = torch.ones(1, 3, 16, 16, dtype=dtype)
        for name, arguments in (("bg", (wrong, good)), ("fg_bg", (good, wrong))):
            with pytest.raises(InvalidArgumentError, match=f"^{name} has type {dtype}.*255"):
                DualHeadUNet("unet_small")(*arguments)


@pytest.mark.parametrize("value", [255.0, -2.0, float("nan"), 1.05])
def test_pictures_outside_the_unit_range_are_refused_in_every_batch(value):
    model, good = DualHeadUNet("unet_small"), torch.rand(1, 3, 32, 32)
    model(good, good)
    wrong = good.clone()
    wrong[0, 1, 2, 3] = value
    for name, arguments in (("bg", (wrong, good)), ("fg_bg", (good, wrong))):
        with pytest.raises(InvalidArgumentError, match=f"^{name} holds values"):
            model(*arguments)


def test_an_overshoot_of_resizing_is_no_error():
    picture = torch.rand(1, 3, 32, 32) * 1.018 - 0.009
    assert DualHeadUNet("unet_small")(picture, picture)["mask"].shape == (1, 1, 32, 32)


def test_pictures_of_other_float_types_are_cast():
    model = DualHeadUNet("unet_small").eval()
    bg, fg_bg = pair(32, 32)
    with torch.no_grad():
        expected = model(bg, fg_bg)
        for dtype, tolerance in ((torch.float64, 1e-5), (torch.bfloat16, 0.2)):
            outputs = model(bg.to(dtype), fg_bg.to(dtype))
            for task in ("mask", "depth"):
                assert outputs[task].dtype == torch.float32
                assert torch.allclose(outputs[task], expected[task], atol=tolerance)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.isfinite(model(bg.double(), fg_bg.double())["mask"]).all()
        assert model.double()(bg, fg_bg)["mask"].dtype == torch.float64
        assert model.bfloat16()(bg, fg_bg)["mask"].dtype == torch.bfloat16


def test_forward_is_one_graph_that_reads_no_pixels():
    model = DualHeadUNet("unet_small", shared_stages=3).eval()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    bg, fg_bg = pair(40, 48)
    with torch.no_grad():
        outputs, expected = compiled(bg, fg_bg), model(bg, fg_bg)
        assert all(torch.equal(outputs[task], expected[task]) for task in ("mask", "depth"))
        compiled(bg * 3, fg_bg)  # not checked: that would break the graph
    torch._dynamo.reset()


def test_shapes_can_be_propagated_without_pixels():
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        assert DualHeadUNet("unet_small")(*(torch.rand(1, 3, 32, 32),) * 2)["mask"].shape == (1, 1, 32, 32)
    with torch.device("meta"):
        assert DualHeadUNet("unet_small")(*(torch.rand(1, 3, 32, 32),) * 2)["mask"].shape == (1, 1, 32, 32)


def test_exporting_reads_no_pixels():
    model = DualHeadUNet("unet_small").eval()
    bg, fg_bg = pair(32, 32)
    program = torch.export.export(model, (bg, fg_bg), strict=False)
    with torch.no_grad():
        assert torch.allclose(program.module()(bg, fg_bg)["mask"], model(bg, fg_bg)["mask"], atol=1e-5)


def test_an_accelerator_is_asked_for_its_first_batch_only(monkeypatch):
    from fgbgnet.models import dual_head_unet

    calls = []
    monkeypatch.setattr(dual_head_unet, "reads_values", lambda _: True)
    monkeypatch.setattr(dual_head_unet, "check_range", lambda bg, _: calls.append(bg.device.type))
    model, picture = DualHeadUNet("unet_small"), torch.rand(1, 3, 32, 32)
    for _ in range(2):
        model(picture, picture)
    model.to("meta")  # stands for an accelerator here
    for _ in range(3):
        model(picture.to("meta"), picture.to("meta"))
    assert calls == ["cpu", "cpu", "meta"]
