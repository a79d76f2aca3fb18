"""Quadruples in shards as a PyTorch data set that is read in order."""

import copy
import warnings
from collections.abc import Iterable, Iterator
from functools import cached_property
from multiprocessing.context import get_spawning_popen
from random import Random
from typing import Any, Self

from torch.utils.data import IterableDataset

from fgbgnet.data.assemble import DepthDeclaration, decode_layers
from fgbgnet.data.backgrounds import BackgroundCache
from fgbgnet.data.dataset import Transform
from fgbgnet.data.layers import Layers
from fgbgnet.data.seeding import SharedEpoch, hash64, sample_seed
from fgbgnet.data.shards.batching import StreamedBatches
from fgbgnet.data.shards.dealing import Part, deal_batches, deal_shards
from fgbgnet.data.shards.placement import Node, find_node, find_worker
from fgbgnet.data.shards.shuffling import shuffled
from fgbgnet.data.shards.sources import find_sources, open_shard
from fgbgnet.data.shards.streams import StoredSample, read_samples
from fgbgnet.data.transforms import JointTransform, check_transform, transform_layers
from fgbgnet.errors import ArchiveError, FgBgWarning, InvalidArgumentError
from fgbgnet.types import DepthUnit, PathInput, Sample


class PairedShardDataset(IterableDataset[Sample]):
    """Samples (background, frame, mask, depth) out of WebDataset shards, read one after another.

    A sample is the same, to the last bit of its augmentation, as `PairedFgBgDataset` makes it of the row that it was
    packed from: what is random about it is a function of (``seed``, epoch, id).

    Shards are dealt out to the processes of a distributed training, and those of a process to the workers of its
    loader: every sample comes exactly once over all of them. The order is a function of the shards, ``seed``, epoch,
    process and worker; the same call gives it again. `make_loader` counts epochs; without it call `set_epoch`.

    Args:
        shards: The index that `pack_shards` wrote; paths or patterns of shards (``"out-*.tar"``,
            ``"out-{000000..000099}.tar"``); URLs that fsspec knows (``s3://``, ``https://``; extra ``remote``); or
            ``"pipe:"`` and a command that prints a shard; or several of these. Only give commands that you trust.
        transform: As for `PairedFgBgDataset`.
        seed: Of the augmentation and the order.
        shuffle_buffer: From how many stored samples, not decoded, the next is drawn at random; shards come in a random
            order then, too. 0: everything comes as it is stored.
        rank: Number of this process among ``world_size``. By default what torch.distributed says, or the environment
            variables ``RANK`` and ``WORLD_SIZE``.
        world_size: Number of processes.
        background_cache: Megabytes of decoded backgrounds that every worker keeps, so that one of many samples is
            decoded once.

    Raises:
        MissingFileError: If there are no such shards.
        InvalidArgumentError: If a shard stands twice, or a number is out of range. While samples are read: if there
            are fewer shards than processes.
        ArchiveError: While samples are read: if a shard is damaged, truncated, or holds fewer samples than its index
            says.

    >>> import tempfile
    >>> from PIL import Image
    >>> from fgbgnet.data import Manifest, pack_shards
    >>> folder = tempfile.mkdtemp()
    >>> for name in ("room", "frame", "mask"):
    ...     Image.new("L", (6, 4)).save(f"{folder}/{name}.png")
    >>> manifest = Manifest.from_lists("room.png", ["frame.png"], ["mask.png"], root=folder)
    >>> index = pack_shards(manifest, f"{folder}/out-%06d.tar")
    >>> dataset = PairedShardDataset(f"{folder}/out-index.json")
    >>> len(dataset), [sample["id"] for sample in dataset]
    (1, ['frame'])
    """

    def __init__(
        self,
        shards: PathInput | Iterable[PathInput],
        transform: Transform | None = None,
        seed: int = 0,
        shuffle_buffer: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        background_cache: float = 64,
    ) -> None:
        check_transform(transform)
        if shuffle_buffer < 0:
            raise InvalidArgumentError(f"shuffle_buffer is {shuffle_buffer}; expected a number of samples, 0 for none")
        self.sources = find_sources(shards)
        self.transform = transform
        self.seed = seed
        self.shuffle_buffer = shuffle_buffer
        self.rank, self.world_size = rank, world_size
        self._even_batches: int | None = None
        self._epoch = SharedEpoch()
        self._backgrounds = BackgroundCache(background_cache)
        find_node(rank, world_size)  # what is wrong with them is said at once

    def __iter__(self) -> Iterator[Sample]:
        for made in self._made():
            yield made[0].to_sample(made[1]) if isinstance(made, tuple) else made

    def make_samples(self) -> Iterator[tuple[Layers, str] | Sample]:
        """Samples as a loader likes them: as layers and id where they are not made of tensors yet."""
        # What a subclass makes of a sample is left as it is.
        return self._made() if type(self).__iter__ is PairedShardDataset.__iter__ else iter(self)

    def in_batches(self, batch_size: int, drop_last: bool, num_workers: int, *, even: bool = False) -> StreamedBatches:
        """The same samples in lists of one batch each; what `make_loader` reads.

        Args:
            batch_size: Samples per list.
            drop_last: Whether to leave out the last list of every worker, if it is shorter.
            num_workers: Of the loader.
            even: Whether every process, if there are several, gets the same number of full lists: samples are dealt out
                then, not whole shards, and fewer than one list of every process are left out.
        """
        dataset = self
        if even:
            dataset = copy.copy(self)  # of the same epoch
            dataset._even_batches = batch_size
        return StreamedBatches(dataset, batch_size, drop_last, num_workers)

    def _made(self) -> Iterator[tuple[Layers, str] | Sample]:
        epoch, node, (worker, workers) = self.epoch, self._node(), find_worker()
        if worker == 0 and self._even_batches is None and len(shards := self._dealt(epoch, node, 0, 1)) < workers:
            warnings.warn(
                f"fewer shards ({len(shards)}) than workers ({workers}), so that some have nothing to do; take fewer "
                "workers, or pack more shards",
                FgBgWarning,
                stacklevel=2,
            )
        stored = _read(self._dealt(epoch, node, worker, workers))
        if self.shuffle_buffer:
            seed = hash64(f"{self.seed}/{epoch}/{node.rank}/{worker}/buffer")
            stored = shuffled(stored, self.shuffle_buffer, Random(seed))
        for sample in stored:
            yield self._make(sample, epoch)

    def __len__(self) -> int:
        """Number of samples of this process in this epoch, where an index says it.

        Raises:
            TypeError: If the shards were given without their index.
        """
        return sum(self.samples_of_workers(1))

    def with_transform(self, transform: Transform | None) -> Self:
        """The same samples with another transform, from the same epoch on; each counts its own epochs."""
        check_transform(transform)
        twin = copy.copy(self)
        twin.transform = transform
        twin._epoch = copy.copy(self._epoch)
        return twin

    @cached_property
    def depth_unit(self) -> DepthUnit:
        """Unit of the depth, as the first sample says: the others are read when their turn comes."""
        return DepthDeclaration.from_row(self._first.row).unit

    @property
    def has_depth(self) -> bool:
        """Whether the first sample has a depth map."""
        return "depth" in self._first.contents

    @cached_property
    def _first(self) -> StoredSample:
        (first,) = _read([Part(self.sources[0], 0, 1)])
        return first

    def count_samples(self) -> int:
        """Number of samples of all processes together, where an index says it.

        Raises:
            TypeError: If the shards were given without their index.
        """
        samples = [source.samples for source in self.sources]
        if None in samples:
            raise TypeError("the number of samples is not known; give the data set the index of the shards")
        return sum(number or 0 for number in samples)

    def samples_of_workers(self, workers: int) -> list[int]:
        """Number of samples of each worker of this process in this epoch, where an index says it.

        Raises:
            TypeError: If the shards were given without their index.
        """
        epoch, node = self.epoch, self._node()
        dealt = [[part.samples for part in self._dealt(epoch, node, worker, workers)] for worker in range(workers)]
        if any(samples is None for parts in dealt for samples in parts):
            raise TypeError("the number of samples is not known; give the data set the index of the shards")
        return [sum(samples or 0 for samples in parts) for parts in dealt]

    def __repr__(self) -> str:
        return f"PairedShardDataset({len(self.sources)} shards, first {self.sources[0].url!r}, seed {self.seed})"

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if get_spawning_popen() is not None:  # torch.distributed is not initialised in a worker that is spawned
            state["rank"], state["world_size"] = self._node()
        return state

    @property
    def epoch(self) -> int:
        """The epoch whose order and augmentation are drawn."""
        return self._epoch.value

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order and augmentation of an epoch; workers that run already see it when they start anew."""
        self._epoch.set(epoch)

    def _node(self) -> Node:
        return find_node(self.rank, self.world_size)

    def _dealt(self, epoch: int, node: Node, worker: int, workers: int) -> list[Part]:
        """What a worker of a process reads in an epoch."""
        order = list(self.sources)
        if self.shuffle_buffer:
            Random(hash64(f"{self.seed}/{epoch}/shards")).shuffle(order)
        if self._even_batches is None or node.world_size == 1:
            return deal_shards(order, node, worker, workers)
        return deal_batches(order, self._even_batches, node, worker, workers)

    def _make(self, stored: StoredSample, epoch: int) -> tuple[Layers, str] | Sample:
        seed = sample_seed(self.seed, epoch, stored.id)
        return transform_layers(self.transform, self._decode(stored), stored.id, seed)

    def _decode(self, stored: StoredSample) -> Layers:
        transform = self.transform if isinstance(self.transform, JointTransform) else None
        least, size = (None, None) if transform is None else (transform.min_decoded_size, transform.fixed_size)
        bg = self._backgrounds.decode(stored.contents["bg"], stored.names["bg"], least, transform)
        if size is None:
            bg = bg.copy()  # so that a transform may do with it what it likes
        declaration = DepthDeclaration.from_row(stored.row)
        return decode_layers(
            stored.contents, stored.names, declaration, "mask_valid" in stored.row, least=least, bg=bg, size=size
        )


def _read(parts: Iterable[Part]) -> Iterator[StoredSample]:
    for source, start, stop in parts:
        count = 0
        with open_shard(source.url) as stream:
            for sample in read_samples(stream, source.url):
                if count >= start:
                    yield sample
                count += 1
                if count == stop:
                    break
        expected = source.samples if stop is None else stop
        if expected is not None and count != expected:
            raise ArchiveError(
                f"{source.url} holds {count} samples, but its index says {source.samples}; copy or pack it again"
            )


__all__ = ["PairedShardDataset"]
