"""Pairs of 64-bit hashes that differ in few bits, without comparing all with all."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fgbgnet.errors import InvalidArgumentError

Hashes: TypeAlias = npt.NDArray[np.uint64]
Pairs: TypeAlias = npt.NDArray[np.int64]

BITS = 64
_CHUNK = 2**21  # candidates at a time
_INDEX_BITS = np.uint64(32)
_INDEX = np.uint64(2**32 - 1)
_RADIUS = 2


def near_duplicates(
    hashes: Hashes,
    max_distance: int = 8,
    groups: npt.NDArray[Any] | None = None,
    max_pairs: int = 5_000_000,
) -> Pairs:
    """Finds all pairs of hashes that differ in at most ``max_distance`` bits.

    The hashes are cut into bands. If two of them differed by more than ``r_i`` bits in every band ``i``, they would
    differ in at least ``sum(r_i) + number of bands`` bits; radii that add up to ``max_distance + 1 - bands`` therefore
    miss nothing (multi-index hashing: M. Norouzi, A. Punjani, D. J. Fleet, "Fast exact search in Hamming space with
    multi-index hashing", 2014; unequal radii: J. Qin et al., "GPH: similarity search in Hamming space", 2018). Bands
    within two bits of each other are found by turning round at most one bit of each, and sorting.

    Args:
        hashes: Of `picture_hash`, uint64 (N,). Zeros stand for plain pictures and match nothing.
        max_distance: Largest number of bits that differ. More than 8 is slow for more than 100,000 hashes.
        groups: One integer per hash, (N,): only pairs of different groups are wanted. Pairs within a group cost
            nothing then, however alike its pictures are.
        max_pairs: Give up when there are more.

    Returns:
        Positions ``(i, j)`` with ``i < j``, int64 (K, 2), in ascending order.

    Raises:
        InvalidArgumentError: If the hashes are no uint64 vector, the distance is not in [0, 63], the groups do not
            fit, or there are too many pairs.

    >>> near_duplicates(np.array([0b10111, 0b10110, 2**60 - 1], np.uint64), max_distance=1).tolist()
    [[0, 1]]
    """
    hashes, distance = _check(hashes, max_distance)
    rows = _Rows.of(hashes, groups)
    found, total = [np.empty((0, 2), np.int64)], 0
    for i, j in chain(rows.equal() if groups is None else (), _candidates(rows.values, rows.labels, _bands(distance))):
        near = np.bitwise_count(rows.values[i] ^ rows.values[j]) <= distance
        i, j = i[near], j[near]
        total += int(
            np.where(i == j, rows.counts[i] * (rows.counts[i] - 1) // 2, rows.counts[i] * rows.counts[j]).sum()
        )
        if total > max_pairs:
            raise InvalidArgumentError(
                f"more than {max_pairs} pairs of {len(hashes)} hashes differ in at most {distance} bits; expected "
                "fewer. Search one picture of each scene (its background), give groups, so that frames of one scene "
                "are not compared with each other, or raise max_pairs"
            )
        found.append(rows.expand(i, j))
    pairs = np.sort(np.concatenate(found), axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _check(hashes: Hashes, max_distance: int) -> tuple[Hashes, int]:
    hashes = np.asarray(hashes)
    if hashes.dtype != np.uint64 or hashes.ndim != 1:
        raise InvalidArgumentError(f"hashes are {hashes.dtype} of shape {hashes.shape}; expected uint64 (N,)")
    distance = int(max_distance)
    if distance != max_distance or not 0 <= distance < BITS:
        raise InvalidArgumentError(f"max_distance is {max_distance}; expected a whole number from 0 to {BITS - 1}")
    return hashes, distance


@dataclass
class _Rows:
    """Hashes that differ within their group, sorted by group: what is equal need not be compared."""

    values: Hashes
    labels: Pairs
    """Group of each as an ascending number."""
    counts: Pairs
    """How many positions each stands for."""
    starts: Pairs
    """Where they begin in ``order``."""
    order: Pairs

    @classmethod
    def of(cls, hashes: Hashes, groups: npt.NDArray[Any] | None) -> "_Rows":
        groups = np.zeros(len(hashes), np.int64) if (single := groups is None) else np.asarray(groups)
        if groups.shape != hashes.shape or groups.dtype.kind not in "iu":
            raise InvalidArgumentError(
                f"groups are {groups.dtype} of shape {groups.shape} for {len(hashes)} hashes; "
                "expected one integer for each"
            )
        order = np.lexsort((hashes, groups))
        order = order[hashes[order] != 0]
        group, value = groups[order], hashes[order]
        new = np.append(True, (np.diff(group) != 0) | (np.diff(value) != 0))[: len(order)]
        starts = np.flatnonzero(new)
        counts = np.diff(starts, append=len(order))
        labels = np.arange(len(starts)) if single else np.cumsum(np.diff(group[starts], prepend=group[:1]) != 0)
        return cls(value[starts], labels, counts, starts, order)

    def equal(self) -> Iterator[tuple[Pairs, Pairs]]:
        """Every row with itself: the positions that it stands for have the same hash."""
        rows = np.arange(len(self.counts))
        yield rows, rows

    def expand(self, i: Pairs, j: Pairs) -> Pairs:
        """Pairs of rows -> all pairs of the positions that they stand for, (K, 2); of a row with itself, each once."""
        count = self.counts[i] * self.counts[j]
        pair = np.repeat(np.arange(len(i)), count)
        within = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
        left, right = np.divmod(within, self.counts[j][pair])
        once = (i != j)[pair] | (left < right)
        left, right, pair = left[once], right[once], pair[once]
        return np.stack([self.order[self.starts[i][pair] + left], self.order[self.starts[j][pair] + right]], axis=1)


def _bands(distance: int) -> list[tuple[int, int, int]]:
    """(first bit, number of bits, radius) of each band; radii are 0 or 2."""
    count = max(min(distance + 1, 3), -(-(distance + 1) // 3))
    cuts = [BITS * k // count for k in range(count + 1)]
    wide = -(-(distance + 1 - count) // _RADIUS)  # how many bands need a radius
    return [(a, b - a, _RADIUS * (k < wide)) for k, (a, b) in enumerate(pairwise(cuts))]


def _candidates(values: Hashes, labels: Pairs, bands: list[tuple[int, int, int]]) -> Iterator[tuple[Pairs, Pairs]]:
    """Pairs of positions that agree within the radius in at least one band, each pair once."""
    for number, band in enumerate(bands):
        keys = _band(values, band)
        for i, j, key in _equal_keys(keys, labels, band):
            a, b = keys[i], keys[j]
            change = a ^ b
            # Of the keys that two bands share this one, so that a pair comes once.
            keep = key == (np.minimum(a, b) ^ (change & -change))
            for earlier in bands[:number]:
                difference = _band(values[i], earlier) ^ _band(values[j], earlier)
                keep &= np.bitwise_count(difference) > earlier[2]
            yield i[keep], j[keep]


def _band(values: Hashes, band: tuple[int, int, int]) -> Hashes:
    first, width, _ = band
    return (values >> np.uint64(first)) & np.uint64(2**width - 1)


def _equal_keys(keys: Hashes, labels: Pairs, band: tuple[int, int, int]) -> Iterator[tuple[Pairs, Pairs, Hashes]]:
    """Pairs of positions of different labels that share a key, and the key, in portions.

    With a radius the keys of a position are its band, and its band with one bit turned round.
    """
    _, width, radius = band
    wide = width > BITS - int(_INDEX_BITS)  # cannot stand beside the position in one number: the bands are numbered
    names, codes = np.unique(keys, return_inverse=True) if wide else (None, keys)
    flips = np.array([0, *(2**bit for bit in range(width if radius else 0))], np.uint64)
    entries = ((codes.astype(np.uint64)[:, None] ^ flips) << _INDEX_BITS).ravel()
    entries |= np.repeat(np.arange(len(keys), dtype=np.uint64), len(flips))
    entries.sort()
    begin = 0
    while begin < len(entries):
        end = begin + _CHUNK
        if end < len(entries):  # on to the end of the run
            end = int(np.searchsorted(entries, ((entries[end] >> _INDEX_BITS) + np.uint64(1)) << _INDEX_BITS))
        key = entries[begin:end] >> _INDEX_BITS
        owner = (entries[begin:end] & _INDEX).astype(np.int64)
        for left, right in _pairs_in_runs(key, labels[owner]):
            shared = key[left]
            yield owner[left], owner[right], shared if names is None else names[shared.astype(np.int64)]
        begin = end


def _pairs_in_runs(key: Hashes, label: Pairs) -> Iterator[tuple[Pairs, Pairs]]:
    """Pairs of entries of one key and different labels, in portions.

    A run has one key. In it labels ascend, so that the partners of an entry are what comes in its run after its label.
    """
    new_key = np.diff(key) != 0
    counts = _next(new_key) - (first := _next(new_key | (np.diff(label) != 0)))
    totals = np.cumsum(counts)
    begin = 0
    while begin < len(counts):
        before = totals[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(totals, before + _CHUNK, side="right")))
        part = counts[begin:end]
        left = np.repeat(np.arange(begin, end), part)
        yield left, np.repeat(first[begin:end], part) + np.arange(len(left)) - np.repeat(np.cumsum(part) - part, part)
        begin = end


def _next(changes: npt.NDArray[np.bool_]) -> Pairs:
    """For every entry the position of the first one after the next change; ``changes`` has one value less."""
    ends = np.append(np.flatnonzero(changes) + 1, len(changes) + 1)
    return np.repeat(ends, np.diff(ends, prepend=0))


__all__ = ["Hashes", "Pairs", "near_duplicates"]
