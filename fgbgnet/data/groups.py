"""Names as numbers: which rows show the same group, and which groups belong together."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]


def encode(values: Iterable[Any]) -> tuple[Codes, list[str]]:
    """Numbers the distinct values.

    Args:
        values: Of N rows; a column of a manifest.

    Returns:
        The number of each row, int64 (N,), and the values by number as strings, in the order of their first row.

    >>> codes, names = encode(["b", "a", "b"])
    >>> codes.tolist(), names
    ([0, 1, 0], ['b', 'a'])
    """
    rows: Sequence[Any] = values.tolist() if isinstance(values, np.ndarray) else list(values)
    numbers: dict[str, int] = {}
    codes = np.fromiter((numbers.setdefault(str(value), len(numbers)) for value in rows), np.int64, len(rows))
    return codes, list(numbers)


def connected(pairs: npt.NDArray[np.integer[Any]], count: int) -> Codes:
    """Joins what pairs connect, directly or through others.

    Args:
        pairs: Numbers below ``count``, integers (K, 2).
        count: How many things there are.

    Returns:
        For each the smallest number of those that it is connected with, int64 (count,).

    >>> connected(np.array([[4, 3], [3, 1]]), 5).tolist()
    [0, 1, 2, 1, 1]
    """
    lead = np.arange(count)
    left, right = np.asarray(pairs, dtype=np.int64).reshape(-1, 2).T
    while (lead[left] != lead[right]).any():
        low, high = np.sort([lead[left], lead[right]], axis=0)
        np.minimum.at(lead, high, low)
        while (lead[lead] != lead).any():
            lead = lead[lead]
    return lead


__all__ = ["Codes", "connected", "encode"]
