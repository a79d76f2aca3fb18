"""Which samples of a dataset are meant."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fgbgnet.errors import InvalidArgumentError

Indices: TypeAlias = Sequence[int] | npt.NDArray[np.integer[Any]] | npt.NDArray[np.bool_]
Numbers: TypeAlias = npt.NDArray[np.int64]


def positions(indices: Indices, count: int) -> Numbers:
    """Positions or a mask -> positions from 0, each once.

    Args:
        indices: Integers, of which negative ones count from the end, or one boolean for each sample.
        count: How many samples there are.

    Raises:
        InvalidArgumentError: If they are neither, one is out of range or stands twice, or a mask has another length.

    >>> positions([-1, 0], 3).tolist(), positions([True, False, True], 3).tolist()
    ([2, 0], [0, 2])
    """
    chosen = np.asarray(indices)
    if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iub"):
        raise InvalidArgumentError(
            f"indices have type {chosen.dtype} and shape {chosen.shape}; expected a row of integers, or of booleans"
        )
    if chosen.dtype == bool:
        if len(chosen) != count:
            raise InvalidArgumentError(f"a mask of {len(chosen)} values came to select from {count} samples")
        return np.flatnonzero(chosen)
    chosen = chosen.astype(np.int64)
    outside = chosen[(chosen < -count) | (chosen >= count)]
    if len(outside):
        raise InvalidArgumentError(f"indices hold {outside[0]}; expected positions in {count} samples")
    chosen = np.where(chosen < 0, chosen + count, chosen)
    values, times = np.unique(chosen, return_counts=True)
    if (times > 1).any():
        raise InvalidArgumentError(f"indices hold position {values[times > 1][0]} twice; expected each at most once")
    return chosen


__all__ = ["Indices", "Numbers", "positions"]
