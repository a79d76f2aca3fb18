"""Randomness of a sample as a function of (seed, epoch, id), whatever the number of workers."""

import operator
import random
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from multiprocessing.context import get_spawning_popen
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor


def hash64(text: str) -> int:
    """First 8 bytes of the BLAKE2b digest of a text, little endian: the same on every platform."""
    return int.from_bytes(blake2b(text.encode()).digest()[:8], "little")


def sample_seed(seed: int, epoch: int, id: str) -> int:
    """Seed of everything random about one sample in one epoch.

    It depends on nothing else: not on the number of workers, the batch size, or the order of the samples.

    Returns:
        An integer in [0, 2**63).

    >>> sample_seed(0, 0, "a") == sample_seed(0, 0, "a")
    True
    >>> len({sample_seed(s, e, i) for s in range(3) for e in range(3) for i in "abc"})
    27
    """
    return hash64(f"{seed}/{epoch}/{id}") >> 1


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds the global generators of Python, NumPy and torch (CPU) for a block, and restores them after it.

    >>> with seeded(3):
    ...     first = random.random(), torch.rand(()).item()
    >>> with seeded(3):
    ...     first == (random.random(), torch.rand(()).item())
    True
    """
    state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    # Not torch.manual_seed: that also seeds every GPU, which a loader has no business to do.
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(state[0])
        np.random.set_state(state[1])
        torch.set_rng_state(state[2])


class SharedEpoch:
    """The number of the current epoch, in memory that a data set shares with the workers of its loader.

    Workers that live on through the epochs, forked or spawned, see it change. A copy counts on its own, from the same
    number, and shares that with workers of its own; so does one that is pickled for anything but a starting process.

    >>> import copy
    >>> epoch = SharedEpoch(2)
    >>> other = copy.deepcopy(epoch)
    >>> epoch.set(3)
    >>> epoch.value, other.value
    (3, 2)
    """

    def __init__(self, value: int = 0) -> None:
        self._number: Tensor = torch.zeros((), dtype=torch.int64, device="cpu").share_memory_()  # type: ignore[no-untyped-call]
        self.set(value)

    @property
    def value(self) -> int:
        """The current epoch."""
        return int(self._number)

    def set(self, value: int) -> None:
        """Changes the epoch, here and in all workers."""
        self._number.fill_(operator.index(value))

    def __copy__(self) -> Self:
        return type(self)(self.value)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)(self.value)

    def __getstate__(self) -> dict[str, Any]:
        # Only a process that starts can inherit the memory; anywhere else (a file, a queue) the tensor would arrive
        # as a private copy, which forked workers would no longer share.
        return {"number": self._number if get_spawning_popen() is not None else self.value}

    def __setstate__(self, state: dict[str, Any]) -> None:
        number = state["number"]
        if isinstance(number, Tensor):
            self._number = number
        else:
            self.__init__(number)  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"SharedEpoch({self.value})"


__all__ = ["SharedEpoch", "hash64", "sample_seed", "seeded"]
