"""Pictures of any size, tile by tile."""

from collections.abc import Sequence
from itertools import pairwise, product
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.inference.wrapping import Wrapper
from fgbgnet.models.checks import checked_count
from fgbgnet.types import Outputs, Task

DEFAULT_STRIDE = 32
"""Of models that do not tell theirs: that of most encoders."""


class Span(NamedTuple):
    """One tile along one axis.

    Attributes:
        start: Its first pixel, a multiple of the stride.
        used: The first pixel to which it contributes, counted from its start.
        weights: What it contributes to that pixel and those that follow, in (0, 1].
    """

    start: int
    used: int
    weights: Tensor


def spans(length: int, tile: int, overlap: int, stride: int) -> list[Span]:
    """Spreads tiles evenly over an axis, and divides each pixel among those that hold it.

    From one tile to the next the weight passes along half a cosine, in the middle of what they have in common, over
    half of ``overlap``; so its outer quarter, where a network knows the least of what is around, is not used. A tile's
    weight is one such step less the next, so that the weights of a pixel sum to one however the tiles lie.

    Args:
        length: Pixels along the axis.
        tile: Pixels of a tile, a multiple of ``stride``.
        overlap: Pixels that neighbours have in common at least.
        stride: Where tiles may start: at its multiples.

    >>> [(span.start, span.used, len(span.weights)) for span in spans(200, tile=96, overlap=32, stride=16)]
    [(0, 0, 80), (48, 16, 72), (112, 8, 80)]
    """
    cells, size, common = -(-length // stride), tile // stride, -(-overlap // stride)
    if cells <= size:
        return [Span(0, 0, torch.ones(length))]
    count = -(-(cells - common) // (size - common))
    starts = [index * (cells - size) // (count - 1) * stride for index in range(count)]
    pixels = torch.arange(length, dtype=torch.float64) + 0.5
    width = max(overlap / 2, 1)
    centres = [(before + tile + after) / 2 for before, after in pairwise(starts)]
    steps = [torch.ones_like(pixels)]
    steps += [(1 - torch.cos(torch.pi * ((pixels - centre) / width + 0.5).clamp(0, 1))) / 2 for centre in centres]
    steps.append(torch.zeros_like(pixels))
    result = []
    for start, (entered, left) in zip(starts, pairwise(steps), strict=True):
        weights = (entered - left).float()
        used = weights.nonzero().flatten()
        first, last = int(used[0]), int(used[-1]) + 1
        result.append(Span(start, first - start, weights[first:last]))
    return result


class TiledModel(Wrapper):
    """Puts large pictures before a model tile by tile; the memory that its features take does not grow with them.

    Tiles start at multiples of the model's stride and overlap; see `spans` for how they are blended. Logits, distances
    and uncertainties are blended as they are. A fully convolutional model of which a quarter of the overlap is at least
    the radius of its receptive field gives what it gives for the whole picture, but for rounding, up to the picture's
    borders. With less overlap the result is an approximation without seams; layers that look at the whole picture, as
    attention, squeeze-and-excitation or an exposure that is compensated, look at each tile instead.

    Pictures are seen at their own size, whatever the model's ``input_size``: the model has to know the size at which
    things appear there. Those that fit in one tile pass as they are.

    Args:
        model: Anything with the models' forward. It stays where it is: tiles are brought to its device, and their
            results back to that of the pictures.
        tile: Side of the tiles in pixels, or (height, width); rounded up to multiples of the stride.
        overlap: How many pixels neighbours have in common at least, at most half a tile; a quarter of the smaller side
            by default.
        batch_size: Tiles per step.
        stride: Starts and sizes of tiles are multiples of it; the model's ``stride`` by default, or 32 if it has none.
        progress: Whether to show a progress bar for each picture of several tiles.

    Raises:
        InvalidArgumentError: If a number is out of range.

    >>> from fgbgnet import DualHeadUNet
    >>> model = DualHeadUNet("unet_small").eval()
    >>> tiled = TiledModel(model, tile=64)
    >>> outputs = tiled(torch.rand(1, 3, 150, 200), torch.rand(1, 3, 150, 200))
    >>> {task: tuple(layer.shape) for task, layer in outputs.items()}
    {'mask': (1, 1, 150, 200), 'depth': (1, 1, 150, 200)}
    """

    def __init__(
        self,
        model: nn.Module,
        tile: int | tuple[int, int] = 512,
        overlap: int | None = None,
        batch_size: int = 4,
        stride: int | None = None,
        progress: bool = False,
    ) -> None:
        super().__init__(model)
        self.input_size = None
        self.stride: int = checked_count("stride", (self.stride or DEFAULT_STRIDE) if stride is None else stride)
        height, width = tile if isinstance(tile, tuple) else (tile, tile)
        sides = checked_count("tile", height), checked_count("tile", width)
        self.tile = tuple(-(-side // self.stride) * self.stride for side in sides)
        self.overlap = min(self.tile) // 4 if overlap is None else overlap
        if not isinstance(self.overlap, int) or not 0 <= self.overlap <= min(self.tile) // 2:
            raise InvalidArgumentError(
                f"overlap={overlap!r}; expected 0 to {min(self.tile) // 2} pixels, half of a tile of "
                f"{self.tile[0]} x {self.tile[1]}"
            )
        if self.overlap > min(self.tile) - self.stride:
            raise InvalidArgumentError(
                f"tile={tile!r} with overlap={self.overlap} leaves less than the model's stride of {self.stride} "
                "between neighbours; use larger tiles, or overlap=0"
            )
        self.batch_size = checked_count("batch_size", batch_size)
        self.progress = progress

    def extra_repr(self) -> str:
        """What decides about the result, for ``print(model)``."""
        return f"tile={self.tile}, overlap={self.overlap}, stride={self.stride}"

    def _outputs(self, bg: Tensor, fg_bg: Tensor, tasks: Sequence[Task] | Task | None) -> Outputs:
        height, width = bg.shape[-2:]
        if height <= self.tile[0] and width <= self.tile[1]:
            outputs = self._ask_there(bg, fg_bg, tasks)
            return {key: layer.to(bg.device) for key, layer in outputs.items()}
        rows, columns = (
            spans(length, side, self.overlap, self.stride)
            for length, side in zip((height, width), self.tile, strict=True)
        )
        places = list(product(rows, columns))
        outputs = {}
        with tqdm(total=len(bg) * len(places), unit="tile", disable=None if self.progress else True) as bar:
            for index in range(len(bg)):
                for first in range(0, len(places), self.batch_size):
                    chosen = places[first : first + self.batch_size]
                    clean, frame = self._tiles(bg[index], chosen), self._tiles(fg_bg[index], chosen)
                    for key, layers in self._ask_there(clean, frame, tasks).items():
                        whole = outputs.get(key)
                        if whole is None:
                            kind = torch.promote_types(layers.dtype, torch.float32)
                            whole = outputs[key] = bg.new_zeros((len(bg), 1, height, width), dtype=kind)
                        _add(whole[index], layers.to(bg.device), chosen)
                    bar.update(len(chosen))
        return outputs

    def _ask_there(self, bg: Tensor, fg_bg: Tensor, tasks: Sequence[Task] | Task | None) -> Outputs:
        """The model's outputs, computed where it is."""
        home = next((tensor.device for tensor in (*self.parameters(), *self.buffers())), bg.device)
        return self._ask(bg.to(home), fg_bg.to(home), tasks)

    def _tiles(self, picture: Tensor, places: Sequence[tuple[Span, Span]]) -> Tensor:
        """Tiles of a picture (C, H, W), all of one size: beyond bottom and right it is continued, as models do it."""
        height, width = (
            min(side, -(-length // self.stride) * self.stride)
            for side, length in zip(self.tile, picture.shape[-2:], strict=True)
        )
        tiles = []
        for row, column in places:
            part = picture[None, :, row.start : row.start + height, column.start : column.start + width]
            missing = (0, width - part.shape[-1], 0, height - part.shape[-2])
            tiles.append(F.pad(part, missing, mode="replicate") if any(missing) else part)
        return torch.cat(tiles)


def _add(whole: Tensor, layers: Tensor, places: Sequence[tuple[Span, Span]]) -> None:
    """Adds the results of tiles (N, 1, h, w) to that of the picture (1, H, W), by their weights."""
    for layer, (row, column) in zip(layers, places, strict=True):
        down, right = (slice(span.used, span.used + len(span.weights)) for span in (row, column))
        y, x = row.start + row.used, column.start + column.used
        weights = torch.outer(row.weights, column.weights).to(whole)
        # What no weight falls on is left out and not multiplied by zero, so that a tile's bad border stays its own.
        whole[:, y : y + len(row.weights), x : x + len(column.weights)] += weights * layer[:, down, right]


__all__ = ["DEFAULT_STRIDE", "Span", "TiledModel", "spans"]
