"""Members of a tar archive, one after another, out of a stream that cannot go back.

The tarfile module takes more than twice as long for members as small as ours, and takes an archive that breaks off
between two members, or whose next header is damaged, or behind which another one stands, for one that ends there.

After POSIX.1-2017, `pax`, and the manual of GNU tar, "Basic Tar Format".
"""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple

_BLOCK = 512
_PIECE = 2**20
_MAX_HEADER = 2**20  # bytes of a long name or of further fields
_FILES = (b"0", b"\0", b"7")
_FOLDER = b"5"
_PACKINGS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_WITHOUT_CONTENT = (b"1", b"2", b"3", b"4", b"5", b"6")  # links, devices, folders, pipes


class BadTarError(Exception):
    """What is wrong with an archive; whoever knows its name says so to the user."""


class TarMember(NamedTuple):
    """One member."""

    name: str
    size: int
    """Bytes."""
    is_file: bool
    is_folder: bool


class TarReader:
    """Iterates over the members of an archive; the content of each may be read before the next one is asked for.

    Args:
        stream: The archive, also packed with gzip, bzip2 or xz; it need not be seekable.

    Raises:
        BadTarError: While members are read: if it is damaged, truncated, no archive, or more follows behind its end.
        OSError, EOFError, zlib.error, lzma.LZMAError: While members are read: if the stream or its packing is broken.

    >>> import tarfile
    >>> file = io.BytesIO()
    >>> with tarfile.open(fileobj=file, mode="w") as archive:
    ...     member = tarfile.TarInfo("a.txt")
    ...     member.size = 3
    ...     archive.addfile(member, io.BytesIO(b"abc"))
    >>> reader = TarReader(io.BytesIO(file.getvalue()))
    >>> [(member.name, reader.content()) for member in reader]
    [('a.txt', b'abc')]
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._unread = 0
        self._padding = 0

    def __iter__(self) -> Iterator[TarMember]:
        self._stream, block = _unpacked(self._stream)
        long_name: str | None = None
        fields: dict[str, str] = {}
        while any(block):
            kind, size = self._read_header(block)
            if kind in (b"x", b"g", b"L", b"K"):
                content = self._further(size)
                if kind == b"x":
                    fields = _parse_fields(content)
                elif kind == b"L":
                    long_name = _text(content)
            else:
                if kind == b"S" or any(name.startswith("GNU.sparse") for name in fields):
                    raise BadTarError("it has a sparse member, which is not supported; make it without tar -S")
                if "size" in fields:
                    size = _number(fields["size"].encode(), 10)
                self._expect(0 if kind in _WITHOUT_CONTENT else size)
                name = fields.get("path") or long_name or _name(block)
                is_folder = kind == _FOLDER or (kind in _FILES and name.endswith("/"))  # the latter in old archives
                yield TarMember(name, size, kind in _FILES and not is_folder, is_folder)
                self._skip()
                long_name, fields = None, {}
            block = self._exactly(_BLOCK, "a member should start, or an empty block end the archive,")
        self._check_end()

    def content(self) -> bytes:
        """The content of the member that came last."""
        content = self._exactly(self._unread, "the content of a member should stand")
        self._unread = 0
        return content

    def _read_header(self, block: bytes) -> tuple[bytes, int]:
        """Kind and size of a member."""
        if _number(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
            raise BadTarError("the header of a member has a bad checksum")
        return block[156:157], _number(block[124:136])

    def _expect(self, size: int) -> None:
        self._unread, self._padding = size, -size % _BLOCK

    def _further(self, size: int) -> bytes:
        """What a member that describes the next one holds."""
        if size > _MAX_HEADER:
            raise BadTarError(f"a member's name or further fields have {size} bytes")
        self._expect(size)
        content = self.content()
        self._skip()
        return content

    def _skip(self) -> None:
        rest = self._unread + self._padding
        while rest:
            rest -= len(self._exactly(min(rest, _PIECE), "the content of a member should stand"))
        self._unread = self._padding = 0

    def _exactly(self, size: int, what: str) -> bytes:
        content = _read_full(self._stream, size)
        if len(content) < size:
            raise BadTarError(f"it breaks off where {what}")
        return content

    def _check_end(self) -> None:
        while rest := self._stream.read(_PIECE):
            if rest.count(0) != len(rest):
                raise BadTarError("more follows behind its end; archives must be given one by one, not joined")


def _read_full(stream: IO[bytes], size: int) -> bytes:
    """So many bytes, fewer only at the end; networks may give fewer at a time."""
    content = stream.read(size)
    if len(content) == size:
        return content
    parts = [content]
    while parts[-1] and (have := sum(map(len, parts))) < size:
        parts.append(stream.read(size - have))
    return b"".join(parts)


def _unpacked(stream: IO[bytes]) -> tuple[IO[bytes], bytes]:
    """A stream of the archive itself behind its first block, and that block."""
    block = _read_full(stream, _BLOCK)
    for start, unpack in _PACKINGS.items():
        if block.startswith(start):
            stream = unpack(io.BufferedReader(_Behind(block, stream), _PIECE), "rb")
            block = _read_full(stream, _BLOCK)
            break
    if len(block) < _BLOCK:
        raise BadTarError(f"it has {len(block)} bytes, less than the header of a member")
    return stream, block


class _Behind(io.RawIOBase):
    """A stream with what was read of it already put before it again."""

    def __init__(self, first: bytes, stream: IO[bytes]) -> None:
        self._first, self._stream = first, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever has a buffer
        content = self._first or self._stream.read(len(buffer))
        self._first = content[len(buffer) :]
        content = content[: len(buffer)]
        buffer[: len(content)] = content
        return len(content)


def _name(block: bytes) -> str:
    name = _text(block[:100])
    before = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return f"{before}/{name}" if before else name


def _text(content: bytes) -> str:
    return content.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _number(content: bytes, base: int = 8) -> int:
    if content[:1] == b"\x80":  # GNU tar's way to write what has too many digits
        return int.from_bytes(content[1:], "big")
    digits = content.partition(b"\0")[0].strip()
    if digits and not digits.isdigit():
        raise BadTarError(f"the header of a member has {content!r} instead of a number")
    try:
        return int(digits or b"0", base)
    except ValueError as error:
        raise BadTarError(f"the header of a member has {content!r} instead of a number") from error


def _parse_fields(content: bytes) -> dict[str, str]:
    r"""Records such as ``"18 path=some/name\n"``, whose number is their length."""
    fields = {}
    while content:
        length = _number(content.partition(b" ")[0], 10)
        record = content[:length]
        name, equals, value = record.partition(b" ")[2].partition(b"=")
        if len(record) < length or not equals or not value.endswith(b"\n"):
            raise BadTarError("the further fields of a member are damaged")
        fields[name.decode("utf-8", "surrogateescape")] = value[:-1].decode("utf-8", "surrogateescape")
        content = content[length:]
    return fields


__all__ = ["BadTarError", "TarMember", "TarReader"]
