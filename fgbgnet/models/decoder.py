"""From a feature pyramid back to the size of the picture."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fgbgnet.errors import InvalidArgumentError, UnknownNameError

DecoderBlock: TypeAlias = Literal["double", "separable"]
BLOCKS = ("double", "separable")
NORMS = ("batchnorm", "groupnorm", "identity")


def make_norm(name: str, channels: int) -> nn.Module:
    """A normalisation layer by its name: ``"batchnorm"``, ``"groupnorm"`` or ``"identity"``."""
    if name == "batchnorm":
        return nn.BatchNorm2d(channels)
    if name == "groupnorm":
        groups = next(g for g in (8, 4, 2, 1) if channels % g == 0)
        return nn.GroupNorm(groups, channels)
    if name == "identity":
        return nn.Identity()
    raise UnknownNameError("decoder_use_norm", name, NORMS)


class DoubleConv(nn.Sequential):
    """Two 3 × 3 convolutions, each with a normalisation and ReLU.

    Args:
        in_channels: Channels that come in.
        out_channels: Channels that go out.
        mid_channels: Channels between the two; ``out_channels`` by default.
        norm: ``"batchnorm"``, ``"groupnorm"`` or ``"identity"``.
        bias: Whether the convolutions keep a bias although a normalisation follows, as the classic U-Net does.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        mid_channels: int | None = None,
        norm: str = "batchnorm",
        bias: bool = False,
    ) -> None:
        mid_channels = mid_channels or out_channels
        bias = bias or norm == "identity"
        super().__init__(
            nn.Conv2d(in_channels, mid_channels, 3, padding=1, bias=bias),
            make_norm(norm, mid_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(mid_channels, out_channels, 3, padding=1, bias=bias),
            make_norm(norm, out_channels),
            nn.ReLU(inplace=True),
        )


class DoubleBlock(DoubleConv):
    """Enlarges the deeper feature, joins the skip, and applies two full convolutions.

    Args:
        deeper_channels: Channels of the deeper feature.
        skip_channels: Channels of the skip; 0 if there is none.
        out_channels: Channels that go out.
        norm: ``"batchnorm"``, ``"groupnorm"`` or ``"identity"``.
        interpolation: ``"bilinear"`` or ``"nearest"``.
        classic: Biased convolutions with half of the incoming channels in between, as in the 2020 network.
    """

    def __init__(
        self,
        deeper_channels: int,
        skip_channels: int,
        out_channels: int,
        norm: str = "batchnorm",
        interpolation: str = "bilinear",
        classic: bool = False,
    ) -> None:
        incoming = deeper_channels + skip_channels
        super().__init__(incoming, out_channels, incoming // 2 if classic else None, norm, bias=classic)
        self.interpolation = interpolation

    def forward(self, deeper: Tensor, skip: Tensor | None, size: Sequence[int]) -> Tensor:  # type: ignore[override]
        """(B, C, h, w), its skip (B, C', H, W) or None, and (H, W) -> (B, ``out_channels``, H, W)."""
        x = enlarge(deeper, size, self.interpolation)
        if skip is not None:
            x = torch.cat([skip, x], dim=1)
        for layer in self:
            x = layer(x)
        return x


class SeparableBlock(nn.Module):
    """Enlarges the deeper feature, joins the skip, and applies a pointwise and a depthwise 3 × 3 convolution.

    A separable convolution in the order of Xception (Chollet, 2017), over the concatenation of both. The pointwise
    convolution of a concatenation is the sum of one over each part, and commutes with the interpolation, which mixes
    places with weights that add up to one: so the deeper feature passes it at its own size, a quarter of the
    work, and nothing is concatenated.

    Args:
        deeper_channels: Channels of the deeper feature.
        skip_channels: Channels of the skip; 0 if there is none.
        out_channels: Channels that go out.
        norm: ``"batchnorm"``, ``"groupnorm"`` or ``"identity"``.
        interpolation: ``"bilinear"`` or ``"nearest"``.
    """

    def __init__(
        self,
        deeper_channels: int,
        skip_channels: int,
        out_channels: int,
        norm: str = "batchnorm",
        interpolation: str = "bilinear",
    ) -> None:
        super().__init__()
        self.deeper = nn.Conv2d(deeper_channels, out_channels, 1, bias=False)
        self.skip = nn.Conv2d(skip_channels, out_channels, 1, bias=False) if skip_channels else None
        self.depthwise = nn.Conv2d(
            out_channels, out_channels, 3, padding=1, groups=out_channels, bias=norm == "identity"
        )
        self.norm = make_norm(norm, out_channels)
        self.interpolation = interpolation

    def forward(self, deeper: Tensor, skip: Tensor | None, size: Sequence[int]) -> Tensor:
        """(B, C, h, w), its skip (B, C', H, W) or None, and (H, W) -> (B, ``out_channels``, H, W)."""
        x = enlarge(self.deeper(deeper), size, self.interpolation)
        if self.skip is not None:
            x = x + self.skip(skip)
        result: Tensor = self.norm(self.depthwise(x)).relu_()
        return result


def enlarge(x: Tensor, size: Sequence[int], interpolation: str) -> Tensor:
    """(B, C, h, w) at another (H, W); ``"bilinear"`` between pixel centres, or ``"nearest"``."""
    centres = False if interpolation == "bilinear" else None
    return F.interpolate(x, size=list(size), mode=interpolation, align_corners=centres)


def upsampling_strides(strides: Sequence[int], out_stride: int = 1) -> list[int]:
    """The strides that a decoder passes on its way up, from the second deepest to that of its result.

    Gaps of the pyramid are filled by halving, so that no step enlarges by more than two.

    >>> upsampling_strides([2, 4, 8, 16, 32])
    [16, 8, 4, 2, 1]
    >>> upsampling_strides([4, 8, 16, 32])
    [16, 8, 4, 2, 1]
    >>> upsampling_strides([1, 2, 4, 8, 16])
    [8, 4, 2, 1]
    >>> upsampling_strides([2, 4, 8, 16], out_stride=4)
    [8, 4]
    """
    steps, current = [], strides[-1]
    for target in [*(stride for stride in reversed(strides[:-1]) if stride > out_stride), out_stride]:
        while current > 2 * target:
            current //= 2
            steps.append(current)
        if current != target:
            current = target
            steps.append(current)
    return steps


def mirrored_channels(encoder_channels: Sequence[int], steps: int) -> tuple[int, ...]:
    """Decoder of a plain U-Net: the widths of the encoder halved on the way up, as bilinear up-sampling asks.

    >>> mirrored_channels((64, 128, 256, 512, 512), 4)
    (256, 128, 64, 64)
    """
    widths = [max(encoder_channels[0], channels // 2) for channels in reversed(encoder_channels[:steps])]
    return tuple(widths)


class UNetDecoder(nn.Module):
    """Enlarges the deepest feature step by step and joins the skip of each size (Ronneberger et al., 2015).

    Args:
        encoder_channels: Channels of the pyramid, shallow to deep.
        encoder_strides: Strides of the pyramid, shallow to deep.
        decoder_channels: Channels after each step, deep to shallow; one for each of `upsampling_strides`.
        norm: Normalisation of the convolutions.
        interpolation: ``"bilinear"`` or ``"nearest"``.
        block: What follows each join: ``"double"``: two full convolutions; ``"separable"``: a pointwise and a
            depthwise one, a small fraction of the work.
        out_stride: Stride of the result: the decoder stops there, and skips of smaller strides are not read.
        classic: Biased convolutions with half of the incoming channels in between, as in the 2020 network.

    Raises:
        InvalidArgumentError: If the number of decoder channels does not fit the pyramid, or it is too shallow for
            ``out_stride``.
        UnknownNameError: If a name is unknown.
    """

    def __init__(
        self,
        encoder_channels: Sequence[int],
        encoder_strides: Sequence[int],
        decoder_channels: Sequence[int],
        norm: str = "batchnorm",
        interpolation: str = "bilinear",
        block: str = "double",
        out_stride: int = 1,
        classic: bool = False,
    ) -> None:
        super().__init__()
        if encoder_strides[-1] < out_stride:
            raise InvalidArgumentError(
                f"upsampling={out_stride}, but the deepest feature has a stride of {encoder_strides[-1]}; "
                "use less upsampling, or a deeper encoder"
            )
        if block not in BLOCKS:
            raise UnknownNameError("decoder_block", block, BLOCKS)
        steps = upsampling_strides(encoder_strides, out_stride)
        if len(decoder_channels) != len(steps):
            raise InvalidArgumentError(
                f"decoder_channels={tuple(decoder_channels)} has {len(decoder_channels)} numbers; this encoder's "
                f"strides {tuple(encoder_strides)} take {len(steps)} steps up, one number for each"
            )
        if interpolation not in ("bilinear", "nearest"):
            raise UnknownNameError("decoder_interpolation", interpolation, ("bilinear", "nearest"))
        self.steps = tuple(steps)
        self.out_stride = out_stride
        levels = zip(encoder_strides[:-1], encoder_channels[:-1], strict=True)
        skips = {stride: channels for stride, channels in levels if stride >= out_stride}
        self.skip_strides = frozenset(skips)
        blocks: list[nn.Module] = []
        incoming = encoder_channels[-1]
        for stride, channels in zip(steps, decoder_channels, strict=True):
            widths = (incoming, skips.get(stride, 0), channels)
            if block == "separable":
                blocks.append(SeparableBlock(*widths, norm, interpolation))
            else:
                blocks.append(DoubleBlock(*widths, norm, interpolation, classic))
            incoming = channels
        self.blocks = nn.ModuleList(blocks)
        self.out_channels = incoming

    def forward(self, features: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Decodes a pyramid.

        Args:
            features: (B, C_i, H_i, W_i), shallow to deep.
            size: (H, W) of the pictures.

        Returns:
            (B, ``out_channels``, H / ``out_stride``, W / ``out_stride``).
        """
        skips = list(features[:-1])
        x = features[-1]
        for stride, block in zip(self.steps, self.blocks, strict=True):
            skip = skips.pop() if stride in self.skip_strides else None
            if skip is not None:
                target = skip.shape[-2:]
            elif stride == self.out_stride:
                target = torch.Size(length // stride for length in size)
            else:
                target = torch.Size((x.shape[-2] * 2, x.shape[-1] * 2))
            x = block(x, skip, target)
        return x


__all__ = [
    "BLOCKS",
    "NORMS",
    "DecoderBlock",
    "DoubleBlock",
    "DoubleConv",
    "SeparableBlock",
    "UNetDecoder",
    "enlarge",
    "make_norm",
    "mirrored_channels",
    "upsampling_strides",
]
