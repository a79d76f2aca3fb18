"""Where shards come from: files, patterns, addresses, and the output of commands."""

import glob
import itertools
import os
import re
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, NamedTuple

from fgbgnet.data.layouts.values import natural_key
from fgbgnet.data.shards.index import ShardIndex
from fgbgnet.data.storage import nearest_on_disk
from fgbgnet.errors import ArchiveError, FgBgError, InvalidArgumentError, MissingExtraError, MissingFileError
from fgbgnet.types import PathInput

_PIPE = "pipe:"
_BRACES = re.compile(r"\{([^{}\s]*(?:,|\.\.)[^{}\s]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_DRAIN = 2**20


class Source(NamedTuple):
    """One shard."""

    url: str
    samples: int | None
    """How many samples it holds, if an index says so."""


def find_sources(shards: PathInput | Iterable[PathInput]) -> list[Source]:
    """Lists shards.

    Args:
        shards: One or several of: the index that `pack_shards` wrote; the path of a shard; a pattern with ``*``, ``?``
            or ``[...]``; braces as in ``out-{000000..000099}.tar`` or ``{a,b}.tar``; a URL that fsspec knows
            (``s3://``, ``https://``), with the same patterns and braces; ``pipe:`` and a command that prints a shard.

    Returns:
        The shards, those of a pattern in natural order.

    Raises:
        MissingFileError: If there is none.
        InvalidArgumentError: If one stands twice.
    """
    given = [shards] if isinstance(shards, str | os.PathLike) else list(shards)
    found = [source for item in given for source in _find(os.fspath(item))]
    if not found:
        raise InvalidArgumentError("no shard came; expected the path of at least one")
    seen: set[str] = set()
    for source in found:
        if source.url in seen:
            raise InvalidArgumentError(f"{source.url} stands twice among the shards; its samples would come twice")
        seen.add(source.url)
    return found


def _find(text: str) -> list[Source]:
    if text.startswith(_PIPE):
        return [Source(url, None) for url in expand_braces(text)]
    if text.endswith(".json"):
        return _read_index(text)
    return [source for name in expand_braces(text) for source in _expand_pattern(name)]


def expand_braces(text: str) -> list[str]:
    """Expands ``{000..012}`` and ``{a,b}``, the leftmost slowest; braces with a space inside are left alone.

    Raises:
        InvalidArgumentError: If a range goes down.

    >>> expand_braces("{train,val}-{08..10}.tar")
    ['train-08.tar', 'train-09.tar', 'train-10.tar', 'val-08.tar', 'val-09.tar', 'val-10.tar']
    >>> expand_braces("pipe:awk '{print $1, $2}'")
    ["pipe:awk '{print $1, $2}'"]
    """
    parts = _BRACES.split(text)  # text, inside of braces, text, ...
    choices = [[part] if n % 2 == 0 else _choices(part, text) for n, part in enumerate(parts)]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def _choices(inside: str, text: str) -> list[str]:
    match = _RANGE.fullmatch(inside)
    if match is None:
        return inside.split(",")
    first, last = match.groups()
    if int(first) > int(last):
        raise InvalidArgumentError(f"{text} counts from {first} down to {last}; expected the smaller number first")
    return [str(n).zfill(len(first)) for n in range(int(first), int(last) + 1)]


def _expand_pattern(name: str) -> list[Source]:
    if not re.search(r"[*?\[]", name):
        return [Source(name, None)]
    names = _glob_url(name) if _is_url(name) else _glob_local(name)
    if not names:
        raise MissingFileError(f"no shard matches {name}")
    return [Source(found, None) for found in sorted(names, key=natural_key)]


def _glob_local(name: str) -> list[str]:
    return [name] if os.path.exists(name) else glob.glob(name, recursive=True)  # noqa: PTH110, PTH207


def _read_index(path: str) -> list[Source]:
    if _is_url(path):
        with open_shard(path) as file:
            index = ShardIndex.loads(file.read(), path)
    else:
        index = ShardIndex.read(path)
    folder = path[: len(path) - len(re.split(r"[/\\]", path)[-1])]
    return [Source(folder + shard.name, shard.samples) for shard in index.shards]


@contextmanager
def open_shard(url: str) -> Iterator[IO[bytes]]:
    """Opens a shard to be read from its start to its end.

    Raises:
        MissingFileError: If there is none.
        ArchiveError: If it cannot be read, or a command fails.
        MissingExtraError: If a package that the kind of URL needs is not installed.
    """
    if url.startswith(_PIPE):
        with _run(url[len(_PIPE) :]) as output:
            yield output
        return
    try:
        # Not open() of fsspec for local paths: it is an optional package.
        with _open_url(url) if _is_url(url) else open(url, "rb") as file:  # noqa: PTH123
            yield file
    except FileNotFoundError as error:
        if isinstance(error, MissingFileError):
            raise
        # A server that is not there looks like a missing file, too.
        why = f" ({error.__cause__})" if error.__cause__ else ""
        raise MissingFileError(f"no shard at {url}{why if _is_url(url) else nearest_on_disk(url)}") from error
    except OSError as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(f"{url} cannot be read ({error.strerror or error})") from error


@contextmanager
def _run(command: str) -> Iterator[IO[bytes]]:
    """The output of a command of the shell, which must end well if it is read to its end."""
    # A session of its own: what the shell started must be ended with it.
    process = subprocess.Popen(command, shell=True, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None  # because of PIPE
    try:
        yield process.stdout
        while process.stdout.read(_DRAIN):  # programs mind when nobody reads to the end
            pass
        code = process.wait()
    except BaseException as error:
        code = _ended_by_itself(process) if isinstance(error, ArchiveError) else 0
        _end(process)
        if code:  # which is why the shard is not whole
            raise _failed(command, code) from error
        raise
    finally:
        process.stdout.close()
        process.wait()
    if code:
        raise _failed(command, code)


def _ended_by_itself(process: subprocess.Popen[bytes]) -> int:
    """Exit code; 0 if the command still runs a moment after its output was found to be broken."""
    try:
        return process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return 0


def _failed(command: str, code: int) -> ArchiveError:
    return ArchiveError(f"the command {command!r} ended with exit code {code}; its shard may be incomplete")


def _end(process: subprocess.Popen[bytes]) -> None:
    if not hasattr(os, "killpg"):
        process.kill()
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _is_url(text: str) -> bool:
    return "://" in text


def _open_url(url: str) -> IO[bytes]:
    with _remote(url):
        system, path = _file_system(url)
        file: IO[bytes] = system.open(path, "rb")
        return file


def _glob_url(url: str) -> list[str]:
    with _remote(url):
        system, path = _file_system(url)
        return [system.unstrip_protocol(found) for found in system.glob(path)]


@contextmanager
def _remote(url: str) -> Iterator[None]:
    """One kind of error for what file systems of all kinds raise, such as where there are no credentials."""
    try:
        yield
    except (OSError, FgBgError):
        raise
    except Exception as error:
        raise ArchiveError(f"{url} cannot be opened ({type(error).__name__}: {error})") from error


def _file_system(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtraError(f"reading {url}", "remote") from error
    try:
        system, path = url_to_fs(url)
    except ImportError as error:
        raise MissingExtraError(f"reading {url} needs a further package: {error}") from error
    except ValueError as error:
        raise InvalidArgumentError(f"{url} cannot be opened: {error}") from error
    return system, path


__all__ = ["Source", "expand_braces", "find_sources", "open_shard"]
