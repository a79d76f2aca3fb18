"""A manifest -> shards."""

import hashlib
import io
import json
import tarfile
from dataclasses import asdict, dataclass, field
from typing import IO

import torch
from tqdm.auto import tqdm

from fgbgnet.data.manifest import PATHS, STANDARD, Manifest
from fgbgnet.data.seeding import hash64
from fgbgnet.data.shards.index import Shard, ShardIndex
from fgbgnet.data.shards.names import SHARED, SHARED_KEY, key_of, member_name, suffix_of
from fgbgnet.data.shards.pattern import ShardPattern
from fgbgnet.data.storage import read_bytes
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.files import atomic_path, full_disk_named
from fgbgnet.types import PathInput

_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class _Settings:
    samples_per_shard: int
    max_bytes: int | None
    shuffle: bool
    seed: int
    share_backgrounds: bool


def pack_shards(
    manifest: Manifest | PathInput,
    shards: PathInput,
    samples_per_shard: int = 2000,
    max_bytes: int | None = None,
    shuffle: bool = True,
    seed: int = 0,
    share_backgrounds: bool = False,
) -> ShardIndex:
    """Copies the files of a manifest into numbered WebDataset shards, and writes an index of them.

    Every sample has a member for each of its files, ``<key>.bg.jpg``, ``<key>.fg_bg.jpg``, ``<key>.mask.png``,
    ``<key>.depth.png``, with the bytes of the file as they are, and ``<key>.json`` with its id and all other columns.
    The key is the id with odd characters as ``%XX``.

    The same manifest and settings give the same bytes. Shards are whole or not there; what was interrupted is taken up
    again by the same call.

    Args:
        manifest: A `Manifest`, or the path of one.
        shards: Path of the shards with a place for their number: ``"out-%06d.tar"``. The index is
            ``out-index.json``.
        samples_per_shard: At most so many samples in a shard.
        max_bytes: At most so many bytes in a shard, if more than one sample is in it.
        shuffle: Whether samples are packed in a random order rather than that of the manifest. What is read in order
            must be shuffled when it is written: a manifest often lists all samples of a background in a row.
        seed: Of that order.
        share_backgrounds: Whether a background is stored once per shard, as ``bg/<number>.jpg``, rather than with each
            sample. Smaller; but other readers than `PairedShardDataset` must look it up, see the ``__shared__`` of
            the json.

    Returns:
        The index.

    Raises:
        MissingFileError, ManifestError, PictureError: If the manifest, or a file of it, cannot be read.
        InvalidArgumentError: If an argument is out of range, or other shards are there already.
        OutputError: If the disk is full.

    >>> import tempfile
    >>> from PIL import Image
    >>> folder = tempfile.mkdtemp()
    >>> for name in ("room", "frame", "mask"):
    ...     Image.new("L", (6, 4)).save(f"{folder}/{name}.png")
    >>> manifest = Manifest.from_lists("room.png", ["frame.png"], ["mask.png"], root=folder)
    >>> pack_shards(manifest, f"{folder}/out-%06d.tar").samples
    1
    >>> with tarfile.open(f"{folder}/out-000000.tar") as file:
    ...     file.getnames()
    ['frame.json', 'frame.bg.png', 'frame.fg_bg.png', 'frame.mask.png']
    """
    if samples_per_shard < 1:
        raise InvalidArgumentError(f"samples_per_shard is {samples_per_shard}; expected at least 1")
    if max_bytes is not None and max_bytes < 1:
        raise InvalidArgumentError(f"max_bytes is {max_bytes}; expected at least 1")
    pattern = ShardPattern.parse(shards)
    table = manifest if isinstance(manifest, Manifest) else Manifest.read(manifest)
    settings = _Settings(samples_per_shard, max_bytes, shuffle, seed, share_backgrounds)
    done = _take_up(pattern, _digest(table, settings))
    packer = _Packer(table, settings)
    with tqdm(total=len(table), initial=done.samples, desc="pack", unit="sample", disable=None) as bar:
        while done.samples < len(table):
            path, there = pattern.shard(len(done.shards)), len(done.shards)
            with full_disk_named(path, f"whole shards so far: {there}. Free some space, and the same call goes on"):
                with atomic_path(path) as temporary, temporary.open("wb") as file:
                    shard = packer.write(file, path.name, done.samples, bar)
                done = ShardIndex((*done.shards, shard), done.source)
                done.write(pattern.progress)
    if not pattern.index.exists():
        done.write(pattern.index)
    pattern.progress.unlink(missing_ok=True)
    return done


def _take_up(pattern: ShardPattern, source: str) -> ShardIndex:
    """The shards of an earlier call that are there already.

    Raises:
        InvalidArgumentError: If there are others, which would be mixed up with these.
    """
    found = next((path for path in (pattern.index, pattern.progress) if path.exists()), None)
    if found is None:
        if there := pattern.existing():
            raise InvalidArgumentError(
                f"{there[0]} is there already, without {pattern.index.name}; choose another pattern, or delete the "
                "shards"
            )
        return ShardIndex((), source)
    done = ShardIndex.read(found)
    if done.source != source:
        raise InvalidArgumentError(
            f"{found} lists shards of another manifest or of other settings; choose another pattern, or delete them"
        )
    for shard in done.shards:
        path = pattern.folder / shard.name
        if not path.is_file() or path.stat().st_size != shard.bytes:
            raise InvalidArgumentError(
                f"{path} is not the shard of {shard.bytes} bytes that {found.name} lists; delete that file and the "
                "shards, and pack again"
            )
    return done


def _digest(table: Manifest, settings: _Settings) -> str:
    digest = hashlib.sha256(json.dumps(asdict(settings)).encode())
    for name in _columns(table):
        digest.update(json.dumps([name, *table.column(name).tolist()]).encode())
    return digest.hexdigest()


def _columns(table: Manifest) -> list[str]:
    """Columns of the json; a ``mask_valid`` that says nothing would add a layer to all samples."""
    names = dict.fromkeys([*STANDARD, *table.names])
    return [name for name in names if name != "mask_valid" or table.has_mask_valid]


@dataclass
class _Content:
    """Members of a shard that belong together."""

    members: list[tuple[str, bytes]] = field(default_factory=list)

    def add(self, name: str, content: bytes) -> None:
        self.members.append((name, content))

    @property
    def size(self) -> int:
        """Bytes that they take in an archive."""
        return sum(_header_size(name) + _round_up(len(content), _BLOCK) for name, content in self.members)


class _Packer:
    """Writes samples of a manifest in one order, from any of them on."""

    def __init__(self, table: Manifest, settings: _Settings) -> None:
        self._table, self._settings = table, settings
        self._columns = {name: table.column(name) for name in _columns(table)}
        self._order = list(range(len(table)))
        if settings.shuffle:
            generator = torch.Generator().manual_seed(hash64(f"{settings.seed}/pack") >> 1)
            self._order = torch.randperm(len(table), generator=generator).tolist()

    def write(self, file: IO[bytes], name: str, first: int, bar: tqdm) -> Shard:
        """Writes one shard from the sample at a position on."""
        settings, out = self._settings, _Measured(file)
        shared: dict[str, str] = {}
        position = first
        with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            while position < min(first + settings.samples_per_shard, len(self._order)):
                sample = self._sample(self._order[position], shared)
                full = settings.max_bytes is not None and _closed(archive.offset + sample.size) > settings.max_bytes
                if full and position > first:
                    break
                for member, content in sample.members:
                    _add(archive, member, content)
                position += 1
                bar.update()
        return Shard(name, position - first, out.size, out.digest.hexdigest())

    def _sample(self, row: int, shared: dict[str, str]) -> _Content:
        """A sample; a background that is not in the shard yet is put before it."""
        values = {name: str(column[row]) for name, column in self._columns.items()}
        key = key_of(values["id"])
        before, files = _Content(), _Content()
        references = {}
        for layer in PATHS:
            path = values.get(layer)
            if not path:
                continue
            if layer == "bg" and self._settings.share_backgrounds:
                if path not in shared:
                    shared[path] = f"{SHARED}{len(shared)}{suffix_of(path)}"
                    before.add(shared[path], read_bytes(self._table.resolve(path)))
                references[layer] = shared[path]
                continue
            files.add(member_name(key, layer, path), read_bytes(self._table.resolve(path)))
        described = {**values, SHARED_KEY: references} if references else values
        text = json.dumps(described, ensure_ascii=False).encode()
        return _Content([*before.members, (f"{key}.json", text), *files.members])


def _header_size(name: str) -> int:
    """Bytes before a member: a block, and for long names a member of its own that holds the name."""
    long = len(name) > tarfile.LENGTH_NAME
    return _BLOCK + (_BLOCK + _round_up(len(f"999 path={name}\n"), _BLOCK) if long else 0)


def _closed(size: int) -> int:
    """Bytes of an archive whose members take so many: two empty blocks end it, and it consists of whole records."""
    return _round_up(size + 2 * _BLOCK, tarfile.RECORDSIZE)


def _round_up(size: int, unit: int) -> int:
    return -(-size // unit) * unit


class _Measured(io.RawIOBase):
    """A file that counts and digests what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = 0
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]
        self._file.write(content)
        self.size += len(content)
        self.digest.update(content)
        return len(content)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # no time, no owner: the same files make the same shard
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


__all__ = ["pack_shards"]
