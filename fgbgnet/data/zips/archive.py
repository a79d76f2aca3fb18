"""A zip archive whose members are read by their offset: no shared file position, hence no lock."""

import bz2
import os
import struct
import threading
import weakref
import zlib
from functools import cached_property
from typing import Any

from fgbgnet.data.zips.damage import damaged
from fgbgnet.data.zips.directory import Directory, Member
from fgbgnet.data.zips.limits import archive_limits
from fgbgnet.data.zips.names import clean_name
from fgbgnet.data.zips.tail import find_directory
from fgbgnet.errors import ArchiveError

_LOCAL = struct.Struct("<4s2xHH16x2H")  # signature, flags, method, lengths of name and further fields
_LOCAL_SIZE = 30
_SLACK = 32  # bytes by which the further fields may be longer before a member than they are in the directory
_ENCRYPTED = 0x2041  # flags of the two encryptions, and of hidden local values
_STORED = 0
_METHODS = {
    1: "shrunk", 6: "imploded", 9: "deflate64", 14: "LZMA", 93: "Zstandard", 94: "MP3", 95: "XZ", 98: "PPMd", 99: "AES",
}  # fmt: skip


class Archive:
    """An open zip archive; safe across threads, forks and, since it is opened anew there, spawned processes.

    Args:
        path: The file.

    Raises:
        ArchiveError: If it is no zip archive, or damaged.
        OSError: If it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
        weakref.finalize(self, os.close, self._descriptor)
        self._read_once = os.pread if hasattr(os, "pread") else _SeekAndRead()
        status = os.fstat(self._descriptor)
        self.version = file_version(status)
        """What changes when another file takes the archive's place."""
        extent = find_directory(self._read_at, status.st_size)
        self.directory = Directory(self._read_at(extent.size, extent.start), extent)
        # A checksum takes a third of the time that reading takes. The file is the same as long as its version is, so
        # that once per process is enough.
        self._checked = bytearray(len(self.directory))

    def is_current(self) -> bool:
        """Whether the archive is still the file at its path."""
        try:
            return file_version(os.stat(self.path)) == self.version  # noqa: PTH116 - runs for every member
        except OSError:
            return False

    def read(self, name: str) -> bytes:
        """Reads a member.

        Raises:
            KeyError: If there is no such member.
            ArchiveError: If it is damaged, encrypted, a link, too large, or packed in another way than stored, deflate
                or bzip2.
            OSError: If the file cannot be read.
        """
        member = self.directory.find(name) or self.directory.find(clean_name(name))
        if member is None:
            raise KeyError(name)
        _check_readable(member)
        # Header and content at once; the header before a member may be longer than its entry in the directory tells.
        packed, offset = member.packed, member.offset
        block = self._read_at(_LOCAL_SIZE + len(member.raw_name) + member.extra + _SLACK + packed, offset)
        start = _content_start(block, member)
        if start + packed > len(block):
            block, start = self._read_at(packed, offset + start), 0
        content = block[start : start + packed]
        if len(content) < packed:
            raise damaged(f"{member.name} should have {packed} bytes, but the file ends before that")
        if member.method != _STORED:
            content = _unpack(content, member)
        if not self._checked[member.number]:
            if len(content) != member.size or zlib.crc32(content) != member.crc:
                raise damaged(f"{member.name} has another checksum or size than the directory says")
            self._checked[member.number] = True
        return content

    @cached_property
    def folders(self) -> dict[str, dict[str, None]]:
        """Names in every folder; listed once, because archives of 100,000 members are asked often."""
        folders: dict[str, dict[str, None]] = {"": {}}
        for member in self.directory:
            path = member.rstrip("/")
            parent, _, name = path.rpartition("/")
            inside = folders.get(parent)
            if inside is None:
                inside = _add_folder(folders, parent)
            inside[name] = None
            if path != member and path not in folders:
                folders[path] = {}
        return folders

    def _read_at(self, size: int, offset: int) -> bytes:
        """Reads so many bytes, fewer only at the end of the file; file systems may give fewer at a time."""
        content = self._read_once(self._descriptor, size, offset)
        if len(content) == size:
            return content
        parts = [content]
        while parts[-1] and (have := sum(map(len, parts))) < size:
            parts.append(self._read_once(self._descriptor, size - have, offset + have))
        return b"".join(parts)


class _SeekAndRead:
    """What `os.pread` does, for Windows, where nothing is forked but threads may read at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self, descriptor: int, size: int, offset: int) -> bytes:
        with self._lock:
            os.lseek(descriptor, offset, os.SEEK_SET)
            return os.read(descriptor, size)


def _add_folder(folders: dict[str, dict[str, None]], path: str) -> dict[str, None]:
    """Adds a folder and those that it lies in; gives what is inside."""
    parent, _, name = path.rpartition("/")
    outer = folders.get(parent)
    (_add_folder(folders, parent) if outer is None else outer)[name] = None
    inside = folders[path] = {}
    return inside


def file_version(status: os.stat_result) -> tuple[int, int, int]:
    """What changes when another file takes a file's place."""
    return status.st_mtime_ns, status.st_size, status.st_ino


def _check_readable(member: Member) -> None:
    if member.flags & _ENCRYPTED:
        raise ArchiveError(
            f"{member.name} is encrypted; archives must not be encrypted, make it again without password"
        )
    if member.is_link:
        raise ArchiveError(f"{member.name} is a symbolic link; archives must hold the files themselves (no zip -y)")
    if member.method != _STORED and member.method not in _UNPACKERS:
        kind = _METHODS.get(member.method, f"method {member.method}")
        raise ArchiveError(
            f"{member.name} is packed with {kind}, which is not supported; expected stored, deflate or bzip2. Make the "
            "archive again, for one with zip -0"
        )
    if member.method == _STORED and member.packed != member.size:
        raise damaged(f"{member.name} is stored as it is, but should have {member.packed} and {member.size} bytes")
    archive_limits().check(member.name, member.packed, max(member.size, member.packed))


def _content_start(block: bytes, member: Member) -> int:
    """Bytes from the header before a member to its content; the header must be that of the member."""
    if len(block) >= _LOCAL_SIZE:
        signature, flags, method, name, extra = _LOCAL.unpack_from(block)
        if (
            signature == b"PK\x03\x04"
            and block.startswith(member.raw_name, _LOCAL_SIZE)
            and name == len(member.raw_name)
            and method == member.method
            and not flags & 1
        ):
            return _LOCAL_SIZE + int(name) + int(extra)
    raise damaged(f"{member.name} does not stand where the directory says")


def _unpack(content: bytes, member: Member) -> bytes:
    unpacker = _UNPACKERS[member.method]()
    try:
        # One byte more than declared shows that more would come, and no more than that is unpacked.
        unpacked: bytes = unpacker.decompress(content, member.size + 1)
    except (zlib.error, OSError, ValueError) as error:
        raise damaged(f"{member.name} cannot be unpacked ({error})") from error
    if len(unpacked) != member.size:
        raise damaged(f"{member.name} does not unpack to the {member.size} bytes that the directory says")
    return unpacked


def _inflater() -> Any:  # noqa: ANN401 - of a type that zlib does not name
    return zlib.decompressobj(-zlib.MAX_WBITS)


_UNPACKERS = {8: _inflater, 12: bz2.BZ2Decompressor}

__all__ = ["Archive", "file_version"]
