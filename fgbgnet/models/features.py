"""What goes from the encoder to the decoders."""

from typing import NamedTuple

from torch import Tensor


class Pyramid(NamedTuple):
    """What a fusion makes of two pictures.

    Attributes:
        levels: Merged features (B, C_i, H_i, W_i), shallow to deep.
        carry: What deeper encoder stages read: the deepest feature before merging, of the stack or of each picture.
    """

    levels: list[Tensor]
    carry: tuple[Tensor, ...]


class Features(NamedTuple):
    """What `fgbgnet.DualHeadUNet.encode` returns and ``decode`` takes.

    Attributes:
        pair: Features of the background with the frame.
        reference: Features of the background with itself, for models with a cross-task step; else None.
        size: (H, W) of the pictures.
        padded: (H, W) that the encoder saw: a multiple of its deepest stride, so that all levels lie exactly on each
            other.
    """

    pair: Pyramid
    reference: Pyramid | None
    size: tuple[int, int]
    padded: tuple[int, int]


__all__ = ["Features", "Pyramid"]
