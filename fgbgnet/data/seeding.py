"""Randomness of a sample as a function of (seed, epoch, id), whatever the number of workers."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

import numpy as np
import torch


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


__all__ = ["hash64", "sample_seed", "seeded"]
