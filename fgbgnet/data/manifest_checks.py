"""What makes a table of samples valid."""

from collections.abc import Callable, Mapping, Sequence
from math import inf, isfinite

import numpy as np

from fgbgnet.data.table import describe_duplicates, looks_unsplit
from fgbgnet.data.texts import Texts
from fgbgnet.errors import ManifestError, UnknownNameError

REQUIRED = ("bg", "fg_bg", "mask")
LAYERS = ("bg", "fg_bg", "mask", "mask_valid", "depth")
"""Columns with the files of one sample."""
DECLARATION = ("depth_unit", "depth_direction", "depth_scale", "depth_invalid")
"""Columns that say what the values of ``depth`` mean."""
CHOICES = {"depth_unit": ("metres", "relative"), "depth_direction": ("near_small", "near_large")}


def check_shape(columns: Mapping[str, Texts]) -> None:
    """Checks that required columns are there and all have one length.

    Raises:
        ManifestError: If not, or if there is no row.
    """
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        there = ", ".join(repr(name) for name in columns) or "no column"
        hint = "; it looks as if another delimiter than the comma were used" if looks_unsplit(columns) else ""
        raise ManifestError(
            f"required column{'s' * (len(missing) > 1)} {', '.join(map(repr, missing))} missing; there is "
            f"{there}{hint}. Rename the columns to bg, fg_bg, mask"
        )
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        listing = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ManifestError(f"columns have different lengths: {listing}; expected one value per sample in each")
    if not len(columns["fg_bg"]):
        raise ManifestError("no samples: the table has no rows; expected at least one")


def check_values(columns: Mapping[str, Texts], ids: Texts) -> None:
    """Checks what stands in the columns.

    Args:
        columns: Those that are stored.
        ids: Of the rows, stored or not.

    Raises:
        ManifestError: If a required value is empty, an id stands twice, or a unit, direction or number is not known.
    """
    for name in REQUIRED:
        empty = columns[name].where("")
        if len(empty):
            raise ManifestError(f"{name} is empty in {len(empty)} rows, first in row {empty[0]}; expected a path")
    if ids.has_duplicates():
        raise ManifestError(describe_duplicates(ids.array().tolist(), "id" in columns))
    empty = ids.where("")
    if len(empty):
        raise ManifestError(f"id is empty in row {empty[0]}; give every sample an id, or leave the column out")
    for name, choices in CHOICES.items():
        if name in columns:
            _check_choices(name, columns[name], choices)
    _check_number(
        "depth_scale", columns, lambda number: 0 < number < inf, "a positive number; for millimetres it is 0.001"
    )
    _check_number("depth_invalid", columns, isfinite, "a number: the stored value that means 'not known', such as 0")


def _check_choices(name: str, values: Texts, choices: Sequence[str]) -> None:
    bad = values.distinct() - set(choices)
    if bad:
        wrong = np.sort(np.concatenate([values.where(text) for text in bad]))
        problem = UnknownNameError(name, values[int(wrong[0])], choices)
        raise ManifestError(
            f"row {wrong[0]} (and {len(wrong) - 1} more): {problem} Expected {' or '.join(map(repr, choices))}"
        )


def _check_number(name: str, columns: Mapping[str, Texts], is_good: Callable[[float], bool], expected: str) -> None:
    for value in columns[name].distinct() - {""} if name in columns else ():
        try:
            good = is_good(float(value))
        except ValueError:
            good = False
        if not good:
            raise ManifestError(f"{name} {value!r} is not {expected}")


__all__ = ["CHOICES", "REQUIRED", "check_shape", "check_values"]
