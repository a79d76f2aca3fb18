import pytest
import torch
from torch import nn

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.models import DualHeadUNet, SiameseFusion, build_encoder
from fgbgnet.models.fusion.merging import (
    CORRELATION_STRIDE,
    MERGES,
    exchange_channels,
    local_correlation,
    merge_level,
    merged_channels,
)


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_local_correlation_against_loops(radius):
    torch.manual_seed(0)
    clean, frame = torch.randn(2, 2, 5, 4, 6, dtype=torch.float64)
    window = 2 * radius + 1
    expected = torch.zeros(2, window**2, 4, 6, dtype=torch.float64)
    for b in range(2):
        for y in range(4):
            for x in range(6):
                for dy in range(-radius, radius + 1):
                    for dx in range(-radius, radius + 1):
                        if 0 <= y + dy < 4 and 0 <= x + dx < 6:
                            one, other = frame[b, :, y, x], clean[b, :, y + dy, x + dx]
                            channel = (dy + radius) * window + dx + radius
                            expected[b, channel, y, x] = one @ other / (one.norm() * other.norm())
    torch.testing.assert_close(local_correlation(clean, frame, radius), expected)


def test_correlation_of_empty_features_is_zero_with_finite_gradients():
    clean, frame = (torch.zeros(1, 3, 4, 4, requires_grad=True) for _ in range(2))
    result = local_correlation(clean, frame)
    assert not result.any()
    result.sum().backward()
    assert clean.grad.isfinite().all()


@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("stride", [4, CORRELATION_STRIDE, 32])
def test_merged_levels_have_the_channels_that_are_announced(merge, stride):
    clean, frame = torch.rand(2, 2, 6, 5, 7)
    assert merge_level(merge, clean, frame, stride).shape[1] == merged_channels(merge, [6], [stride])[0]


def test_exchange_swaps_and_swaps_back():
    clean, frame = torch.rand(2, 2, 5, 3, 3)
    one, other = exchange_channels(clean, frame)
    assert torch.equal(one[:, ::2], frame[:, ::2])
    assert torch.equal(one[:, 1::2], clean[:, 1::2])
    assert torch.equal(one + other, clean + frame)
    assert all(torch.equal(a, b) for a, b in zip(exchange_channels(one, other), (clean, frame), strict=True))


def test_exchanging_streams_by_hand():
    torch.manual_seed(0)
    encoder = build_encoder("unet_small", 3).eval()
    clean, frame = torch.rand(2, 1, 3, 32, 32)
    with torch.no_grad():
        pyramid = SiameseFusion(encoder, "exchange").eval()(clean, frame)
        for number, (stage, level) in enumerate(zip(encoder.stages, pyramid.levels, strict=True)):
            clean, frame = stage(clean), stage(frame)
            if number < 4:
                swapped, kept = clean.clone(), frame.clone()
                swapped[:, ::2], kept[:, ::2] = frame[:, ::2], clean[:, ::2]
                clean, frame = swapped, kept
            torch.testing.assert_close(level, torch.cat([clean, frame], 1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("stages", [None, 2])
@pytest.mark.parametrize("cross_task", [False, True])
def test_every_merge_learns_everywhere(merge, stages, cross_task):
    model = DualHeadUNet(
        "unet_small",
        fusion="siamese",
        merge=merge,
        shared_stages=stages,
        cross_task=cross_task,
        decoder_use_norm="groupnorm",
    )
    outputs = model(*torch.rand(2, 2, 3, 40, 50))
    assert {tuple(layer.shape) for layer in outputs.values()} == {(2, 1, 40, 50)}
    (outputs["mask"].square().mean() + outputs["depth"].mean()).backward()
    assert not [name for name, parameter in model.named_parameters() if parameter.grad is None]
    with torch.no_grad():
        model.eval()
        bg = torch.rand(1, 3, 33, 47)
        equal = model(bg, bg)
        assert equal["mask"].isfinite().all()
        if cross_task:
            assert not (equal["mask"] > 0).any()


@pytest.mark.parametrize("merge", ["concat", "abs_diff", "correlation"])
def test_a_split_siamese_network_is_the_whole_one_with_the_same_weights(merge):
    whole = DualHeadUNet("unet_small", fusion="siamese", merge=merge).eval()
    split = DualHeadUNet("unet_small", fusion="siamese", merge=merge, shared_stages=2).eval()
    state = {}
    for key, tensor in whole.state_dict().items():
        parts = key.split(".")
        if key.startswith("shared.encoder.stages.") and int(parts[3]) >= 2:
            rest = ".".join([str(int(parts[3]) - 2), *parts[4:]])
            state |= {f"{task}_branch.tail.encoder.stages.{rest}": tensor for task in ("mask", "depth")}
        else:
            state[key] = tensor
    split.load_state_dict(state)
    pair = torch.rand(2, 2, 3, 48, 32)
    with torch.no_grad():
        for task, layer in whole(*pair).items():
            assert torch.equal(layer, split(*pair)[task])


def test_correlation_sees_a_move_that_differences_do_not():
    """A moved background: some cosine of the window is 1, while the features themselves differ."""
    torch.manual_seed(0)
    clean = torch.randn(1, 8, 12, 12)
    frame = clean.roll((1, -2), dims=(2, 3))
    inner = (..., slice(3, -3), slice(3, -3))
    best = local_correlation(clean, frame)[inner].max(1).values
    centre = nn.functional.cosine_similarity(clean, frame)[inner]
    assert torch.allclose(best, torch.ones_like(best), atol=1e-5)
    assert centre.mean() < 0.5


def test_exchange_cannot_be_kept_and_needs_a_chain():
    with pytest.raises(InvalidArgumentError, match="merge='exchange' mixes"):
        DualHeadUNet("unet_small", fusion="siamese", merge="exchange").fix_background(torch.rand(3, 32, 32))

    class Knot(nn.Module):
        out_channels, strides, mean, std = (4,), (2,), (0.5,) * 3, (0.5,) * 3

        def forward(self, x):
            return [x[:, :1, ::2, ::2].expand(-1, 4, -1, -1)]

    with pytest.raises(InvalidArgumentError, match="no chain of stages"):
        SiameseFusion(Knot(), "exchange")
    with pytest.raises(UnknownNameError, match="'correlation'"):
        SiameseFusion(Knot(), "corelation")
