"""The background of a fixed camera: the median of frames over time."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from fgbgnet.data.arrays import BoolArray, ByteArray
from fgbgnet.data.decode import read_rgb
from fgbgnet.errors import InvalidArgumentError, PictureError
from fgbgnet.types import PathInput

ItemT = TypeVar("ItemT")

_NEVER = np.int16(256)  # sorts behind every level


def temporal_median(
    frames: Sequence[PathInput], counts: Sequence[BoolArray] | None = None, memory: int = 128 * 2**20
) -> tuple[ByteArray, BoolArray]:
    """Median of each pixel and channel over frames of a fixed camera.

    The frames are stacked in blocks of rows; where one block is not enough, they are decoded again for each.

    Args:
        frames: Paths of the frames, all of one size.
        counts: Where each frame counts, bool (H, W) each; None means everywhere.
        memory: Bytes that a block may take up.

    Returns:
        The median, uint8 (H, W, 3), the mean of the two middle levels where their number is even, rounded; and where at
        least one frame counted, bool (H, W). Elsewhere all frames make the median.

    Raises:
        InvalidArgumentError: If there is no frame.
        MissingFileError, PictureError: If a frame cannot be read, or differs in size from the first.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [f"{folder}/{level}.png" for level in (10, 200, 12)]
    ...     for path, level in zip(paths, (10, 200, 12)):
    ...         Image.new("RGB", (1, 1), (level, 0, level)).save(path)
    ...     temporal_median(paths)[0].tolist()
    [[[12, 0, 12]]]
    """
    if not frames:
        raise InvalidArgumentError("no frames to take a median of; expected at least one path")
    first = read_rgb(frames[0])
    height, width = first.shape[:2]
    # Levels are stacked in 16 bits, and sorting them takes a copy; where some do not count, another.
    rows = max(1, memory // (len(frames) * width * 3 * (4 if counts is None else 7)))
    median, seen = np.empty_like(first), np.ones((height, width), np.bool_)
    for top in range(0, height, rows):
        block = slice(top, min(top + rows, height))
        stack = np.empty((len(frames), block.stop - top, width, 3), np.int16)
        for index, path in enumerate(frames):
            stack[index] = _read(path, first.shape, frames[0])[block]
        if counts is None:
            median[block] = np.rint(np.median(stack, axis=0))
        else:
            median[block], seen[block] = _masked_median(stack, np.stack([valid[block] for valid in counts]))
    return median, seen


def _masked_median(stack: npt.NDArray[np.int16], valid: BoolArray) -> tuple[ByteArray, BoolArray]:
    """Median over the first dimension of what is valid, (K, h, w, 3) and (K, h, w) -> (h, w, 3) and (h, w)."""
    seen: BoolArray = np.any(valid, axis=0)
    valid = valid | ~seen
    ordered = np.sort(np.where(valid[..., None], stack, _NEVER), axis=0)
    count = valid.sum(0)
    middle = [np.take_along_axis(ordered, at[None, ..., None], 0)[0] for at in ((count - 1) // 2, count // 2)]
    return np.rint((middle[0] + middle[1]) / 2).astype(np.uint8), seen


def _read(path: PathInput, shape: tuple[int, ...], first: PathInput) -> ByteArray:
    frame = read_rgb(path)
    if frame.shape != shape:
        raise PictureError(
            f"{path} is {frame.shape[1]} x {frame.shape[0]} pixels, but {first} is {shape[1]} x {shape[0]}; the frames "
            "of a recording have one size"
        )
    return frame


def spread(items: Sequence[ItemT], most: int) -> list[ItemT]:
    """At most ``most`` of some items, evenly spaced, the first and the last among them.

    >>> spread(range(10, 20), 4)
    [10, 13, 16, 19]
    """
    positions = np.linspace(0, len(items) - 1, min(most, len(items)))
    return [items[int(position)] for position in positions.round()]


__all__ = ["spread", "temporal_median"]
