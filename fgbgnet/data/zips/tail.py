"""The end of a zip archive, which says where its directory lies.

After PKWARE's APPNOTE 6.3.10, sections 4.3.14 to 4.3.16.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from fgbgnet.data.zips.damage import damaged
from fgbgnet.errors import ArchiveError

ReadAt: TypeAlias = Callable[[int, int], bytes]
"""(number of bytes, offset) -> bytes, fewer only at the end of the file."""

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_MAX_COMMENT = 0xFFFF
_ENTRY_SIZE = 46  # of an entry without its name


class Extent(NamedTuple):
    """Where the directory of an archive lies, in bytes of the file."""

    start: int
    size: int
    entries: int
    """How many members the archive says it has; archives of old programs say it modulo 65536."""
    shift: int
    """What offsets must be moved by, where something stands before the archive in the file."""


def find_directory(read_at: ReadAt, file_size: int) -> Extent:
    """Finds the directory of a zip archive.

    Raises:
        ArchiveError: If there is none, as in truncated archives; or the archive is one of several volumes.
    """
    tail = read_at(min(file_size, _MAX_COMMENT + _END.size), max(0, file_size - _MAX_COMMENT - _END.size))
    where = _find_end(tail)
    if where < 0:
        start = read_at(4, 0)
        if start[:4] == b"PK\x03\x04":
            raise damaged("its directory, which stands at the end of a zip archive, is missing")
        raise ArchiveError("it is not a zip archive")
    _, disk, directory_disk, _, entries, size, offset, _ = _END.unpack_from(tail, where)
    end = file_size - len(tail) + where
    wide = _read_end_64(read_at, end)  # also where the numbers would have fit: some programs always write it
    if wide is not None:
        disk = directory_disk = 0
        entries, size, offset, end = wide
    if disk or directory_disk:
        raise ArchiveError("it is one volume of several; join them first, as with zip -s 0 in.zip --out all.zip")
    shift = end - size - offset
    if size > end or shift < 0 or size < min(entries, 1) * _ENTRY_SIZE:
        raise damaged(f"its directory should have {size} bytes at offset {offset}, which the file does not hold")
    return Extent(end - size, size, entries, shift)


def _find_end(tail: bytes) -> int:
    """Offset of the end record; the signature may also stand in a comment."""
    where = tail.rfind(b"PK\x05\x06")
    while where >= 0:
        if len(tail) >= where + _END.size and len(tail) >= where + _END.size + _END.unpack_from(tail, where)[-1]:
            return where
        where = tail.rfind(b"PK\x05\x06", 0, where)
    return -1


def _read_end_64(read_at: ReadAt, end: int) -> tuple[int, int, int, int] | None:
    """Entries, size and offset of the directory of a large archive, and where its own end record stands."""
    locator = read_at(_LOCATOR_64.size, max(0, end - _LOCATOR_64.size))
    if locator[:4] != b"PK\x06\x07":
        return None
    _, _, offset, disks = _LOCATOR_64.unpack(locator)
    if disks > 1:
        raise ArchiveError(f"it is one volume of {disks}; join them first")
    # With something before the archive, the record stands right before its locator.
    for where in (offset, end - _LOCATOR_64.size - _END_64.size):
        record = read_at(_END_64.size, where) if where >= 0 else b""
        if len(record) == _END_64.size and record[:4] == b"PK\x06\x06":
            *_, entries, size, start = _END_64.unpack(record)
            return entries, size, start, where
    raise damaged("its zip64 end record is missing")


__all__ = ["Extent", "ReadAt", "find_directory"]
