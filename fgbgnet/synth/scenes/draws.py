"""Random numbers of many scenes at once, each scene with a stream of its own.

Number ``k`` of a stream is a hash of (seed, name, scene, k): SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable
pseudorandom number generators"), whose state is a counter. So a scene's numbers do not depend on the scenes beside it,
and a batch is drawn in a few array operations.
"""

import math
import zlib
from collections.abc import Sequence

import numpy as np

from fgbgnet.synth.scenes.geometry import Array

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_WORD = 2**64 - 1


def _mix(z: Array) -> Array:
    """The finaliser of SplitMix64 on uint64, which wrap around."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


class Draws:
    """Streams of uniform numbers, one per scene; every call takes the next numbers of all of them.

    Args:
        seed: Any integer.
        name: What the streams are for; another name gives independent streams.
        numbers: The scenes, B integers.

    >>> both, one = Draws(0, "demo", [4, 7]), Draws(0, "demo", [7])
    >>> bool((both.uniform(0, 1, (3,))[1:] == one.uniform(0, 1, (3,))).all())
    True
    """

    def __init__(self, seed: int, name: str, numbers: Sequence[int] | Array) -> None:
        base = _mix(
            np.array([seed & _WORD], dtype=np.uint64)
            + _GOLDEN * np.array([zlib.crc32(name.encode()) + 1], dtype=np.uint64)
        )
        rows = np.asarray(numbers, dtype=np.int64).astype(np.uint64)
        self._keys = _mix(_mix(rows * _GOLDEN + base))
        self._used = 0

    def __len__(self) -> int:
        return len(self._keys)

    def uniform(self, low: float | Array = 0.0, high: float | Array = 1.0, shape: tuple[int, ...] = ()) -> Array:
        """Numbers from ``low`` to ``high`` (exclusive), (B, ...shape); bounds broadcast against that."""
        count = math.prod(shape)
        steps = np.arange(self._used + 1, self._used + 1 + count, dtype=np.uint64) * _GOLDEN
        self._used += count
        unit = (_mix(self._keys[:, None] + steps) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        unit = unit.reshape(len(self), *shape)
        return np.asarray(low + unit * (np.asarray(high) - low))

    def log_uniform(self, low: float | Array, high: float | Array, shape: tuple[int, ...] = ()) -> Array:
        """Numbers whose logarithm is uniform, (B, ...shape)."""
        return np.exp(self.uniform(np.log(low), np.log(high), shape))

    def normal(self, mean: float | Array = 0.0, sigma: float | Array = 1.0, shape: tuple[int, ...] = ()) -> Array:
        """Normal numbers by the method of Box and Muller, (B, ...shape)."""
        u = self.uniform(0, 1, (2, *shape))
        radius = np.sqrt(-2 * np.log1p(-u[:, 0]))
        return np.asarray(mean + sigma * radius * np.cos(2 * math.pi * u[:, 1]))

    def chance(self, probability: float | Array, shape: tuple[int, ...] = ()) -> Array:
        """Booleans that are true with a probability, (B, ...shape)."""
        return self.uniform(0, 1, shape) < probability

    def pick(self, weights: Sequence[float], shape: tuple[int, ...] = ()) -> Array:
        """Indices drawn with these weights, int64 (B, ...shape)."""
        share = np.cumsum(weights)
        return np.searchsorted(share / share[-1], self.uniform(0, 1, shape), side="right").clip(max=len(share) - 1)


__all__ = ["Draws"]
