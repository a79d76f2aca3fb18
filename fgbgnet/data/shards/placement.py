"""Which process of a training this is."""

import os
from typing import NamedTuple

import torch.distributed
from torch.utils.data import get_worker_info

from fgbgnet.errors import InvalidArgumentError


class Node(NamedTuple):
    """One of several processes that train together."""

    rank: int
    world_size: int


def find_node(rank: int | None = None, world_size: int | None = None) -> Node:
    """Which process of a distributed training this is.

    Args:
        rank: Number of the process, from 0; together with ``world_size``. Otherwise torch.distributed says it if it is
            initialised, and else the environment variables ``RANK`` and ``WORLD_SIZE``.
        world_size: Number of processes.

    Returns:
        Rank and world size; 0 and 1 if nothing says otherwise.

    Raises:
        InvalidArgumentError: If only one of the two is known, or they do not fit together.

    >>> find_node(1, 4)
    Node(rank=1, world_size=4)
    """
    if rank is None and world_size is None:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return Node(torch.distributed.get_rank(), torch.distributed.get_world_size())
        rank, world_size = _from_environment("RANK"), _from_environment("WORLD_SIZE")
        if rank is None and "LOCAL_RANK" in os.environ:
            world_size = None  # of a launcher that tells the rank when the processes are connected, as Lightning's does
        if rank is None and world_size is None:
            return Node(0, 1)
    if rank is None or world_size is None:
        raise InvalidArgumentError(f"rank is {rank} and world_size is {world_size}; expected both, or none")
    if not 0 <= rank < world_size:
        raise InvalidArgumentError(f"rank is {rank} of a world_size of {world_size}; expected 0 to {world_size - 1}")
    return Node(rank, world_size)


def find_worker() -> tuple[int, int]:
    """Number of this worker of a loader, and how many there are; 0 and 1 in a process that is none."""
    info = get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)


def _from_environment(name: str) -> int | None:
    text = os.environ.get(name)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise InvalidArgumentError(f"the environment variable {name} is {text!r}; expected a number") from error


__all__ = ["Node", "find_node", "find_worker"]
