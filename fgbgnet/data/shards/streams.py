"""A tar archive that is read once, from its start to its end -> the files of its samples."""

import json
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import IO, Any

from fgbgnet.data.manifest_checks import CHOICES, DECLARATION, LAYERS, REQUIRED
from fgbgnet.data.shards.names import SHARED_KEY, MemberName, id_of, is_shared, split_member
from fgbgnet.data.shards.tar import BadTarError, TarReader
from fgbgnet.data.zips.limits import archive_limits
from fgbgnet.errors import ArchiveError

_MEANT = (*LAYERS, "json")


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
        id = self.row.get("id")
        return id_of(self.key) if id in (None, "") else str(id)


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
    for member, (key, layer), content in _members(stream, shard):
        if is_shared(member):
            shared[member.removeprefix("./")] = content
            continue
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


def _members(stream: IO[bytes], shard: str) -> Iterator[tuple[str, MemberName, bytes]]:
    """Names, whole and in parts, and contents of the members that matter."""
    limits, reader = archive_limits(), TarReader(stream)
    found, other = False, ""
    try:
        for member in reader:
            parts = split_member(member.name)
            if member.is_folder:
                continue
            if parts.layer not in _MEANT and not is_shared(member.name):
                other = other or member.name
                continue
            found = True
            if not member.is_file:
                raise ArchiveError(f"{shard}: {member.name} is a link or a device; expected files alone")
            limits.check(f"{shard}: {member.name}", member.size, member.size)
            yield member.name, parts, reader.content()
        if other and not found:
            raise ArchiveError(
                f"{shard} has no sample, but files such as {other!r}; expected <key>.bg.jpg, <key>.fg_bg.jpg and "
                "<key>.mask.png, where the key has no dot"
            )
    except (BadTarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
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
    if not isinstance(row.get(SHARED_KEY, {}), dict):
        raise ArchiveError(f"{name} has a {SHARED_KEY} that is no object; expected layers and members")
    for column in DECLARATION:
        if column in row:
            row[column] = _checked(column, row[column], name)
    return row


def _checked(column: str, value: Any, name: str) -> str:  # noqa: ANN401 - whatever JSON can hold
    """What a json says about depth, as a manifest has it; other programs write numbers, of which 0 counts, and null."""
    text = "" if value is None else str(value)
    if column in CHOICES:
        good, expected = text in ("", *CHOICES[column]), " or ".join(map(repr, CHOICES[column]))
    else:
        positive = column == "depth_scale"
        good, expected = not text or _is_number(text, positive), "a number above 0" if positive else "a number"
    if not good:
        raise ArchiveError(f"{name} has the {column} {value!r}; expected {expected}")
    return text


def _is_number(text: str, positive: bool) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return isfinite(number) and (number > 0 or not positive)


def _complete(sample: StoredSample, shared: dict[str, bytes]) -> StoredSample:
    """Adds the files that a sample shares with others, and checks that none is missing."""
    for layer, member in sample.row.get(SHARED_KEY, {}).items():
        if member not in shared:
            raise ArchiveError(
                f"{sample.shard}: the sample {sample.key} shares {member}, which does not stand before it"
            )
        sample.contents[layer], sample.names[layer] = shared[member], f"{sample.shard}/{member}"
    promised = [layer for layer in LAYERS if layer in REQUIRED or sample.row.get(layer)]
    missing = [layer for layer in promised if layer not in sample.contents]
    if missing:
        there = ", ".join(sample.contents) or "nothing"
        raise ArchiveError(
            f"{sample.shard}: the sample {sample.key} has no {missing[0]}; it has {there}. Expected files named "
            f"{sample.key}.{missing[0]}.png or so, all of one sample one after another"
        )
    return sample


__all__ = ["StoredSample", "read_samples"]
