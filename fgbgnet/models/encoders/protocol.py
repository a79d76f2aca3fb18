"""What the network needs of an encoder."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from fgbgnet.errors import InvalidArgumentError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class InputSizes(NamedTuple):
    """Sizes of pictures that an encoder takes. The network pads pictures to them.

    Attributes:
        multiple: Height and width must be multiples of this.
        minimum: Height and width must be at least this.
        fixed: The one (height, width) that is taken; None for all encoders but a few transformers.
    """

    multiple: int
    minimum: int = 1
    fixed: tuple[int, int] | None = None

    @property
    def least(self) -> int:
        """The smallest side that fits.

        >>> InputSizes(multiple=32, minimum=75).least
        96
        """
        return -(-self.minimum // self.multiple) * self.multiple

    def check(self, size: Sequence[int]) -> None:
        """Raises an InvalidArgumentError if padding does not make pictures of this (height, width) fit."""
        if self.fixed is not None and tuple(size) != self.fixed:
            raise InvalidArgumentError(
                f"pictures of {tuple(size)} pixels came; this encoder takes {self.fixed} only. "
                "Resize them, or choose an encoder of a convolutional, swin, pvt or mit family"
            )


class Encoder(nn.Module):
    """What `DualHeadUNet` needs of an encoder: derive from it, or offer the same attributes.

    ``forward(x)`` takes (B, in_channels, H, W), with H and W as ``input_sizes`` says, and returns the list of features
    (B, C_i, H_i, W_i), shallow to deep. An encoder whose features are each made from the one before is a
    `StagedEncoder`, and can be split between the tasks.

    Attributes:
        out_channels: Channels of the features.
        strides: Strides of the features with respect to the picture, ascending. A feature may be a few pixels smaller
            than its stride says, as those of convolutions without padding are.
        mean: RGB mean of the pictures that the weights expect, for pictures in [0, 1].
        std: RGB standard deviation, likewise.
        input_sizes: Sizes that ``forward`` takes; None stands for multiples of the deepest stride.
    """

    out_channels: tuple[int, ...]
    strides: tuple[int, ...]
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    input_sizes: InputSizes | None = None


class StagedEncoder(Encoder):
    """A chain of stages, each of which makes its feature from the one before; the kind that can be split.

    Args:
        stages: The chain. Each maps (B, C, H, W), the picture or the feature of the stage before, to its feature.
        out_channels: Channels after each stage.
        strides: Stride of each stage's feature with respect to the picture.

    >>> from torch import rand
    >>> stages = [nn.Conv2d(6, 8, 2, stride=2), nn.Conv2d(8, 16, 2, stride=2)]
    >>> encoder = StagedEncoder(stages, out_channels=(8, 16), strides=(2, 4))
    >>> [tuple(feature.shape) for feature in encoder(rand(1, 6, 32, 32))]
    [(1, 8, 16, 16), (1, 16, 8, 8)]
    """

    def __init__(self, stages: Sequence[nn.Module], out_channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.out_channels = tuple(out_channels)
        self.strides = tuple(strides)

    def forward(self, x: Tensor) -> list[Tensor]:
        """A picture, or for the deeper part of a chain the feature before it, (B, C, H, W) -> a feature per stage."""
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

    def split(self, stage: int) -> tuple["StagedEncoder", "StagedEncoder"]:
        """The first ``stage`` stages, and the rest, which reads the last feature of the first; no weight is copied."""
        return self._part(slice(stage)), self._part(slice(stage, None))

    def _part(self, chosen: slice) -> "StagedEncoder":
        part = StagedEncoder(list(self.stages[chosen]), self.out_channels[chosen], self.strides[chosen])
        part.mean, part.std, part.input_sizes = self.mean, self.std, self.input_sizes
        return part


__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "Encoder", "InputSizes", "StagedEncoder"]
