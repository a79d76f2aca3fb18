"""A dataset as a stream of batches of one size each, with the names of the backgrounds."""

import sys
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from fgbgnet.data.seeding import sample_seed
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.evaluation.baselines.depth import content_names
from fgbgnet.evaluation.partners import WithPartners, partner_indices
from fgbgnet.synth.perturb import PAIR_PERTURBATIONS, Target, perturb_pair
from fgbgnet.synth.perturb.pair import check_pair_perturbation
from fgbgnet.types import Sample

Perturbing: TypeAlias = tuple[str, float] | tuple[str, float, Target | None]
"""``(name, severity)`` or ``(name, severity, target)`` of `fgbgnet.synth.perturb_pair`."""

Item: TypeAlias = Sample | tuple[Sample, dict[str, Tensor]]
"""What a loader gives: a sample, perhaps with the layers of its partner."""

_LAYERS = ("bg", "fg_bg", "mask", "depth", "depth_valid")


class BatchStream:
    """Iterates over a dataset once, in its order, in batches whose samples have one size.

    Neighbours of one size are stacked; a sample of another size starts a new batch. So any dataset can be evaluated at
    its own sizes, without a transform.

    Args:
        dataset: Anything with a length that gives a `Sample` for an index.
        batch_size: Most samples per batch.
        num_workers: Processes that load.
        device: Where the tensors go.
        perturbation: ``(name, severity)`` or ``(name, severity, target)`` of `fgbgnet.synth.perturb_pair`; None
            changes nothing. What shows something of another sample takes the next one with another background. Where
            the dataset has no ``group_ids``, all backgrounds are read once to compare their pixels.
        seed: Together with a sample's id it decides how that sample is perturbed.

    Raises:
        InvalidArgumentError: The dataset is empty, the severity is out of range, or the target is not
            possible.
        UnknownNameError: There is no such perturbation or target.
    """

    def __init__(
        self,
        dataset: Any,  # noqa: ANN401 - any map-style dataset, also a list
        batch_size: int = 16,
        num_workers: int = 0,
        device: torch.device | str = "cpu",
        perturbation: Perturbing | None = None,
        seed: int = 0,
    ) -> None:
        if batch_size < 1:
            raise InvalidArgumentError(f"batch_size={batch_size!r}; expected 1 or more.")
        if len(dataset) == 0:
            raise InvalidArgumentError("the dataset to evaluate on is empty; expected at least one sample.")
        check_perturbation(perturbation)
        self.dataset, self.batch_size, self.num_workers = dataset, batch_size, num_workers
        self.device, self.perturbation, self.seed = torch.device(device), perturbation, seed
        groups = getattr(dataset, "group_ids", None)
        self.names: list[str] | None = None if groups is None else [str(name) for name in groups("bg")]

    @property
    def repeats(self) -> bool:
        """Whether there are known to be at least two pictures per background on average."""
        return self.names is not None and 2 * len(set(self.names)) <= len(self.names)

    def subset(self, indices: Sequence[int]) -> "BatchStream":
        """The stream of some of the samples."""
        part = BatchStream(
            Subset(self.dataset, list(indices)), self.batch_size, self.num_workers, self.device, self.perturbation,
            self.seed,
        )  # fmt: skip
        part.names = None if self.names is None else [self.names[index] for index in indices]
        return part

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[tuple[dict[str, Any], list[str]]]:
        loader: DataLoader[Any] = DataLoader(
            self._source(),
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            collate_fn=_as_list,
            worker_init_fn=_one_thread,
        )
        done = 0
        for items in loader:
            for run in _runs(items):
                yield self._batch(run, done)
                done += len(run)

    def _source(self) -> Any:  # noqa: ANN401 - any map-style dataset
        """The dataset; with a partner beside each sample where the perturbation needs one."""
        pairwise = PAIR_PERTURBATIONS.get(self.perturbation[0]) if self.perturbation is not None else None
        if pairwise is None or not pairwise.needs_partner:
            return self.dataset
        return WithPartners(self.dataset, partner_indices(len(self), self.names or self._contents))

    @cached_property
    def _contents(self) -> list[str]:
        """A name for the background of each sample, that only the same pixels share."""
        loader: DataLoader[Any] = DataLoader(
            self.dataset,
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            collate_fn=_background_names,
            worker_init_fn=_one_thread,
        )
        return [name for names in loader for name in names]

    def _batch(self, items: list[Item], first: int) -> tuple[dict[str, Any], list[str]]:
        samples = [_sample(item) for item in items]
        layers = {key: torch.stack([sample[key] for sample in samples]) for key in _LAYERS}  # type: ignore[literal-required]
        if any("mask_valid" in sample for sample in samples):
            everywhere = torch.ones_like(samples[0]["mask"], dtype=torch.bool)
            layers["mask_valid"] = torch.stack([sample.get("mask_valid", everywhere) for sample in samples])
        ids = [sample["id"] for sample in samples]
        names = content_names(layers["bg"]) if self.names is None else self.names[first : first + len(samples)]
        if self.perturbation is not None:
            name, severity, target = (*self.perturbation, None)[:3]
            seeds = [sample_seed(self.seed, 0, id) for id in ids]
            layers = perturb_pair(layers, name, severity, seeds, target, _partners(items))
        batch: dict[str, Any] = {key: layer.to(self.device, non_blocking=True) for key, layer in layers.items()}
        return {**batch, "id": ids}, names


def check_perturbation(perturbation: Perturbing | None) -> None:
    """Complain about a name, severity or target before any work is done.

    Raises:
        InvalidArgumentError: The severity is out of range, the target not possible, or it is no such tuple.
        UnknownNameError: There is no such perturbation or target.
    """
    if perturbation is not None:
        whole = isinstance(perturbation, Sequence) and len(perturbation) in (2, 3)
        if not whole or not isinstance(perturbation[0], str) or isinstance(perturbation, str):
            raise InvalidArgumentError(f"perturbation is {perturbation!r}; expected (name, severity[, target])")
        check_pair_perturbation(*perturbation)  # the room that owns the names also owns the messages


def _as_list(items: list[Item]) -> list[Item]:
    return items


def _background_names(samples: list[Sample]) -> list[str]:
    return [content_names(sample["bg"].unsqueeze(0))[0] for sample in samples]


def _sample(item: Item) -> Sample:
    return item[0] if isinstance(item, tuple) else item


def _partners(items: list[Item]) -> dict[str, Tensor] | None:
    """The layers of the partners, stacked, if there are any."""
    partners = [item[1] for item in items if isinstance(item, tuple)]
    return {key: torch.stack([layers[key] for layers in partners]) for key in partners[0]} if partners else None


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(0)


def _runs(items: list[Item]) -> Iterator[list[Item]]:
    """Neighbours of one size."""
    run: list[Item] = []
    for item in items:
        if run and _sample(item)["fg_bg"].shape != _sample(run[0])["fg_bg"].shape:
            yield run
            run = []
        run.append(item)
    yield run


def size_of(batch: dict[str, Any]) -> tuple[int, int]:
    """Height and width of a batch."""
    frame: Tensor = batch["fg_bg"]
    return frame.shape[-2], frame.shape[-1]


__all__ = ["BatchStream", "Perturbing", "check_perturbation", "size_of"]
