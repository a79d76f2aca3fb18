"""Pairs of pictures, read ahead and gathered into batches."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from fgbgnet.data.arrays import ByteArray
from fgbgnet.data.backgrounds import BackgroundCache
from fgbgnet.data.decode import read_rgb
from fgbgnet.errors import FgBgError
from fgbgnet.inference.pairs import Pair
from fgbgnet.models import PredictMixin
from fgbgnet.models.predict import resize

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

BACKGROUNDS_KEPT = 256
"""Megabytes of decoded backgrounds that are kept for the frames that follow."""


class LoadedPair(NamedTuple):
    """A pair as the model sees it.

    Attributes:
        pair: Its paths.
        bg: The background, float32 (3, h, w) in [0, 1].
        fg_bg: The frame, likewise.
        size: (H, W) of the frame as stored.
    """

    pair: Pair
    bg: Tensor
    fg_bg: Tensor
    size: torch.Size


class BadPair(NamedTuple):
    """A pair that cannot be read.

    Attributes:
        pair: Its paths.
        error: Why.
    """

    pair: Pair
    error: FgBgError


class PairReader:
    """Reads pairs in the geometry of `fgbgnet.models.PredictMixin.predict`; threads may share it.

    Args:
        model: Its ``input_size`` decides about the size.
    """

    def __init__(self, model: PredictMixin) -> None:
        self._model = model
        self._backgrounds = BackgroundCache(BACKGROUNDS_KEPT)

    def __call__(self, pair: Pair) -> LoadedPair | BadPair:
        """Reads a pair; says so if that is not possible."""
        try:
            frame = _to_batch(read_rgb(pair.fg_bg))
            clean = resize(_to_batch(self.background(pair.bg)), frame.shape[-2:])
        except FgBgError as error:
            return BadPair(pair, error)
        size = self._model._working_size(frame.shape[-2], frame.shape[-1])
        return LoadedPair(pair, resize(clean, size)[0], resize(frame, size)[0], frame.shape[-2:])

    def background(self, path: str) -> ByteArray:
        """The background at a path, uint8 (H, W, 3); kept for the pairs that follow.

        Raises:
            MissingFileError, PictureError: If it cannot be read.
        """
        return self._backgrounds.read(path)


def batches(
    loaded: Iterable[LoadedPair | BadPair], batch_size: int
) -> Iterator[tuple[list[LoadedPair], list[BadPair]]]:
    """Neighbours that the model sees at one size, and the bad ones that came meanwhile."""
    good: list[LoadedPair] = []
    bad: list[BadPair] = []
    for item in loaded:
        if isinstance(item, BadPair):
            bad.append(item)
            continue
        if good and (len(good) == batch_size or item.fg_bg.shape != good[0].fg_bg.shape):
            yield good, bad
            good, bad = [], []
        good.append(item)
    yield good, bad


def mapped_ahead(
    pool: Executor, function: Callable[[ItemT], ResultT], items: Iterable[ItemT], ahead: int
) -> Iterator[ResultT]:
    """Results in the order of the items, so many of which are worked on before they are asked for.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as pool:
    ...     list(mapped_ahead(pool, abs, [-1, -2, -3], ahead=2))
    [1, 2, 3]
    """
    waiting: deque[Future[ResultT]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _to_batch(rgb: ByteArray) -> Tensor:
    return torch.tensor(rgb).permute(2, 0, 1)[None].float().div_(255)


__all__ = ["BACKGROUNDS_KEPT", "BadPair", "LoadedPair", "PairReader", "batches", "mapped_ahead"]
