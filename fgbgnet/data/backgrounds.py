"""Backgrounds that are decoded once, not once per sample."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import blake2b
from multiprocessing.util import register_after_fork
from typing import Any, NamedTuple

from fgbgnet.data.arrays import ByteArray
from fgbgnet.data.decode import decode_rgb
from fgbgnet.data.plain import LeastSize
from fgbgnet.data.storage import read_bytes, split_archive
from fgbgnet.data.zips.archive import file_version
from fgbgnet.errors import FgBgError, InvalidArgumentError


class _Entry(NamedTuple):
    version: tuple[int, ...] | None
    pixels: ByteArray


class BackgroundCache:
    """Decoded backgrounds within a limit of memory; those that were not asked for the longest leave first.

    A file that was replaced is decoded again. Workers that are forked share what was decoded before; a cache that is
    pickled arrives empty.

    Args:
        megabytes: Limit for all pixels together, in units of 10**6 bytes; with 0 nothing is kept.

    >>> import tempfile
    >>> from PIL import Image
    >>> path = tempfile.mkdtemp() + "/room.png"
    >>> Image.new("RGB", (100, 100)).save(path)
    >>> cache = BackgroundCache(1)
    >>> cache.read(path) is cache.read(path), cache.bytes
    (True, 30000)
    """

    def __init__(self, megabytes: float) -> None:
        if not megabytes >= 0:
            raise InvalidArgumentError(f"background_cache is {megabytes}; expected megabytes, 0 for none")
        self.limit = int(megabytes * 1e6)
        self.bytes = 0
        """Bytes of all pixels that are kept."""
        self._entries: OrderedDict[tuple[str, object], _Entry] = OrderedDict()
        self._renew_lock()
        register_after_fork(self, BackgroundCache._renew_lock)

    def __len__(self) -> int:
        return len(self._entries)

    def __getstate__(self) -> dict[str, Any]:
        return {"limit": self.limit}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["limit"] / 1e6)  # type: ignore[misc]

    def read(self, path: str, least: LeastSize | None = None, kind: object = None) -> ByteArray:
        """Reads a background.

        Args:
            path: Path of the file; in an archive, too.
            least: See `decode_rgb`.
            kind: What else the pixels depend on, such as the transform that ``least`` belongs to.

        Returns:
            RGB, uint8 (H, W, 3); read-only, because others get the same.

        Raises:
            MissingFileError, PictureError: As for `read_rgb`.
        """
        return self._get((path, kind), _version(path), lambda: decode_rgb(read_bytes(path), path, least))

    def decode(self, content: bytes, name: str, least: LeastSize | None = None, kind: object = None) -> ByteArray:
        """Decodes a background whose bytes are there already, such as out of a shard; the same bytes once.

        Args:
            content: Bytes of the file.
            name: How errors call it.
            least: See `decode_rgb`.
            kind: What else the pixels depend on.

        Returns:
            RGB, uint8 (H, W, 3); read-only, because others get the same.

        Raises:
            PictureError: As for `decode_rgb`.
        """
        digest = blake2b(content, digest_size=16).hexdigest()
        return self._get((digest, kind), None, lambda: decode_rgb(content, name, least))

    def _get(
        self, key: tuple[str, object], version: tuple[int, ...] | None, load: Callable[[], ByteArray]
    ) -> ByteArray:
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.version == version:
                self._entries.move_to_end(key)
                return entry.pixels
        pixels = load()
        pixels.flags.writeable = False
        with self._lock:
            self._keep(key, _Entry(version, pixels))
        return pixels

    def fill(self, paths: Iterable[str], least: LeastSize | None = None, kind: object = None) -> None:
        """Reads backgrounds ahead, such as before workers are forked, until the limit is reached.

        Files that cannot be read are passed over: they are an error when a sample asks for them.
        """
        for path in paths:
            try:
                pixels = self.read(path, least, kind)
            except FgBgError:
                continue
            if self.bytes + pixels.nbytes > self.limit:
                return

    def _keep(self, key: tuple[str, object], entry: _Entry) -> None:
        former = self._entries.pop(key, None)
        self.bytes -= 0 if former is None else former.pixels.nbytes
        if entry.pixels.nbytes > self.limit:
            return
        self._entries[key] = entry
        self.bytes += entry.pixels.nbytes
        while self.bytes > self.limit:
            self.bytes -= self._entries.popitem(last=False)[1].pixels.nbytes

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()


def _version(path: str) -> tuple[int, ...] | None:
    try:
        return file_version(os.stat(split_archive(path)[0] or path))  # noqa: PTH116 - runs for every sample
    except OSError:
        return None  # reading says what is wrong


__all__ = ["BackgroundCache"]
