"""How the two pictures meet: at the input, or after an encoder that both pass."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.models.encoders import Encoder, StagedEncoder
from fgbgnet.models.features import Pyramid
from fgbgnet.models.fusion.merging import exchange_channels, merge_level, merged_channels


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
        merge: How the features of each size are merged, see `fgbgnet.models.fusion.merge_level`. With ``"exchange"``
            the streams also swap every second channel after each stage but the last, so that they need an encoder that
            is a chain of stages, and nothing of a background can be kept.

    Raises:
        UnknownNameError: If there is no such merge.
        InvalidArgumentError: If the encoder is no chain of stages and ``merge`` is ``"exchange"``.
    """

    def __init__(self, encoder: Encoder, merge: str = "concat") -> None:
        super().__init__()
        self.out_channels = merged_channels(merge, encoder.out_channels, encoder.strides)
        if merge == "exchange" and not isinstance(encoder, StagedEncoder):
            raise InvalidArgumentError(
                "merge='exchange' swaps channels between the stages of the encoder, and this one is no chain of "
                "stages; use merge='concat', or an encoder that list_encoders(splittable=True) names"
            )
        self.encoder = encoder
        self.merge = merge
        self.strides = tuple(encoder.strides)

    def forward(self, bg: Tensor, fg_bg: Tensor) -> Pyramid:
        """Two normalised pictures, or their features from shallower stages, (B, C, H, W) -> merged features."""
        return self.merge_streams(*self._streams(bg, fg_bg))

    def with_reference(self, bg: Tensor, fg_bg: Tensor) -> tuple[Pyramid, Pyramid]:
        """The features of the pair, and those of the background with itself; each picture is encoded once."""
        if self.merge == "exchange":  # the streams of a background depend on what it is paired with
            if not self.training:
                return self(bg, fg_bg), self(bg, bg)
            return halves(self(torch.cat([bg, bg]), torch.cat([fg_bg, bg])))
        clean, frame = self._streams(bg, fg_bg)
        return self.merge_streams(clean, frame), self.merge_streams(clean, clean)

    def stream(self, picture: Tensor) -> list[Tensor]:
        """Features of one picture before merging, shallow to deep."""
        levels: list[Tensor] = self.encoder(picture)
        return levels

    def merge_streams(self, clean: Sequence[Tensor], frame: Sequence[Tensor]) -> Pyramid:
        """Merges the features of a background and a frame, level by level."""
        levels = [merge_level(self.merge, *level) for level in zip(clean, frame, self.strides, strict=True)]
        return Pyramid(levels, (clean[-1], frame[-1]))

    def _streams(self, bg: Tensor, fg_bg: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        if self.merge == "exchange":
            return self._exchanging_streams(bg, fg_bg)
        if not self.training:
            return self.stream(bg), self.stream(fg_bg)
        both = [level.chunk(2) for level in self.stream(torch.cat([bg, fg_bg]))]
        return [clean for clean, _ in both], [frame for _, frame in both]

    def _exchanging_streams(self, bg: Tensor, fg_bg: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        encoder = self.encoder
        assert isinstance(encoder, StagedEncoder)  # the constructor refuses all others
        clean, frame = [], []
        both = torch.cat([bg, fg_bg])
        for number, stage in enumerate(encoder.stages):
            both = stage(both)
            one, other = both[: bg.shape[0]], both[bg.shape[0] :]  # ONNX's tools fail at chunks of a free batch
            if number < len(encoder.stages) - 1:
                one, other = exchange_channels(one, other)
            clean.append(one)
            frame.append(other)
            both = torch.cat([one, other])
        return clean, frame


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


__all__ = ["EarlyFusion", "SiameseFusion", "SingleStream", "halves", "joined"]
