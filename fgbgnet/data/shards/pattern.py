"""Names of shards: ``out-%06d.tar``."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.files import check_output
from fgbgnet.types import PathInput

_NUMBER = re.compile(r"%(0[1-9])?d")


@dataclass(frozen=True)
class ShardPattern:
    """Where numbered shards and their index go.

    >>> pattern = ShardPattern.parse("data/out-%06d.tar")
    >>> pattern.shard(7).name, pattern.index.name, pattern.progress.name
    ('out-000007.tar', 'out-index.json', 'out-index.partial.json')
    """

    folder: Path
    before: str
    number: str
    after: str

    @classmethod
    def parse(cls, pattern: PathInput) -> Self:
        """Reads a pattern.

        Raises:
            InvalidArgumentError: If it does not number its files, or they would not be tar archives.
        """
        path = Path(pattern)
        numbers = list(_NUMBER.finditer(path.name))
        if len(numbers) != 1 or path.name.count("%") != 1 or path.suffix != ".tar":
            raise InvalidArgumentError(
                f"{pattern} does not number the shards; expected a name with one %06d that ends in .tar, such as "
                "out-%06d.tar"
            )
        check_output(path, folder=False)
        start, end = numbers[0].span()
        return cls(path.parent, path.name[:start], numbers[0].group(), path.name[end:])

    def shard(self, number: int) -> Path:
        """Path of a shard."""
        return self.folder / (self.before + self.number % number + self.after)

    @property
    def index(self) -> Path:
        """Path of the index."""
        return self.folder / (self.before + "index" + self.after.removesuffix(".tar") + ".json")

    @property
    def progress(self) -> Path:
        """Path of what is known of shards that are not complete yet."""
        return self.index.with_suffix(".partial.json")

    def existing(self) -> list[Path]:
        """Shards of these names that are there."""
        if not self.folder.is_dir():
            return []
        name = re.compile(re.escape(self.before) + r"\d+" + re.escape(self.after))
        return sorted(path for path in self.folder.iterdir() if name.fullmatch(path.name))


__all__ = ["ShardPattern"]
