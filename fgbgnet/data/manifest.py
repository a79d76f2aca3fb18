"""One table for every data set: which four files make a sample, and what their values mean."""

import copy
import csv
import os
import posixpath
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from fgbgnet.data.manifest_checks import CHOICES, REQUIRED, check_shape, check_values
from fgbgnet.data.table import LinesWithoutReturn, describe_duplicates, read_texts, rebase
from fgbgnet.data.texts import Texts
from fgbgnet.errors import ManifestError, MissingFileError, UnknownNameError
from fgbgnet.files import atomic_path
from fgbgnet.types import PathInput

Column: TypeAlias = npt.NDArray[Any]  # of StringDType, which NumPy's own types cannot say yet
Values: TypeAlias = Texts | Sequence[Any] | npt.NDArray[Any]
Indices: TypeAlias = Sequence[int] | npt.NDArray[np.integer[Any]] | npt.NDArray[np.bool_]

STANDARD = ("id", *REQUIRED, "depth", "bg_id", "fg_id", "depth_unit", "depth_direction")
PATHS = ("bg", "fg_bg", "mask", "mask_valid", "depth", "depth_bg", "alpha")
_CONSTANTS = {
    "mask_valid": "",
    "depth": "",
    "fg_id": "",
    "split": "",
    "depth_scale": "",
    "depth_invalid": "",
    "depth_unit": "relative",
    "depth_direction": "near_small",
}


class Manifest:
    """A table with one row per sample; everything downstream knows the data through it alone.

    Columns are kept as compact NumPy arrays, texts that repeat only once, and not as lists of Python strings, so that
    400,000 rows stay small and forked workers do not copy them. Columns that are absent have defaults:

    =================== ===================================================================================
    column              default
    =================== ===================================================================================
    ``bg``              required: path of the clean background, relative to ``root``
    ``fg_bg``           required: path of the same scene with something new in it
    ``mask``            required: path of the foreground mask
    ``mask_valid``      ``""``: all labels are known; or path of a picture, white where the label in ``mask`` counts
    ``depth``           ``""``: the sample has no depth, ``depth_valid`` is false everywhere
    ``id``              the path of ``fg_bg`` without its suffix
    ``bg_id``           the path of ``bg``, normalised; what splits by background go by
    ``fg_id``           ``""``: unknown; what splits by foreground go by
    ``split``           ``""``: on no side; or the name of a side, see `seeded_split` and `load_split`
    ``depth_unit``      ``"relative"``; or ``"metres"``
    ``depth_direction`` ``"near_small"``; or ``"near_large"``
    ``depth_scale``     ``""``: see `read_depth`; otherwise a factor for the stored values
    ``depth_invalid``   ``""``: see `read_depth`; otherwise a stored value that means "not known"
    =================== ===================================================================================

    Empty cells of ``depth_unit`` and ``depth_direction`` have the default, too. Further columns are kept as they are.
    Paths may lead into zip archives: ``"part1.zip/fg_bg/7.jpg"``.

    Args:
        columns: Values by column name, all of one length.
        root: Folder that relative paths start from.

    Raises:
        ManifestError: If a required column is missing, lengths differ, there is no row, a required value is empty, an
            id stands twice, or a unit, direction or scale is not known.

    >>> manifest = Manifest({"bg": ["b.jpg", "b.jpg"], "fg_bg": ["x/1.jpg", "x/2.jpg"], "mask": ["1.png", "2.png"]})
    >>> len(manifest), manifest.column("id").tolist(), manifest.column("depth_unit")[0]
    (2, ['x/1', 'x/2'], 'relative')
    """

    def __init__(self, columns: Mapping[str, Values], root: PathInput = ".") -> None:
        self.root = Path(root)
        self._set({name: v if isinstance(v, Texts) else Texts.of(v, name) for name, v in columns.items()})
        check_shape(self._columns)
        for name in CHOICES.keys() & self._columns.keys():
            self._columns[name] = self._columns[name].mapped(partial(_fill_blanks, default=_CONSTANTS[name]))
        check_values(self._columns, self._texts("id"))

    @classmethod
    def read(cls, path: PathInput) -> Self:
        """Reads a CSV file with a header; its paths are relative to the file.

        Args:
            path: The file, or a folder that holds a ``manifest.csv``.

        Raises:
            MissingFileError: If there is no such file.
            ManifestError: If it is not such a table.
        """
        path = Path(path)
        path = path / "manifest.csv" if path.is_dir() else path
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                columns = read_texts(file, path)
            return cls(columns, path.parent)
        except FileNotFoundError as error:
            raise MissingFileError(
                f"no manifest at {path}; write one with Manifest.from_lists(...) or match_patterns(...) and "
                ".write(path)"
            ) from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise ManifestError(
                f"{path} is not a manifest: {error}; expected CSV in UTF-8 with a header line"
            ) from error
        except ManifestError as error:
            raise ManifestError(str(error) if str(path) in str(error) else f"{path}: {error}") from error

    @classmethod
    def from_lists(
        cls,
        bg: PathInput | Sequence[PathInput],
        fg_bg: Sequence[PathInput],
        mask: Sequence[PathInput],
        depth: Sequence[PathInput] | None = None,
        root: PathInput = ".",
        **columns: str | Sequence[Any],
    ) -> Self:
        """Builds a manifest from lists of paths of one length; row ``i`` of each makes sample ``i``.

        Args:
            bg: One path per sample, or a single path for all of them (a fixed camera).
            fg_bg: Frames.
            mask: Masks.
            depth: Depth maps, or None.
            root: Folder that relative paths start from.
            **columns: Further columns such as ``bg_id=[...]``; a single string stands for all rows
                (``depth_unit="metres"``).

        Raises:
            ManifestError: If lengths differ, or as for `Manifest`.

        >>> manifest = Manifest.from_lists("room.jpg", ["1.jpg", "2.jpg"], ["1.png", "2.png"], depth_unit="metres")
        >>> manifest.column("bg").tolist()
        ['room.jpg', 'room.jpg']
        """
        given: dict[str, Any] = {"bg": bg, "fg_bg": fg_bg, "mask": mask, "depth": depth, **columns}
        for name in ("fg_bg", "mask", "depth"):
            if isinstance(given[name], str | os.PathLike):
                raise ManifestError(f"{name} is the single path {given[name]}; expected a list with one per sample")
        full: dict[str, Sequence[Any]] = {}
        for name, values in given.items():
            if values is not None:
                single = isinstance(values, str | os.PathLike)
                full[name] = [values] * len(fg_bg) if single else list(values)
        return cls(full, root)

    def __len__(self) -> int:
        return len(self._columns["fg_bg"])

    def __repr__(self) -> str:
        return f"Manifest({len(self)} samples, columns {', '.join(self.names)}, root {str(self.root)!r})"

    @property
    def names(self) -> list[str]:
        """Names of the columns that are stored; the others have their defaults."""
        return list(self._columns)

    def column(self, name: str) -> Column:
        """Values of a column, one string per row, read-only; its default where the column is absent.

        Raises:
            UnknownNameError: If there is neither such a column nor a default.
        """
        if name not in self._arrays:
            self._arrays[name] = self._texts(name).array()
            self._arrays[name].flags.writeable = False
        return self._arrays[name]

    def value(self, name: str, row: int) -> str:
        """Value of a column in one row: what ``column(name)[row]`` is, without an array of all rows.

        Raises:
            UnknownNameError: If there is neither such a column nor a default.

        >>> manifest = Manifest.from_lists("room.jpg", ["1.jpg", "2.jpg"], ["1.png", "2.png"])
        >>> manifest.value("id", 1), manifest.value("depth_unit", 1)
        ('2', 'relative')
        """
        return self._texts(name)[row]

    def distinct(self, name: str) -> set[str]:
        """The different values of a column.

        Raises:
            UnknownNameError: If there is neither such a column nor a default.
        """
        return self._texts(name).distinct()

    @cached_property
    def has_mask_valid(self) -> bool:
        """Whether at least one row says where its mask counts; then all samples have the key ``mask_valid``."""
        return self.distinct("mask_valid") != {""}

    def resolve(self, path: str) -> Path:
        """Full path of a path in the table."""
        return self.root / path

    def select(self, indices: Indices) -> Self:
        """The rows at ``indices`` (positions, or a boolean mask), in that order.

        Raises:
            ManifestError: If nothing is selected, a position stands twice, is out of range, or is no integer.
        """
        rows = np.asarray(indices)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "biu"):
            raise ManifestError(
                f"{rows.dtype} of shape {rows.shape} came to select rows; expected integers or bool (N,)"
            )
        if rows.dtype == bool and len(rows) != len(self):
            raise ManifestError(f"a mask of {len(rows)} values came to select from {len(self)} rows")
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        if len(rows) and not (-len(self) <= rows.min() and rows.max() < len(self)):
            raise ManifestError(f"positions from {rows.min()} to {rows.max()} came to select from {len(self)} rows")
        if not len(rows):
            raise ManifestError("no samples: the table has no rows; expected at least one")
        if np.bincount(rows % len(self)).max() > 1:
            raise ManifestError(describe_duplicates(self._texts("id").take(rows).array().tolist(), True))
        # What was right in all rows is right in some.
        part = copy.copy(self)
        part._set({name: texts.take(rows) for name, texts in self._columns.items()})
        return part

    def with_column(self, name: str, values: str | Values) -> Self:
        """The same table with a column more, or with other values in it.

        Args:
            name: Name of the column.
            values: One per row, or a single string for all rows.

        Raises:
            ManifestError: If the number of values or a value does not fit.

        >>> manifest = Manifest.from_lists("room.jpg", ["1.jpg", "2.jpg"], ["1.png", "2.png"])
        >>> manifest.with_column("split", ["train", "val"]).column("split").tolist()
        ['train', 'val']
        """
        given: Values = Texts.constant(values, len(self)) if isinstance(values, str) else values
        return type(self)({**self._columns, name: given}, self.root)

    def write(self, path: PathInput) -> Path:
        """Writes the table as CSV, in one step: the file is whole or not there.

        Files below the folder of ``path`` are written relative to it, others with their full path, so that the table
        means the same files from its new place. Ids and groups are written out, so that they, and with them splits
        and augmentation, do not change when the table moves.

        Returns:
            The path.
        """
        path = Path(path)
        stored = {name: self._texts(name).pieces() for name in dict.fromkeys([*STANDARD, *self._columns])}
        for name in stored.keys() & set(PATHS):
            stored[name] = (rebase(paths, self.root, path.parent) for paths in stored[name])
        with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(LinesWithoutReturn(file), lineterminator="\r\n")
            writer.writerow(stored)
            for pieces in zip(*stored.values(), strict=True):
                writer.writerows(zip(*pieces, strict=True))
        return path

    def _set(self, columns: dict[str, Texts]) -> None:
        self._columns = columns
        self._defaults: dict[str, Texts] = {}
        self._arrays: dict[str, Column] = {}
        self.__dict__.pop("has_mask_valid", None)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": {}}

    def _texts(self, name: str) -> Texts:
        if name in self._columns:
            return self._columns[name]
        if name not in self._defaults:
            self._defaults[name] = self._default(name)
        return self._defaults[name]

    def _default(self, name: str) -> Texts:
        if name == "id":
            paths = self._columns["fg_bg"].mapped(self._relative)
            return paths.mapped(lambda texts: [os.path.splitext(text)[0] for text in texts])  # noqa: PTH122 - speed
        if name == "bg_id":
            return self._columns["bg"].mapped(self._relative)
        if name not in _CONSTANTS:
            raise UnknownNameError("column", name, dict.fromkeys([*STANDARD, *_CONSTANTS, *self._columns]))
        return Texts.constant(_CONSTANTS[name], len(self))

    def _relative(self, paths: list[str]) -> list[str]:
        """Paths as seen from the root, however they are written, with forward slashes on every platform."""
        paths = [p.replace("\\", "/") for p in rebase(paths, self.root, self.root)]
        # Only where there is something to do: 400,000 paths are many.
        return [posixpath.normpath(p) if "./" in p or "//" in p else p for p in paths]


def _fill_blanks(texts: list[str], default: str) -> list[str]:
    return [text if text.strip() else default for text in texts]


__all__ = ["PATHS", "REQUIRED", "STANDARD", "Column", "Indices", "Manifest"]
