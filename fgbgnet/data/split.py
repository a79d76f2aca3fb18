"""Splits that hold out whole backgrounds, whole foregrounds, or both."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Self, TypeVar

import numpy as np
from numpy.dtypes import StringDType

from fgbgnet.data.assignment import NO_SIDE, Names, Request, assign
from fgbgnet.data.groups import Codes, encode
from fgbgnet.data.manifest import Column, Manifest
from fgbgnet.data.split_arguments import (
    SIDES,
    SplittableDataset,
    check_fractions,
    check_transforms,
    group_kinds,
    pairs_by_kind,
    side_names,
    side_numbers,
    strata_of,
)
from fgbgnet.errors import InvalidArgumentError, SplitError, UnknownNameError
from fgbgnet.types import GroupBy, PathInput, SampleTransform

_log = logging.getLogger("fgbgnet")


DatasetT = TypeVar("DatasetT", bound=SplittableDataset)


class Split(tuple[DatasetT, ...]):
    """The sides of a split, in the order of the fractions; unpacks like a tuple.

    Made by `seeded_split` and `load_split`.
    """

    names: tuple[str, ...]
    """Names of the sides."""

    column: Column
    """Name of the side of every sample of the data set that was split, ``""`` for none; strings (N,)."""

    filled: bool
    """Whether a side had no group of its own and was given one: with other data, groups may change sides."""

    _description: str
    _manifest: Manifest | None

    @classmethod
    def of(
        cls,
        dataset: DatasetT,
        sides: Codes,
        names: Sequence[str],
        transforms: Sequence[SampleTransform | None] | None = None,
        description: str = "split",
        filled: bool = False,
    ) -> Self:
        """Divides a data set.

        Args:
            dataset: What is divided.
            sides: Number of the side of every sample, negative for none, (N,).
            names: Names of the sides.
            transforms: One per side; by default each keeps that of ``dataset``.
            description: What was held out, for `summary`.
            filled: See the attribute.

        Raises:
            SplitError: If a side has no sample.
            InvalidArgumentError: If the transforms do not fit.
        """
        check_transforms(transforms, len(names))
        parts = []
        for side, name in enumerate(names):
            rows = np.flatnonzero(sides == side)
            if not len(rows):
                raise SplitError(
                    f"no sample has both its background and its foreground on side {name!r} of {tuple(names)}; hold "
                    "out one of them (group_by='bg' or 'fg'), take another seed, or give larger fractions"
                )
            part = dataset.subset(rows)
            parts.append(part if transforms is None else part.with_transform(transforms[side]))
        split = cls(parts)
        split.names = tuple(names)
        split.column = np.array([*names, ""], dtype=StringDType())[np.where(sides < 0, len(names), sides)]
        split.filled = filled
        split._description = description
        split._manifest = getattr(dataset, "manifest", None)
        return split

    @property
    def dropped(self) -> int:
        """How many samples belong to no side, because their background and their foreground fell on different ones."""
        return int((self.column == "").sum())

    def summary(self) -> str:
        """The split in words: what was held out, the sizes, how many samples were dropped, and whether it is stable."""
        sizes = [len(side.ids) for side in self]
        total = sum(sizes)
        sides = ", ".join(f"{n} {size} ({size / total:.1%})" for n, size in zip(self.names, sizes, strict=True))
        dropped = f"; {self.dropped} of {total + self.dropped} samples belong to none of them" if self.dropped else ""
        filled = "; too few groups: a side was filled up, so that groups may change sides when data are added"
        return f"{self._description}: {sides}{dropped}{filled if self.filled else ''}"

    def save(self, path: PathInput) -> None:
        """Writes the manifest of the data set that was split, with the side of every sample in its column ``split``.

        `load_split` reads it, and `seeded_split` keeps it when data were added (``keep``).

        Args:
            path: A file; that of the manifest itself may be given.

        Raises:
            SplitError: If the data set has no manifest.
        """
        if self._manifest is None:
            raise SplitError("the data set that was split has no manifest; keep the ids of each side instead")
        self._manifest.with_column("split", self.column).write(path)


def seeded_split(
    dataset: DatasetT,
    fractions: Sequence[float],
    seed: int = 0,
    group_by: GroupBy | Sequence[GroupBy] | None = "bg",
    transforms: Sequence[SampleTransform | None] | None = None,
    *,
    names: Sequence[str] | None = None,
    keep: Names | None = None,
    stratify_by: str | Names | None = None,
    merge: Mapping[GroupBy, Iterable[tuple[str, str]]] | None = None,
) -> Split[DatasetT]:
    """Splits a data set so that no background, or no foreground, stands on two sides.

    The side of a group is decided by a hash of (seed, kind of group, group), so that it depends neither on the order
    of the samples, nor on the platform, nor on which other groups there are: a group does not change sides when files
    are added. The price is that fractions are met on average over groups, not exactly: with few groups, or groups of
    very different sizes, expect deviations (``summary()`` tells).

    There are three exceptions, in which the other groups matter, so that groups may change sides when data are added:
    a side that would get no group at all is given the one whose hash is nearest, of those that do not stand alone on
    theirs (``filled`` tells); ``stratify_by``; and groups that new pairs in ``merge`` join. In all three ``save`` the
    split, and give its column as ``keep`` when data were added: then nothing moves.

    Args:
        dataset: A `PairedFgBgDataset`, a `SceneDataset`, or anything with their ``ids``, ``group_ids``, ``subset``
            and ``with_transform``.
        fractions: Share of each side, such as ``(0.7, 0.3)``; they add up to 1.
        seed: Another seed is another split.
        group_by: What is held out:

            - ``"bg"``: backgrounds, so that a test scene was never trained on. Foregrounds stand on both sides.
            - ``"fg"``: foregrounds. Backgrounds stand on both sides, and with them nearly all of the depth.
            - ``("bg", "fg")``: both; for figures that are published. Samples whose background and foreground fell on
              different sides belong to no side and are dropped (``.dropped``); of the rest, larger sides keep more:
              (0.7, 0.3) keeps about 0.49 and 0.09 of all samples.
            - ``None``: single samples at random, as most course projects do. **It leaks**: with many frames per
              background every test background, every foreground and nearly every depth map was seen in training, and
              the test measures memory.
        transforms: One per side (None: as stored); by default each keeps the transform of ``dataset``.
        names: Names of the sides; by default the first of train, val, test.
        keep: Name of the side of every sample that has one already, ``""`` for new ones, (N,); such as
            ``dataset.manifest.column("split")``. What stands there stays, and only new groups are assigned.
        stratify_by: Name of a column of the manifest, or one value per sample, (N,): each stratum is split in the
            fractions as exactly as its groups allow, to within about the size of a group, and so is the whole. A group
            belongs to the stratum of most of its samples. A column that is the same everywhere balances the sizes.
        merge: By kind of group, pairs of groups that are kept together, such as near-duplicates of `similar_pictures`:
            ``{"bg": duplicate_backgrounds(manifest)}``. A new group that joins groups of several kept sides belongs to
            none.

    Raises:
        SplitError: If there are fewer groups than sides, a group id is empty, a side stays empty, or ``keep`` has a
            group on two sides.
        InvalidArgumentError: If fractions, names, transforms, strata or pairs do not fit.
        UnknownNameError: If ``group_by``, a kept side, a column or a group in ``merge`` is not known.

    >>> from fgbgnet.data import Manifest, PairedFgBgDataset
    >>> names = [f"{n}.png" for n in range(40)]
    >>> manifest = Manifest.from_lists([f"bg_{n % 8}.png" for n in range(40)], names, names)
    >>> split = seeded_split(PairedFgBgDataset(manifest), (0.7, 0.3))
    >>> train, val = split
    >>> set(train.group_ids("bg")) & set(val.group_ids("bg"))
    set()
    """
    check_fractions(fractions)
    check_transforms(transforms, len(fractions))
    kinds = group_kinds(group_by)
    sides_named = side_names(names, len(fractions))
    known = None if keep is None else side_numbers(keep, sides_named, len(dataset.ids))
    strata = None if stratify_by is None else strata_of(dataset, stratify_by)
    request = Request(fractions, sides_named, seed, known, strata)
    pairs = pairs_by_kind(merge, kinds)
    if kinds:
        assigned = [assign(dataset.group_ids(kind), kind, request, pairs.get(kind, ())) for kind in kinds]
    else:
        assigned = [assign(dataset.ids, "id", request)]
    sides = assigned[0][0]
    for other, _ in assigned[1:]:
        sides = np.where(sides == other, sides, NO_SIDE)
    description = _describe(kinds, seed, known, stratify_by)
    split = Split.of(dataset, sides, sides_named, transforms, description, any(filled for _, filled in assigned))
    if split.dropped or split.filled:
        _log.info(split.summary())
    return split


def load_split(
    dataset: DatasetT,
    names: str | Sequence[str] | None = None,
    transforms: Sequence[SampleTransform | None] | None = None,
) -> Split[DatasetT]:
    """Divides a data set as its manifest says, in the column ``split``.

    Args:
        dataset: A `PairedFgBgDataset`, or anything else with a ``manifest``.
        names: Side or sides that are wanted, in this order; by default all: train, val, test, then others by name.
        transforms: One per side; by default each keeps the transform of ``dataset``.

    Raises:
        SplitError: If there is no manifest, or its column ``split`` is empty.
        UnknownNameError: If no sample stands on a side that is wanted.

    >>> from fgbgnet.data import Manifest, PairedFgBgDataset
    >>> frames = ["1.png", "2.png", "3.png"]
    >>> manifest = Manifest.from_lists("room.png", frames, frames, split=["val", "train", ""])
    >>> train, val = load_split(PairedFgBgDataset(manifest))
    >>> train.ids.tolist(), val.ids.tolist()
    (['2'], ['1'])
    """
    manifest = getattr(dataset, "manifest", None)
    codes, found = encode(manifest.column("split")) if manifest is not None else (np.zeros(0, np.int64), [""])
    there = sorted(set(found) - {""}, key=lambda name: (SIDES.index(name) if name in SIDES else len(SIDES), name))
    if not there:
        raise SplitError(
            "the data set has no split: its manifest has no column 'split', or an empty one. Write one with "
            "seeded_split(...).save(path), or on the command line with fgbgnet split"
        )
    wanted = tuple(there) if names is None else (names,) if isinstance(names, str) else tuple(names)
    for name in wanted:
        if name not in there:
            raise UnknownNameError("side of the split", str(name), there)
    if len(set(wanted)) < len(wanted) or not wanted:
        raise InvalidArgumentError(f"names are {wanted}; expected each side once")
    number = np.array([wanted.index(name) if name in wanted else NO_SIDE for name in found], np.int64)
    return Split.of(dataset, number[codes], wanted, transforms, "split of the manifest")


def _describe(kinds: Sequence[GroupBy], seed: int, known: Codes | None, stratify_by: str | Names | None) -> str:
    held_out = " and ".join({"bg": "backgrounds", "fg": "foregrounds"}[kind] for kind in kinds)
    text = f"split by {held_out or 'single samples (this leaks backgrounds and foregrounds)'}, seed {seed}"
    if stratify_by is not None:
        text += f", stratified by {stratify_by}" if isinstance(stratify_by, str) else ", stratified"
    if known is not None:
        kept = int((known != NO_SIDE).sum())
        text += f", {kept} samples kept on their side and {len(known) - kept} others"
    return text


__all__ = ["SIDES", "Split", "SplittableDataset", "load_split", "seeded_split"]
