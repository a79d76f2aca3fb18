"""What a split is asked for, checked and put into numbers."""

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, Protocol, Self, cast, get_args

import numpy as np
import numpy.typing as npt

from fgbgnet.data.assignment import NO_SIDE, Names
from fgbgnet.data.groups import Codes, encode
from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.types import GroupBy, SampleTransform

SIDES = ("train", "val", "test")
"""Names of the sides, where none are given."""


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


def group_kinds(group_by: GroupBy | Sequence[GroupBy] | None) -> tuple[GroupBy, ...]:
    """Kinds of groups that are held out, each once; none for single samples."""
    given = () if group_by is None else (group_by,) if isinstance(group_by, str) else tuple(group_by)
    for kind in given:
        if kind not in get_args(GroupBy):
            raise UnknownNameError("group_by", str(kind), get_args(GroupBy), "Or ('bg', 'fg') for both, or None.")
    return cast(tuple[GroupBy, ...], tuple(dict.fromkeys(given)))


def check_fractions(fractions: Sequence[float]) -> None:
    """Raises InvalidArgumentError unless the shares are positive and add up to 1."""
    if isinstance(fractions, str) or not hasattr(fractions, "__len__"):
        raise InvalidArgumentError(
            f"fractions is {fractions!r}; expected a sequence with one share per side, such as (0.7, 0.3)"
        )
    good = len(fractions) >= 1 and all(isinstance(f, Real) and 0 < f <= 1 for f in fractions)
    if not good or not math.isclose(math.fsum(fractions), 1, abs_tol=1e-6):
        raise InvalidArgumentError(f"fractions are {tuple(fractions)}; expected positive shares that add up to 1")


def check_transforms(transforms: Sequence[SampleTransform | None] | None, sides: int) -> None:
    """Raises InvalidArgumentError unless there is one per side, or None for all."""
    if transforms is not None and not isinstance(transforms, Sequence):
        raise InvalidArgumentError(
            f"transforms is a single {type(transforms).__name__}; expected a sequence with one per side, such as "
            "(train_transform(128), eval_transform(128))"
        )
    if transforms is not None and len(transforms) != sides:
        raise InvalidArgumentError(f"{len(transforms)} transforms came for {sides} sides; expected one per side")


def side_names(names: Sequence[str] | None, sides: int) -> tuple[str, ...]:
    """Names of the sides: those given, or train, val, test; side_0, side_1, ... for more than three."""
    if names is None:
        return SIDES[:sides] if sides <= len(SIDES) else tuple(f"side_{n}" for n in range(sides))
    given = () if isinstance(names, str) else tuple(names)
    if len(given) != sides or len(set(given)) < sides or not all(isinstance(n, str) and n.strip() for n in given):
        raise InvalidArgumentError(f"names are {names!r} for {sides} fractions; expected a different one for each side")
    return given


def side_numbers(keep: Names, names: Sequence[str], samples: int) -> Codes:
    """Number of the side of every sample, `NO_SIDE` where its name is empty, (N,)."""
    codes, found = encode([keep] if isinstance(keep, str) else keep)
    if len(codes) != samples:
        raise InvalidArgumentError(f"keep has {len(codes)} values for {samples} samples; expected one for each")
    for name in found:
        if name and name not in names:
            raise UnknownNameError(
                "side in keep", name, names, "Name all sides of the split that is kept (names), or split anew."
            )
    return np.array([names.index(name) if name else NO_SIDE for name in found], np.int64)[codes]


def strata_of(dataset: SplittableDataset, stratify_by: str | Names) -> Codes:
    """Stratum of every sample, numbered in the order of their names, (N,)."""
    if isinstance(stratify_by, str):
        manifest = getattr(dataset, "manifest", None)
        if manifest is None:
            raise InvalidArgumentError(
                f"stratify_by is the column {stratify_by!r}, but the data set has no manifest; give one value for each "
                "sample instead"
            )
        stratify_by = cast(Names, manifest.column(stratify_by))
    codes, names = encode(stratify_by)
    if len(codes) != len(dataset.ids):
        raise InvalidArgumentError(f"stratify_by has {len(codes)} values for {len(dataset.ids)} samples")
    return np.argsort(np.argsort(np.array(names), kind="stable"), kind="stable")[codes]


def pairs_by_kind(
    merge: Mapping[GroupBy, Iterable[tuple[str, str]]] | None, kinds: Sequence[GroupBy]
) -> dict[GroupBy, list[tuple[str, str]]]:
    """Pairs of groups to keep together, by the kind of group."""
    if merge is None:
        return {}
    if not isinstance(merge, Mapping) or not set(merge) <= set(kinds):
        came = f"has {', '.join(map(repr, merge))}" if isinstance(merge, Mapping) else f"is a {type(merge).__name__}"
        raise InvalidArgumentError(
            f"merge {came}; expected a mapping from what is held out ({', '.join(map(repr, kinds)) or 'nothing'}) to "
            "pairs of groups, such as {'bg': [('bg_1', 'bg_7')]}"
        )
    pairs = {kind: [tuple(pair) for pair in given] for kind, given in merge.items()}
    for pair in (pair for given in pairs.values() for pair in given):
        if len(pair) != 2:
            raise InvalidArgumentError(f"merge holds {pair!r}; expected pairs of groups")
    return cast(dict[GroupBy, list[tuple[str, str]]], pairs)


__all__ = [
    "SIDES",
    "SplittableDataset",
    "check_fractions",
    "check_transforms",
    "group_kinds",
    "pairs_by_kind",
    "side_names",
    "side_numbers",
    "strata_of",
]
