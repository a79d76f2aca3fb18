import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings, strategies as st
from torch import nn

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.models.decoder import DoubleBlock, SeparableBlock, UNetDecoder

CHANNELS, STRIDES = (4, 6, 8, 10), (2, 4, 8, 16)


def features(channels, strides, height, width):
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, c, height // s, width // s, generator=generator) for c, s in zip(channels, strides, strict=True)
    ]


def scrambled(module):
    """Statistics and affine parameters of a training, so that a normalisation does something in evaluation."""
    torch.manual_seed(1)
    for norm in (m for m in module.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.normal_(norm.bias)
    return module.eval()


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("size", [(8, 10), (7, 11)])
def test_separable_block_equals_its_definition(size, interpolation):
    """Enlarge, concatenate, pointwise, depthwise, normalise, ReLU: by plain operations in the order of the name."""
    block = scrambled(SeparableBlock(5, 3, 6, interpolation=interpolation))
    deeper, skip = torch.randn(2, 5, 4, 5), torch.randn(2, 3, *size)
    with torch.no_grad():
        joined = torch.cat([F.interpolate(deeper, size=size, mode=interpolation), skip], dim=1)
        pointwise = torch.cat([block.deeper.weight, block.skip.weight], dim=1)
        mixed = torch.einsum("oi,bihw->bohw", pointwise[:, :, 0, 0], joined)
        windows = F.unfold(mixed, 3, padding=1).reshape(2, 6, 9, *size)
        filtered = torch.einsum("bckhw,ck->bchw", windows, block.depthwise.weight.reshape(6, 9))
        mean, var, weight, bias = (
            x.reshape(-1, 1, 1)
            for x in (block.norm.running_mean, block.norm.running_var, block.norm.weight, block.norm.bias)
        )
        expected = ((filtered - mean) / (var + block.norm.eps).sqrt() * weight + bias).clamp(min=0)
        assert torch.allclose(block(deeper, skip, size), expected, atol=1e-5)


def test_double_block_equals_its_definition():
    block = scrambled(DoubleBlock(5, 3, 6))
    deeper, skip = torch.randn(2, 5, 4, 5), torch.randn(2, 3, 8, 10)
    first, first_norm, _, second, second_norm, _ = block
    with torch.no_grad():
        x = torch.cat([skip, F.interpolate(deeper, scale_factor=2, mode="bilinear")], dim=1)
        for convolution, norm in ((first, first_norm), (second, second_norm)):
            x = F.conv2d(x, convolution.weight, padding=1)
            x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps).relu()
        assert torch.allclose(block(deeper, skip, (8, 10)), x, atol=1e-5)


@pytest.mark.parametrize("norm", ["batchnorm", "groupnorm", "identity"])
@pytest.mark.parametrize("block", ["double", "separable"])
def test_gradients_reach_every_feature_and_every_parameter(block, norm):
    torch.manual_seed(0)
    decoder = UNetDecoder(CHANNELS, STRIDES, (8, 8, 8, 8), norm, block=block)
    pyramid = [f.requires_grad_() for f in features(CHANNELS, STRIDES, 32, 48)]
    decoder(pyramid, (32, 48)).square().sum().backward()
    for tensor in (*pyramid, *decoder.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.abs().sum() > 0


@pytest.mark.parametrize("block", ["double", "separable"])
def test_skips_below_the_last_stride_are_not_read(block):
    decoder = UNetDecoder(CHANNELS, STRIDES, (8, 8), block=block, out_stride=4).eval()
    pyramid = features(CHANNELS, STRIDES, 32, 48)
    with torch.no_grad():
        expected = decoder(pyramid, (32, 48))
        pyramid[0] = torch.full_like(pyramid[0], float("nan"))
        assert torch.equal(decoder(pyramid, (32, 48)), expected)
    assert expected.shape == (2, 8, 8, 12)


def test_separable_decoder_is_a_fraction_of_the_double_one():
    """Parameters by hand: pointwise ones, nine taps a channel, and a scale and an offset each."""
    widths = (16, 12, 8)
    decoder = UNetDecoder(CHANNELS, STRIDES, widths, block="separable", out_stride=2)
    incoming = (10, *widths)
    expected = sum((i + s) * o + 9 * o + 2 * o for i, s, o in zip(incoming, (8, 6, 4), widths, strict=False))
    assert sum(p.numel() for p in decoder.parameters()) == expected


@settings(max_examples=25, deadline=None)
@given(
    strides=st.sets(st.sampled_from([1, 2, 4, 8, 16, 32]), min_size=1).map(sorted),
    out_stride=st.sampled_from([1, 2, 4]),
    cells=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    block=st.sampled_from(["double", "separable"]),
)
def test_any_pyramid_comes_up_to_its_stride(strides, out_stride, cells, block):
    deepest = strides[-1]
    channels = [3 + i for i in range(len(strides))]
    height, width = (c * deepest for c in cells)
    steps, stride = 0, deepest  # every step halves, and every skip on the way lies on that path
    while stride > out_stride:
        steps, stride = steps + 1, stride // 2
    if deepest < out_stride:
        with pytest.raises(InvalidArgumentError, match="less upsampling"):
            UNetDecoder(channels, strides, (), block=block, out_stride=out_stride)
        return
    decoder = UNetDecoder(channels, strides, [4] * steps, block=block, out_stride=out_stride).eval()
    with torch.no_grad():
        result = decoder(features(channels, strides, height, width), (height, width))
    expected_channels = 4 if steps else channels[-1]
    assert result.shape == (2, expected_channels, height // out_stride, width // out_stride)


def test_wrong_arguments():
    with pytest.raises(UnknownNameError, match="'bilinear'"):
        UNetDecoder(CHANNELS, STRIDES, (8, 8, 8, 8), interpolation="linear")
    with pytest.raises(InvalidArgumentError, match="4 steps"):
        UNetDecoder(CHANNELS, STRIDES, (8,), block="separable")
    with pytest.raises(UnknownNameError, match="'separable'"):
        UNetDecoder(CHANNELS, STRIDES, (8, 8, 8, 8), block="thin")
