"""Bytes of the files of one sample -> its layers, wherever the bytes come from."""

from collections.abc import Mapping
from typing import NamedTuple, Self, cast

import numpy as np

from fgbgnet.data.arrays import ByteArray
from fgbgnet.data.decode import decode_depth, decode_mask, decode_rgb
from fgbgnet.data.layers import Layers
from fgbgnet.data.plain import LeastSize
from fgbgnet.types import DepthDirection, DepthUnit


class DepthDeclaration(NamedTuple):
    """What a manifest says about the values of a depth map; see `read_depth`."""

    unit: DepthUnit = "relative"
    direction: DepthDirection = "near_small"
    scale: float | None = None
    invalid: float | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> Self:
        """From the cells of a manifest's row; absent or empty ones have the defaults.

        >>> DepthDeclaration.from_row({"depth_unit": "metres", "depth_scale": "0.001"})
        DepthDeclaration(unit='metres', direction='near_small', scale=0.001, invalid=None)
        """
        scale, invalid = row.get("depth_scale"), row.get("depth_invalid")
        return cls(
            cast(DepthUnit, row.get("depth_unit") or "relative"),
            cast(DepthDirection, row.get("depth_direction") or "near_small"),
            float(scale) if scale else None,
            float(invalid) if invalid else None,
        )


def decode_layers(
    contents: Mapping[str, bytes],
    names: Mapping[str, str],
    declaration: DepthDeclaration,
    with_mask_valid: bool = False,
    least: LeastSize | None = None,
    bg: ByteArray | None = None,
    size: tuple[int, int] | None = None,
) -> Layers:
    """Decodes one sample and brings its layers to one size.

    Args:
        contents: Bytes of the files ``bg``, ``fg_bg`` and ``mask``, and of ``depth`` and ``mask_valid`` where there
            are such. Without ``depth`` no pixel is valid.
        names: How errors call the files; their suffixes tell arrays (``.npy``) from pictures.
        declaration: What the values of ``depth`` mean.
        with_mask_valid: Whether the layer ``mask_valid`` is wanted: true everywhere if there are no bytes of it.
        least: How small the pictures may be decoded, see `decode_rgb`. Masks and depth are always decoded in full:
            they would take as long, and lose their contours.
        bg: The background, if it is decoded already.
        size: (height, width) of the layers; by default that of ``fg_bg``.

    Raises:
        PictureError, MaskError: If a file does not hold what it should, or layers differ in shape.

    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("L", (6, 4)).save(file, "PNG")
    >>> contents = dict.fromkeys(("bg", "fg_bg", "mask"), file.getvalue())
    >>> names = {"bg": "room.png", "fg_bg": "frame.png", "mask": "mask.png"}
    >>> layers = decode_layers(contents, names, DepthDeclaration())
    >>> layers.fg_bg.shape, layers.mask.shape, bool(layers.depth_valid.any())
    ((4, 6, 3), (4, 6), False)
    """
    if bg is None:
        bg = decode_rgb(contents["bg"], names["bg"], least)
    fg_bg = decode_rgb(contents["fg_bg"], names["fg_bg"], least)
    mask = decode_mask(contents["mask"], names["mask"])
    if "depth" in contents:
        layers = Layers(bg, fg_bg, mask, *decode_depth(contents["depth"], names["depth"], *declaration))
    else:
        layers = Layers.without_depth(bg, fg_bg, mask)
    if "mask_valid" in contents:
        layers.mask_valid = decode_mask(contents["mask_valid"], names["mask_valid"]).view(np.bool_)
    elif with_mask_valid:
        layers.mask_valid = np.ones(layers.mask.shape, np.bool_)
    return layers.matched(names, size)


__all__ = ["DepthDeclaration", "decode_layers"]
