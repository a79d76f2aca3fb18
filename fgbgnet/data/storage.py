"""Bytes of a file, in a folder or inside a zip archive that is never unpacked."""

import difflib
import os
import re
import threading
import zipfile
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

from fgbgnet.errors import MissingFileError, PictureError
from fgbgnet.types import PathInput

_IN_ZIP = re.compile(r"^(.*?\.zip)(?:[/\\](.*))?$", re.IGNORECASE | re.DOTALL)
_MAX_OPEN = 16  # archives per thread; each holds a file handle and its directory in memory
_local = threading.local()


def read_bytes(path: PathInput) -> bytes:
    """Reads a file, or a member of a zip archive.

    Args:
        path: ``"folder/inside.jpg"``, or ``"archive.zip/member/inside.jpg"``. Archives are opened once per process
            and thread: a handle that crosses a fork would share its file position with the parent.

    Raises:
        MissingFileError: If there is no such file or member; the nearest names are listed.
        PictureError: If it cannot be read: a folder, no permission, a damaged or encrypted archive.
    """
    name = os.fspath(path)
    archive, member = split_archive(name)
    if archive is not None:
        return _read_member(archive, member)
    try:
        return Path(name).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(f"no file at {name}{_nearest_on_disk(Path(name))}") from error
    except IsADirectoryError as error:
        raise PictureError(f"{name} is a folder; the path of a file was expected") from error
    except OSError as error:
        raise PictureError(f"{name} cannot be read ({error.strerror or error})") from error


def list_names(folder: PathInput) -> list[str]:
    """Names of the files and folders in a folder, on disk or inside a zip archive, in no particular order.

    Raises:
        MissingFileError: If there is no such folder.
        PictureError: If the archive is damaged.
    """
    name = os.fspath(folder)
    archive, member = split_archive(name)
    if archive is None:
        try:
            return os.listdir(name)  # noqa: PTH208 - names are wanted, not paths
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingFileError(f"no folder at {name}{_nearest_on_disk(Path(name))}") from error
    folders = _open(archive).folders
    if member not in folders:
        raise MissingFileError(f"no folder {member} in {archive}")
    return list(folders[member])


def is_folder(path: PathInput) -> bool:
    """Whether a path leads to a folder, on disk or inside a zip archive; an archive is a folder itself."""
    name = os.fspath(path)
    archive, member = split_archive(name)
    if archive is None:
        return os.path.isdir(name)  # noqa: PTH112 - strings throughout
    return os.path.isfile(archive) and (not member or member in _open(archive).folders)  # noqa: PTH113


def split_archive(path: str) -> tuple[str | None, str]:
    """Splits ``"a.zip/b/c.jpg"`` into archive and member; archive is None for a plain path.

    >>> split_archive("data/a.zip/b/c.jpg"), split_archive("data/c.jpg")
    (('data/a.zip', 'b/c.jpg'), (None, 'data/c.jpg'))
    """
    match = _IN_ZIP.match(path) if ".zip" in path.lower() else None
    # A folder may be called "x.zip", too.
    if match is None or os.path.isdir(match[1]):  # noqa: PTH112 - runs for every file that is read
        return None, path
    return match[1], (match[2] or "").replace("\\", "/").strip("/")


def _read_member(archive: str, member: str) -> bytes:
    handle = _open(archive).file
    try:
        return handle.read(member)
    except KeyError as error:
        near = _nearest(member, handle.namelist())
        raise MissingFileError(f"no member {member!r} in {archive}{near}") from error
    except RuntimeError as error:  # zipfile's word for a password
        raise PictureError(f"{member} in {archive} cannot be read ({error}); archives must not be encrypted") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise PictureError(f"{member} in {archive} is damaged ({error}); copy or make the archive again") from error


@dataclass
class _Archive:
    file: zipfile.ZipFile
    version: tuple[int, ...]
    """What changes when another file takes the archive's place."""

    @cached_property
    def folders(self) -> dict[str, dict[str, None]]:
        """Names in every folder; listed once, because archives of 100,000 members are asked often."""
        folders: dict[str, dict[str, None]] = {"": {}}
        for member in self.file.namelist():
            parts = member.rstrip("/").split("/")
            last = len(parts) if member.endswith("/") else len(parts) - 1
            for depth, name in enumerate(parts):
                folders.setdefault("/".join(parts[:depth]), {})[name] = None
                if depth < last:
                    folders.setdefault("/".join(parts[: depth + 1]), {})
        return folders


def _open(archive: str) -> _Archive:
    """The handle of this thread in this process, opened on first use, and again where the file was replaced."""
    if getattr(_local, "pid", None) != os.getpid():
        _local.pid, _local.handles = os.getpid(), OrderedDict()
    handles: OrderedDict[str, _Archive] = _local.handles
    try:
        status = os.stat(archive)  # noqa: PTH116 - runs for every member that is read
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
        if archive in handles and handles[archive].version == version:
            handles.move_to_end(archive)
            return handles[archive]
        handle = _Archive(zipfile.ZipFile(archive), version)
    except FileNotFoundError as error:
        raise MissingFileError(f"no archive at {archive}{_nearest_on_disk(Path(archive))}") from error
    except (zipfile.BadZipFile, OSError) as error:
        raise PictureError(f"{archive} is not a zip archive, or is damaged ({error}); copy or make it again") from error
    if archive in handles:
        handles.pop(archive).file.close()
    handles[archive] = handle
    if len(handles) > _MAX_OPEN:
        handles.popitem(last=False)[1].file.close()
    return handle


def _nearest_on_disk(path: Path) -> str:
    if not path.parent.is_dir():
        return f"; the folder {path.parent} does not exist either"
    with os.scandir(path.parent) as entries:
        return _nearest(path.name, [entry.name for entry in islice(entries, 2000)])


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names[:2000], n=3)
    return "; the nearest are " + ", ".join(map(repr, near)) if near else ""


__all__ = ["is_folder", "list_names", "read_bytes", "split_archive"]
