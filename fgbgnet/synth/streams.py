"""Random streams that are the same on every platform."""

import threading
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

_WORD = 2**64 - 1
_LOCAL = threading.local()


def stream(seed: int, name: str, number: int = 0) -> np.random.Generator:
    """The random stream of (seed, name, number); streams of different keys are independent.

    >>> stream(1, "a").random() == stream(1, "a").random(), stream(1, "a").random() == stream(2, "a").random()
    (True, False)
    """
    key, counter = _start(seed, name, number)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def borrowed_stream(seed: int, name: str, number: int = 0) -> np.random.Generator:
    """The same stream from a generator that every thread keeps: it is only good until the next call in the thread.

    Setting a generator back takes a tenth of the time of making one.

    >>> borrowed_stream(1, "a").random(3).tolist() == stream(1, "a").random(3).tolist()
    True
    """
    if not hasattr(_LOCAL, "generator"):
        _LOCAL.generator = np.random.Generator(np.random.Philox(key=0))
        _LOCAL.state = _LOCAL.generator.bit_generator.state
    generator: np.random.Generator = _LOCAL.generator
    start: dict[str, Any] = _LOCAL.state
    start["state"]["key"], start["state"]["counter"] = _start(seed, name, number)
    generator.bit_generator.state = start
    return generator


def _start(seed: int, name: str, number: int) -> tuple[Words, Words]:
    # The counter's last word tells the numbers apart: 2 ** 192 values stay for each.
    key = np.array([seed & _WORD, zlib.crc32(name.encode())], dtype=np.uint64)
    return key, np.array([0, 0, 0, number & _WORD], dtype=np.uint64)


__all__ = ["borrowed_stream", "stream"]
