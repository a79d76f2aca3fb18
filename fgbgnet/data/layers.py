"""A sample as decoded arrays, and what makes a sample of tensors valid."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import cv2
import numpy as np
import torch
from torch import Tensor

from fgbgnet.data.arrays import BoolArray, ByteArray, FloatArray
from fgbgnet.data.labels import Labels
from fgbgnet.data.resampling import Resampling, Scaling, Size, cut, resize
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
            mask=torch.from_numpy(self.mask.astype(np.float32))[None],
            depth=torch.from_numpy(np.array(self.depth))[None],
            depth_valid=torch.from_numpy(np.array(self.depth_valid))[None],
            id=id,
        )
        if self.mask_valid is not None:
            sample["mask_valid"] = torch.from_numpy(np.array(self.mask_valid))[None]
        return sample

    def matched(self, names: Mapping[str, str] | None = None, size: Size | None = None) -> Self:
        """Brings every layer to the size of ``fg_bg``, or to another.

        By area (smaller) or bilinear (larger) interpolation. A mask is 1 where at least half of what it covers is;
        depth is averaged on its own side of the mask alone; see `fgbgnet.data.labels.Labels`.

        Args:
            names: How errors call the layers, such as their paths; ``bg``, ``fg_bg``, ``mask``, ``depth`` by default.
            size: (height, width) that is wanted; that of ``fg_bg`` by default.

        Raises:
            PictureError: If the aspect ratio of a layer differs from that of ``fg_bg`` by more than 5 %.
        """
        frame_size = self.size
        shapes = {
            name: layer.shape[:2]
            for name in ("bg", "mask", "depth", "mask_valid")
            if (layer := getattr(self, name)) is not None
        }
        for name, shape in shapes.items():
            if not same_aspect(shape, frame_size):
                called, frame = ((names or {}).get(key) or key for key in (name, "fg_bg"))
                raise PictureError(
                    f"{called} is {shape[1]} x {shape[0]} pixels, but {frame} is {frame_size[1]} x {frame_size[0]}; "
                    "layers of one sample may differ in scale, not in shape: is it another sample's, cropped, or "
                    "turned on its side? Crop or turn the files alike"
                )
        size = size or frame_size
        bg, fg_bg = resize(self.bg, size), resize(self.fg_bg, size)
        labels = _matched_labels(self.labels, size)
        return type(self)(bg, fg_bg, labels.mask, labels.depth, labels.depth_valid, labels.mask_valid)

    @property
    def size(self) -> Size:
        """(height, width) of ``fg_bg``, and once they are `matched` of all layers."""
        height, width = self.fg_bg.shape[:2]
        return height, width

    @property
    def labels(self) -> Labels:
        """All but the pictures."""
        return Labels(self.mask, self.depth, self.depth_valid, self.mask_valid)

    def with_pictures(self, bg: ByteArray, fg_bg: ByteArray) -> Self:
        """The same labels with other pictures."""
        return type(self)(bg, fg_bg, self.mask, self.depth, self.depth_valid, self.mask_valid)

    def cut(self, top: int, left: int, height: int, width: int) -> Self:
        """A part of every layer, of one size; beyond the border it is mirrored about the last pixel."""
        box = top, left, height, width
        known = None if self.mask_valid is None else cut(self.mask_valid.view(np.uint8), *box).view(np.bool_)
        return type(self)(
            cut(self.bg, *box),
            cut(self.fg_bg, *box),
            cut(self.mask, *box),
            cut(self.depth, *box),
            cut(self.depth_valid.view(np.uint8), *box).view(np.bool_),
            known,
        )

    def resampled(self, resampling: Resampling) -> Self:
        """Every layer, of one size, at other places: pictures by averages, labels as by `Labels.rebuilt`."""
        labels = self.labels.rebuilt(resampling.planes(self.labels.planes()))
        return type(self)(
            resampling.picture(self.bg),
            resampling.picture(self.fg_bg),
            labels.mask,
            labels.depth,
            labels.depth_valid,
            labels.mask_valid,
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


def same_aspect(shape: tuple[int, ...], size: tuple[int, ...]) -> bool:
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
    # Plane by plane, which takes half the time of a transposed copy.
    planes = np.empty((3, *picture.shape[:2]), np.float32)
    for plane, channel in zip(planes, cv2.split(picture), strict=True):
        np.copyto(plane, channel)
    planes /= 255
    return torch.from_numpy(planes)


def _matched_labels(labels: Labels, size: Size) -> Labels:
    """Labels whose layers may differ in size."""
    known, scaling = labels.mask_valid, Scaling(size)
    if labels.mask.shape == labels.depth.shape and (known is None or known.shape == labels.mask.shape):
        return labels if labels.mask.shape == size else labels.rebuilt(scaling.planes(labels.planes()))
    plain = Labels(labels.mask, np.zeros_like(labels.mask, np.float32), np.zeros_like(labels.mask, np.bool_))
    mask = plain.rebuilt(scaling.planes(plain.planes())).mask
    if known is not None:
        known = scaling.planes([known.astype(np.float32)])[0] > 1 - 1e-5
    # Depth is averaged among pixels of its own grid, so the mask must be brought to it.
    of_depth = plain.rebuilt(Scaling(labels.depth.shape).planes(plain.planes())).mask
    own = Labels(of_depth, labels.depth, labels.depth_valid)
    return replace(own.rebuilt(scaling.planes(own.planes()), mask), mask_valid=known)


__all__ = ["Layers", "check_sample"]
