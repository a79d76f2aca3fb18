"""A dataset as a stream of batches of one size each, with the names of the backgrounds."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from fgbgnet.data.seeding import sample_seed
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.evaluation.baselines.depth import content_names
from fgbgnet.synth.perturb import perturb
from fgbgnet.types import Sample

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
        perturbation: ``(name, severity)`` of `fgbgnet.synth.perturb`, applied to the backgrounds; None leaves them.
        seed: Together with a sample's id it decides how that sample is perturbed.

    Raises:
        InvalidArgumentError: The dataset is empty, or the severity is out of range.
        UnknownNameError: There is no such perturbation.
    """

    def __init__(
        self,
        dataset: Any,  # noqa: ANN401 - any map-style dataset, also a list
        batch_size: int = 16,
        num_workers: int = 0,
        device: torch.device | str = "cpu",
        perturbation: tuple[str, float] | None = None,
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
            self.dataset,
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            collate_fn=_as_list,
            worker_init_fn=_one_thread,
        )
        done = 0
        for samples in loader:
            for run in _runs(samples):
                yield self._batch(run, done)
                done += len(run)

    def _batch(self, samples: list[Sample], first: int) -> tuple[dict[str, Any], list[str]]:
        layers = {key: torch.stack([sample[key] for sample in samples]) for key in _LAYERS}  # type: ignore[literal-required]
        ids = [sample["id"] for sample in samples]
        names = content_names(layers["bg"]) if self.names is None else self.names[first : first + len(samples)]
        if self.perturbation is not None:
            name, severity = self.perturbation
            layers["bg"] = perturb(layers["bg"], name, severity, [sample_seed(self.seed, 0, id) for id in ids])
        batch: dict[str, Any] = {key: layer.to(self.device, non_blocking=True) for key, layer in layers.items()}
        return {**batch, "id": ids}, names


def check_perturbation(perturbation: tuple[str, float] | None) -> None:
    """Complain about a name or severity before any work is done.

    Raises:
        InvalidArgumentError: The severity is out of range.
        UnknownNameError: There is no such perturbation.
    """
    if perturbation is not None:
        # The room that owns the names also owns the messages.
        name, severity = perturbation
        perturb(torch.zeros(0, 3, 1, 1), name, severity, [])


def _as_list(samples: list[Sample]) -> list[Sample]:
    return samples


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(0)


def _runs(samples: list[Sample]) -> Iterator[list[Sample]]:
    """Neighbours of one size."""
    run: list[Sample] = []
    for sample in samples:
        if run and sample["fg_bg"].shape != run[0]["fg_bg"].shape:
            yield run
            run = []
        run.append(sample)
    yield run


def size_of(batch: dict[str, Any]) -> tuple[int, int]:
    """Height and width of a batch."""
    frame: Tensor = batch["fg_bg"]
    return frame.shape[-2], frame.shape[-1]


__all__ = ["BatchStream", "check_perturbation", "size_of"]
