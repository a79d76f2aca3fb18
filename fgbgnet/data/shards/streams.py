"""A tar archive that is read once, from its start to its end -> the files of its samples."""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Self

from fgbgnet.data.shards.names import SHARED_KEY, id_of, is_shared, split_member
from fgbgnet.data.zips.limits import archive_limits
from fgbgnet.errors import ArchiveError

_LAYERS = ("bg", "fg_bg", "mask", "mask_valid", "depth")
_REQUIRED = ("bg", "fg_bg", "mask")


@dataclass
class StoredSample:
    """The files of one sample, not decoded."""

    key: str
    shard: str
    contents: dict[str, bytes] = field(default_factory=dict)
    """By layer; see `fgbgnet.data.assemble.decode_layers`."""
    names: dict[str, str] = field(default_factory=dict)
    """How errors call the files."""
    row: dict[str, Any] = field(default_factory=dict)
    """Columns of the manifest that it was packed from; empty in shards of other programs without a json."""

    @property
    def id(self) -> str:
        """The id; the key where nothing else is said."""
        return str(self.row.get("id") or id_of(self.key))


class _Member(tarfile.TarInfo):
    """A member of an archive that must be whole.

    The tarfile module takes an archive that breaks off between two members, or whose next header is damaged, for one
    that ends there, and says nothing.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise  # the empty block that ends an archive
            raise tarfile.ReadError(f"a member should start where it breaks off or is damaged ({error})") from error


def read_samples(stream: IO[bytes], shard: str) -> Iterator[StoredSample]:
    """Reads the samples of a shard; files of one sample stand one after another in it.

    Args:
        stream: The archive, also packed with gzip, bzip2 or xz; it need not be seekable.
        shard: How errors call it.

    Raises:
        ArchiveError: If it is damaged, truncated or no archive; or a sample lacks a file, has one twice, or one that
            exceeds the limits, see `set_archive_limits`.
    """
    shared: dict[str, bytes] = {}
    sample: StoredSample | None = None
    for member, content in _members(stream, shard):
        if is_shared(member):
            shared[member.removeprefix("./")] = content
            continue
        key, layer = split_member(member)
        if sample is None or sample.key != key:
            if sample is not None:
                yield _complete(sample, shared)
            sample = StoredSample(key, shard)
        if layer in sample.contents or (layer == "json" and sample.row):
            raise ArchiveError(f"{shard}: the sample {key} has its {layer} twice; expected every key once")
        if layer == "json":
            sample.row = _parse_row(content, f"{shard}/{member}")
        else:
            sample.contents[layer], sample.names[layer] = content, f"{shard}/{member}"
    if sample is not None:
        yield _complete(sample, shared)


def _members(stream: IO[bytes], shard: str) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the members that matter."""
    limits = archive_limits()
    try:
        with tarfile.open(fileobj=stream, mode="r|*", tarinfo=_Member) as archive:
            while (member := archive.next()) is not None:
                # The module keeps what it has read; over a shard that adds up.
                archive.members.clear()  # type: ignore[attr-defined]
                if member.isdir() or not (
                    is_shared(member.name) or split_member(member.name).layer in (*_LAYERS, "json")
                ):
                    continue
                file = archive.extractfile(member) if member.isreg() else None
                if file is None:
                    raise ArchiveError(f"{shard}: {member.name} is a link or a device; expected files alone")
                limits.check(f"{shard}: {member.name}", member.size, member.size)
                yield member.name, file.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(
            f"{shard} is no tar archive, is truncated or damaged: {error}; copy or make it again"
        ) from error


def _parse_row(content: bytes, name: str) -> dict[str, Any]:
    try:
        row = json.loads(content)
    except ValueError as error:
        raise ArchiveError(f"{name} is no JSON ({error})") from error
    if not isinstance(row, dict):
        raise ArchiveError(f"{name} holds a {type(row).__name__}; expected an object with the columns of a manifest")
    return row


def _complete(sample: StoredSample, shared: dict[str, bytes]) -> StoredSample:
    """Adds the files that a sample shares with others, and checks that none is missing."""
    for layer, member in sample.row.get(SHARED_KEY, {}).items():
        if member not in shared:
            raise ArchiveError(
                f"{sample.shard}: the sample {sample.key} shares {member}, which does not stand before it"
            )
        sample.contents[layer], sample.names[layer] = shared[member], f"{sample.shard}/{member}"
    promised = [layer for layer in _LAYERS if layer in _REQUIRED or sample.row.get(layer)]
    missing = [layer for layer in promised if layer not in sample.contents]
    if missing:
        there = ", ".join(sample.contents) or "nothing"
        raise ArchiveError(
            f"{sample.shard}: the sample {sample.key} has no {missing[0]}; it has {there}. Expected files named "
            f"{sample.key}.{missing[0]}.png or so, all of one sample one after another"
        )
    return sample


__all__ = ["StoredSample", "read_samples"]
