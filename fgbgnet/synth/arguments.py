"""Numbers that a caller gives: taken in any integer type, refused with the argument's name."""

import operator
import os
from collections.abc import Iterable
from typing import SupportsIndex, TypeAlias

import numpy as np

from fgbgnet.errors import InvalidArgumentError

Size: TypeAlias = SupportsIndex | Iterable[SupportsIndex]

SMALLEST = 16
"""Pixels that a picture needs at least in height and width."""


def integer(name: str, value: SupportsIndex, least: int | None = None) -> int:
    """A whole number of any type: int, NumPy, tensor.

    Args:
        name: How the error calls it.
        value: What came.
        least: The smallest that is allowed.

    Raises:
        InvalidArgumentError: If it is no integer (2.0 is none either), or too small.

    >>> import numpy as np
    >>> integer("n", np.int64(3))
    3
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidArgumentError(f"{name} is {value!r}; expected an integer") from None
    if least is not None and number < least:
        raise InvalidArgumentError(f"{name} is {number}; expected at least {least}")
    return number


def height_and_width(size: Size) -> tuple[int, int]:
    """One number of pixels for both, or (height, width), as two ints.

    Raises:
        InvalidArgumentError: If it is neither, or smaller than `SMALLEST`.

    >>> height_and_width(64), height_and_width((48, 64))
    ((64, 64), (48, 64))
    """
    try:
        sides = (size, size) if isinstance(size, SupportsIndex) else tuple(size)
        height, width = (operator.index(side) for side in sides)
    except (TypeError, ValueError):
        raise InvalidArgumentError(f"size is {size!r}; expected an integer, or two: (height, width)") from None
    if min(height, width) < SMALLEST:
        raise InvalidArgumentError(f"size is {size}; expected at least {SMALLEST} pixels in height and width")
    return height, width


def truth(name: str, value: object) -> bool:
    """Yes or no, of Python or NumPy; ``"no"`` and 0 are neither.

    Raises:
        InvalidArgumentError: If it is something else.

    >>> truth("flip", True)
    True
    """
    if not isinstance(value, bool | np.bool_):
        raise InvalidArgumentError(f"{name} is {value!r}; expected True or False")
    return bool(value)


def check_quality(quality: int | None) -> None:
    """Refuses a JPEG quality outside 1 to 100."""
    if quality is not None and not 1 <= quality <= 100:
        raise InvalidArgumentError(f"quality is {quality}; expected 1 to 100 for JPEG, or None for PNG")


def allowed_cpus() -> int:
    """How many CPUs this process may use, which in a container or a batch job are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


__all__ = ["SMALLEST", "Size", "allowed_cpus", "check_quality", "height_and_width", "integer", "truth"]
