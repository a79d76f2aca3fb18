"""How much memory a computation takes, and how much there is: of the process on a CPU, of the device on a GPU."""

import ctypes
import gc
import os
import platform
import sys
from pathlib import Path

import torch

from fgbgnet.errors import InvalidArgumentError

_STATUS = Path("/proc/self/status")
_PEAK_RESET = Path("/proc/self/clear_refs")
_CGROUP = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)


class PeakMemory:
    """The most memory that is in use since an object of this class was made.

    On a GPU these are the bytes that torch has allocated. On a CPU it is the memory of the process: Linux tells its
    peak and lets it be set back; elsewhere the peak since the process began stands for it, so that what fits into
    memory that was in use before is not seen.

    Args:
        device: Where the computation runs.

    >>> peak = PeakMemory(torch.device("cpu"))
    >>> block = torch.ones(20 << 20)
    >>> peak.growth() > 60 << 20
    True
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
            self.before = torch.cuda.memory_allocated(device)
        else:
            _give_back()
            if _PEAK_RESET.exists():
                _PEAK_RESET.write_text("5")  # sets VmHWM to VmRSS: proc(5)
            self.before = _of_process("VmRSS")

    def growth(self) -> int:
        """Bytes above what was in use in the beginning."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) - self.before
        return max(0, _of_process("VmHWM") - self.before)


def available_memory(device: torch.device) -> int:
    """Bytes that this process can still take without the machine swapping, or the GPU running out.

    On a CPU it is what the system says can be had, or what the process's control group (a container) leaves of it. What
    torch holds on a GPU without using it counts as available.

    Args:
        device: Where.

    >>> available_memory(torch.device("cpu")) > 0
    True
    """
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    limits = [_of_machine()]
    for limit, current in _CGROUP:
        if limit.is_file() and current.is_file() and limit.read_text().strip().isdigit():
            limits.append(int(limit.read_text()) - int(current.read_text()) + _reclaimable(current.parent))
    return max(0, min(limits))


def _give_back() -> None:
    """Gives freed memory back to the system, so that its reuse is not taken for no use at all."""
    gc.collect()
    if sys.platform.startswith("linux") and platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def _of_process(name: str) -> int:
    if _STATUS.exists():
        lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        return int(lines[name].split()[0]) << 10
    try:
        import resource
    except ImportError as error:  # pragma: no cover - Windows
        raise InvalidArgumentError(
            "the memory of a process can be measured on Linux and macOS only; give the batch size as a number"
        ) from error
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def _of_machine() -> int:
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) << 10
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2  # what is free is not told: a half


def _reclaimable(group: Path) -> int:
    """File caches that a control group counts as used."""
    lines = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    return int(lines.get("inactive_file", 0))


__all__ = ["PeakMemory", "available_memory"]
