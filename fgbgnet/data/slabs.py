"""Memory that is lent, and used again once nobody holds it.

Fresh memory comes from the system page by page, and every page must be cleared and mapped: for a batch that can take
longer than decoding its pictures.
"""

import threading
import weakref
from collections.abc import Callable
from math import prod
from multiprocessing.util import register_after_fork
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.data import get_worker_info

from fgbgnet.data.arrays import ByteArray

ALIGNMENT = 64
"""Bytes: a cache line; the first of a slab holds its flag."""
_KEPT = 6  # slabs: two that wait, one at work, one with the consumer, and some air


class Part(NamedTuple):
    """Where a tensor lies in a slab, behind the flag."""

    start: int
    shape: tuple[int, ...]
    dtype: torch.dtype


class Slab:
    """A piece of memory that is lent, and known to be free again."""

    def __init__(self, size: int, shared: bool) -> None:
        memory = torch.zeros(ALIGNMENT + size, dtype=torch.uint8, device="cpu")
        self.memory = memory.share_memory_() if shared else memory  # type: ignore[no-untyped-call]
        self.size = size
        # Written as an array: tensors may belong to an inference mode that is over when they are to be changed.
        self.flag: ByteArray = self.memory.numpy()[:1]
        """Whether it was sent, and the receiver has not let go."""
        self._lent = False

    @property
    def free(self) -> bool:
        """Whether no tensor over it is alive, neither here nor where it was sent."""
        return not self._lent and not self.flag[0]

    def lend(self) -> "Lent":
        """All of the memory behind the flag; the slab is free when this and all tensors over it are gone."""
        self._lent = True
        return Lent.of(self.memory, self._take_back)

    def _take_back(self) -> None:
        self._lent = False


class Lent(np.ndarray[Any, np.dtype[np.uint8]]):
    """The memory of a slab behind its flag, uint8 (bytes,), while somebody holds it.

    A class of its own, because NumPy makes views of plain arrays refer to the first of them, past the others.
    """

    storages: list[StorageWeakRef]
    """Of the tensors that were made over it."""

    @classmethod
    def of(cls, memory: Tensor, gone: Callable[[], None]) -> "Lent":
        """Lends; ``gone`` is called when the array and all tensors, views and arrays over it are no more."""
        _end_of_moved()
        lent = memory.numpy()[ALIGNMENT:].view(cls)
        lent.storages = []
        weakref.finalize(lent, _let_go, memory, lent.storages, gone).atexit = False
        return lent

    def tensor(self, part: "Part") -> Tensor:
        """A tensor in it, with a storage of its own: what is done to one does not concern the others."""
        size = prod(part.shape) * part.dtype.itemsize
        # The storage of a tensor made from an array holds that array.
        tensor = torch.from_numpy(self[part.start : part.start + size])
        self.storages.append(StorageWeakRef(tensor.untyped_storage()))  # type: ignore[no-untyped-call]
        return tensor.view(part.dtype).view(part.shape)


_moved: dict[int, tuple[Tensor, list[StorageWeakRef], Callable[[], None]]] = {}
"""Memory that tensors left, although they are alive."""


def _let_go(memory: Tensor, storages: list[StorageWeakRef], gone: Callable[[], None]) -> None:
    if all(storage.expired() for storage in storages):  # type: ignore[no-untyped-call]
        gone()
    else:
        # A tensor that is sent to another process moves into new memory. Arrays made of it before stay in the old.
        _moved[id(storages)] = memory, storages, gone


def _end_of_moved() -> None:
    for key in list(_moved):
        if (entry := _moved.pop(key, None)) is not None:  # another thread may be at it, too
            _let_go(*entry)


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
        self._lock = threading.Lock()
        register_after_fork(self, SlabPool._forget)

    def __getstate__(self) -> dict[str, Any]:
        return {"kept": self.kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["kept"])  # type: ignore[misc]

    def take(self, size: int) -> tuple[Slab, Lent]:
        """A slab of at least ``size`` bytes, and all of its memory, lent.

        In a worker of a loader it is shared with other processes.
        """
        shared = get_worker_info() is not None
        with self._lock:
            for slab in self._slabs:
                if size <= slab.size <= 2 * size and slab.free:
                    return slab, slab.lend()
            slab = Slab(size, shared)
            if len(self._slabs) >= self.kept:
                self._slabs = [other for other in self._slabs if not other.free]
            self._slabs = [*self._slabs[-self.kept + 1 :], slab]
            return slab, slab.lend()

    def _forget(self) -> None:
        self._slabs = []
        self._lock = threading.Lock()


__all__ = ["ALIGNMENT", "Lent", "Part", "Slab", "SlabPool"]
