"""Scenes as a dataset, made when they are asked for."""

import copy
import operator
from collections.abc import Sequence
from types import EllipsisType
from typing import get_args

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.synth.arguments import Size, integer
from fgbgnet.synth.positions import Indices, Numbers, positions
from fgbgnet.synth.scenes.generator import SceneGenerator
from fgbgnet.types import DepthUnit, GroupBy, Sample, SampleTransform


class SceneDataset(Dataset[Sample]):
    """``n`` procedural scenes with exact masks and depth in metres; nothing is stored.

    Scene ``start + k`` of a seed is always the same picture. `set_epoch` changes what a random transform draws, not the
    scenes, unless they are ``fresh``: then position ``k`` shows scene ``start + epoch * n + k``, and training sees no
    scene twice. An id always names the scene that is shown, so the ids of a fresh dataset change with the epoch. The
    groups do not: in every epoch a position shows a background of its own group, and no two groups ever share one. So
    splits by background hold out backgrounds in all epochs. A fresh dataset takes all numbers from ``start`` upwards;
    scenes to validate on lie before it, or have another seed.

    Args:
        n: Number of scenes (of an epoch, if they are fresh).
        size: Height and width in pixels, or one number for both.
        seed: Seed of the scenes and of the transform.
        transform: ``Sample -> Sample``, as for `fgbgnet.data.PairedFgBgDataset`.
        scenes_per_background: So many consecutive scenes share one background, bit for bit.
        start: Number of the first scene.
        fresh: Whether every epoch has scenes of its own; ``n`` and ``start`` are then multiples of
            ``scenes_per_background``.

    Raises:
        InvalidArgumentError: If a number is out of its range.

    >>> dataset = SceneDataset(4, size=32, scenes_per_background=2, fresh=True)
    >>> dataset[0]["id"], dataset.group_ids("bg").tolist()
    ('scene_00000000', ['0', '0', '1', '1'])
    >>> dataset.set_epoch(1)
    >>> dataset[0]["id"], dataset.group_ids("bg").tolist()
    ('scene_00000004', ['0', '0', '1', '1'])
    """

    depth_unit: DepthUnit = "metres"

    def __init__(
        self,
        n: int,
        size: Size = 96,
        seed: int = 0,
        transform: SampleTransform | None = None,
        scenes_per_background: int = 1,
        start: int = 0,
        *,
        fresh: bool = False,
    ) -> None:
        from fgbgnet.data.seeding import SharedEpoch  # the data room needs albumentations: only where it is used

        n, start = integer("n", n, 0), integer("start", start, 0)
        self.scenes_per_background = integer("scenes_per_background", scenes_per_background, 1)
        if fresh and (n % self.scenes_per_background or start % self.scenes_per_background):
            raise InvalidArgumentError(
                f"n is {n} and start is {start}; with fresh=True both are multiples of scenes_per_background = "
                f"{scenes_per_background}, so that no background belongs to two groups"
            )
        self.generator = SceneGenerator(size, seed)
        self.seed = self.generator.seed
        self.transform = transform
        self.fresh = bool(fresh)
        self._stride = n
        self._first: Numbers = np.arange(start, start + n, dtype=np.int64)
        self._epoch = SharedEpoch()  # shared memory: persistent workers see a new epoch

    def __len__(self) -> int:
        return len(self._first)

    def __repr__(self) -> str:
        height, width = self.generator.size
        fresh = ", fresh in every epoch" if self.fresh else ""
        return f"SceneDataset({len(self)} scenes of {height} x {width}, seed {self.seed}{fresh})"

    @property
    def numbers(self) -> Numbers:
        """Numbers of the scenes in order, (N,); those of the current epoch if they are fresh."""
        return self._first + self.epoch * self._stride if self.fresh else self._first.copy()

    @property
    def ids(self) -> list[str]:
        """Ids of the samples in order; those of the current epoch if they are fresh."""
        return [_id(number) for number in self.numbers]

    @property
    def epoch(self) -> int:
        """The epoch that a random transform draws for, and that fresh scenes belong to."""
        return self._epoch.value

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch it is, also to workers that run already; `make_loader` does that by itself."""
        self._epoch.set(integer("epoch", epoch, 0))

    def group_ids(self, group: GroupBy, /) -> npt.NDArray[np.str_]:
        """The background (``"bg"``) or foreground (``"fg"``) of every scene, as strings; the same in all epochs.

        Raises:
            UnknownNameError: If ``group`` is neither.
        """
        if group not in get_args(GroupBy):
            raise UnknownNameError("group", str(group), get_args(GroupBy))
        return (self._first // self.scenes_per_background if group == "bg" else self._first).astype(np.str_)

    def subset(self, indices: Indices, transform: SampleTransform | EllipsisType | None = ...) -> "SceneDataset":
        """The scenes at these positions (or where a mask is true), in that order; the epoch stays.

        Args:
            indices: Which scenes; none may stand twice.
            transform: Of the new dataset; the same as here by default.

        Raises:
            InvalidArgumentError: If a position is no integer, out of range or given twice, or a mask has another
                length.
        """
        other = copy.copy(self)
        other._first = self._first[positions(indices, len(self))]
        if not isinstance(transform, EllipsisType):
            other.transform = transform
        return other

    def with_transform(self, transform: SampleTransform | None) -> "SceneDataset":
        """The same scenes with another transform; the epoch stays."""
        other = copy.copy(self)
        other.transform = transform
        return other

    def __copy__(self) -> "SceneDataset":
        # From here on a copy counts epochs of its own, as one of a data set on disk does.
        other = SceneDataset.__new__(SceneDataset)
        other.__dict__.update(self.__dict__, _epoch=copy.copy(self._epoch))
        return other

    def __getitem__(self, index: int) -> Sample:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """Renders several scenes at once; a PyTorch data loader calls this by itself."""
        indices = [operator.index(index) for index in indices]
        for index in indices:
            if not -len(self) <= index < len(self):
                raise IndexError(f"scene {index} of {len(self)}")
        numbers = self.numbers[np.array(indices, dtype=np.int64)]
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
                id=_id(number),
            )
            samples.append(self._transformed(sample))
        return samples

    def _transformed(self, sample: Sample) -> Sample:
        if self.transform is None:
            return sample
        from fgbgnet.data.seeding import sample_seed
        from fgbgnet.data.transforms import apply_transform  # needs albumentations: only where it is used

        return apply_transform(self.transform, sample, sample_seed(self.seed, self.epoch, sample["id"]))


def _id(number: np.int64) -> str:
    return f"scene_{number:08d}"


__all__ = ["SceneDataset"]
