"""Columns of values that stand in names: whole numbers where all are, text elsewhere, natural order, equality."""

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.dtypes import StringDType

Values: TypeAlias = npt.NDArray[Any]
"""Values of one placeholder, one per file: int64, or StringDType, which NumPy's own types cannot say yet."""
Value: TypeAlias = int | str
Indices: TypeAlias = npt.NDArray[np.int64]

_DIGITS = 18
"""More do not fit into 64 bits; longer numbers are compared as text without their leading zeros."""


def to_strings(texts: Sequence[str]) -> Values:
    """Strings as a compact array."""
    return np.array(texts, dtype=StringDType()).reshape(-1)


def to_value(text: str) -> Value:
    """Digits as a number: ``005`` is 5."""
    return int(text) if text.isascii() and text.isdigit() else text


def to_values(texts: Sequence[str]) -> Values:
    """Digits as numbers if all are digits; else text, in which ``005`` and ``5`` are the same.

    >>> to_values(["005", "12"]).tolist(), to_values(["005", "x"]).tolist()
    ([5, 12], ['5', 'x'])
    """
    joined = "".join(texts)
    if joined.isascii() and joined.isdigit() and all(texts) and max(map(len, texts)) <= _DIGITS:
        return np.fromiter(map(int, texts), dtype=np.int64, count=len(texts))
    return to_strings([str(to_value(text)) for text in texts])


def join_values(parts: Sequence[Values]) -> Values:
    """One column after another; numbers become text where one of the columns is text."""
    if any(isinstance(part.dtype, StringDType) for part in parts):
        parts = [as_text(part) for part in parts]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def as_text(values: Values) -> Values:
    """Values as strings."""
    return values if isinstance(values.dtype, StringDType) else to_strings([str(v) for v in values.tolist()])


def natural_key(value: Value) -> list[tuple[int, int, str]]:
    """Sort key: numbers before text, numbers inside text by their value.

    >>> sorted(["img10", "img9", 7], key=natural_key)
    [7, 'img9', 'img10']
    """
    parts = re.split(r"(\d+)", str(value))
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def natural_order(columns: Sequence[Values], count: int) -> Indices:
    """Positions of the rows in natural order, the first column counting most."""
    if not columns:
        return np.arange(count)
    return np.lexsort([_ranks(values) for values in reversed(columns)])


def _ranks(values: Values) -> Values:
    if not isinstance(values.dtype, StringDType):
        return values
    texts = values.tolist()
    ordered = sorted(set(texts), key=natural_key)
    rank = {text: i for i, text in enumerate(ordered)}
    return np.fromiter(map(rank.__getitem__, texts), dtype=np.int64, count=len(texts))


def common_codes(left: Sequence[Values], right: Sequence[Values], lengths: tuple[int, int]) -> tuple[Indices, Indices]:
    """Codes of the rows of two tables with the same columns: equal where, and only where, the rows are.

    >>> left, right = common_codes([to_values(["1", "2"])], [to_values(["02", "x"])], (2, 2))
    >>> left.tolist(), right.tolist()
    ([0, 1], [1, 2])
    """
    codes = np.zeros(sum(lengths), dtype=np.int64)
    for one, other in zip(left, right, strict=True):
        column = join_values([one, other])
        if isinstance(column.dtype, StringDType):
            column = _ranks_of_first(column.tolist())
        else:
            column = np.unique(column, return_inverse=True)[1]
        codes = np.unique(codes * (column.max(initial=0) + 1) + column, return_inverse=True)[1]
    return codes[: lengths[0]], codes[lengths[0] :]


def _ranks_of_first(texts: list[str]) -> Indices:
    """A number for every distinct text, by first appearance."""
    seen: dict[str, int] = {}
    return np.fromiter((seen.setdefault(text, len(seen)) for text in texts), dtype=np.int64, count=len(texts))


def first_positions(wanted: Indices, codes: Indices) -> Indices:
    """For every wanted code the position of its first appearance among the codes, -1 where there is none."""
    known, first = np.unique(codes, return_index=True)
    if not len(known):
        return np.full(len(wanted), -1)
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[place] == wanted, first[place], -1)


__all__ = [
    "Indices",
    "Value",
    "Values",
    "as_text",
    "common_codes",
    "first_positions",
    "join_values",
    "natural_key",
    "natural_order",
    "to_strings",
    "to_value",
    "to_values",
]
