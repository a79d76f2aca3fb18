"""What stands on several sides of a split that is written down."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, Self, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from fgbgnet.data.groups import Codes, encode
from fgbgnet.data.manifest import Manifest
from fgbgnet.errors import UnknownNameError
from fgbgnet.types import GroupBy

LeakKind: TypeAlias = Literal["bg", "fg", "near_duplicate"]


class Leak(NamedTuple):
    """Something that stands on several sides of a split."""

    kind: LeakKind
    """What it is: a background, a foreground, or two backgrounds that look alike."""
    groups: tuple[str, ...]
    """Its ``bg_id`` or ``fg_id``; both ``bg_id`` of a near-duplicate."""
    sides: tuple[str, ...]
    """Where it stands, in the order in which the sides first come in the manifest."""

    def __str__(self) -> str:
        kind = {"bg": "background", "fg": "foreground", "near_duplicate": "near-duplicates"}[self.kind]
        return f"{kind} {' and '.join(map(repr, self.groups))} on {' and '.join(self.sides)}"


def leaks(
    manifest: Manifest,
    near_duplicates: Iterable[tuple[str, str]] = (),
    kinds: Sequence[GroupBy] = ("bg", "fg"),
) -> list[Leak]:
    """Finds what stands on several sides of the split that a manifest holds in its column ``split``.

    Rows with an empty ``split`` belong to no side, and an empty ``fg_id`` is no foreground. A split by background
    leaves foregrounds on both sides by intention: leave out ``"fg"`` where that is wanted.

    Args:
        manifest: With the column ``split``; without one nothing leaks.
        near_duplicates: Pairs of ``bg_id`` whose pictures look alike, see `duplicate_backgrounds`; ids that are not in
            the manifest stand on no side.
        kinds: Groups to look at.

    Returns:
        By kind, in the order of the kinds, then in that of the groups' first rows; near-duplicates last.

    Raises:
        UnknownNameError: If a kind is not known.

    >>> names = ["1.png", "2.png", "3.png"]
    >>> columns = {"bg_id": ["a", "a", "b"], "split": ["train", "val", "train"]}
    >>> leaks(Manifest.from_lists(names, names, names, **columns))
    [Leak(kind='bg', groups=('a',), sides=('train', 'val'))]
    """
    for kind in kinds:
        if kind not in get_args(GroupBy):
            raise UnknownNameError("kind", str(kind), get_args(GroupBy))
    codes, sides = encode(manifest.column("split"))
    divided = np.flatnonzero(codes != sides.index("")) if "" in sides else np.arange(len(codes))
    standing = {kind: _Standing.of(manifest, kind, divided, codes) for kind in {*kinds, "bg"}}
    found: list[Leak] = []
    for kind in kinds:
        stands = standing[kind]
        several = [g for g in stands.on_several() if stands.groups[g]]
        found += [Leak(kind, (stands.groups[g],), tuple(sides[side] for side in stands.sides([g]))) for g in several]
    backgrounds = standing["bg"]
    number = {group: g for g, group in enumerate(backgrounds.groups)}
    for pair in near_duplicates:
        there = backgrounds.sides([number[group] for group in pair if group in number])
        if len(there) > 1:
            found.append(Leak("near_duplicate", tuple(pair), tuple(sides[side] for side in there)))
    return found


class _Standing(NamedTuple):
    """Which group has rows on which side."""

    groups: list[str]
    starts: Codes
    """Where each group begins in ``on``, (G + 1,)."""
    on: Codes
    """Numbers of the sides of all groups, ascending for each, (K,)."""

    @classmethod
    def of(cls, manifest: Manifest, kind: GroupBy, rows: npt.NDArray[np.intp], sides: Codes) -> Self:
        codes, groups = encode(manifest.column(f"{kind}_id"))
        count = int(sides.max()) + 1
        group, on = np.divmod(np.unique(codes[rows] * count + sides[rows]), count)
        return cls(groups, np.searchsorted(group, np.arange(len(groups) + 1)), on)

    def on_several(self) -> list[int]:
        """Numbers of the groups on more than one side."""
        several: list[int] = np.flatnonzero(np.diff(self.starts) > 1).tolist()
        return several

    def sides(self, numbers: Sequence[int]) -> list[int]:
        """Numbers of the sides on which any of some groups stands, ascending."""
        return sorted({side for g in numbers for side in self.on[self.starts[g] : self.starts[g + 1]].tolist()})


__all__ = ["Leak", "LeakKind", "leaks"]
