"""Composites as a dataset, made when they are asked for."""

import copy
import operator
from collections.abc import Callable, Sequence
from functools import partial
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Self, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.synth.arguments import Size, height_and_width, integer, truth
from fgbgnet.synth.composites.linear import Bytes
from fgbgnet.synth.composites.style import CompositeStyle
from fgbgnet.synth.positions import Indices, Numbers, positions
from fgbgnet.synth.streams import stream
from fgbgnet.types import DepthDirection, DepthUnit, GroupBy, PathInput, Sample, SampleTransform

if TYPE_CHECKING:
    from fgbgnet.synth.teachers.teacher import Estimate, Teacher


class ComposedDataset(Dataset[Sample]):
    """``n`` composites of photographs and cut-outs in every epoch; nothing is stored.

    Position ``i`` shows the same background and the same cut-out in every epoch, at another place each time: a sample
    is a function of (seed, epoch, i) and the pictures alone. So splits by background or cut-out hold out what they name
    in all epochs. An id always names the same composite, so the ids change with the epoch. Backgrounds and cut-outs
    take turns: the first positions show each of them about equally often, and as many positions as there are pairs show
    every pair.

    A cut-out that is too thin at this size may leave the mask of a sample empty.

    The pictures are decoded once and kept in memory; workers that are forked share it. JPEG is not simulated here: what
    differs between a background and a frame is the business of the transform (``train_transform(perturb=...)``).

    Args:
        backgrounds: Folder of photographs, or one photograph; the middle part of the right shape is used.
        cutouts: Folder of pictures with alpha, or one of them.
        size: Height and width in pixels, or one number for both.
        n: Composites in an epoch; one for each pair by default.
        seed: Of the composites and of the transform.
        transform: ``Sample -> Sample``, as for `fgbgnet.data.PairedFgBgDataset`.
        depth: None (``depth_valid`` is false everywhere), a folder of depth maps of the backgrounds, or a teacher that
            guesses them once; see `compose`.
        depth_unit: Of the maps or the teacher.
        depth_direction: Of the maps or the teacher.
        depth_scale: Factor for the values of the maps.
        flip: Whether cut-outs are mirrored at random.
        skip_bad: Leaves out pictures that cannot be used, with a warning that names them.
        memory: Bytes for backgrounds, and as many each for their tensors, cut-outs and depth; what does not fit is read
            every time.
        **style: The fields of `CompositeStyle`.

    Raises:
        MissingFileError, PictureError: If pictures are not there or cannot be used; the first 20 are named.
        InvalidArgumentError: If a value is out of its range.

    >>> import tempfile
    >>> from PIL import Image
    >>> folder = tempfile.mkdtemp()
    >>> Image.new("RGB", (64, 48), "olive").save(f"{folder}/room.png")
    >>> thing = Image.new("RGBA", (20, 30))
    >>> thing.paste("navy", (2, 2, 18, 28))
    >>> thing.save(f"{folder}/thing.png")
    >>> dataset = ComposedDataset(f"{folder}/room.png", f"{folder}/thing.png", size=64, n=3)
    >>> dataset[0]["fg_bg"].shape, dataset[0]["id"], dataset.group_ids("fg").tolist()
    (torch.Size([3, 64, 64]), 'composite_00000000', ['thing.png', 'thing.png', 'thing.png'])
    """

    def __init__(
        self,
        backgrounds: PathInput,
        cutouts: PathInput,
        size: Size = 224,
        n: int | None = None,
        seed: int = 0,
        transform: SampleTransform | None = None,
        *,
        depth: "PathInput | Estimate | Teacher | None" = None,
        depth_unit: DepthUnit | None = None,
        depth_direction: DepthDirection | None = None,
        depth_scale: float | None = None,
        flip: bool = True,
        skip_bad: bool = False,
        memory: int = 2**30,
        **style: Any,  # noqa: ANN401 - the fields of CompositeStyle
    ) -> None:
        from fgbgnet.data.seeding import SharedEpoch  # here: OpenCV and the data room are heavy
        from fgbgnet.data.transforms import check_transform
        from fgbgnet.synth.composites.cutouts import Shelf
        from fgbgnet.synth.composites.depth_sources import depth_source, maps_in_memory
        from fgbgnet.synth.composites.gathering import gather

        check_transform(transform)
        self.seed, self.flip, self.transform = integer("seed", seed), truth("flip", flip), transform
        looks = CompositeStyle.of(style)
        self._composer = gather(
            backgrounds, cutouts, height_and_width(size), self.seed, looks, skip_bad=skip_bad,
            memory=integer("memory", memory, 0),
        )  # fmt: skip
        photos = self._composer.photos
        source = depth_source(depth, photos, "billboard", depth_unit, depth_direction, depth_scale)
        if source is not None:
            self._composer.use_depth(maps_in_memory(source, self._composer))
        self._clean = Shelf(partial(_convert, self._composer.background), memory)
        self._rows = stream(self.seed, "order of bg").permutation(len(self._composer.photos))
        self._columns = stream(self.seed, "order of fg").permutation(len(self._composer.things))
        self._stride = len(self._rows) * len(self._columns) if n is None else integer("n", n, 1)
        self._first: Numbers = np.arange(self._stride, dtype=np.int64)
        self._epoch = SharedEpoch()  # shared memory: persistent workers see a new epoch

    def __len__(self) -> int:
        return len(self._first)

    def __repr__(self) -> str:
        height, width = self._composer.size
        return (
            f"ComposedDataset({len(self)} composites of {height} x {width}, {len(self._composer.photos)} backgrounds, "
            f"{len(self._composer.things)} cut-outs, seed {self.seed})"
        )

    @property
    def ids(self) -> list[str]:
        """Ids of the samples of the current epoch, in order."""
        return [_id(number) for number in self._numbers().tolist()]

    @property
    def depth_unit(self) -> DepthUnit:
        """Unit of the depth; ``"relative"`` where there is none."""
        return "relative" if self._composer.depth is None else self._composer.depth.unit

    @property
    def has_depth(self) -> bool:
        """Whether the samples have depth."""
        return self._composer.depth is not None

    @property
    def epoch(self) -> int:
        """The epoch whose composites are shown."""
        return self._epoch.value

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch it is, also to workers that run already; `make_loader` does that by itself."""
        self._epoch.set(integer("epoch", epoch, 0))

    def group_ids(self, group: GroupBy, /) -> npt.NDArray[np.str_]:
        """The background (``"bg"``) or cut-out (``"fg"``) of every position, by the names of the files.

        Raises:
            UnknownNameError: If ``group`` is neither.
            InvalidArgumentError: If it is ``"fg"`` and samples show further cut-outs: no split would hold any out.
        """
        if group not in get_args(GroupBy):
            raise UnknownNameError("group", str(group), get_args(GroupBy))
        if group == "fg" and self._composer.style.max_cutouts > 1:
            raise InvalidArgumentError(
                f"with max_cutouts={self._composer.style.max_cutouts} any cut-out may be in any sample, so foregrounds "
                "cannot be held out by a split; make two data sets of two folders of cut-outs"
            )
        backgrounds, things = self._pairs(self._first)
        chosen, paths = (backgrounds, self._composer.photos) if group == "bg" else (things, self._composer.things)
        return np.array([path.name for path in paths], dtype=np.str_)[chosen]

    def subset(self, indices: Indices, transform: SampleTransform | EllipsisType | None = ...) -> Self:
        """The samples at these positions (or where a mask is true), in that order; the epoch stays.

        Args:
            indices: Which samples; none may stand twice.
            transform: Of the new dataset; the same as here by default.

        Raises:
            InvalidArgumentError: If a position is no integer, out of range or given twice, or a mask has another
                length.
        """
        other = self.with_transform(self.transform if isinstance(transform, EllipsisType) else transform)
        other._first = self._first[positions(indices, len(self))]
        return other

    def with_transform(self, transform: SampleTransform | None) -> Self:
        """The same samples with another transform, from the same epoch on; each counts its own epochs."""
        from fgbgnet.data.transforms import check_transform

        check_transform(transform)
        other = copy.copy(self)
        other.transform = transform
        return other

    def __copy__(self) -> Self:
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__, _epoch=copy.copy(self._epoch))
        return other

    def __getitem__(self, index: int) -> Sample:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """Makes several samples; a PyTorch data loader calls this by itself."""
        positions = np.array([self._position(index) for index in indices], dtype=np.int64)
        numbers, (backgrounds, things) = self._numbers()[positions], self._pairs(self._first[positions])
        rows = zip(numbers.tolist(), backgrounds.tolist(), things.tolist(), strict=True)
        return [self._sample(number, background, thing) for number, background, thing in rows]

    def _position(self, index: int) -> int:
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} samples")
        return index

    def _numbers(self) -> Numbers:
        return self._first + self.epoch * self._stride

    def _pairs(self, positions: Numbers) -> tuple[Numbers, Numbers]:
        """Background and cut-out of positions of the whole data set.

        Along the diagonals of the table of all pairs, one diagonal after the other, with rows and columns in random
        order: every beginning is balanced.
        """
        turn, row = np.divmod(positions, len(self._rows))
        return self._rows[row], self._columns[(turn + row) % len(self._columns)]

    def _sample(self, number: int, background: int, thing: int) -> Sample:
        from fgbgnet.data.joint_transform import JointTransform
        from fgbgnet.data.layers import Layers
        from fgbgnet.data.seeding import hash64, sample_seed
        from fgbgnet.data.transforms import apply_transform

        mirrored = self.flip and bool(hash64(f"{self.seed}/mirrored/{number}") & 1)
        made, id = self._composer(number, background, thing, mirrored), _id(number)
        seed = sample_seed(self.seed, self.epoch, id)
        mask = made.mask
        if isinstance(self.transform, JointTransform):
            layers = Layers.without_depth(made.bg, made.fg_bg, mask)
            if made.depth is not None:
                layers.depth, layers.depth_valid = made.depth
            return self.transform.apply_layers(layers, id, seed)
        # The same as Layers.to_sample, but that the background is converted once for all its samples.
        sample = Sample(
            bg=self._clean(background).clone(),
            fg_bg=_to_tensor(made.fg_bg),
            mask=torch.from_numpy(mask).float()[None],
            depth=torch.zeros(1, *mask.shape),
            depth_valid=torch.zeros(1, *mask.shape, dtype=torch.bool),
            id=id,
        )
        if made.depth is not None:
            sample["depth"], sample["depth_valid"] = (torch.from_numpy(layer)[None] for layer in made.depth)
        return sample if self.transform is None else apply_transform(self.transform, sample, seed)


def _convert(background: Callable[[int], Bytes], index: int) -> Tensor:
    return _to_tensor(background(index))


def _to_tensor(picture: Bytes) -> Tensor:
    """uint8 (H, W, 3) -> float32 (3, H, W) in [0, 1]."""
    planes = np.stack([picture[..., channel] for channel in range(3)])
    return torch.from_numpy(planes).float().div_(255)


def _id(number: int) -> str:
    return f"composite_{number:08d}"


__all__ = ["ComposedDataset"]
