"""What stands on several sides of a split that is written down."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from fgbgnet.data.groups import encode
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
    on_side = codes[:, None] == np.flatnonzero([name != "" for name in sides])
    sides = [name for name in sides if name]
    pairs = list(near_duplicates)
    found: list[Leak] = []
    for kind in kinds:
        stands, groups = _standing(manifest, kind, on_side)
        several = [g for g in np.flatnonzero(stands.sum(1) > 1).tolist() if groups[g]]
        found += [Leak(kind, (groups[g],), tuple(sides[side] for side in np.flatnonzero(stands[g]))) for g in several]
    if pairs:
        stands, groups = _standing(manifest, "bg", on_side)
        number = {group: g for g, group in enumerate(groups)}
        for pair in pairs:
            rows = [number[group] for group in pair if group in number]
            there = np.flatnonzero(stands[rows].sum(0))
            if len(there) > 1:
                found.append(Leak("near_duplicate", tuple(pair), tuple(sides[side] for side in there)))
    return found


def _standing(
    manifest: Manifest, kind: GroupBy, on_side: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], list[str]]:
    """Which group, (G,), has rows on which side, bool (G, S)."""
    codes, groups = encode(manifest.column(f"{kind}_id"))
    counts = [np.bincount(codes[side], minlength=len(groups)) for side in on_side.T]
    return np.stack(counts, axis=1) > 0 if counts else np.zeros((len(groups), 0), bool), groups


__all__ = ["Leak", "LeakKind", "leaks"]
