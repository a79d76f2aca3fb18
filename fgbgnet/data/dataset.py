"""Quadruples on disk as a PyTorch data set."""

import copy
import operator
import os
from collections.abc import Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Self, TypeAlias, cast, get_args

from torch.utils.data import Dataset

from fgbgnet.data.assemble import DepthDeclaration, decode_layers
from fgbgnet.data.backgrounds import BackgroundCache
from fgbgnet.data.batches import BatchWriter
from fgbgnet.data.layers import Layers
from fgbgnet.data.manifest import Column, Indices, Manifest
from fgbgnet.data.manifest_checks import DECLARATION, LAYERS
from fgbgnet.data.plain import LeastSize
from fgbgnet.data.seeding import SharedEpoch, sample_seed
from fgbgnet.data.slabs import SlabPool
from fgbgnet.data.statistics import DatasetStatistics, collect_statistics
from fgbgnet.data.storage import read_bytes
from fgbgnet.data.transforms import JointTransform, check_transform, transform_layers
from fgbgnet.errors import ManifestError, UnknownNameError
from fgbgnet.types import DepthUnit, GroupBy, PathInput, Sample, SampleTransform

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fgbgnet.data.audit import Audit
    from fgbgnet.prediction import Prediction

Transform: TypeAlias = JointTransform | SampleTransform


class PairedFgBgDataset(Dataset[Sample]):
    """Samples (background, frame, mask, depth) listed in a manifest, read when they are asked for.

    Layers of one sample may differ in size and mode: they are brought to the size of ``fg_bg``, upright, RGB.

    Everything random about a sample is a function of (``seed``, epoch, id): the same for 0, 1 or 8 workers, different
    in every epoch. `make_loader` counts epochs; without it call `set_epoch`.

    Args:
        manifest: A `Manifest`, or the path of one.
        transform: `train_transform`, `eval_transform`, any `JointTransform`, or any callable ``Sample -> Sample``
            (torchvision v2 transforms may be given as they are, or called inside it; see `apply_transform`). None
            gives the samples as stored.
        seed: Of the augmentation.
        background_cache: How many megabytes of decoded backgrounds each process keeps; 0 keeps none. Those that were
            not used the longest leave first.

    Raises:
        MissingFileError, ManifestError: If the manifest cannot be read. Pictures are read later, and raise
            `MissingFileError`, `PictureError` or `MaskError` then.

    >>> import tempfile
    >>> from PIL import Image
    >>> folder = tempfile.mkdtemp()
    >>> for name in ("room", "frame", "mask"):
    ...     Image.new("L", (6, 4)).save(f"{folder}/{name}.png")
    >>> dataset = PairedFgBgDataset(Manifest.from_lists("room.png", ["frame.png"], ["mask.png"], root=folder))
    >>> dataset[0]["fg_bg"].shape, dataset[0]["id"], bool(dataset[0]["depth_valid"].any())
    (torch.Size([3, 4, 6]), 'frame', False)
    """

    def __init__(
        self,
        manifest: Manifest | PathInput,
        transform: Transform | None = None,
        seed: int = 0,
        background_cache: float = 64,
    ) -> None:
        check_transform(transform)
        self.manifest = manifest if isinstance(manifest, Manifest) else Manifest.read(manifest)
        self.transform = transform
        self.seed = seed
        self._epoch = SharedEpoch()
        self._backgrounds = BackgroundCache(background_cache)
        self._pool = SlabPool()

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """Samples of one batch, in its memory where they are alike; what loaders call."""
        writer = BatchWriter(len(indices), self._pool)
        for index in indices:
            # What a subclass makes of a sample is left as it is.
            made = self._make(index) if type(self).__getitem__ is PairedFgBgDataset.__getitem__ else self[index]
            writer.add_layers(*made) if isinstance(made, tuple) else writer.add_sample(made)
        return writer.samples()

    def __getitem__(self, index: int) -> Sample:
        made = self._make(index)
        return made[0].to_sample(made[1]) if isinstance(made, tuple) else made

    def _make(self, index: int) -> tuple[Layers, str] | Sample:
        """A transformed sample, as layers and id if that is possible."""
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} samples")
        id = self.manifest.value("id", index)
        return transform_layers(self.transform, self._load(index), id, sample_seed(self.seed, self.epoch, id))

    def __repr__(self) -> str:
        return f"PairedFgBgDataset({len(self)} samples, root {str(self.manifest.root)!r}, seed {self.seed})"

    @property
    def ids(self) -> Column:
        """Ids of the samples, strings, in order."""
        return self.manifest.column("id")

    @property
    def epoch(self) -> int:
        """The epoch whose augmentation is drawn."""
        return self._epoch.value

    def set_epoch(self, epoch: int) -> None:
        """Chooses the augmentation of an epoch, also in workers that run already."""
        self._epoch.set(epoch)

    @property
    def depth_unit(self) -> DepthUnit:
        """Unit of the depth of all samples.

        Raises:
            ManifestError: If samples differ: metres and relative values do not train or score together.
        """
        unit, depth = self.manifest.column("depth_unit"), self.manifest.column("depth")
        units = set(unit[depth != ""].tolist()) or set(unit.tolist())
        if len(units) > 1:
            raise ManifestError(
                f"depth_unit is {' for some samples and '.join(sorted(units))} for others; make one manifest per unit: "
                "dataset.subset(dataset.manifest.column('depth_unit') == 'metres')"
            )
        return cast(DepthUnit, units.pop())

    @property
    def has_depth(self) -> bool:
        """Whether at least one sample has a depth map."""
        return self.manifest.distinct("depth") != {""}

    def group_ids(self, group: GroupBy) -> Column:
        """Which background (``"bg"``) or foreground (``"fg"``) each sample shows, as strings."""
        if group not in get_args(GroupBy):
            raise UnknownNameError("group", str(group), get_args(GroupBy))
        return self.manifest.column(f"{group}_id")

    def subset(self, indices: Indices, transform: Transform | EllipsisType | None = ...) -> Self:
        """The samples at ``indices`` (positions, or a boolean mask), in that order.

        Args:
            indices: Which samples; none may stand twice.
            transform: Of the new data set; the same as here by default.
        """
        chosen = self.transform if isinstance(transform, EllipsisType) else transform
        part = self.with_transform(chosen)
        part.manifest = self.manifest.select(indices)
        return part

    def with_transform(self, transform: Transform | None) -> Self:
        """The same samples with another transform, from the same epoch on; each counts its own epochs."""
        check_transform(transform)
        # Not a new object: a subclass may have another constructor, and more to remember.
        twin = copy.copy(self)
        twin.transform = transform
        twin._epoch = copy.copy(self._epoch)
        return twin

    def preload_backgrounds(self) -> None:
        """Decodes backgrounds ahead, as many as are kept, so that workers that are forked later share their memory.

        `make_loader` calls it where workers are forked. Backgrounds that few samples have are not worth it.
        """
        paths = self.manifest.distinct("bg")
        if len(paths) <= len(self) / 2:
            full = (os.path.join(self.manifest.root, path) for path in sorted(paths))  # noqa: PTH118 - as in _load
            self._backgrounds.fill(full, *self._kind())

    def statistics(self, limit: int | None = None) -> DatasetStatistics:
        """Means, standard deviations and counts of the stored samples, before any transform.

        Args:
            limit: Use at most this many samples, spread evenly.
        """
        return collect_statistics(self.with_transform(None), limit)

    def check(self, limit: int | None = None, num_workers: int | None = None, progress: bool = True) -> "Audit":
        """Audits the files: is every quadruple what the manifest says? See `fgbgnet.data.check_manifest`.

        Args:
            limit: Look at so many samples only, spread evenly.
            num_workers: Processes; by default one for each CPU, and none for few samples.
            progress: Whether to show a progress bar.
        """
        from fgbgnet.data.audit import check_manifest

        return check_manifest(self.manifest, limit=limit, num_workers=num_workers, progress=progress)

    def plot(self, index: int, prediction: "Prediction | None" = None) -> "Figure":
        """Shows a sample as it comes out of the transform, beside a prediction if there is one (extra ``plot``)."""
        from fgbgnet.plotting import plot_sample

        return plot_sample(self[index], prediction)

    def _load(self, index: int) -> Layers:
        row = {name: self.manifest.value(name, index) for name in (*LAYERS, *DECLARATION)}
        names = {name: os.path.join(self.manifest.root, row[name]) for name in LAYERS if row[name]}  # noqa: PTH118 - speed
        least, transform = self._kind()
        size = None if transform is None else transform.fixed_size
        bg = self._backgrounds.read(names["bg"], least, transform)
        if size is None:
            bg = bg.copy()  # so that a transform may do with it what it likes
        contents = {name: read_bytes(path) for name, path in names.items() if name != "bg"}
        declaration = DepthDeclaration.from_row(row)
        return decode_layers(contents, names, declaration, self.manifest.has_mask_valid, least, bg, size)

    def _kind(self) -> tuple[LeastSize | None, JointTransform | None]:
        """What the pixels of a decoded background depend on."""
        transform = self.transform if isinstance(self.transform, JointTransform) else None
        return None if transform is None else transform.min_decoded_size, transform


__all__ = ["PairedFgBgDataset", "Transform"]
