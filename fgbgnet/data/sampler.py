"""The order of an epoch, and the share of it that one of several processes has."""

from collections.abc import Iterator, Mapping, Sized
from typing import Any

import torch
from torch.utils.data import DistributedSampler

from fgbgnet.data.seeding import hash64
from fgbgnet.data.shards.placement import Node, find_node
from fgbgnet.errors import InvalidArgumentError


class SeededSampler(DistributedSampler[int]):
    """A new random order in every epoch, a function of (seed, epoch), dealt out to the processes of a training.

    Every iteration is the next epoch, unless `set_epoch` says which (trainers do that). The data set is told, so that
    its augmentation belongs to the same epoch; so are data sets inside it, as in ``Subset`` or ``ConcatDataset``.

    Of ``W`` processes, process ``r`` gets the positions ``r``, ``r + W``, ``r + 2 W`` ... of the order. Their batches
    of ``B`` samples each are then, together, the batches of ``W * B`` samples that one process alone would see. It is a
    `torch.utils.data.DistributedSampler`, so that trainers do not put one of their own in its place; unlike that one it
    never shows a sample twice in an epoch.

    Args:
        dataset: Anything with a length; ``set_epoch`` is called of it, and of what its ``dataset`` and ``datasets``
            hold, where there is one.
        seed: Of the order.
        shuffle: Otherwise the order is that of the data set, which is not told of epochs: every pass is the same.
        multiple: What does not fill a multiple of so many samples in every process is left out when there are several
            processes, so that all of them make the same number of steps.
        node: (rank, world size); by default what torch.distributed or the environment says at each iteration.

    >>> sampler = SeededSampler(range(5), seed=1)
    >>> first, second = list(sampler), list(sampler)
    >>> sampler.set_epoch(0)
    >>> first == list(sampler), sorted(first) == sorted(second) == [0, 1, 2, 3, 4]
    (True, True)
    >>> [list(SeededSampler(range(5), shuffle=False, node=(rank, 2))) for rank in (0, 1)]
    [[0, 2, 4], [1, 3]]
    """

    def __init__(
        self,
        dataset: Sized,
        seed: int = 0,
        shuffle: bool = True,
        multiple: int | None = None,
        node: tuple[int, int] | None = None,
    ) -> None:
        # Not super().__init__: it asks torch.distributed for rank and size at once, and pads.
        self.dataset: Any = dataset
        self.seed = seed
        self.shuffle = shuffle
        self.multiple = multiple
        self.epoch = 0
        """The epoch of the next iteration."""
        self.skip = 0
        """How many samples of this process the next iteration leaves out at its start, to go on in an epoch."""
        self._node = None if node is None else find_node(*node)

    @property
    def node(self) -> Node:
        """Which process this is."""
        return self._node or find_node()

    def __len__(self) -> int:
        """Samples of this process in an epoch."""
        rank, processes = self.node
        return len(range(rank, self._dealt(processes), processes))

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch of the next iteration."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        skip, self.skip = self.skip, 0
        if self.shuffle:
            set_epoch(self.dataset, epoch)
        rank, processes = self.node
        total = len(self.dataset)
        if self.shuffle:
            generator = torch.Generator().manual_seed(hash64(f"{self.seed}/{epoch}/order") >> 1)
            order = torch.randperm(total, generator=generator, device="cpu").tolist()
        else:
            order = list(range(total))
        yield from order[: self._dealt(processes)][rank::processes][skip:]

    def _dealt(self, processes: int) -> int:
        """How many samples all processes have together."""
        total = len(self.dataset)
        if processes == 1 or self.multiple is None:
            return total
        together = processes * self.multiple
        if total < together:
            raise InvalidArgumentError(
                f"the data set has {total} samples, fewer than {self.multiple} for each of {processes} processes; "
                "train with a smaller batch or with fewer processes"
            )
        return total // together * together


def set_epoch(dataset: object, epoch: int) -> None:
    """Tells a data set, and all that it wraps, which epoch it is."""
    for part in nested_datasets(dataset):
        if hasattr(part, "set_epoch"):
            part.set_epoch(epoch)


def nested_datasets(dataset: object) -> list[Any]:
    """A data set and all that it wraps, the outermost first, each once."""
    found: list[Any] = []
    pending: list[Any] = [dataset]
    while pending:
        current = pending.pop(0)
        if current is None or isinstance(current, str) or any(current is other for other in found):
            continue
        found.append(current)
        pending.append(getattr(current, "dataset", None))
        inner = getattr(current, "datasets", ())
        pending += inner.values() if isinstance(inner, Mapping) else inner if isinstance(inner, list | tuple) else ()
    return found


__all__ = ["SeededSampler", "nested_datasets", "set_epoch"]
