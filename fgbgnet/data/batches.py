"""Batches that are written sample by sample where they will be.

A batch of 32 samples at 224 pixels has 51 MB. A worker keeps a few slabs of memory, fills one per batch, and fills it
again when the process that got the batch has let go of it. A batch that is kept is never written over.
"""

import os
from collections.abc import Mapping
from math import prod
from typing import Any, cast

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from fgbgnet.data.arrays import ByteArray
from fgbgnet.data.layers import Layers
from fgbgnet.data.slabs import ALIGNMENT, Lent, Part, Slab, SlabPool
from fgbgnet.types import Sample


class SampleList(list[Sample]):
    """Samples whose tensors lie one after the other in the memory of a batch, and so are the batch already."""

    def __init__(self, samples: list[Sample], batch: Sample) -> None:
        super().__init__(samples)
        self.batch = batch
        """Of all samples, in order."""
        self._made = [{name: (value, _place_of(value)) for name, value in sample.items()} for sample in samples]

    @property
    def untouched(self) -> bool:
        """Whether samples and their entries are still those that were made, so that ``batch`` is theirs."""
        return len(self) == len(self._made) and all(
            sample.keys() == made.keys()
            and all(value is made[name][0] and _place_of(value) == made[name][1] for name, value in sample.items())
            for sample, made in zip(self, self._made, strict=True)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)  # copies are no longer the batch


def _place_of(value: object) -> object:
    """What an operation in place may change of a tensor beside its values."""
    return (value.data_ptr(), value.shape, value.stride()) if isinstance(value, Tensor) else None


class SlabBatch(dict[str, Any]):
    """A batch in the memory of a slab: another process gets the slab, not a copy. Whoever comes second gets copies."""

    def __init__(self, batch: Mapping[str, Any], slab: Slab) -> None:
        super().__init__(batch)
        self._slab: Slab | None = slab

    def __reduce__(self) -> tuple[Any, ...]:
        slab, self._slab = self._slab, None
        if slab is None:
            return dict, (dict(self),)
        first = slab.memory.data_ptr() + ALIGNMENT
        parts: dict[str, Part] = {}
        others: dict[str, Any] = {}
        for name, value in self.items():
            inside = isinstance(value, Tensor) and 0 <= value.data_ptr() - first < slab.size
            if inside and value.is_contiguous():
                parts[name] = Part(value.data_ptr() - first, tuple(value.shape), value.dtype)
            else:
                others[name] = value
        slab.flag[0] = 1  # until the receiver has let go; this process still holds its own tensors while it sends
        return _receive, (slab.memory, parts, others, list(self))


def _receive(memory: Tensor, parts: dict[str, Part], others: dict[str, Any], order: list[str]) -> dict[str, Any]:
    flag, forks = memory.numpy()[:1], _forks

    def gone() -> None:
        # A process that was forked meanwhile may hold the batch, too, or let go of it while it is used here.
        if forks == _forks:
            flag[0] = 0

    lent = Lent.of(memory, gone)
    return {name: lent.tensor(parts[name]) if name in parts else others[name] for name in order}


_forks = 0
"""How often this process, and those it was forked from, have forked."""


def _count_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_count_fork)


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
        parts: dict[str, Part] = {}
        end = 0
        for name, (shape, dtype) in shapes.items():
            parts[name] = Part(end, (self._count, *shape), dtype)
            end += -(-self._count * prod(shape) * dtype.itemsize // ALIGNMENT) * ALIGNMENT
        self._slab, lent = self._pool.take(end)
        self._batch = {name: lent.tensor(part) for name, part in parts.items()}
        self._shapes = dict(shapes)
        columns = [tensor.unbind() for tensor in self._batch.values()]
        self._rows = [dict(zip(parts, row, strict=True)) for row in zip(*columns, strict=True)]


def write_picture(picture: ByteArray, tensor: Tensor) -> None:
    """Writes uint8 (H, W, 3) as float32 (3, H, W), in [0, 1]."""
    # Channel by channel, since one fits into the cache of a processor; NumPy converts faster than it is permuted.
    for plane, channel in zip(tensor.numpy(), cv2.split(picture), strict=True):
        plane[:] = channel
        np.divide(plane, np.float32(255), out=plane)


__all__ = ["BatchWriter", "SampleList", "SlabBatch", "write_picture"]
