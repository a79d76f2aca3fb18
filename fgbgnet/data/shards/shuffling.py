"""A random order for what comes in order."""

from collections.abc import Iterable, Iterator
from random import Random
from typing import TypeVar

T = TypeVar("T")


def shuffled(items: Iterable[T], size: int, rng: Random) -> Iterator[T]:
    """Gives items in a random order, of which it never holds more than ``size``.

    >>> sorted(shuffled(range(10), 4, Random(0)))
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    buffer: list[T] = []
    for item in items:
        if len(buffer) < size:
            buffer.append(item)
            continue
        chosen = rng.randrange(size)
        yield buffer[chosen]
        buffer[chosen] = item
    rng.shuffle(buffer)
    yield from buffer


__all__ = ["shuffled"]
