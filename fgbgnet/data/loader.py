"""Batches with the right randomness, whatever the number of workers."""

import math
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from fgbgnet.data.batches import SampleList
from fgbgnet.data.memory import keep_freed_memory
from fgbgnet.data.sampler import SeededSampler, nested_datasets, set_epoch
from fgbgnet.data.seeding import hash64
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.types import Sample


class TrainLoader(DataLoader[Sample]):
    """Batches of one epoch after another that knows how far it has come, and can go on from there.

    ``state_dict`` and ``load_state_dict`` are those of torchdata's stateful loaders, which trainers know. A loader
    with another number of workers, or in a process that has just started, goes on with the same next batch.
    """

    _epoch = 0
    _batches = 0
    _skip = 0
    _next = 0
    _open = False

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch of the next iteration; every iteration is the next epoch otherwise."""
        if isinstance(self.sampler, SeededSampler):
            self.sampler.set_epoch(epoch)
        self._next = epoch

    def state_dict(self) -> dict[str, int]:
        """The epoch that is going on, or comes next, and how many batches of it were handed out."""
        if self._skip or (self._open and self._batches < self._length()):
            return {"epoch": self._epoch, "batches": self._batches}
        return {"epoch": self._following(), "batches": 0}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Has the next iteration go on where ``state_dict`` was called.

        Raises:
            InvalidArgumentError: If the state is no such position.
        """
        if not {"epoch", "batches"} <= set(state):
            raise InvalidArgumentError(
                f"the loader's state has {', '.join(map(repr, state)) or 'nothing'}; expected 'epoch' and 'batches', "
                "as its state_dict() gives them"
            )
        self._epoch, self._skip = int(state["epoch"]), int(state["batches"])
        self._batches, self._open = self._skip, False
        self.set_epoch(self._epoch)

    def __iter__(self) -> Any:  # noqa: ANN401 - of a type that torch keeps to itself
        self._epoch = self._following()
        self._batches, self._skip, self._open = self._skip, 0, True
        if isinstance(self.sampler, SeededSampler):
            self.sampler.skip = self._batches * (self.batch_size or 1)
            batches = super().__iter__()
        else:  # what is read in order is read up to there
            set_epoch(self.dataset, self._epoch)
            self._next = self._epoch + 1
            batches = super().__iter__()
            for _ in range(self._batches):
                next(batches, None)
        return self._counted(batches)

    def _following(self) -> int:
        return self.sampler.epoch if isinstance(self.sampler, SeededSampler) else self._next

    def _length(self) -> float:
        """Batches of an epoch; unknown where what is read in order does not say it."""
        try:
            return len(self)
        except TypeError:
            return math.inf

    def _counted(self, batches: Iterator[Sample]) -> Iterator[Sample]:
        for batch in batches:
            self._batches += 1
            yield batch
        self._batches, self._open = 0, False


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
    distributed: bool | None = None,
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
        distributed: Whether the processes of a distributed training, if there are several, share the samples among
            them; by default in training only. ``batch_size`` is that of one process. What does not fill a batch in
            every process is then left out of a training epoch; nothing is left out or doubled otherwise. What is read
            in order deals itself out.
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
        seed = next((part.seed for part in nested_datasets(dataset) if isinstance(getattr(part, "seed", None), int)), 0)
    if num_workers and _are_forked(kwargs.get("multiprocessing_context")):
        for part in nested_datasets(dataset):
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
    if distributed is None:
        distributed = train
    batched = streamed and hasattr(dataset, "in_batches")
    return (TrainLoader if train else DataLoader)(
        dataset.in_batches(batch_size, drop_last, num_workers, even=train and distributed)  # type: ignore[attr-defined]
        if batched
        else dataset,
        batch_size=None if batched else batch_size,
        sampler=None if streamed else _sampler(dataset, seed, train, batch_size, distributed),
        num_workers=num_workers,
        drop_last=drop_last and not batched,
        pin_memory=torch.cuda.is_available() if pin_memory is None else pin_memory,
        persistent_workers=num_workers > 0 if persistent_workers is None else persistent_workers,
        **settings,
    )


def _sampler(dataset: Any, seed: int, train: bool, batch_size: int, distributed: bool) -> SeededSampler | None:  # noqa: ANN401
    node = None if distributed else (0, 1)
    if train:
        return SeededSampler(dataset, seed, multiple=batch_size, node=node)
    return SeededSampler(dataset, shuffle=False, node=node) if distributed else None


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
    """Keeps a worker on one thread, and out of the reach of signals that are meant for the process it works for.

    Several workers with several threads each only hinder one another. And a terminal or a launcher sends Ctrl-C or
    SIGTERM to the whole group of processes: a worker that died of it would keep the training from saving. So each is a
    group of its own. It still ends when its loader, or the process that owns it, ends.
    """
    import cv2

    if hasattr(os, "setpgrp"):
        os.setpgrp()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    keep_freed_memory()


__all__ = ["TrainLoader", "collate_samples", "init_worker", "make_loader"]
