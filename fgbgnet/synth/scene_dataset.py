"""Scenes as a dataset, made when they are asked for."""

from collections.abc import Sequence
from types import EllipsisType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth.scenes import SceneGenerator
from fgbgnet.types import DepthUnit, GroupBy, Sample, SampleTransform

Indices: TypeAlias = Sequence[int] | npt.NDArray[np.integer[Any]] | npt.NDArray[np.bool_]


class SceneDataset(Dataset[Sample]):
    """``n`` procedural scenes with exact masks and depth in metres; nothing is stored.

    Scene ``start + k`` of a seed is always the same picture. `set_epoch` changes what a random transform draws, not the
    scenes; for fresh scenes in every epoch, make ``n`` as large as the whole training needs.

    Args:
        n: Number of scenes.
        size: Height and width in pixels, or one number for both.
        seed: Seed of the scenes and of the transform.
        transform: ``Sample -> Sample``, as for `fgbgnet.data.PairedFgBgDataset`.
        scenes_per_background: So many consecutive scenes share one background, bit for bit.
        start: Number of the first scene.

    Raises:
        InvalidArgumentError: If a number is out of its range.

    >>> dataset = SceneDataset(4, size=32, scenes_per_background=2)
    >>> dataset[0]["id"], dataset.group_ids("bg").tolist()
    ('scene_00000000', ['0', '0', '1', '1'])
    """

    depth_unit: DepthUnit = "metres"

    def __init__(
        self,
        n: int,
        size: int | tuple[int, int] = 96,
        seed: int = 0,
        transform: SampleTransform | None = None,
        scenes_per_background: int = 1,
        start: int = 0,
    ) -> None:
        for name, value, least in (
            ("n", n, 0),
            ("scenes_per_background", scenes_per_background, 1),
            ("start", start, 0),
        ):
            if value < least:
                raise InvalidArgumentError(f"{name} is {value}; expected at least {least}")
        self.generator = SceneGenerator(size, seed)
        self.seed = int(seed)
        self.transform = transform
        self.scenes_per_background = int(scenes_per_background)
        self.numbers: npt.NDArray[np.int64] = np.arange(start, start + n, dtype=np.int64)
        # Shared memory: persistent workers see a new epoch.
        self._epoch: Tensor = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def ids(self) -> list[str]:
        """Ids of the samples in order."""
        return [f"scene_{number:08d}" for number in self.numbers]

    @property
    def epoch(self) -> int:
        """The epoch that a random transform draws for."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Tells random transforms which epoch it is, also in workers that run already."""
        self._epoch.fill_(epoch)

    def group_ids(self, group: GroupBy, /) -> npt.NDArray[np.str_]:
        """The background (``"bg"``) or foreground (``"fg"``) of every scene, as strings.

        Raises:
            InvalidArgumentError: If ``group`` is neither.
        """
        if group not in ("bg", "fg"):
            raise InvalidArgumentError(f"group_ids got {group!r}; expected 'bg' or 'fg'")
        return (self.numbers // self.scenes_per_background if group == "bg" else self.numbers).astype(np.str_)

    def subset(self, indices: Indices, transform: SampleTransform | EllipsisType | None = ...) -> "SceneDataset":
        """The scenes at these positions (or where a mask is true); the same transform unless one is given."""
        other = self._copy()
        chosen = np.asarray(indices)
        other.numbers = self.numbers[chosen if chosen.dtype == bool else chosen.astype(np.int64)]
        if not isinstance(transform, EllipsisType):
            other.transform = transform
        return other

    def with_transform(self, transform: SampleTransform | None) -> "SceneDataset":
        """The same scenes with another transform."""
        other = self._copy()
        other.transform = transform
        return other

    def _copy(self) -> "SceneDataset":
        other = SceneDataset.__new__(SceneDataset)
        other.__dict__.update(self.__dict__)
        other._epoch = self._epoch.clone().share_memory_()  # type: ignore[no-untyped-call]
        return other

    def __getitem__(self, index: int) -> Sample:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """Renders several scenes at once; a PyTorch data loader calls this by itself."""
        for index in indices:
            if not -len(self) <= index < len(self):
                raise IndexError(f"scene {index} of {len(self)}")
        numbers = self.numbers[np.asarray(indices, dtype=np.int64)]
        batch = self.generator.batch(numbers.tolist(), (numbers // self.scenes_per_background).tolist())
        samples = []
        for k, number in enumerate(numbers):
            sample = Sample(
                # Clones: a view would keep, and send between processes, the whole batch.
                bg=batch["bg"][k].clone(),
                fg_bg=batch["fg_bg"][k].clone(),
                mask=batch["mask"][k].clone(),
                depth=batch["depth"][k].clone(),
                depth_valid=batch["depth_valid"][k].clone(),
                id=f"scene_{number:08d}",
            )
            samples.append(self._transformed(sample))
        return samples

    def _transformed(self, sample: Sample) -> Sample:
        if self.transform is None:
            return sample
        from fgbgnet.data.seeding import sample_seed
        from fgbgnet.data.transforms import apply_transform  # needs albumentations: only where it is used

        return apply_transform(self.transform, sample, sample_seed(self.seed, self.epoch, sample["id"]))


__all__ = ["SceneDataset"]
