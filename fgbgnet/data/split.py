"""Splits that hold out whole backgrounds, whole foregrounds, or both."""

import logging
import math
from collections.abc import Sequence
from typing import Any, Protocol, Self, TypeAlias, TypeVar, cast, get_args

import numpy as np
import numpy.typing as npt

from fgbgnet.data.seeding import hash64
from fgbgnet.errors import InvalidArgumentError, SplitError, UnknownNameError
from fgbgnet.types import GroupBy, SampleTransform

Sides: TypeAlias = npt.NDArray[np.int64]
_log = logging.getLogger("fgbgnet")
_NO_SIDE = -1


class SplittableDataset(Protocol):
    """What a data set must offer to be split."""

    @property
    def ids(self) -> Sequence[str] | npt.NDArray[Any]:
        """Unique id of every sample."""

    def group_ids(self, group: GroupBy, /) -> Sequence[str] | npt.NDArray[Any]:
        """Background or foreground of every sample."""

    def subset(self, indices: Any, /) -> Self:  # noqa: ANN401 - sequences and arrays of integers
        """The samples at some positions."""

    def with_transform(self, transform: Any, /) -> Self:  # noqa: ANN401
        """The same samples with another transform."""


DatasetT = TypeVar("DatasetT", bound=SplittableDataset)


class Split(tuple[DatasetT, ...]):
    """The sides of a split, in the order of the fractions; unpacks like a tuple.

    Args:
        sides: One data set per side.
        dropped: How many samples belong to no side.
        description: What was held out, for `summary`.
        filled: Whether a group was moved to a side that its hash did not choose, because the side had none.
    """

    dropped: int
    """How many samples belong to no side, because their background and their foreground fell on different ones."""

    filled: bool
    """Whether a side had no group of its own and was given one: with other data, groups may change sides."""

    def __new__(  # noqa: D102
        cls, sides: Sequence[DatasetT], dropped: int = 0, description: str = "", filled: bool = False
    ) -> Self:
        split = super().__new__(cls, sides)
        split.dropped = dropped
        split._description = description
        split.filled = filled
        return split

    _description: str

    def __getnewargs__(self) -> tuple[tuple[DatasetT, ...], int, str, bool]:
        return tuple(self), self.dropped, self._description, self.filled

    def summary(self) -> str:
        """The split in words: what was held out, the sizes, how many samples were dropped, and whether it is stable."""
        sizes = [len(side.ids) for side in self]
        total = sum(sizes)
        sides = ", ".join(f"{size} ({size / total:.1%})" for size in sizes)
        dropped = f"; {self.dropped} of {total + self.dropped} samples belong to no side" if self.dropped else ""
        filled = "; too few groups: a side was filled up, so that groups may change sides when data are added"
        return f"{self._description}: {sides}{dropped}{filled if self.filled else ''}"


def seeded_split(
    dataset: DatasetT,
    fractions: Sequence[float],
    seed: int = 0,
    group_by: GroupBy | Sequence[GroupBy] | None = "bg",
    transforms: Sequence[SampleTransform | None] | None = None,
) -> Split[DatasetT]:
    """Splits a data set so that no background, or no foreground, stands on two sides.

    The side of a group is decided by a hash of (seed, kind of group, group), so that it depends neither on the order
    of the samples, nor on the platform, nor on which other groups there are: a group does not change sides when files
    are added. The price is that fractions are met on average over groups, not exactly: with few groups, or groups of
    very different sizes, expect deviations (``summary()`` tells).

    The exception: if a side would get no group at all, the group whose hash is nearest to the side's interval, of those
    that do not stand alone on theirs, moves there. Which one that is does depend on the other groups, so that groups
    may change sides when data are added. ``filled`` and ``summary()`` tell; then write down the split (the ids of its
    sides) rather than make it again from more data.

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

    Raises:
        SplitError: If there are fewer groups than sides, a group id is empty, or a side stays empty.
        InvalidArgumentError: If fractions or transforms do not fit.

    >>> from fgbgnet.data import Manifest, PairedFgBgDataset
    >>> names = [f"{n}.png" for n in range(40)]
    >>> manifest = Manifest.from_lists([f"bg_{n % 8}.png" for n in range(40)], names, names)
    >>> split = seeded_split(PairedFgBgDataset(manifest), (0.7, 0.3))
    >>> train, test = split
    >>> set(train.group_ids("bg")) & set(test.group_ids("bg"))
    set()
    """
    _check_fractions(fractions)
    if transforms is not None and not isinstance(transforms, Sequence):
        raise InvalidArgumentError(
            f"transforms is a single {type(transforms).__name__}; expected a sequence with one per side, such as "
            "(train_transform(128), eval_transform(128))"
        )
    if transforms is not None and len(transforms) != len(fractions):
        raise InvalidArgumentError(
            f"{len(transforms)} transforms came for {len(fractions)} fractions; expected one per side"
        )
    kinds = _kinds(group_by)
    if kinds:
        assigned = [_assign(dataset.group_ids(kind), kind, fractions, seed) for kind in kinds]
    else:
        assigned = [_assign(dataset.ids, "id", fractions, seed)]
    sides = assigned[0][0]
    for other, _ in assigned[1:]:
        sides = np.where(sides == other, sides, _NO_SIDE)
    parts: list[DatasetT] = []
    for side in range(len(fractions)):
        rows = np.flatnonzero(sides == side)
        if not len(rows):
            raise SplitError(
                f"no sample has both its background and its foreground on side {side} of {tuple(fractions)}; "
                "hold out one of them (group_by='bg' or 'fg'), take another seed, or give larger fractions"
            )
        part = dataset.subset(rows)
        parts.append(part if transforms is None else part.with_transform(transforms[side]))
    held_out = " and ".join({"bg": "backgrounds", "fg": "foregrounds"}[kind] for kind in kinds)
    description = f"split by {held_out or 'single samples (this leaks backgrounds and foregrounds)'}, seed {seed}"
    filled = any(was_filled for _, was_filled in assigned)
    split = Split(parts, int((sides == _NO_SIDE).sum()), description, filled)
    if split.dropped or split.filled:
        _log.info(split.summary())
    return split


def _kinds(group_by: GroupBy | Sequence[GroupBy] | None) -> tuple[GroupBy, ...]:
    given = () if group_by is None else (group_by,) if isinstance(group_by, str) else tuple(group_by)
    for kind in given:
        if kind not in get_args(GroupBy):
            raise UnknownNameError("group_by", str(kind), get_args(GroupBy), "Or ('bg', 'fg') for both, or None.")
    return cast(tuple[GroupBy, ...], tuple(dict.fromkeys(given)))


def _check_fractions(fractions: Sequence[float]) -> None:
    if isinstance(fractions, str) or not hasattr(fractions, "__len__"):
        raise InvalidArgumentError(
            f"fractions is {fractions!r}; expected a sequence with one share per side, such as (0.7, 0.3)"
        )
    good = len(fractions) >= 1 and all(0 < f <= 1 for f in fractions)
    if not good or not math.isclose(math.fsum(fractions), 1, abs_tol=1e-6):
        raise InvalidArgumentError(f"fractions are {tuple(fractions)}; expected positive shares that add up to 1")


def _assign(
    groups: Sequence[str] | npt.NDArray[Any], kind: str, fractions: Sequence[float], seed: int
) -> tuple[Sides, bool]:
    """Side of every sample, (N,); and whether one had to be filled."""
    names = [str(group) for group in groups]
    unique = sorted(set(names))
    empty = names.count("")
    if empty:
        raise SplitError(
            f"{kind}_id is empty for {empty} of {len(names)} samples, so {kind} cannot be held out; give the "
            f"manifest a {kind}_id column, or split by something else (group_by)"
        )
    if len(unique) < len(fractions):
        what = {"bg": "backgrounds", "fg": "foregrounds"}.get(kind, "samples")
        raise SplitError(
            f"{len(unique)} {what} came for {len(fractions)} sides; every side needs at least one of its own. Add "
            "data, ask for fewer sides, or split by something else (group_by)"
        )
    # 53 bits: exact as a float on every platform.
    places = {group: (hash64(f"{seed}/{kind}/{group}") >> 11) / 2**53 for group in unique}
    bounds = [0.0, *(math.fsum(fractions[: i + 1]) for i in range(len(fractions) - 1)), 1.0]
    sides = {group: int(np.searchsorted(bounds, place, side="right")) - 1 for group, place in places.items()}
    filled = _fill_empty_sides(sides, places, bounds)
    return np.array([sides[name] for name in names], dtype=np.int64), filled


def _fill_empty_sides(sides: dict[str, int], places: dict[str, float], bounds: list[float]) -> bool:
    """Gives every side without a group one; returns whether there was such a side."""
    filled = False
    for side in range(len(bounds) - 1):
        taken = list(sides.values())
        if side in taken:
            continue
        filled = True
        low, high = bounds[side], bounds[side + 1]
        movable = [group for group, current in sides.items() if taken.count(current) > 1]
        sides[min(movable, key=lambda group: (max(low - places[group], places[group] - high), group))] = side
    return filled


__all__ = ["Split", "SplittableDataset", "seeded_split"]
