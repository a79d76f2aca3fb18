"""A sample as decoded arrays, and what makes a sample of tensors valid."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fgbgnet.data.decode import BoolArray, ByteArray, FloatArray
from fgbgnet.errors import InvalidArgumentError, PictureError
from fgbgnet.types import Sample

_CHANNELS = {"bg": 3, "fg_bg": 3, "mask": 1, "depth": 1, "depth_valid": 1}
_OPTIONAL = {"mask_valid": 1}
_BOOLS = ("depth_valid", "mask_valid")
_MAX_STRETCH = 0.05  # share by which aspect ratios may differ: files made at sizes such as 222 x 224 still fit
_RANGE_SLACK = 1e-3  # of picture values: rounding


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
    mask_valid: BoolArray | None = None
    """Where the label in ``mask`` is known, bool (H, W); None where the data set does not say it."""

    @classmethod
    def from_sample(cls, sample: Sample) -> Self:
        """Converts a sample of tensors; pictures are rounded to 8 bits."""
        return cls(
            _to_bytes(sample["bg"]),
            _to_bytes(sample["fg_bg"]),
            sample["mask"][0].to(torch.uint8).numpy(),
            sample["depth"][0].numpy(),
            sample["depth_valid"][0].numpy(),
            sample["mask_valid"][0].numpy() if "mask_valid" in sample else None,
        )

    @classmethod
    def without_depth(cls, bg: ByteArray, fg_bg: ByteArray, mask: ByteArray) -> Self:
        """Layers of a sample whose depth is not known."""
        size = fg_bg.shape[:2]
        return cls(bg, fg_bg, mask, np.zeros(size, np.float32), np.zeros(size, np.bool_))

    def to_sample(self, id: str) -> Sample:
        """Converts to a sample of tensors that own their memory."""
        sample = Sample(
            bg=_to_tensor(self.bg),
            fg_bg=_to_tensor(self.fg_bg),
            mask=torch.from_numpy(np.ascontiguousarray(self.mask)).float()[None],
            depth=torch.from_numpy(np.array(self.depth))[None],
            depth_valid=torch.from_numpy(np.array(self.depth_valid))[None],
            id=id,
        )
        if self.mask_valid is not None:
            sample["mask_valid"] = torch.from_numpy(np.array(self.mask_valid))[None]
        return sample

    def matched(self, names: Mapping[str, str] | None = None) -> Self:
        """Brings every layer to the size of ``fg_bg``.

        Pictures by area (smaller) or bilinear (larger) interpolation, the others by the nearest pixel.

        Args:
            names: How errors call the layers, such as their paths; ``bg``, ``fg_bg``, ``mask``, ``depth`` by default.

        Raises:
            PictureError: If the aspect ratio of a layer differs from that of ``fg_bg`` by more than 5 %.
        """
        size = self.fg_bg.shape[:2]
        for name in ("bg", "mask", "depth", "mask_valid"):
            if getattr(self, name) is None:
                continue
            shape = getattr(self, name).shape[:2]
            if not _same_aspect(shape, size):
                called, frame = ((names or {}).get(key) or key for key in (name, "fg_bg"))
                raise PictureError(
                    f"{called} is {shape[1]} x {shape[0]} pixels, but {frame} is {size[1]} x {size[0]}; layers of one "
                    "sample may differ in scale, not in shape: is it another sample's, cropped, or turned on its side? "
                    "Crop or turn the files alike"
                )
        return type(self)(
            _resize_picture(self.bg, size),
            self.fg_bg,
            _resize_nearest(self.mask, size),
            _resize_nearest(self.depth, size),
            _resize_nearest(self.depth_valid.view(np.uint8), size).view(np.bool_),
            None if self.mask_valid is None else _resize_nearest(self.mask_valid.view(np.uint8), size).view(np.bool_),
        )


def check_sample(sample: object, source: str) -> None:
    """Checks that something is a sample.

    Args:
        sample: What came.
        source: Where it came from, as the start of a sentence.

    Raises:
        InvalidArgumentError: If a key is missing, a tensor has another type or shape, a picture leaves [0, 1], a mask
            is not binary, or depth is not finite where it is valid.
    """
    if not isinstance(sample, dict):
        raise InvalidArgumentError(f"{source} gave a {type(sample).__name__}; expected the sample, a dict, back")
    missing = [name for name in (*_CHANNELS, "id") if name not in sample]
    if missing:
        raise InvalidArgumentError(
            f"{source} gave a sample without {missing[0]!r}; it has {', '.join(map(str, sample))}"
        )
    size = tuple(getattr(sample["fg_bg"], "shape", ()))[-2:]
    for name, channels in {**_CHANNELS, **{key: n for key, n in _OPTIONAL.items() if key in sample}}.items():
        layer, kind = sample[name], torch.bool if name in _BOOLS else torch.float32
        if not isinstance(layer, Tensor):
            raise InvalidArgumentError(f"{source} gave {name} as {type(layer).__name__}; expected a {kind} tensor")
        if layer.shape != (channels, *size) or layer.dtype != kind:
            raise InvalidArgumentError(
                f"{source} gave {name} as {layer.dtype} of shape {tuple(layer.shape)}; expected {kind} of shape "
                f"{(channels, *size)}, the size of fg_bg"
            )
    _check_values(sample, source)


def _check_values(sample: dict[str, Tensor], source: str) -> None:
    for name in ("bg", "fg_bg"):
        low, high = (value.item() for value in sample[name].aminmax())
        if not (low >= -_RANGE_SLACK and high <= 1 + _RANGE_SLACK):  # also catches NaN
            raise InvalidArgumentError(
                f"{source} gave {name} with values from {low:g} to {high:g}; expected [0, 1]. Do not normalise, the "
                "model does; clamp after anything that overshoots, such as bicubic interpolation"
            )
    if not sample["depth"].isfinite().logical_or_(~sample["depth_valid"]).all():
        raise InvalidArgumentError(
            f"{source} gave depth that is not finite where depth_valid is true; set depth_valid to false there"
        )
    mask = sample["mask"]
    if not ((mask == 0) | (mask == 1)).all():
        raise InvalidArgumentError(
            f"{source} gave a mask with values other than 0 and 1 (for one {_odd_value(mask):g}); interpolate masks "
            "by the nearest pixel, and keep colour changes away from them"
        )


def _same_aspect(shape: tuple[int, ...], size: tuple[int, ...]) -> bool:
    (height, width), (full_height, full_width) = sorted((shape, size), key=lambda sides: sides[0] * sides[1])
    ratio = width * full_height / (height * full_width)
    # The sides of small files are rounded to whole pixels.
    off = min(abs(height - width * full_height / full_width), abs(width - height * full_width / full_height))
    return 1 / (1 + _MAX_STRETCH) <= ratio <= 1 + _MAX_STRETCH or off <= 0.5


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
