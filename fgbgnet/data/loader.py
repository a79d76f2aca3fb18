"""Batches with the right randomness, whatever the number of workers."""

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence, Sized
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler, default_collate

from fgbgnet.data.batches import SampleList
from fgbgnet.data.memory import keep_freed_memory
from fgbgnet.data.seeding import hash64
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.types import Sample


class SeededSampler(Sampler[int]):
    """A new random order in every epoch, a function of (seed, epoch).

    Every iteration is the next epoch, unless `set_epoch` says which (trainers do that). The data set is told, so that
    its augmentation belongs to the same epoch; so are data sets inside it, as in ``Subset`` or ``ConcatDataset``.

    Args:
        dataset: Anything with a length; ``set_epoch`` is called of it, and of what its ``dataset`` and ``datasets``
            hold, where there is one.
        seed: Of the order.

    >>> sampler = SeededSampler(range(5), seed=1)
    >>> first, second = list(sampler), list(sampler)
    >>> sampler.set_epoch(0)
    >>> first == list(sampler), sorted(first) == sorted(second) == [0, 1, 2, 3, 4]
    (True, True)
    """

    def __init__(self, dataset: Sized, seed: int = 0) -> None:
        self.dataset = dataset
        self.seed = seed
        self.epoch = 0
        """The epoch of the next iteration."""

    def __len__(self) -> int:
        return len(self.dataset)

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch of the next iteration."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        _set_epoch(self.dataset, epoch)
        generator = torch.Generator().manual_seed(hash64(f"{self.seed}/{epoch}/order") >> 1)
        yield from torch.randperm(len(self), generator=generator, device="cpu").tolist()


class StreamLoader(DataLoader[Sample]):
    """Batches of a data set that is read in order; every iteration is its next epoch, unless `set_epoch` says which."""

    epoch = 0
    """The epoch of the next iteration."""

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch of the next iteration."""
        self.epoch = epoch

    def __iter__(self) -> Any:  # noqa: ANN401 - of a type that torch keeps to itself
        _set_epoch(self.dataset, self.epoch)
        self.epoch += 1
        return super().__iter__()


def _set_epoch(dataset: object, epoch: int) -> None:
    for part in _nested(dataset):
        if hasattr(part, "set_epoch"):
            part.set_epoch(epoch)


def _nested(dataset: object) -> list[Any]:
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


def make_loader(
    dataset: Dataset[Sample],
    batch_size: int,
    train: bool,
    *,
    seed: int | None = None,
    num_workers: int = 0,
    drop_last: bool | None = None,
    pin_memory: bool | None = None,
    persistent_workers: bool | None = None,
    **kwargs: Any,  # noqa: ANN401 - whatever else DataLoader takes
) -> DataLoader[Sample]:
    """Makes a loader of batches: the keys of a sample, tensors with a leading dimension, ``id`` a list of strings.

    Args:
        dataset: A data set of samples of one size (see `train_transform`, `eval_transform`). One that is read in
            order, such as `PairedShardDataset`, shuffles itself; its workers make batches each of their own samples.
        batch_size: Samples per batch.
        train: Whether to shuffle, with another order and other augmentation in every epoch. Otherwise the order is
            that of the data set, and every pass is the same.
        seed: Of the order; the data set's own by default.
        num_workers: Processes that read and transform. It changes the speed, never the samples.
        drop_last: Whether to leave out a last batch that is not full. By default only in training, and only when at
            least one batch is full: a data set smaller than a batch is trained on as it is. Of what is read in order
            every worker has a last batch, and by default none is left out.
        pin_memory: For faster copies to a GPU; by default where there is one.
        persistent_workers: Whether workers live on between epochs; by default yes.
        **kwargs: Passed on to `torch.utils.data.DataLoader`.

    Raises:
        InvalidArgumentError: If a number is out of range, the data set is empty, or a sampler is among ``kwargs``.
    """
    streamed = isinstance(dataset, IterableDataset)
    size = 0 if streamed else len(dataset)  # type: ignore[arg-type]
    if batch_size < 1:
        raise InvalidArgumentError(f"batch_size is {batch_size}; expected at least 1")
    if num_workers < 0:
        raise InvalidArgumentError(f"num_workers is {num_workers}; expected 0 (this process) or more")
    if num_workers == 0:
        keep_freed_memory()
    if not size and not streamed:
        raise InvalidArgumentError("dataset is empty; expected at least one sample")
    for name in ("sampler", "batch_sampler", "shuffle"):
        if name in kwargs:
            raise InvalidArgumentError(
                f"{name} came, but make_loader chooses the order itself: train=True is a SeededSampler, train=False "
                "the order of the data set. For another one use torch.utils.data.DataLoader(dataset, "
                f"{name}=..., collate_fn=collate_samples, worker_init_fn=init_worker)"
            )
    if seed is None:
        seed = next((part.seed for part in _nested(dataset) if isinstance(getattr(part, "seed", None), int)), 0)
    if num_workers and _are_forked(kwargs.get("multiprocessing_context")):
        for part in _nested(dataset):
            if hasattr(part, "preload_backgrounds"):
                part.preload_backgrounds()
    # A generator of its own: making batches does not move torch's global one.
    settings: dict[str, Any] = {
        "generator": torch.Generator().manual_seed(hash64(f"{seed}/loader") >> 1),
        "collate_fn": collate_samples,
        "worker_init_fn": init_worker,
        **kwargs,
    }
    if drop_last is None:
        drop_last = train and not streamed and size >= batch_size
    batched = streamed and hasattr(dataset, "in_batches")
    return (StreamLoader if streamed and train else DataLoader)(
        dataset.in_batches(batch_size, drop_last, num_workers) if batched else dataset,  # type: ignore[attr-defined]
        batch_size=None if batched else batch_size,
        sampler=SeededSampler(dataset, seed) if train and not streamed else None,  # type: ignore[arg-type]
        num_workers=num_workers,
        drop_last=drop_last and not batched,
        pin_memory=torch.cuda.is_available() if pin_memory is None else pin_memory,
        persistent_workers=num_workers > 0 if persistent_workers is None else persistent_workers,
        **settings,
    )


def _are_forked(context: Any) -> bool:  # noqa: ANN401 - a name or a context
    method = context if isinstance(context, str) else (context or multiprocessing).get_start_method()
    return bool(method == "fork")


def collate_samples(samples: Sequence[Sample]) -> Sample:
    """Stacks samples to a batch.

    Where only some of them have the key ``mask_valid``, the others are valid everywhere.

    Raises:
        InvalidArgumentError: If they differ in size; the message names two that do.
    """
    if isinstance(samples, SampleList) and samples.untouched:
        return samples.batch
    first = samples[0]["fg_bg"].shape
    for sample in samples:
        if sample["fg_bg"].shape != first:
            sizes = [f"{s['id']!r} {s['fg_bg'].shape[1]} x {s['fg_bg'].shape[2]}" for s in (samples[0], sample)]
            raise InvalidArgumentError(
                f"samples of one batch differ in size: {' and '.join(sizes)}; give the data set a transform that makes "
                "one size, such as eval_transform(224) or train_transform(224), or use batch_size=1"
            )
    if any("mask_valid" in sample for sample in samples):
        samples = [
            sample
            if "mask_valid" in sample
            else {**sample, "mask_valid": torch.ones_like(sample["mask"], dtype=torch.bool)}
            for sample in samples
        ]
    batch: Sample = default_collate(list(samples))
    return batch


def init_worker(worker: int) -> None:
    """Keeps each worker on one thread: several workers with several threads each only hinder one another."""
    import cv2

    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    keep_freed_memory()


__all__ = ["SeededSampler", "StreamLoader", "collate_samples", "init_worker", "make_loader"]
