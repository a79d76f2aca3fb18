"""Which file of a tree a written path means: as it is written, or by its end."""

from collections.abc import Iterable
from itertools import takewhile

from fgbgnet.data.layouts.tree import Tree, join
from fgbgnet.errors import ManifestError


class Lookup:
    """Finds files of a tree by paths that were written on another machine, in another folder, or without archives.

    A path means the file that has it; else the only file of that name of which one of these holds: its path has all
    folders of the written one in their order, and perhaps more; or the written path ends with all of its path. That a
    name is the same is not enough, since names start again in every folder. Archives may be written without their
    suffix, and so may files.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> (folder / "bg").mkdir()
    >>> (folder / "bg" / "1.jpg").touch()
    >>> lookup = Lookup(Tree(folder))
    >>> lookup.find("bg/1.jpg"), lookup.find("/content/data/bg/1"), lookup.find("mask/1.jpg")
    ('bg/1.jpg', 'bg/1.jpg', None)
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._files: dict[str, frozenset[str]] = {}
        self._folders: dict[str, list[str]] = {}
        self._stems: dict[str, set[str]] = {}

    def find(self, written: str) -> str | None:
        """The file that a path means, or None.

        Raises:
            ManifestError: If two files may be meant.
        """
        path = written.replace("\\", "/").strip().removeprefix("./").strip("/")
        folder, _, name = path.rpartition("/")
        if name in self._names(folder):
            return path
        parts = [_bare(part) for part in folder.split("/") if part]
        candidates: dict[str, int] = {}
        for other, full in self._with_name(name):
            there = [_bare(part) for part in other.split("/") if part]
            if _is_within(parts, there) or parts[len(parts) - len(there) :] == there:
                candidates[join(other, full)] = _common_end(parts, there)
        best = max(candidates.values(), default=0)
        found = [path for path, score in candidates.items() if score == best]
        if len(found) > 1:
            raise ManifestError(
                f"{written} may mean {found[0]} or {found[1]} below {self._tree.root}; write the path in full, or "
                "start from a folder that holds only one of them"
            )
        return found[0] if found else None

    def _names(self, folder: str) -> frozenset[str]:
        if folder not in self._files:
            self._files[folder] = frozenset(self._tree.files(folder))
        return self._files[folder]

    def _with_name(self, name: str) -> Iterable[tuple[str, str]]:
        """Folders that hold a file of that name, or of that stem, and its full name."""
        if not self._folders:
            for folder in self._tree.walk():
                for file in self._tree.files(folder):
                    self._folders.setdefault(file, []).append(folder)
                    self._stems.setdefault(_stem(file), set()).add(file)
        if name in self._folders:
            return [(folder, name) for folder in self._folders[name]]
        # Only a name without suffix is completed: another suffix is another file.
        files = self._stems.get(name, ()) if _stem(name) == name else ()
        return [(folder, file) for file in files for folder in self._folders[file]]


def _is_within(written: list[str], there: list[str]) -> bool:
    """Whether all folders of one path stand in the other, in the same order."""
    rest = iter(there)
    return all(part in rest for part in written)


def _common_end(written: list[str], there: list[str]) -> int:
    same = takewhile(lambda pair: pair[0] == pair[1], zip(reversed(written), reversed(there), strict=False))
    return sum(1 for _ in same)


def _stem(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and stem and len(suffix) <= 5 else name


def _bare(folder: str) -> str:
    return folder[:-4] if folder.lower().endswith(".zip") else folder


__all__ = ["Lookup"]
