"""Archives as no honest program writes them."""

import struct
import zlib
from dataclasses import dataclass


@dataclass
class Entry:
    name: bytes
    content: bytes = b"content"
    flags: int = 0
    method: int = 0
    packed: bytes | None = None
    packed_size: int | None = None
    size: int | None = None
    crc: int | None = None
    made: int = 0
    attributes: int = 0
    offset: int | None = None
    local_name: bytes | None = None
    local_extra: bytes = b""
    extra: bytes = b""

    def values(self):
        stored = self.content if self.packed is None else self.packed
        crc = zlib.crc32(self.content) if self.crc is None else self.crc
        return stored, crc, len(self.content) if self.size is None else self.size


def craft(entries, count=None, comment=b"", prefix=b"", disk=0):
    """The bytes of an archive, after section 4.3 of the format's description."""
    content, directory = prefix, b""
    for entry in entries:
        stored, crc, size = entry.values()
        packed = len(stored) if entry.packed_size is None else entry.packed_size
        name = entry.name if entry.local_name is None else entry.local_name
        offset = len(content) - len(prefix) if entry.offset is None else entry.offset
        content += struct.pack(
            "<4s5H3L2H", b"PK\3\4", 20, entry.flags, entry.method, 0, 0, crc, len(stored), size, len(name),
            len(entry.local_extra),
        ) + name + entry.local_extra + stored  # fmt: skip
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", entry.made, 20, entry.flags, entry.method, 0, 0, crc, packed, size,
            len(entry.name), len(entry.extra), 0, 0, 0, entry.attributes, offset,
        ) + entry.name + entry.extra  # fmt: skip
    count = len(entries) if count is None else count
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", disk, disk, count, count, len(directory), len(content) - len(prefix), len(comment)
    )
    return content + directory + end + comment
