"""Batches of what is read in order, written where the batch will be."""

from collections.abc import Iterator
from typing import Protocol

from torch.utils.data import IterableDataset

from fgbgnet.data.batches import BatchWriter
from fgbgnet.data.layers import Layers
from fgbgnet.data.slabs import SlabPool
from fgbgnet.types import Sample


class SampleStream(Protocol):
    """What batches are made of."""

    def make_samples(self) -> Iterator[tuple[Layers, str] | Sample]:
        """Samples in order; as layers and id where they are not made of tensors yet."""

    def samples_of_workers(self, workers: int) -> list[int]:
        """Number of samples of each worker."""


class StreamedBatches(IterableDataset[list[Sample]]):
    """Lists of samples, each in the memory of one batch; what a loader makes of them needs no further copy.

    Args:
        dataset: Where the samples come from.
        batch_size: Samples per list.
        drop_last: Whether to leave out the last list of every worker, if it is shorter.
        num_workers: Of the loader; what `len` goes by.
    """

    def __init__(self, dataset: SampleStream, batch_size: int, drop_last: bool, num_workers: int) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.num_workers = num_workers
        self._pool = SlabPool()

    def __iter__(self) -> Iterator[list[Sample]]:
        writer, count = BatchWriter(self.batch_size, self._pool), 0
        for made in self.dataset.make_samples():
            writer.add_layers(*made) if isinstance(made, tuple) else writer.add_sample(made)
            count += 1
            if count == self.batch_size:
                yield writer.samples()
                writer, count = BatchWriter(self.batch_size, self._pool), 0
        if count and not self.drop_last:
            yield writer.samples()

    def __len__(self) -> int:
        """Number of batches of all workers together, where an index says how many samples there are."""
        short = 0 if self.drop_last else self.batch_size - 1
        return sum((n + short) // self.batch_size for n in self.dataset.samples_of_workers(max(1, self.num_workers)))


__all__ = ["StreamedBatches"]
