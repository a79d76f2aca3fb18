"""A library's encoder under our protocol: as a chain of stages if it is one, else as it is."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from fgbgnet.models.encoders.chain import NotAChainError, stages_of
from fgbgnet.models.encoders.protocol import Encoder, StagedEncoder


class Level(NamedTuple):
    """A feature of a library's encoder: its place in the list, channels and stride."""

    place: int
    channels: int
    stride: int


class WholeEncoder(Encoder):
    """An encoder that is no chain of stages: it runs, but cannot be split.

    Args:
        encoder: Maps a picture to a list of features.
        levels: The features to return, shallow to deep.
        why: Why it is no chain, for error messages.
        channels_last: Whether the features come as (B, H, W, C).
    """

    def __init__(self, encoder: nn.Module, levels: Sequence[Level], why: str, channels_last: bool = False) -> None:
        super().__init__()
        self.encoder = encoder
        self.indices = tuple(level.place for level in levels)
        self.out_channels = tuple(level.channels for level in levels)
        self.strides = tuple(level.stride for level in levels)
        self.why = why
        self.channels_last = channels_last

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) -> features, shallow to deep."""
        features = self.encoder(x)
        chosen = [features[index] for index in self.indices]
        return [feature.permute(0, 3, 1, 2) for feature in chosen] if self.channels_last else chosen


def ascending(levels: Sequence[Level], deepest: int) -> list[Level]:
    """The last level of each stride, up to the deepest one.

    >>> ascending([Level(0, 8, 7), Level(1, 16, 14), Level(2, 16, 14), Level(3, 32, 28)], deepest=16)
    [Level(place=0, channels=8, stride=7), Level(place=2, channels=16, stride=14)]
    """
    last = {level.stride: level for level in levels if level.stride <= deepest}
    return [last[stride] for stride in sorted(last)]


def adapted(encoder: nn.Module, levels: Sequence[Level], channels_last: bool = False) -> Encoder:
    """A library's encoder under our protocol.

    Args:
        encoder: Maps a picture to a list of features.
        levels: The features to return, shallow to deep.
        channels_last: Whether the features are (B, H, W, C).
    """
    try:
        stages = stages_of(encoder, [level.place for level in levels], channels_last)
    except NotAChainError as error:
        return WholeEncoder(encoder, levels, str(error), channels_last)
    return StagedEncoder(stages, [level.channels for level in levels], [level.stride for level in levels])


__all__ = ["Level", "WholeEncoder", "adapted", "ascending"]
