"""Bytes of files, in folders or inside zip archives; safe across fork, spawn and threads."""

import difflib
import os
import re
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from fgbgnet.data.zips.archive import Archive, file_version
from fgbgnet.errors import ArchiveError, MissingFileError, PictureError
from fgbgnet.types import PathInput

_ZIP_END = re.compile(r"\.zip(?=[/\\]|$)", re.IGNORECASE)
_MAX_OPEN = 128  # archives per process; each holds a file handle and its directory in memory
_archives: OrderedDict[str, Archive] = OrderedDict()
_lock = threading.Lock()


def read_bytes(path: PathInput) -> bytes:
    """Reads a file, or a member of a zip archive.

    Args:
        path: ``"folder/inside.jpg"``, or ``"archive.zip/member/inside.jpg"``. Archives stay open. Their members are
            read at an offset, so that threads and forked processes share a handle without disturbing each other.

    Raises:
        MissingFileError: If there is no such file or member; the nearest names are listed.
        PictureError: If it cannot be read: a folder, no permission.
        ArchiveError: If an archive is damaged, unsafe, encrypted, or packed in a way that is not supported; or a
            member exceeds the limits, see `set_archive_limits`.

    >>> import tempfile, zipfile
    >>> path = tempfile.mkdtemp() + "/part1.zip"
    >>> with zipfile.ZipFile(path, "w") as file:
    ...     file.writestr("masks/1.txt", b"abc")
    >>> read_bytes(f"{path}/masks/1.txt")
    b'abc'
    """
    name = os.fspath(path)
    head, inside, member = name.partition(".zip/")
    if inside:  # the way of nearly all members, without a search
        archive = _archives.get(head + ".zip")
        if archive is not None and archive.is_current():
            return _read_member(archive, member)
    place = _find_archive(name)
    if place is not None:
        return _read_member(_open(place), place.member)
    try:
        with open(name, "rb", buffering=0) as file:  # noqa: PTH123 - strings throughout: it runs for every file
            return file.read()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(f"no file at {name}{nearest_on_disk(name)}") from error
    except IsADirectoryError as error:
        raise PictureError(f"{name} is a folder; the path of a file was expected") from error
    except OSError as error:
        raise PictureError(f"{name} cannot be read ({error.strerror or error})") from error


def list_names(folder: PathInput) -> list[str]:
    """Names of the files and folders in a folder, on disk or inside a zip archive, in no particular order.

    Raises:
        MissingFileError: If there is no such folder.
        ArchiveError: If the archive is damaged or unsafe.
    """
    name = os.fspath(folder)
    place = _find_archive(name)
    if place is None:
        try:
            return os.listdir(name)  # noqa: PTH208 - names are wanted, not paths
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingFileError(f"no folder at {name}{nearest_on_disk(name)}") from error
    folders = _open(place).folders
    if place.member not in folders:
        raise MissingFileError(f"no folder {place.member} in {place.archive}")
    return list(folders[place.member])


def is_folder(path: PathInput) -> bool:
    """Whether a path leads to a folder, on disk or inside a zip archive; an archive is a folder itself."""
    name = os.fspath(path)
    place = _find_archive(name)
    if place is None:
        return os.path.isdir(name)  # noqa: PTH112 - strings throughout
    return place.status is not None and (not place.member or place.member in _open(place).folders)


def split_archive(path: str) -> tuple[str | None, str]:
    """Splits ``"a.zip/b/c.jpg"`` into archive and member; archive is None for a plain path.

    >>> split_archive("data/a.zip/b/c.jpg"), split_archive("data/c.jpg")
    (('data/a.zip', 'b/c.jpg'), (None, 'data/c.jpg'))
    """
    place = _find_archive(path)
    return (None, path) if place is None else (place.archive, place.member)


class _Place(NamedTuple):
    archive: str
    member: str
    status: os.stat_result | None
    """None where there is no such archive."""


def _find_archive(path: str) -> _Place | None:
    """The archive on a path; a folder may be called "x.zip", too."""
    if ".zip" not in path.lower():
        return None
    for match in _ZIP_END.finditer(path):
        archive, member = path[: match.end()], path[match.end() :].replace("\\", "/").strip("/")
        try:
            status = os.stat(archive)  # noqa: PTH116 - strings throughout
        except OSError:
            return _Place(archive, member, None)
        if not stat.S_ISDIR(status.st_mode):
            return _Place(archive, member, status)
    return None


def _read_member(archive: Archive, member: str) -> bytes:
    if not member:
        raise PictureError(f"{archive.path} is an archive; the path of a member was expected")
    try:
        return archive.read(member)
    except KeyError as error:
        near = _nearest(member, archive.directory)
        raise MissingFileError(f"no member {member!r} in {archive.path}{near}") from error
    except ArchiveError as error:
        raise ArchiveError(f"{archive.path} cannot be read: {error}") from error
    except OSError as error:
        raise PictureError(f"{archive.path} cannot be read ({error.strerror or error})") from error


def _open(place: _Place) -> Archive:
    """The open archive of this process, opened on first use, and again where the file was replaced."""
    if place.status is None:
        raise MissingFileError(f"no archive at {place.archive}{nearest_on_disk(place.archive)}")
    version = file_version(place.status)
    archive = _archives.get(place.archive)
    if archive is not None and archive.version == version:
        return archive
    with _lock:
        archive = _archives.pop(place.archive, None)
        if archive is None or archive.version != version:
            try:
                archive = Archive(place.archive)
            except ArchiveError as error:
                raise ArchiveError(f"{place.archive} cannot be read: {error}") from error
            except OSError as error:
                raise PictureError(f"{place.archive} cannot be read ({error.strerror or error})") from error
        _archives[place.archive] = archive
        if len(_archives) > _MAX_OPEN:
            _archives.popitem(last=False)  # its handle is closed once no thread reads from it any more
        return archive


def _unlock_after_fork() -> None:
    """A thread of the parent may have held the lock."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock_after_fork)


def nearest_on_disk(name: str) -> str:
    """What an error about a missing file adds: the nearest names beside it, or that there is no such folder."""
    path = Path(name)
    if not path.parent.is_dir():
        return f"; the folder {path.parent} does not exist either"
    with os.scandir(path.parent) as entries:
        return _nearest(path.name, (entry.name for entry in entries))


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, islice(names, 2000), n=3)
    return "; the nearest are " + ", ".join(map(repr, near)) if near else ""


__all__ = ["is_folder", "list_names", "nearest_on_disk", "read_bytes", "split_archive"]
