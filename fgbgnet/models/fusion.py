"""How the two pictures meet: at the input, or after an encoder that both pass."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.models.encoders import Encoder
from fgbgnet.models.features import Pyramid

Fusion: TypeAlias = Literal["early", "early_diff", "siamese"]
FusionInit: TypeAlias = Literal["mean", "difference", "frame"]
Merge: TypeAlias = Literal["concat", "abs_diff"]

FUSIONS = ("early", "early_diff", "siamese")
FUSION_INITS = ("mean", "difference", "frame")
MERGES = ("concat", "abs_diff")

# Weight of (bg, fg_bg, fg_bg - bg) in the first convolution; for two pictures the third is dropped.
_INIT_WEIGHTS = {
    ("early", "mean"): (0.5, 0.5),
    ("early", "difference"): (-1.0, 1.0),
    ("early", "frame"): (0.0, 1.0),
    ("early_diff", "mean"): (1 / 3, 1 / 3, 1 / 3),
    ("early_diff", "difference"): (0.0, 0.0, 1.0),
    ("early_diff", "frame"): (0.0, 1.0, 0.0),
}


def fused_channels(fusion: str, in_channels: int) -> int:
    """Channels that the encoder receives.

    >>> [fused_channels(fusion, 3) for fusion in FUSIONS]
    [6, 9, 3]
    """
    if fusion not in FUSIONS:
        raise UnknownNameError("fusion", fusion, FUSIONS)
    return {"early": 2, "early_diff": 3, "siamese": 1}[fusion] * in_channels


class SingleStream(nn.Module):
    """An encoder that passes one stream, in the form of a fusion: the deeper stages behind early fusion.

    Args:
        encoder: The encoder.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.out_channels = tuple(encoder.out_channels)
        self.strides = tuple(encoder.strides)

    def forward(self, x: Tensor) -> Pyramid:
        """(B, C, H, W) -> features, shallow to deep."""
        levels: list[Tensor] = self.encoder(x)
        return Pyramid(levels, (levels[-1],))


class EarlyFusion(SingleStream):
    """Stacks the pictures, and on request their signed difference, and encodes the stack once.

    Args:
        encoder: The encoder.
        difference: Whether ``fg_bg - bg`` is stacked too.
    """

    def __init__(self, encoder: Encoder, difference: bool = False) -> None:
        super().__init__(encoder)
        self.difference = difference

    def forward(self, bg: Tensor, fg_bg: Tensor) -> Pyramid:  # type: ignore[override]
        """Two normalised pictures (B, C, H, W) -> features, shallow to deep."""
        layers = [bg, fg_bg, fg_bg - bg] if self.difference else [bg, fg_bg]
        return super().forward(torch.cat(layers, dim=1))

    def with_reference(self, bg: Tensor, fg_bg: Tensor) -> tuple[Pyramid, Pyramid]:
        """The features of the pair, and those of the background with itself."""
        if not self.training:
            return self(bg, fg_bg), self(bg, bg)
        # One pass over both, so that BatchNorm treats them alike.
        return halves(self(torch.cat([bg, bg]), torch.cat([fg_bg, bg])))


class SiameseFusion(nn.Module):
    """Encodes each picture with the same encoder and merges the features of each size.

    In training both pictures pass in one batch, so that BatchNorm sees the statistics of both. In evaluation they pass
    one after the other, so that a background whose features were kept gives the same bits.

    Args:
        encoder: The encoder.
        merge: ``"concat"`` keeps both features, ``"abs_diff"`` their absolute difference (Daudt et al., 2018).
    """

    def __init__(self, encoder: Encoder, merge: str = "concat") -> None:
        super().__init__()
        if merge not in MERGES:
            raise UnknownNameError("merge", merge, MERGES)
        self.encoder = encoder
        self.merge = merge
        factor = 2 if merge == "concat" else 1
        self.out_channels = tuple(factor * c for c in encoder.out_channels)
        self.strides = tuple(encoder.strides)

    def forward(self, bg: Tensor, fg_bg: Tensor) -> Pyramid:
        """Two normalised pictures, or their features from shallower stages, (B, C, H, W) -> merged features."""
        return self.merge_streams(*self._streams(bg, fg_bg))

    def with_reference(self, bg: Tensor, fg_bg: Tensor) -> tuple[Pyramid, Pyramid]:
        """The features of the pair, and those of the background with itself; each picture is encoded once."""
        clean, frame = self._streams(bg, fg_bg)
        return self.merge_streams(clean, frame), self.merge_streams(clean, clean)

    def stream(self, picture: Tensor) -> list[Tensor]:
        """Features of one picture before merging, shallow to deep."""
        levels: list[Tensor] = self.encoder(picture)
        return levels

    def merge_streams(self, clean: Sequence[Tensor], frame: Sequence[Tensor]) -> Pyramid:
        """Merges the features of a background and a frame, level by level."""
        levels = [self._merge(*pair) for pair in zip(clean, frame, strict=True)]
        return Pyramid(levels, (clean[-1], frame[-1]))

    def _streams(self, bg: Tensor, fg_bg: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        if not self.training:
            return self.stream(bg), self.stream(fg_bg)
        both = [level.chunk(2) for level in self.stream(torch.cat([bg, fg_bg]))]
        return [clean for clean, _ in both], [frame for _, frame in both]

    def _merge(self, clean: Tensor, frame: Tensor) -> Tensor:
        return torch.cat([clean, frame], dim=1) if self.merge == "concat" else (frame - clean).abs()


def halves(pyramid: Pyramid) -> tuple[Pyramid, Pyramid]:
    """The two halves of a batch."""
    levels = [level.chunk(2) for level in pyramid.levels]
    carry = [part.chunk(2) for part in pyramid.carry]
    one, other = (Pyramid([pair[i] for pair in levels], tuple(pair[i] for pair in carry)) for i in (0, 1))
    return one, other


def joined(one: Pyramid, other: Pyramid) -> Pyramid:
    """Two pyramids as one batch; `halves` takes it apart.

    >>> one, other = (Pyramid([torch.full((1, 2, 3, 3), value)], (torch.zeros(1, 2, 3, 3),)) for value in (1.0, 2.0))
    >>> [torch.equal(half.levels[0], own.levels[0]) for half, own in zip(halves(joined(one, other)), (one, other))]
    [True, True]
    """
    levels = [torch.cat(pair) for pair in zip(one.levels, other.levels, strict=True)]
    return Pyramid(levels, tuple(torch.cat(pair) for pair in zip(one.carry, other.carry, strict=True)))


def init_first_convolution(
    encoder: nn.Module, fusion: str, fusion_init: str, in_channels: int, pretrained: bool = True
) -> None:
    """Spreads the filters of one picture over the stacked ones, in place.

    segmentation-models-pytorch and timm repeat pretrained filters over all input channels and divide them by the
    number of repeats (``"mean"``): the network then starts blind to the difference, the very signal of the pair.

    Args:
        encoder: An encoder whose first convolution takes the stack.
        fusion: ``"early"`` or ``"early_diff"``.
        fusion_init: ``"mean"`` (every picture counts alike), ``"difference"`` (the filters see ``fg_bg - bg``), or
            ``"frame"`` (the filters see ``fg_bg``; the background starts at zero weight).
        in_channels: Channels of one picture.
        pretrained: Whether the filters were repeated from pretrained ones, and scaled down.

    Raises:
        InvalidArgumentError: If no convolution takes the stack.
    """
    if fusion_init not in FUSION_INITS:
        raise UnknownNameError("fusion_init", fusion_init, FUSION_INITS)
    weights = _INIT_WEIGHTS[fusion, fusion_init]
    stack = len(weights) * in_channels
    readers = [m for m in encoder.modules() if isinstance(m, nn.Conv2d) and m.in_channels == stack and m.groups == 1]
    if not readers:
        raise InvalidArgumentError(f"the encoder has no convolution with {stack} input channels to initialise")
    scale = len(weights) if pretrained else 1
    with torch.no_grad():
        # Re-parametrised stems read the input with several convolutions in parallel, of the same width.
        for stem in (m for m in readers if m.out_channels == readers[0].out_channels):
            picture = stem.weight[:, :in_channels] * scale
            stem.weight.copy_(torch.cat([weight * picture for weight in weights], dim=1))


__all__ = [
    "FUSIONS",
    "FUSION_INITS",
    "MERGES",
    "EarlyFusion",
    "Fusion",
    "FusionInit",
    "Merge",
    "SiameseFusion",
    "SingleStream",
    "fused_channels",
    "halves",
    "init_first_convolution",
    "joined",
]
