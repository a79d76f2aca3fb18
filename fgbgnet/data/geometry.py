"""Geometry of the presets: what moves pixels, alike in all layers, in one step."""

import math
from dataclasses import dataclass

import numpy as np

from fgbgnet.data.layers import Layers
from fgbgnet.data.resampling import Resampling, Scaling, Size, Warp

_TRIES = 10
"""Crops that are drawn until one fits."""


@dataclass(frozen=True)
class Resize:
    """Brings every layer to one size.

    Args:
        height: Pixels.
        width: Pixels.

    >>> square = np.zeros((8, 8, 3), np.uint8)
    >>> layers = Layers.without_depth(square, square, np.eye(8, dtype=np.uint8))
    >>> Resize(4, 6)(layers, np.random.default_rng(0)).mask.shape
    (4, 6)
    """

    height: int
    width: int

    def __call__(self, layers: Layers, rng: np.random.Generator) -> Layers:
        """Resizes; nothing is drawn."""
        size = self.height, self.width
        return layers if layers.size == size else layers.resampled(Scaling(size))

    def min_decoded_size(self, height: int, width: int) -> Size:
        """See `JointTransform.min_decoded_size`."""
        return self.height, self.width


@dataclass(frozen=True)
class RandomView:
    """A random crop of random aspect ratio, perhaps mirrored, perhaps rotated: one view of the scene, drawn at once.

    A rotated crop shows what lies beside it, and only beyond the border of the picture its mirror image.
    Depth is not scaled: a crop is a camera with a longer focal length, from which everything is as far as before.

    Args:
        size: (height, width) of the result.
        scale: Range of the share of the picture's area that a crop keeps, drawn uniformly.
        ratio: Range of width / height of a crop, drawn uniformly in its logarithm.
        flip: Probability of changing left and right.
        rotate: Largest rotation in degrees either way, drawn uniformly; in half of the views.

    >>> square = np.zeros((8, 8, 3), np.uint8)
    >>> layers = Layers.without_depth(square, square, np.eye(8, dtype=np.uint8))
    >>> RandomView((4, 6))(layers, np.random.default_rng(0)).mask.shape
    (4, 6)
    """

    size: Size
    scale: tuple[float, float] = (0.5, 1.0)
    ratio: tuple[float, float] = (0.8, 1.25)
    flip: float = 0.5
    rotate: float = 8.0

    def __call__(self, layers: Layers, rng: np.random.Generator) -> Layers:
        """Draws a view and shows it."""
        chance, turn = rng.random(2).tolist()
        box = self._box(layers.size, rng)
        flip = chance < self.flip
        # One number says both: whether, by its half, and how far, by where it lies in that.
        degrees = self.rotate * (4 * turn - 1) if turn < 0.5 else 0.0
        if degrees:
            return rotated(layers, box, self.size, flip, degrees)
        return layers.cut(*box).resampled(Scaling(self.size, flip))

    def min_decoded_size(self, height: int, width: int) -> Size:
        """See `JointTransform.min_decoded_size`."""
        return smallest_source((height, width), self.size, self.scale[0], self.ratio)

    def _box(self, size: Size, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Top, left, height and width of a crop, drawn as by ``torchvision.transforms.RandomResizedCrop``."""
        height, width = size
        low, high = (math.log(bound) for bound in self.ratio)
        for share, tilt, down, right in rng.random((_TRIES, 4)).tolist():
            area = (self.scale[0] + share * (self.scale[1] - self.scale[0])) * height * width
            ratio = math.exp(low + tilt * (high - low))
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                return int(down * (height - h + 1)), int(right * (width - w + 1)), h, w
        ratio = min(max(width / height, self.ratio[0]), self.ratio[1])
        w, h = min(width, round(height * ratio)), min(height, round(width / ratio))
        return (height - h) // 2, (width - w) // 2, max(h, 1), max(w, 1)


def rotated(layers: Layers, box: tuple[int, int, int, int], size: Size, flip: bool, degrees: float) -> Layers:
    """Shows a crop about its centre rotated, and then mirrored or not.

    Args:
        layers: Where it lies.
        box: Top, left, height and width of the crop, pixels.
        size: (height, width) of the result, which the crop fills.
        flip: Whether left and right change places.
        degrees: Counter-clockwise, in pixels of the result.
    """
    top, left, height, width = box
    zoom = np.array([width / size[1], height / size[0]])  # pixels of the layers per pixel of the result, x and y
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = np.array([[cosine, -sine], [sine, cosine]]) * [-1 if flip else 1, 1]
    matrix = zoom[:, None] * turn
    centre_in, centre_out = np.array([left + width / 2, top + height / 2]), np.array(size[::-1]) / 2
    # The pixels of the layers that are seen, and those beside them, which the interpolation needs.
    reach, margin = np.abs(matrix) @ centre_out, np.ceil(zoom) + 1
    start, stop = np.floor(centre_in - reach - margin), np.ceil(centre_in + reach + margin)
    seen = (stop - start).astype(int)
    shrunk = np.minimum(np.ceil(seen / zoom), seen).astype(int)
    scale = shrunk / seen
    offset = scale * (centre_in - start - matrix @ centre_out)
    matrix = scale[:, None] * matrix
    # From edges of pixels, at which a layer starts at 0, to their centres.
    offset += matrix @ [0.5, 0.5] - 0.5
    resampling: Resampling = Warp(
        np.column_stack([matrix, offset]), size, None if (shrunk == seen).all() else (int(shrunk[1]), int(shrunk[0]))
    )
    return layers.cut(int(start[1]), int(start[0]), int(seen[1]), int(seen[0])).resampled(resampling)


def smallest_source(stored: Size, size: Size, scale: float, ratio: tuple[float, float]) -> Size:
    """Size at which the smallest crop, at its flattest or tallest, still fills the output.

    Args:
        stored: (height, width) of the picture.
        size: (height, width) of the output.
        scale: The smallest share of the area that a crop keeps.
        ratio: Range of width / height of crops.
    """
    side = math.sqrt(scale * stored[0] * stored[1])
    zoom = max(size[1] / (side * math.sqrt(ratio[0])), size[0] * math.sqrt(ratio[1]) / side)
    return math.ceil(zoom * stored[0]), math.ceil(zoom * stored[1])


__all__ = ["RandomView", "Resize", "rotated", "smallest_source"]
