"""Memory of batches: written sample by sample where the batch will be, and used again once nobody holds it.

A batch of 32 samples at 224 pixels has 51 MB. Fresh memory of that size comes from the system page by page, and every
page must be cleared and mapped: that can take longer than decoding the pictures. So a worker keeps a few slabs, fills
one per batch, and fills it again when the process that got the batch has let go of it. A batch that is kept is never
written over.
"""

import threading
import weakref
from collections.abc import Callable, Mapping
from math import prod
from multiprocessing.util import register_after_fork
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from fgbgnet.data.arrays import ByteArray
from fgbgnet.data.layers import Layers
from fgbgnet.types import Sample

_ALIGNMENT = 64  # bytes: a cache line; the first of a slab holds its flag
_KEPT = 6  # slabs: two that wait, one at work, one with the consumer, and some air


class Slab:
    """A piece of memory that is lent, and known to be free again."""

    def __init__(self, size: int, shared: bool) -> None:
        memory = torch.zeros(_ALIGNMENT + size, dtype=torch.uint8)
        self.memory = memory.share_memory_() if shared else memory  # type: ignore[no-untyped-call]
        self.size = size
        self._lent = False

    @property
    def free(self) -> bool:
        """Whether no tensor over it is alive, neither here nor where it was sent."""
        return not self._lent and not self.memory[0]

    def lend(self) -> Tensor:
        """All of the memory behind the flag, uint8; the slab is free when this and all views of it are gone."""
        self._lent = True
        return _watched(self.memory, self._take_back)

    def _take_back(self) -> None:
        self._lent = False


def _watched(memory: Tensor, gone: Callable[[], None]) -> Tensor:
    """A tensor over the memory behind the flag; calls ``gone`` when it and all its views are no more."""
    # The storage of a tensor made from an array holds that array, and arrays can be watched.
    array = memory.numpy()[_ALIGNMENT:].view(_Watched)
    weakref.finalize(array, gone).atexit = False
    return torch.from_numpy(array)


class _Watched(np.ndarray[Any, np.dtype[np.uint8]]):
    """A class of its own, because NumPy makes views of plain arrays refer to the first of them, past the others."""


class SlabPool:
    """Slabs of one process, used again.

    Args:
        kept: How many at most. When more batches are alive their memory is not used again.

    >>> pool = SlabPool()
    >>> first, memory = pool.take(1000)
    >>> pool.take(1000)[0] is first
    False
    >>> del memory
    >>> pool.take(1000)[0] is first
    True
    """

    def __init__(self, kept: int = _KEPT) -> None:
        self.kept = kept
        self._slabs: list[Slab] = []
        self._renew_lock()
        register_after_fork(self, SlabPool._renew_lock)

    def __getstate__(self) -> dict[str, Any]:
        return {"kept": self.kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["kept"])  # type: ignore[misc]

    def take(self, size: int) -> tuple[Slab, Tensor]:
        """A slab of at least ``size`` bytes, and all of its memory, lent.

        In a worker of a loader it is shared with other processes.
        """
        shared = get_worker_info() is not None
        with self._lock:
            for slab in self._slabs:
                if size <= slab.size <= 2 * size and slab.free and slab.memory.is_shared() == shared:
                    return slab, slab.lend()
            slab = Slab(size, shared)
            if len(self._slabs) >= self.kept:
                self._slabs = [other for other in self._slabs if not other.free]
            self._slabs = [*self._slabs[-self.kept + 1 :], slab]
            return slab, slab.lend()

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()


class _Part(NamedTuple):
    """Where a tensor lies in a slab, behind the flag."""

    start: int
    shape: tuple[int, ...]
    dtype: torch.dtype

    def of(self, memory: Tensor) -> Tensor:
        size = prod(self.shape) * self.dtype.itemsize
        return memory[self.start : self.start + size].view(self.dtype).view(self.shape)


class SampleList(list[Sample]):
    """Samples whose tensors lie one after the other in the memory of a batch, and so are the batch already."""

    def __init__(self, samples: list[Sample], batch: Sample) -> None:
        super().__init__(samples)
        self.batch = batch
        """Of all samples, in order."""
        self._made: list[dict[str, Any]] = [dict(sample) for sample in samples]

    @property
    def untouched(self) -> bool:
        """Whether samples and their entries are still those that were made, so that ``batch`` is theirs."""
        return len(self) == len(self._made) and all(
            sample.keys() == made.keys() and all(value is made[name] for name, value in sample.items())
            for sample, made in zip(self, self._made, strict=True)
        )


class SlabBatch(dict[str, Any]):
    """A batch in the memory of a slab: another process gets the slab, not a copy."""

    def __init__(self, batch: Mapping[str, Any], slab: Slab) -> None:
        super().__init__(batch)
        self._slab = slab

    def __reduce__(self) -> tuple[Any, ...]:
        memory = self._slab.memory
        first = memory.data_ptr() + _ALIGNMENT
        parts: dict[str, _Part] = {}
        others: dict[str, Any] = {}
        for name, value in self.items():
            inside = isinstance(value, Tensor) and 0 <= value.data_ptr() - first < self._slab.size
            if inside and value.is_contiguous():
                parts[name] = _Part(value.data_ptr() - first, tuple(value.shape), value.dtype)
            else:
                others[name] = value
        memory[0] = 1  # until the receiver has let go; this process still holds its own tensors while it sends
        return _receive, (memory, parts, others, list(self))


def _receive(memory: Tensor, parts: dict[str, _Part], others: dict[str, Any], order: list[str]) -> dict[str, Any]:
    lent = _watched(memory, lambda: memory.__setitem__(0, 0))
    return {name: parts[name].of(lent) if name in parts else others[name] for name in order}


class BatchWriter:
    """Writes samples into the memory of one batch.

    Args:
        count: How many there will be.
        pool: Where the memory comes from.

    >>> writer = BatchWriter(2, SlabPool())
    >>> for id, level in (("a", 0), ("b", 255)):
    ...     picture = np.full((4, 6, 3), level, np.uint8)
    ...     writer.add_layers(Layers.without_depth(picture, picture, np.ones((4, 6), np.uint8)), id)
    >>> batch = writer.samples().batch
    >>> batch["bg"].shape, batch["bg"].amax(dim=(1, 2, 3)).tolist(), batch["id"]
    (torch.Size([2, 3, 4, 6]), [0.0, 1.0], ['a', 'b'])
    """

    def __init__(self, count: int, pool: SlabPool) -> None:
        self._count = count
        self._pool = pool
        self._slab: Slab | None = None
        self._batch: dict[str, Tensor] = {}
        self._shapes: dict[str, tuple[tuple[int, ...], torch.dtype]] = {}
        self._rows: list[dict[str, Tensor]] = []
        self._samples: list[Sample] = []
        self._alike = True

    def add_layers(self, layers: Layers, id: str) -> None:
        """Adds a sample that is not made of tensors yet."""
        height, width = layers.fg_bg.shape[:2]
        shapes: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
            "bg": ((3, height, width), torch.float32),
            "fg_bg": ((3, height, width), torch.float32),
            "mask": ((1, height, width), torch.float32),
            "depth": ((1, height, width), torch.float32),
            "depth_valid": ((1, height, width), torch.bool),
        }
        if layers.mask_valid is not None:
            shapes["mask_valid"] = ((1, height, width), torch.bool)
        place = self._place(shapes)
        if place is None:
            self._samples.append(layers.to_sample(id))
            return
        for name, tensor in place.items():
            array = getattr(layers, name)
            if array.ndim == 3:
                write_picture(array, tensor)
            else:
                tensor[0].copy_(torch.from_numpy(array))
        self._samples.append(cast(Sample, {**place, "id": id}))

    def add_sample(self, sample: Sample) -> None:
        """Adds a sample of tensors."""
        tensors = {name: value for name, value in sample.items() if isinstance(value, Tensor)}
        place = self._place({name: (tuple(value.shape), value.dtype) for name, value in tensors.items()})
        if place is None or set(sample) - set(tensors) != {"id"}:
            self._alike = False
            self._samples.append(sample)
            return
        for name, tensor in place.items():
            tensor.copy_(tensors[name])
        self._samples.append(cast(Sample, {**place, "id": sample["id"]}))

    def samples(self) -> list[Sample]:
        """All that were added; a `SampleList` if they are alike."""
        if not self._alike or self._slab is None or len(self._samples) != self._count:
            return self._samples
        batch: dict[str, Any] = {**self._batch, "id": [sample["id"] for sample in self._samples]}
        if get_worker_info() is not None:
            batch = SlabBatch(batch, self._slab)
        return SampleList(self._samples, cast(Sample, batch))

    def _place(self, shapes: Mapping[str, tuple[tuple[int, ...], torch.dtype]]) -> dict[str, Tensor] | None:
        """Tensors of the next sample in the batch; None if it is unlike the first."""
        if self._slab is None:
            self._allocate(shapes)
        self._alike = self._alike and self._shapes == shapes
        return self._rows[len(self._samples)] if self._alike else None

    def _allocate(self, shapes: Mapping[str, tuple[tuple[int, ...], torch.dtype]]) -> None:
        parts: dict[str, _Part] = {}
        end = 0
        for name, (shape, dtype) in shapes.items():
            parts[name] = _Part(end, (self._count, *shape), dtype)
            end += -(-self._count * prod(shape) * dtype.itemsize // _ALIGNMENT) * _ALIGNMENT
        self._slab, lent = self._pool.take(end)
        self._batch = {name: part.of(lent) for name, part in parts.items()}
        self._shapes = dict(shapes)
        columns = [tensor.unbind() for tensor in self._batch.values()]
        self._rows = [dict(zip(parts, row, strict=True)) for row in zip(*columns, strict=True)]


def write_picture(picture: ByteArray, tensor: Tensor) -> None:
    """Writes uint8 (H, W, 3) as float32 (3, H, W), in [0, 1]."""
    # Channel by channel, since one fits into the cache of a processor; NumPy converts faster than it is permuted.
    for plane, channel in zip(tensor.numpy(), cv2.split(picture), strict=True):
        plane[:] = channel
        np.divide(plane, np.float32(255), out=plane)


__all__ = ["BatchWriter", "SampleList", "Slab", "SlabBatch", "SlabPool", "write_picture"]
