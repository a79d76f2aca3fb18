"""Memory that is freed and needed again a moment later."""

import numpy as np

_LARGEST = 31 << 20
"""Bytes; above 32 MiB glibc learns nothing."""


def keep_freed_memory() -> None:
    """Lets glibc keep what a process frees, instead of giving it back to the system.

    A transform makes and frees some megabytes per sample. By default glibc returns them at once, and the system clears
    and maps every page of them again for the next sample. glibc raises its threshold to the largest block that it has
    mapped and freed ("dynamic mmap threshold" in mallopt(3)), so one block, which is never touched, is made and freed.
    Up to twice its size stays with the process. Other allocators take no notice.

    >>> keep_freed_memory()
    """
    np.empty(_LARGEST, np.uint8)


__all__ = ["keep_freed_memory"]
