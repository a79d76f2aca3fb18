"""A library's encoder as it is, under our protocol."""

from collections.abc import Sequence

from torch import Tensor, nn

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.models.encoders.protocol import IMAGENET_MEAN, IMAGENET_STD, Encoder


class PyramidAdapter(Encoder):
    """A library's encoder under our protocol: the input itself and empty levels are left out."""

    def __init__(
        self,
        encoder: nn.Module,
        levels: Sequence[tuple[int, int, int]],
        channels_last: bool = False,
        fixed_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.indices = tuple(index for index, _, _ in levels)
        self.out_channels = tuple(channels for _, channels, _ in levels)
        self.strides = tuple(stride for _, _, stride in levels)
        self.channels_last = channels_last
        self.fixed_size = fixed_size

    def forward(self, x: Tensor) -> list[Tensor]:
        if self.fixed_size is not None and tuple(x.shape[-2:]) != self.fixed_size:
            raise InvalidArgumentError(
                f"pictures of {tuple(x.shape[-2:])} pixels came; this encoder takes {self.fixed_size} only. "
                "Resize them, or choose an encoder of a convolutional, swin, pvt or mit family"
            )
        features = self.encoder(x)
        chosen = [features[index] for index in self.indices]
        return [f.permute(0, 3, 1, 2).contiguous() for f in chosen] if self.channels_last else chosen


def set_statistics(encoder: Encoder, mean: Sequence[float] | None, std: Sequence[float] | None) -> None:
    encoder.mean = tuple(mean or IMAGENET_MEAN)
    encoder.std = tuple(std or IMAGENET_STD)


__all__ = ["PyramidAdapter", "set_statistics"]
