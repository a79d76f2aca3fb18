"""A sample as decoded arrays, and what makes a sample of tensors valid."""

from dataclasses import dataclass
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fgbgnet.data.decode import BoolArray, ByteArray, FloatArray
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.types import Sample

_CHANNELS = {"bg": 3, "fg_bg": 3, "mask": 1, "depth": 1, "depth_valid": 1}


@dataclass
class Layers:
    """The layers of one sample, all (H, W): decoded, not yet tensors."""

    bg: ByteArray
    """RGB, uint8 (H, W, 3)."""
    fg_bg: ByteArray
    """RGB, uint8 (H, W, 3)."""
    mask: ByteArray
    """uint8 (H, W), 0 or 1."""
    depth: FloatArray
    """Distance, float32 (H, W), 0 where not valid."""
    depth_valid: BoolArray
    """bool (H, W)."""

    @classmethod
    def from_sample(cls, sample: Sample) -> Self:
        """Converts a sample of tensors; pictures are rounded to 8 bits."""
        return cls(
            _to_bytes(sample["bg"]),
            _to_bytes(sample["fg_bg"]),
            sample["mask"][0].to(torch.uint8).numpy(),
            sample["depth"][0].numpy(),
            sample["depth_valid"][0].numpy(),
        )

    @classmethod
    def without_depth(cls, bg: ByteArray, fg_bg: ByteArray, mask: ByteArray) -> Self:
        """Layers of a sample whose depth is not known."""
        size = fg_bg.shape[:2]
        return cls(bg, fg_bg, mask, np.zeros(size, np.float32), np.zeros(size, np.bool_))

    def to_sample(self, id: str) -> Sample:
        """Converts to a sample of tensors that own their memory."""
        return Sample(
            bg=_to_tensor(self.bg),
            fg_bg=_to_tensor(self.fg_bg),
            mask=torch.from_numpy(np.ascontiguousarray(self.mask)).float()[None],
            depth=torch.from_numpy(np.array(self.depth))[None],
            depth_valid=torch.from_numpy(np.array(self.depth_valid))[None],
            id=id,
        )

    def matched(self) -> Self:
        """Brings every layer to the size of ``fg_bg``.

        Pictures by area (smaller) or bilinear (larger) interpolation, the others by the nearest pixel.
        """
        size = self.fg_bg.shape[:2]
        return type(self)(
            _resize_picture(self.bg, size),
            self.fg_bg,
            _resize_nearest(self.mask, size),
            _resize_nearest(self.depth, size),
            _resize_nearest(self.depth_valid.view(np.uint8), size).view(np.bool_),
        )


def check_sample(sample: object, source: str) -> None:
    """Checks that something is a sample.

    Args:
        sample: What came.
        source: Where it came from, as the start of a sentence.

    Raises:
        InvalidArgumentError: If a key is missing, or a tensor has another type or shape, or a mask is not binary.
    """
    if not isinstance(sample, dict):
        raise InvalidArgumentError(f"{source} gave a {type(sample).__name__}; expected the sample, a dict, back")
    missing = [name for name in (*_CHANNELS, "id") if name not in sample]
    if missing:
        raise InvalidArgumentError(
            f"{source} gave a sample without {missing[0]!r}; it has {', '.join(map(str, sample))}"
        )
    size = tuple(getattr(sample["fg_bg"], "shape", ()))[-2:]
    for name, channels in _CHANNELS.items():
        layer, kind = sample[name], torch.bool if name == "depth_valid" else torch.float32
        if not isinstance(layer, Tensor):
            raise InvalidArgumentError(f"{source} gave {name} as {type(layer).__name__}; expected a {kind} tensor")
        if layer.shape != (channels, *size) or layer.dtype != kind:
            raise InvalidArgumentError(
                f"{source} gave {name} as {layer.dtype} of shape {tuple(layer.shape)}; expected {kind} of shape "
                f"{(channels, *size)}, the size of fg_bg"
            )
    mask = sample["mask"]
    if not ((mask == 0) | (mask == 1)).all():
        raise InvalidArgumentError(
            f"{source} gave a mask with values other than 0 and 1 (for one {_odd_value(mask):g}); interpolate masks "
            "by the nearest pixel, and keep colour changes away from them"
        )


def _odd_value(mask: Tensor) -> float:
    return mask[(mask != 0) & (mask != 1)].flatten()[0].item()


def _to_bytes(picture: Tensor) -> ByteArray:
    return (picture * 255).round_().clamp_(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def _to_tensor(picture: ByteArray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).float().div_(255)


def _resize_picture(picture: ByteArray, size: tuple[int, ...]) -> ByteArray:
    if picture.shape[:2] == size:
        return picture
    smaller = size[0] < picture.shape[0] or size[1] < picture.shape[1]
    resized: Any = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return resized  # type: ignore[no-any-return]


def _resize_nearest(layer: npt.NDArray[Any], size: tuple[int, ...]) -> npt.NDArray[Any]:
    # INTER_NEAREST would be half a pixel off the pictures.
    if layer.shape == size:
        return layer
    resized: Any = cv2.resize(layer, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return resized  # type: ignore[no-any-return]


__all__ = ["Layers", "check_sample"]
