"""What the network needs of an encoder."""

from collections.abc import Sequence

from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Encoder(nn.Module):
    """What `DualHeadUNet` needs of an encoder: derive from it, or offer the same attributes.

    ``forward(x)`` takes (B, in_channels, H, W), with H and W multiples of the deepest stride, and returns the list of
    features, shallow to deep. An encoder whose features are each made from the one before is a `StagedEncoder`, and
    can be split between the tasks.

    Attributes:
        out_channels: Channels of the features.
        strides: Strides of the features with respect to the picture, ascending.
        mean: RGB mean of the pictures that the weights expect, for pictures in [0, 1].
        std: RGB standard deviation, likewise.
    """

    out_channels: tuple[int, ...]
    strides: tuple[int, ...]
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD


class StagedEncoder(Encoder):
    """A chain of stages, each of which makes its state from the one before; the kind that can be split.

    Args:
        stages: The chain.
        out_channels: Channels after each stage.
        strides: Stride of each stage's feature with respect to the picture.
        channels_last: Whether states between stages are (B, H, W, C), as in window transformers.
        deeper: Whether this is the deeper part of a chain, which reads a feature and no picture.
    """

    def __init__(
        self,
        stages: Sequence[nn.Module],
        out_channels: Sequence[int],
        strides: Sequence[int],
        channels_last: bool = False,
        deeper: bool = False,
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.out_channels = tuple(out_channels)
        self.strides = tuple(strides)
        self.channels_last = channels_last
        self.deeper = deeper

    def forward(self, x: Tensor) -> list[Tensor]:
        """A picture, or for a deeper part the feature before it, (B, C, H, W) -> a feature per stage."""
        features = []
        state = self.enter(x)
        for stage in self.stages:
            state = stage(state)
            features.append(self.feature(state))
        return features

    def enter(self, x: Tensor) -> Tensor:
        """What the first stage reads of a picture or feature."""
        return self.state(x) if self.deeper else x

    def feature(self, state: Tensor) -> Tensor:
        """The feature (B, C, H, W) of a state."""
        return state.permute(0, 3, 1, 2).contiguous() if self.channels_last else state

    def state(self, feature: Tensor) -> Tensor:
        """The state of a feature (B, C, H, W): what the next stage reads."""
        return feature.permute(0, 2, 3, 1).contiguous() if self.channels_last else feature

    def split(self, stage: int) -> tuple["StagedEncoder", "StagedEncoder"]:
        """The first ``stage`` stages, and the rest; both keep the weights of this one."""
        parts = []
        for chosen, deeper in ((slice(stage), self.deeper), (slice(stage, None), True)):
            part = StagedEncoder(
                list(self.stages[chosen]), self.out_channels[chosen], self.strides[chosen], self.channels_last, deeper
            )
            part.mean, part.std = self.mean, self.std
            parts.append(part)
        return parts[0], parts[1]


__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "Encoder", "StagedEncoder"]
