"""What shards there are, and what each holds: a small JSON file beside them."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from fgbgnet.errors import ManifestError, MissingFileError
from fgbgnet.files import write_json
from fgbgnet.types import PathInput

_FORMAT = "fgbgnet-shards"
_VERSION = 1
_PLAIN_NAME = re.compile(r"(?!pipe:)[^/\\\0]+")


@dataclass(frozen=True)
class Shard:
    """One tar archive."""

    name: str
    """Name of the file, which lies beside the index."""
    samples: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ShardIndex:
    """All shards of a data set, in order.

    >>> index = ShardIndex((Shard("a-000000.tar", 3, 10240, "0" * 64),), source="1f")
    >>> index.samples, ShardIndex.parse(index.to_json(), "a-index.json") == index
    (3, True)
    """

    shards: tuple[Shard, ...]
    source: str = ""
    """Digest of the rows and settings that the shards were packed from."""

    @property
    def samples(self) -> int:
        """Number of samples in all shards."""
        return sum(shard.samples for shard in self.shards)

    def to_json(self) -> dict[str, Any]:
        """The content of the file."""
        shards = [asdict(shard) for shard in self.shards]
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "samples": self.samples,
            "source": self.source,
            "shards": shards,
        }

    @classmethod
    def parse(cls, content: Any, name: str) -> Self:  # noqa: ANN401 - whatever JSON can hold
        """Makes an index of what a file holds.

        Raises:
            ManifestError: If it is something else.
        """
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise ManifestError(f"{name} is no index of shards; expected the json file that `fgbgnet pack` writes")
        if content.get("version") != _VERSION:
            raise ManifestError(
                f"{name} has version {content.get('version')}; this release reads {_VERSION}. Update fgbgnet"
            )
        try:
            shards = tuple(Shard(**shard) for shard in content["shards"])
            source = str(content["source"])
        except (KeyError, TypeError) as error:
            raise ManifestError(f"{name} is damaged ({error}); pack the shards again") from error
        for shard in shards:
            # A name is put behind the folder of the index: one with a slash would leave it, and "pipe:" is a command.
            if not isinstance(shard.name, str) or not _PLAIN_NAME.fullmatch(shard.name):
                raise ManifestError(
                    f"{name} lists {shard.name!r}, which is not the name of a file beside it; pack the shards again"
                )
            if type(shard.samples) is not int or shard.samples < 0:
                raise ManifestError(f"{name} is damaged ({shard.name} has {shard.samples!r} samples); pack them again")
        return cls(shards, source)

    @classmethod
    def read(cls, path: PathInput) -> Self:
        """Reads the file.

        Raises:
            MissingFileError: If there is none.
            ManifestError: If it is no index.
        """
        try:
            content = Path(path).read_bytes()
        except FileNotFoundError as error:
            raise MissingFileError(f"no index of shards at {path}") from error
        return cls.loads(content, str(path))

    @classmethod
    def loads(cls, content: bytes, name: str) -> Self:
        """Makes an index of the bytes of the file.

        Raises:
            ManifestError: If they are something else.
        """
        try:
            return cls.parse(json.loads(content), name)
        except ValueError as error:
            if isinstance(error, ManifestError):
                raise
            raise ManifestError(f"{name} is no index of shards ({error})") from error

    def write(self, path: PathInput) -> Path:
        """Writes the file in one step."""
        return write_json(path, self.to_json())


__all__ = ["Shard", "ShardIndex"]
