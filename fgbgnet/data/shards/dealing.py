"""Which reader reads which samples of which shards."""

from collections.abc import Sequence
from typing import NamedTuple

from fgbgnet.data.shards.placement import Node
from fgbgnet.data.shards.sources import Source
from fgbgnet.errors import InvalidArgumentError


class Part(NamedTuple):
    """Samples of one shard that follow each other."""

    source: Source
    start: int = 0
    stop: int | None = None
    """Where the part ends; None is the end of the shard."""

    @property
    def samples(self) -> int | None:
        """How many there are, if anybody knows."""
        stop = self.source.samples if self.stop is None else self.stop
        return None if stop is None else stop - self.start


def deal_shards(sources: Sequence[Source], node: Node, worker: int, workers: int) -> list[Part]:
    """Whole shards, by turns: first to the processes, then those of a process to its workers.

    Raises:
        InvalidArgumentError: If there are fewer shards than processes.
    """
    if len(sources) < node.world_size:
        raise InvalidArgumentError(
            f"fewer shards ({len(sources)}) than processes ({node.world_size}): some would have no sample and "
            "the others would wait for them; pack more shards"
        )
    return [Part(source) for source in sources[node.rank :: node.world_size][worker::workers]]


def deal_batches(sources: Sequence[Source], batch_size: int, node: Node, worker: int, workers: int) -> list[Part]:
    """The same number of full batches for every process, out of shards of any lengths.

    The samples of all shards are thought of as one row, which is cut into as many equal pieces as there are processes,
    and each of these among its workers, batch by batch. A shard that a cut goes through is read by both sides. What is
    left at the end of the row, fewer samples than one batch of every process, is left out.

    Args:
        sources: The shards, in the order of the epoch.
        batch_size: Samples per batch of one process.
        node: The process.
        worker: Number of the worker of its loader.
        workers: How many there are.

    Raises:
        InvalidArgumentError: If nobody knows how many samples the shards hold, or there is not a batch for every
            process.

    >>> shards = [Source("a.tar", 5), Source("b.tar", 4)]
    >>> for rank in (0, 1):
    ...     [(part.source.url, part.start, part.stop) for part in deal_batches(shards, 2, Node(rank, 2), 0, 1)]
    [('a.tar', 0, 4)]
    [('a.tar', 4, None), ('b.tar', 0, 3)]
    """
    unknown = next((source.url for source in sources if source.samples is None), None)
    if unknown is not None:
        raise InvalidArgumentError(
            f"nobody knows how many samples {unknown} holds, so that {node.world_size} processes cannot make the same "
            "number of steps; give the data set the index that pack_shards wrote"
        )
    total = sum(source.samples or 0 for source in sources)
    batches = total // (batch_size * node.world_size)
    if not batches:
        raise InvalidArgumentError(
            f"the shards hold {total} samples, fewer than {batch_size} for each of {node.world_size} processes; train "
            "with a smaller batch or with fewer processes"
        )
    # Loaders ask their workers by turns, the first one first.
    each, more = divmod(batches, workers)
    first = node.rank * batches + worker * each + min(worker, more)
    return _cut(sources, first * batch_size, (first + each + (worker < more)) * batch_size)


def _cut(sources: Sequence[Source], start: int, stop: int) -> list[Part]:
    """The samples ``start`` to ``stop`` of the row."""
    parts: list[Part] = []
    before = 0
    for source in sources:
        samples = source.samples or 0
        first, last = max(start - before, 0), min(stop - before, samples)
        if first < last:
            parts.append(Part(source, first, None if last == samples else last))
        before += samples
    return parts


__all__ = ["Part", "deal_batches", "deal_shards"]
