"""The directory of a zip archive, compact: 400,000 members take tens of megabytes, not hundreds.

Entries stay bytes, as they stand in the file, beside two sorted columns of numbers to find them by; they are parsed
when they are asked for. Nothing in it is written to later, so that forked workers share all of it.

After PKWARE's APPNOTE 6.3.10, sections 4.3.12 and 4.5.3.
"""

import stat
import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fgbgnet.data.zips.damage import damaged
from fgbgnet.data.zips.names import decode_name
from fgbgnet.data.zips.tail import Extent
from fgbgnet.errors import ArchiveError

_ENTRY = struct.Struct("<4s6H3L5H2L")
_SCAN = struct.Struct("<4s4xH10xL4x3H8xL")  # the same, less the fields that finding a member does not need
_LOCAL_SIZE = 30  # of the header before a member's content, without the name
_WIDE = 0xFFFFFFFF
_UNIX = 3


class Member(NamedTuple):
    """An entry of the directory."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    """Bytes in the archive."""
    size: int
    """Bytes when unpacked."""
    offset: int
    """Of the header before the content, in bytes of the file."""
    extra: int
    """Bytes of further fields in the entry; the header has about as many."""
    is_link: bool
    number: int
    """Below that of all members, the same as long as the archive is open; -1 where nobody asked for it."""


class Directory:
    """Members of an archive by name.

    Args:
        content: The bytes of the directory.
        extent: Where it stands in the file.

    Raises:
        ArchiveError: If it is damaged, a member does not lie before it in the file, members overlap, or a name leads
            out of the archive.
    """

    def __init__(self, content: bytes, extent: Extent) -> None:
        self._content = content
        self._shift = extent.shift
        hashes, positions, starts, ends = self._scan()
        if (len(hashes) - extent.entries) % 0x10000:
            raise damaged(f"its directory lists {len(hashes)} members, but should have {extent.entries}")
        self._check_places(starts, ends, positions, extent.start)
        order = np.argsort(hashes, kind="stable")
        # Arrays of Python rather than of NumPy: single values come out of them several times as fast.
        self._hashes = array("q", hashes[order].tobytes())
        self._positions = array("q", positions[order].tobytes())

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[str]:
        """Names, in the order of the archive; those of folders end with a slash."""
        position = 0
        while position < len(self._content):
            _, flags, _, name, extra, comment, _ = _SCAN.unpack_from(self._content, position)
            start = position + _ENTRY.size
            yield decode_name(self._content[start : start + name], flags)
            position = start + name + extra + comment

    def find(self, name: str) -> Member | None:
        """The member of a name, or None.

        Raises:
            ArchiveError: If several members of different content have the name.
        """
        found: Member | None = None
        key, hashes = hash(name), self._hashes
        index, count = bisect_left(hashes, key), len(hashes)
        while index < count and hashes[index] == key:
            member = self._parse(self._positions[index], index, name)
            if member.name == name:
                if found is not None and (found.crc, found.size) != (member.crc, member.size):
                    raise ArchiveError(f"{name} stands in it more than once, with different content; keep one of them")
                found = member
            index += 1
        return found

    def _scan(self) -> tuple[npt.NDArray[np.int64], ...]:
        """Hash of the name, position in the directory, first and last byte in the file of each member."""
        hashes, positions, starts, ends = array("q"), array("q"), array("q"), array("q")
        content, position, size = self._content, 0, len(self._content)
        while position < size:
            if size - position < _ENTRY.size:
                raise damaged(f"its directory ends in the middle of entry {len(hashes)}")
            signature, flags, packed, name, extra, comment, offset = _SCAN.unpack_from(content, position)
            start = position + _ENTRY.size
            following = start + name + extra + comment
            if signature != b"PK\x01\x02" or following > size:
                raise damaged(f"its directory does not go on where entry {len(hashes)} should start or end")
            hashes.append(hash(decode_name(content[start : start + name], flags)))
            positions.append(position)
            if packed == _WIDE or offset == _WIDE:
                member = self._parse(position)
                packed, offset = member.packed, member.offset - self._shift
            starts.append(offset)
            ends.append(offset + _LOCAL_SIZE + name + packed)
            position = following
        return tuple(np.frombuffer(column, np.int64) for column in (hashes, positions, starts, ends))

    def _check_places(
        self,
        starts: npt.NDArray[np.int64],
        ends: npt.NDArray[np.int64],
        positions: npt.NDArray[np.int64],
        directory: int,
    ) -> None:
        """Members must follow one another, all before the directory."""
        order = np.argsort(starts, kind="stable")
        limits = np.append(starts[order][1:], directory - self._shift)[: len(order)]
        wrong = np.flatnonzero((ends[order] > limits) | (starts[order] < 0))
        if len(wrong):
            name = self._parse(int(positions[order[wrong[0]]])).name
            raise ArchiveError(
                f"its member {name} overlaps what follows it; the archive is truncated, damaged, or a zip bomb"
            )

    def _parse(self, position: int, index: int = -1, expected: str = "") -> Member:
        """The entry at a position of the directory; decoding its name is spared where it is as expected."""
        entry = _ENTRY.unpack_from(self._content, position)
        _, made, _, flags, method, _, _, crc, packed, size, length, extra, _, _, _, attributes, offset = entry
        start = position + _ENTRY.size
        raw = self._content[start : start + length]
        if _WIDE in (packed, size, offset):
            field = _wide_field(self._content[start + length : start + length + extra])
            size, packed, offset = _widen((size, packed, offset), field)
        is_link = made >> 8 == _UNIX and stat.S_ISLNK(attributes >> 16)
        name = expected if raw == expected.encode() else decode_name(raw, flags)
        return Member(name, raw, flags, method, crc, packed, size, offset + self._shift, extra, is_link, index)


def _wide_field(extra: bytes) -> bytes:
    """The 64-bit numbers among the further fields of an entry."""
    position = 0
    while position + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, position)
        if kind == 1:
            return extra[position + 4 : position + 4 + size]
        position += 4 + size
    return b""


def _widen(values: tuple[int, int, int], field: bytes) -> Iterator[int]:
    """Replaces the values that do not fit 32 bits by those of the zip64 field, which stand there in this order."""
    position = 0
    for value in values:
        if value != _WIDE:
            yield value
            continue
        if position + 8 > len(field):
            raise damaged("its directory lacks a 64-bit number")
        yield int.from_bytes(field[position : position + 8], "little")
        position += 8


__all__ = ["Directory", "Member"]
