"""Training and validation data for Lightning."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import lightning
from torch.utils.data import DataLoader

from fgbgnet.data import eval_transform, make_loader, train_transform
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.training.config import FitConfig
from fgbgnet.types import SampleTransform

Transforms = Callable[[int], tuple[SampleTransform, SampleTransform]]


class Stage(NamedTuple):
    """Some epochs at one size."""

    size: int | None
    """Side of the pictures; None leaves them as the data set gives them."""
    batch_size: int
    """Pairs per step of all processes together."""
    epochs: int


def default_transforms(size: int) -> tuple[SampleTransform, SampleTransform]:
    """`train_transform` and `eval_transform` of a size."""
    return train_transform(size), eval_transform(size)


class PairedFgBgDataModule(lightning.LightningDataModule):
    """Two datasets as loaders with the right seeds, at one size or at several, one after another.

    Args:
        train: Training data; any dataset that returns the library's samples.
        val: Validation data, or None.
        batch_size: Pairs per step, of all processes together.
        num_workers: Processes that load data, for each process that trains.
        seed: Seed of the order.
        stages: Sizes and batch sizes of the epochs, in place of ``batch_size``; after the last one it goes on as there.
            Validation is at the size of the last.
        transforms: From a size to the transforms of training and validation, for stages that have a size.
    """

    def __init__(
        self,
        train: Any,  # noqa: ANN401
        val: Any = None,  # noqa: ANN401
        batch_size: int = 16,
        num_workers: int = 0,
        seed: int = 0,
        stages: Sequence[Stage] = (),
        transforms: Transforms = default_transforms,
    ) -> None:
        super().__init__()
        self.train_data = train
        self.val_data = val
        self.num_workers = num_workers
        self.seed = seed
        self.stages = tuple(stages) or (Stage(None, batch_size, 1),)
        self.transforms = transforms
        self.start = (0, 0)
        """Epoch, and batches of it that are done already, at which training goes on."""
        self._loader: tuple[Stage, DataLoader[Any]] | None = None

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled, another order and another augmentation in each epoch."""
        start, self.start = self.start, (0, 0)
        epoch = start[0] if self._loader is None else self._current_epoch()
        stage = self.stage_of(epoch)
        if self._loader is None or self._loader[0] != stage:
            self._loader = stage, self._make_loader(stage)
            self._loader[1].load_state_dict({"epoch": epoch, "batches": start[1]})  # type: ignore[attr-defined]
        return self._loader[1]

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """In order; nothing if there are no validation data."""
        if self.val_data is None:
            return []
        stage = self.stages[-1]
        processes = self._processes()
        if processes > 1 and (samples := count_samples(self.val_data)) < processes:
            raise InvalidArgumentError(
                f"there are fewer samples to validate ({samples}) than processes ({processes}); each needs one"
            )
        return make_loader(
            self.validation_set(),
            self._share(stage),
            False,
            seed=self.seed,
            num_workers=self.num_workers,
            distributed=True,
        )

    def validation_set(self) -> Any:  # noqa: ANN401
        """The validation data at the size of the last stage."""
        return _at(self.val_data, self.stages[-1].size, lambda size: self.transforms(size)[1])

    def stage_of(self, epoch: int) -> Stage:
        """The stage of an epoch."""
        for stage in self.stages:
            if epoch < stage.epochs:
                return stage
            epoch -= stage.epochs
        return self.stages[-1]

    def steps_of(self, stage: Stage, several: bool = False) -> int:
        """Batches of an epoch of a stage.

        Args:
            stage: The stage.
            several: Whether several processes will share them.

        Raises:
            InvalidArgumentError: If the data are read in order and do not say how many they are.
        """
        samples = count_samples(self.train_data)
        if several or not hasattr(self.train_data, "in_batches"):
            return max(1, samples // stage.batch_size)
        return len(self._make_loader(stage))  # every worker has a last batch

    def training_data(self, stage: Stage) -> Any:  # noqa: ANN401
        """The training data as a stage shows them."""
        return _at(self.train_data, stage.size, lambda size: self.transforms(size)[0])

    def _make_loader(self, stage: Stage) -> DataLoader[Any]:
        data = self.training_data(stage)
        return make_loader(data, self._share(stage), True, seed=self.seed, num_workers=self.num_workers)

    def _share(self, stage: Stage) -> int:
        """Batch size of one process."""
        processes = self._processes()
        if stage.batch_size % processes:
            raise InvalidArgumentError(
                f"the batch size {stage.batch_size} cannot be shared by {processes} processes; choose a multiple of "
                f"{processes}"
            )
        return stage.batch_size // processes

    def _processes(self) -> int:
        return 1 if self.trainer is None else self.trainer.world_size

    def _current_epoch(self) -> int:
        return 0 if self.trainer is None else self.trainer.current_epoch


def count_samples(data: Any) -> int:  # noqa: ANN401 - any dataset
    """Samples of a data set, of all processes together.

    Raises:
        InvalidArgumentError: If it is read in order and does not say how many it has.
    """
    try:
        return int(data.count_samples() if hasattr(data, "count_samples") else len(data))
    except TypeError as error:
        raise InvalidArgumentError(
            f"{data!r} does not say how many samples it has, so that epochs have no length; give it the index that "
            "pack_shards wrote beside the shards"
        ) from error


def make_stages(config: FitConfig, batch_size: int) -> tuple[Stage, ...]:
    """The stages of a phase.

    Args:
        config: Its settings.
        batch_size: That of the settings, found by now if it was "auto".
    """
    if config.sizes:
        return tuple(Stage(*stage) for stage in config.sizes)
    return (Stage(config.size, batch_size, config.epochs or 1),)


def _at(data: Any, size: int | None, transform: Callable[[int], SampleTransform]) -> Any:  # noqa: ANN401
    return data if size is None else data.with_transform(transform(size))


__all__ = ["PairedFgBgDataModule", "Stage", "Transforms", "count_samples", "default_transforms", "make_stages"]
