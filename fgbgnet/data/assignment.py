"""Which side of a split a group stands on."""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fgbgnet.data.groups import Codes, connected, encode
from fgbgnet.data.seeding import hash64
from fgbgnet.errors import SplitError, UnknownNameError

Names: TypeAlias = Sequence[str] | npt.NDArray[Any]
NO_SIDE = -1
_WORDS = {"bg": "background", "fg": "foreground", "id": "sample"}


@dataclass(frozen=True)
class Request:
    """How groups are to be assigned."""

    fractions: Sequence[float]
    names: Sequence[str]
    seed: int
    known: Codes | None = None
    """Side of every sample that is kept, `NO_SIDE` for new ones, (N,)."""
    strata: Codes | None = None
    """Stratum of every sample, numbered in the order of their names, (N,)."""


@dataclass(frozen=True)
class Units:
    """Groups that are assigned together: single ones, or near-duplicates joined."""

    of_group: Codes
    """Unit of every group, (G,)."""
    places: npt.NDArray[np.float64]
    """Where the hash puts each unit, in [0, 1), (U,)."""
    weights: Codes
    """Number of samples of each unit, (U,)."""
    names: list[str]
    """Of the group that gives each unit its place."""


def assign(groups: Names, kind: str, request: Request, merge: Sequence[tuple[str, str]] = ()) -> tuple[Codes, bool]:
    """Assigns every sample to a side by its group.

    Args:
        groups: Group of every sample, (N,).
        kind: ``"bg"``, ``"fg"`` or ``"id"``: part of what is hashed, so that kinds are independent.
        request: How.
        merge: Pairs of groups that must not be parted.

    Returns:
        Side of every sample, `NO_SIDE` for new groups that look like groups of several kept sides, int64 (N,); and
        whether a side was filled with a group that neither the hash nor the split that is kept had put there.

    Raises:
        SplitError: If a group is empty, there are too few, or the split that is kept has one on several sides.
        UnknownNameError: If a pair names a group that is not there.
    """
    codes, names = encode(groups)
    _check_groups(codes, names, kind, len(request.fractions))
    units = _join(codes, names, kind, request.seed, merge)
    kept = _kept_sides(codes, names, kind, request)
    unit_sides, torn = _sides_of_units(units, kept)
    if len(units.names) < len(request.fractions) and not torn.any():
        raise SplitError(
            f"{len(units.names)} {_WORDS[kind]}s that differ came for {len(request.fractions)} sides, the others look "
            "like them; add data, or ask for fewer sides"
        )
    new = np.flatnonzero((unit_sides == NO_SIDE) & ~torn)
    bounds = np.array([math.fsum(request.fractions[:k]) for k in range(len(request.fractions))] + [1.0])
    by_hash = np.searchsorted(bounds, units.places, side="right") - 1
    if request.strata is None:
        unit_sides[new] = by_hash[new]
    else:
        strata = _majority(units.of_group[codes], request.strata)
        _balance(unit_sides, new, by_hash, units, strata, request.fractions)
    elsewhere = np.bincount(kept[torn[units.of_group] & (kept != NO_SIDE)], minlength=len(request.fractions))
    filled = _fill(unit_sides, new, units, bounds, elsewhere)
    sides = np.where(kept >= 0, kept, unit_sides[units.of_group])
    return sides[codes], filled


def _check_groups(codes: Codes, names: list[str], kind: str, sides: int) -> None:
    if "" in names:
        empty = int((codes == names.index("")).sum())
        raise SplitError(
            f"{kind}_id is empty for {empty} of {len(codes)} samples, so {kind} cannot be held out; give the "
            f"manifest a {kind}_id column, or split by something else (group_by)"
        )
    if len(names) < sides:
        raise SplitError(
            f"{len(names)} {_WORDS[kind]}s came for {sides} sides; every side needs at least one of its own. Add "
            "data, ask for fewer sides, or split by something else (group_by)"
        )


def _join(codes: Codes, names: list[str], kind: str, seed: int, merge: Sequence[tuple[str, str]]) -> Units:
    """Joins groups; of those that are joined the first by name decides for all."""
    order = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    number = {name: code for code, name in enumerate(names)} if len(merge) else {}
    for name in (name for pair in merge for name in pair):
        if name not in number:
            raise UnknownNameError(f"{_WORDS[kind]} to merge", str(name), names)
    pairs = np.array([[rank[number[name]] for name in pair] for pair in merge], np.int64)
    leads = connected(pairs, len(names))[rank]
    leaders, of_group = np.unique(leads, return_inverse=True)
    lead_names = [names[order[leader]] for leader in leaders]
    # One form of accented letters, of which file systems use two; 53 bits are exact as a float on every platform.
    keys = [unicodedata.normalize("NFC", f"{seed}/{kind}/{name}") for name in lead_names]
    places = np.array([(hash64(key) >> 11) / 2**53 for key in keys])
    return Units(of_group, places, np.bincount(of_group[codes], minlength=len(leaders)), lead_names)


def _kept_sides(codes: Codes, names: list[str], kind: str, request: Request) -> Codes:
    """Side on which each group stands already, (G,)."""
    sides = np.full(len(names), NO_SIDE, np.int64)
    if request.known is None:
        return sides
    kept = request.known != NO_SIDE
    sides[codes[kept]] = request.known[kept]
    wrong = np.flatnonzero(kept & (sides[codes] != request.known))
    if len(wrong):
        group, sample = codes[wrong[0]], wrong[0]
        raise SplitError(
            f"{_WORDS[kind]} {names[group]!r} stands on the sides {request.names[request.known[sample]]!r} and "
            f"{request.names[sides[group]]!r} of the split that is to be kept; expected every {_WORDS[kind]} on one. "
            "Split by what that split holds out (group_by), or make it anew"
        )
    return sides


def _sides_of_units(units: Units, kept: Codes) -> tuple[Codes, npt.NDArray[np.bool_]]:
    """Kept side of each unit, and which units have several, (U,) both."""
    sides = np.full(len(units.names), NO_SIDE, np.int64)
    known = np.flatnonzero(kept != NO_SIDE)
    sides[units.of_group[known]] = kept[known]
    torn = np.zeros(len(units.names), bool)
    torn[units.of_group[known[sides[units.of_group[known]] != kept[known]]]] = True
    sides[torn] = NO_SIDE
    return sides, torn


def _majority(units: Codes, strata: Codes) -> Codes:
    """The most common stratum of each unit's samples, the first of equals, (U,)."""
    kinds = int(strata.max()) + 1
    pairs, counts = np.unique(units * kinds + strata, return_counts=True)
    unit, stratum = np.divmod(pairs, kinds)
    order = np.lexsort((stratum, -counts, unit))
    first = np.unique(unit[order], return_index=True)[1]
    majority: Codes = stratum[order][first]
    return majority


def _balance(sides: Codes, new: Codes, by_hash: Codes, units: Units, strata: Codes, fractions: Sequence[float]) -> None:
    """Puts new units where their hash says, or, where a side has its share of the stratum, where most is lacking.

    Large units come first, so that the small ones even out what remains. What a stratum lacks at its end, less than a
    unit, the next one makes good.
    """
    shares = np.array(fractions) / math.fsum(fractions)
    totals = np.bincount(strata, units.weights, int(strata.max()) + 1)
    there = np.flatnonzero(sides != NO_SIDE)
    taken = np.zeros((len(totals), len(shares)))
    np.add.at(taken, (strata[there], sides[there]), units.weights[there])
    order = new[np.lexsort((units.places[new], -units.weights[new], strata[new]))]
    lacking, before = np.zeros((2, len(shares)))
    stratum = -1
    for unit in order.tolist():
        if strata[unit] != stratum:
            stratum = strata[unit]
            before = before + lacking
            lacking = shares * totals[stratum] - taken[stratum]
        weight = units.weights[unit]
        wanted = lacking + np.clip(before, -weight, weight)
        side = by_hash[unit] if wanted[by_hash[unit]] >= weight / 2 else int(np.argmax(wanted))
        sides[unit] = side
        lacking[side] -= weight


def _fill(sides: Codes, new: Codes, units: Units, bounds: npt.NDArray[np.float64], elsewhere: Codes) -> bool:
    """Gives every side without a unit a new one, if nothing else stands there; returns whether there was such a side.

    ``elsewhere`` counts by side the groups whose unit stands on several.
    """
    filled = False
    for side in range(len(bounds) - 1):
        counts = np.bincount(sides[sides != NO_SIDE], minlength=len(bounds) - 1)
        if counts[side] or elsewhere[side]:
            continue
        movable = [unit for unit in new.tolist() if counts[sides[unit]] > 1]
        if not movable:
            raise SplitError(
                f"side {side} has no group and none can be moved there, because all others stand on their sides "
                "already; add data, or ask for fewer sides"
            )
        filled = True
        low, high = bounds[side], bounds[side + 1]
        distance = np.maximum(low - units.places, units.places - high)
        sides[min(movable, key=lambda unit: (distance[unit], units.names[unit]))] = side
    return filled


__all__ = ["NO_SIDE", "Names", "Request", "assign"]
