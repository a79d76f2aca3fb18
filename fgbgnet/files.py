"""Files that are either whole or not there."""

import errno
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fgbgnet.errors import InvalidArgumentError, OutputError
from fgbgnet.types import PathInput


@contextmanager
def atomic_path(path: PathInput) -> Iterator[Path]:
    """Yields a temporary path beside ``path``; what was written there takes its place when the block ends well.

    An interruption or a full disk leaves the former file as it was and no rubbish beside it. Threads and processes
    that write the same path do not disturb each other: the file is that of one of them, whole.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: many writers choose the format by it.
    # And the writer makes the file itself, with the permissions that the user's mask gives to any new file; those of
    # the tempfile module would be the owner's alone.
    temporary = path.with_name(f".{path.stem[:40]}.{uuid.uuid4().hex}.tmp{path.suffix}")
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def is_full_disk(error: OSError) -> bool:
    """Whether the disk, or the user's share of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def full_disk_named(out: PathInput, advice: str) -> Iterator[None]:
    """Turns the system's word for a full disk into one clear error.

    Args:
        out: What is being written.
        advice: What to do, and what is there already.

    Raises:
        OutputError: If the disk, or the user's share of it, is full.
    """
    try:
        yield
    except OSError as error:
        if not is_full_disk(error):
            raise
        raise OutputError(f"{out} cannot be written, the disk is full; {advice}") from error


def _sync_folder(folder: Path) -> None:
    """Makes a renaming survive a loss of power, on systems where a folder can be synchronised."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: PathInput, content: bytes) -> Path:
    """Writes a file in one step."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def write_json(path: PathInput, content: Any) -> Path:  # noqa: ANN401 - whatever JSON can hold
    """Writes an object as indented JSON in one step; NaN is refused, since JSON does not know it."""
    return write_bytes(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def check_output(path: PathInput, folder: bool) -> None:
    """Asks before the work rather than after it whether its result can be written where it is wanted.

    Args:
        path: Where the result goes.
        folder: Whether it is a folder; a file otherwise.

    Raises:
        InvalidArgumentError: If a file stands where a folder is needed, or a folder where a file is.
    """
    path = Path(path)
    needed = path if folder else path.parent
    blocked = next((part for part in (needed, *needed.parents) if part.exists() and not part.is_dir()), None)
    if blocked is not None:
        raise InvalidArgumentError(f"{path} cannot be written: {blocked} is a file, so no folder can be made there")
    if not folder and path.is_dir():
        raise InvalidArgumentError(f"{path} is a folder; expected the name of a file, such as {path / 'results.json'}")


__all__ = ["atomic_path", "check_output", "full_disk_named", "is_full_disk", "write_bytes", "write_json"]
