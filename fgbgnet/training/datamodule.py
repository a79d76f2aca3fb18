"""Training and validation data for Lightning."""

from typing import Any

import lightning
from torch.utils.data import DataLoader

from fgbgnet.data import make_loader


class PairedFgBgDataModule(lightning.LightningDataModule):
    """Two datasets as loaders with the right seeds.

    Args:
        train: Training data; any dataset that returns the library's samples.
        val: Validation data, or None.
        batch_size: Pairs per step.
        num_workers: Processes that load data.
        seed: Seed of the order.
    """

    def __init__(self, train: Any, val: Any = None, batch_size: int = 16, num_workers: int = 0, seed: int = 0) -> None:  # noqa: ANN401
        super().__init__()
        self.train_data = train
        self.val_data = val
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.seed = seed

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled, another order and another augmentation in each epoch."""
        return self._loader(self.train_data, train=True)

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """In order; nothing if there are no validation data."""
        return [] if self.val_data is None else self._loader(self.val_data, train=False)

    def _loader(self, data: Any, train: bool) -> DataLoader[Any]:  # noqa: ANN401
        return make_loader(data, self.batch_size, train, seed=self.seed, num_workers=self.num_workers)


__all__ = ["PairedFgBgDataModule"]
