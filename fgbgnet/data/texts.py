"""Columns of a table in little memory: texts, or beginnings of texts, that repeat are kept once."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from os.path import commonprefix
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from numpy.dtypes import StringDType

from fgbgnet.errors import ManifestError

_MAX_SHARE = 0.25  # of distinct texts among all, above which a table of them saves nothing
_LEAST = 256  # distinct texts that are always worth a table
_PIECE = 8192  # texts that are Python objects at once

Codes = npt.NDArray[np.unsignedinteger[Any]]


class _Coded(NamedTuple):
    """A table of texts, an array of StringDType, and the position in it of each row."""

    table: npt.NDArray[Any]
    codes: Codes

    def rows(self, rows: Any) -> "_Coded":  # noqa: ANN401 - whatever selects rows of an array
        return _Coded(self.table, self.codes[rows])


class Texts:
    """One text per row: positions in a table where few differ, else what begins alike apart from the rest.

    No form holds Python objects, so that forked workers share the memory however often they read it.

    Args:
        rest: What follows ``heads``, an array of StringDType with one text per row; None if nothing does.
        heads: Whole texts, or beginnings, by position in a table; None if there are none.

    >>> rooms = Texts.of(["bg/1.jpg"] * 300 + ["bg/2.jpg"] * 300)
    >>> len(rooms), rooms[299], rooms[300], rooms.heads.table.tolist(), rooms.heads.codes.dtype
    (600, 'bg/1.jpg', 'bg/2.jpg', ['bg/1.jpg', 'bg/2.jpg'], dtype('uint8'))
    """

    def __init__(self, rest: npt.NDArray[Any] | None, heads: _Coded | None) -> None:
        self.rest = rest
        self.heads = heads

    @classmethod
    def of(cls, values: Iterable[Any], name: str = "values") -> Self:
        """From texts, paths, numbers or None (which is an empty text).

        Raises:
            ManifestError: If a single text or path came.
        """
        if isinstance(values, str | os.PathLike):
            raise ManifestError(f"column {name} is the single value {values!r}; expected one value per sample")
        values = values if isinstance(values, np.ndarray) else list(values)
        collector = TextCollector()
        for start in range(0, len(values), _PIECE):
            collector.add([_text(value) for value in values[start : start + _PIECE]])
        return cls(*collector.parts())

    @classmethod
    def constant(cls, text: str, count: int) -> Self:
        """The same text in every row."""
        return cls(None, _Coded(_array([text]), np.zeros(count, np.uint8)))

    def __len__(self) -> int:
        return len(self.heads.codes) if self.heads is not None else 0 if self.rest is None else len(self.rest)

    def __getitem__(self, row: int) -> str:
        head = "" if self.heads is None else str(self.heads.table[self.heads.codes[row]])
        return head if self.rest is None else head + str(self.rest[row])

    def array(self) -> npt.NDArray[Any]:
        """One text per row, an array of StringDType."""
        heads = _array([]) if self.heads is None else self.heads.table[self.heads.codes]
        if self.rest is None:
            return heads
        return self.rest if self.heads is None else np.asarray(np.strings.add(heads, self.rest))

    def take(self, rows: npt.NDArray[np.integer[Any]] | slice) -> "Texts":
        """The texts of some rows."""
        return Texts(
            None if self.rest is None else self.rest[rows], None if self.heads is None else self.heads.rows(rows)
        )

    def pieces(self) -> Iterator[list[str]]:
        """All texts in order, a few thousand at a time."""
        for start in range(0, len(self), _PIECE):
            yield self.take(slice(start, start + _PIECE)).array().tolist()

    def mapped(self, change: Callable[[list[str]], Sequence[str]]) -> "Texts":
        """Every text changed, by a function of lists of texts; what repeats is changed once."""
        if self.rest is None and self.heads is not None:
            return Texts(None, _Coded(_array(change(self.heads.table.tolist())), self.heads.codes))
        collector = TextCollector()
        for piece in self.pieces():
            collector.add(list(change(piece)))
        return Texts(*collector.parts())

    def where(self, text: str) -> npt.NDArray[np.int64]:
        """Rows that have a text."""
        if self.heads is None:
            return np.flatnonzero(self.array() == text)
        if self.rest is None:
            return np.flatnonzero((self.heads.table == text)[self.heads.codes])
        found = [
            rows[self.rest[rows] == text[len(head) :]]
            for k, head in enumerate(self.heads.table.tolist())
            if text.startswith(head)
            for rows in (np.flatnonzero(self.heads.codes == k),)
        ]
        return np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def distinct(self) -> set[str]:
        """The texts that some row has."""
        if self.rest is None and self.heads is not None:
            return set(self.heads.table[np.unique(self.heads.codes)].tolist())
        return {text for piece in self.pieces() for text in piece}

    def has_duplicates(self) -> bool:
        """Whether two rows have the same text."""
        if self.rest is None and len(self) > len(self.distinct()):
            return True
        hashes = np.fromiter((hash(text) for piece in self.pieces() for text in piece), np.int64, len(self))
        hashes.sort()
        # Different hashes prove that texts differ; equal ones prove nothing.
        return bool((hashes[1:] == hashes[:-1]).any()) and len(self.distinct()) < len(self)


class TextCollector:
    """Collects the texts of a column piece by piece, in few Python objects."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] | None = {}
        self._pieces: list[Codes] = []
        self._rests: list[npt.NDArray[Any]] = []
        self._heads: dict[str, int] = {}
        self._count = 0

    def add(self, texts: list[str]) -> None:
        """Adds the next rows."""
        self._count += len(texts)
        if self._numbers is None:
            self._add_split(texts)
            return
        for text in dict.fromkeys(texts):
            self._numbers.setdefault(text, len(self._numbers))
        self._pieces.append(np.fromiter(map(self._numbers.__getitem__, texts), np.uint32, len(texts)))
        if len(self._numbers) > max(_LEAST, _MAX_SHARE * self._count):
            table, pieces = list(self._numbers), self._pieces
            self._numbers, self._pieces = None, []
            for piece in pieces:
                self._add_split([table[number] for number in piece.tolist()])

    def _add_split(self, texts: list[str]) -> None:
        # Neighbours in a table are mostly neighbours in a folder. The least and the greatest share what all do.
        head = commonprefix([min(texts), max(texts)]) if texts else ""  # noqa: RUF071 - of characters, not of folders
        code = self._heads.setdefault(head, len(self._heads))
        self._pieces.append(np.full(len(texts), code, np.uint32))
        self._rests.append(_array([text[len(head) :] for text in texts] if head else texts))

    def parts(self) -> tuple[npt.NDArray[Any] | None, _Coded | None]:
        """What `Texts` takes; the collector is empty afterwards."""
        numbers = self._heads if self._numbers is None else self._numbers
        rests, pieces = self._rests, self._pieces
        self._rests, self._pieces = [], []
        kind = np.min_scalar_type(max(0, len(numbers) - 1))
        codes: Codes = np.concatenate([piece.astype(kind) for piece in pieces]) if pieces else np.zeros(0, np.uint8)
        heads = _Coded(_array(list(numbers)), codes)
        if self._numbers is not None:
            return None, heads
        return np.concatenate(rests), None if list(numbers) == [""] else heads


def _text(value: Any) -> str:  # noqa: ANN401 - anything has a text
    return "" if value is None else os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def _array(texts: Sequence[str]) -> npt.NDArray[Any]:
    return np.array(texts, dtype=StringDType()).reshape(-1)


__all__ = ["TextCollector", "Texts"]
