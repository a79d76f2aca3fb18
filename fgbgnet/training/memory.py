"""Keeping freed memory in the process while training on a CPU."""

import ctypes
import platform
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h of glibc


def keep_freed_memory() -> bool:
    """Tells glibc to keep large freed blocks instead of giving them back to the system.

    By default every large tensor is mapped afresh and page-faulted again at each step of a training. This process then
    holds on to the most memory that it ever used.

    Returns:
        Whether it took effect; other C libraries and systems are left as they are.
    """
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, -1))


__all__ = ["keep_freed_memory"]
