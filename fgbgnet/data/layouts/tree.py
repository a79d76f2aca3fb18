"""Names of files below a folder, on disk and inside zip archives, listed once and kept compact."""

import difflib
import os
from collections.abc import Iterator
from typing import Self

from tqdm.auto import tqdm

from fgbgnet.data.layouts.values import natural_key
from fgbgnet.data.storage import split_archive
from fgbgnet.data.zips.archive import Archive
from fgbgnet.errors import ArchiveError, ManifestError, MissingFileError, PictureError
from fgbgnet.types import PathInput

_UNPACK = {
    ".7z": "7z x {name} -o{stem}",
    ".rar": "unrar x {name} {stem}/",
    ".tar": "mkdir {stem} && tar -xf {name} -C {stem}",
    ".tgz": "mkdir {stem} && tar -xzf {name} -C {stem}",
    ".gz": "mkdir {stem} && tar -xzf {name} -C {stem}",
    ".bz2": "mkdir {stem} && tar -xjf {name} -C {stem}",
    ".xz": "mkdir {stem} && tar -xJf {name} -C {stem}",
}
_IGNORED = ("__MACOSX",)  # resource forks that macOS adds to archives


class Tree:
    """Folders and files below ``root``; a zip archive is a folder, and paths lead into it.

    A folder is listed when it is first asked for. Names that begin with a dot are left out. The names of a folder are
    one string, since 1,200,000 strings would be many. As a context manager it clears its progress bar at the end.

    Args:
        root: Folder or zip archive that paths start from.
        progress: Whether long listings show their progress on a terminal.

    Raises:
        ManifestError: If ``root`` is an archive that cannot be read in place; the message says how to convert it.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> (folder / "bg").mkdir()
    >>> (folder / "bg" / "1.jpg").touch()
    >>> tree = Tree(folder)
    >>> tree.folders(""), tree.files("bg"), list(tree.walk())
    (['bg'], ['1.jpg'], ['', 'bg'])
    """

    def __init__(self, root: PathInput, progress: bool = False) -> None:
        self.root = os.fspath(root) or "."
        self.foreign: list[str] = []
        """Archives among the listed files that cannot be read in place."""
        self._files: dict[str, str] = {}
        self._folders: dict[str, list[str]] = {}
        self._bar = tqdm(desc="listing", unit=" files", disable=None if progress else True, leave=False)
        if os.path.isfile(self.root) and _unpacking(self.root):  # noqa: PTH113 - strings throughout
            self.foreign.append(os.path.basename(self.root))  # noqa: PTH119
            self.refuse_foreign()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def files(self, path: str) -> list[str]:
        """Names of the files in a folder, as they were listed; empty if there is no such folder."""
        self._list(path)
        names = self._files.get(path, "")
        return names.split("\0") if names else []

    def mentions(self, path: str, text: str) -> bool:
        """Whether a text stands in the name of a file of a folder; far cheaper than looking at every name."""
        self._list(path)
        return text in self._files.get(path, "")

    def folders(self, path: str) -> list[str]:
        """Names of the folders and zip archives in a folder, in natural order; empty if there is no such folder."""
        self._list(path)
        return self._folders.get(path, [])

    def is_folder(self, path: str) -> bool:
        """Whether a path leads to a folder or a zip archive."""
        self._list(path)
        return path in self._folders

    def walk(self, path: str = "") -> Iterator[str]:
        """The folder itself and all folders below it, in natural order."""
        yield path
        for name in self.folders(path):
            if not self._loops(path, name):
                yield from self.walk(join(path, name))

    def nearest(self, path: str) -> str:
        """The end of a message about a folder that is not there: names like its own."""
        parent, _, name = path.rpartition("/")
        near = difflib.get_close_matches(name, self.folders(parent), n=3)
        return f"; the nearest are {', '.join(map(repr, near))}" if near else ""

    def refuse_foreign(self) -> None:
        """Raises the error about archives that cannot be read in place, if there are any.

        Raises:
            ManifestError: It names the archives, and the command that unpacks the first one.
        """
        if not self.foreign:
            return
        first = self.foreign[0]
        stem = first[: -len(_unpacking(first))].removesuffix(".tar")
        command = _UNPACK[_unpacking(first)].format(name=_quoted(first), stem=_quoted(stem))
        others = f" (and {len(self.foreign) - 1} more)" if len(self.foreign) > 1 else ""
        raise ManifestError(
            f"{first}{others} below {self.root} cannot be read in place; folders and zip archives can. Convert it "
            f"first: {command}"
        )

    def _loops(self, path: str, name: str) -> bool:
        """Whether a symbolic link leads back to a folder that it lies in."""
        full = join(self.root, path, name)
        if not os.path.islink(full):  # noqa: PTH114
            return False
        target = os.path.join(os.path.realpath(full), "")  # noqa: PTH118 - ends with a separator
        parts = path.split("/") if path else []
        above = (join(self.root, *parts[:depth]) for depth in range(len(parts) + 1))
        return any(os.path.join(os.path.realpath(folder), "").startswith(target) for folder in above)  # noqa: PTH118

    def _list(self, path: str) -> None:
        if path in self._folders or path in self._files:
            return
        archive = split_archive(join(self.root, path))[0]
        if archive is None:
            self._list_folder(path)
            return
        within = len(archive) <= len(self.root)  # the root itself leads into the archive
        outer, inside = ("", split_archive(self.root)[1]) if within else (archive[len(join(self.root, "x")) - 1 :], "")
        if outer not in self._folders and os.path.isfile(archive):  # noqa: PTH113
            self._list_archive(outer, archive, inside)
        # A folder that is not in the archive is not looked for again.
        self._files.setdefault(path, "")

    def _list_folder(self, path: str) -> None:
        folders, files = [], []
        try:
            with os.scandir(join(self.root, path)) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or entry.name in _IGNORED:
                        continue
                    if entry.is_dir() or entry.name.lower().endswith(".zip"):
                        folders.append(entry.name)
                        continue
                    files.append(entry.name)
                    if _unpacking(entry.name):
                        self.foreign.append(join(path, entry.name))
        except (FileNotFoundError, NotADirectoryError):
            self._files[path] = ""
            return
        except OSError as error:
            raise MissingFileError(
                f"{join(self.root, path)} cannot be listed ({error.strerror or error}); check its permissions"
            ) from error
        self._bar.update(len(files))
        self._files[path] = "\0".join(files)
        self._folders[path] = sorted(folders, key=natural_key)

    def _list_archive(self, outer: str, archive: str, inside: str) -> None:
        """Lists all of an archive; ``inside`` is the folder in it that the root leads to."""
        names: dict[str, list[str]] = {inside: []}
        for member in _members(archive):
            folder, _, name = member.rpartition("/")
            if folder in names:
                names[folder].append(name)
            else:
                names[folder] = [name]
        self._bar.update(sum(map(len, names.values())))
        below: dict[str, set[str]] = {}
        for folder in names:
            parts = folder.split("/") if folder else []
            for depth, part in enumerate(parts):
                below.setdefault("/".join(parts[:depth]), set()).add(part)
        cut = len(inside) + 1 if inside else 0
        for folder in names.keys() | below.keys():
            if folder != inside and cut and not folder.startswith(inside + "/"):
                continue
            if any(part.startswith(".") or part in _IGNORED for part in folder.split("/")):
                continue
            path = join(outer, folder[cut:]) if folder[cut:] else outer
            files = [name for name in names.get(folder, ()) if name and not name.startswith(".")]
            self._files[path] = "\0".join(files)
            self._folders[path] = sorted(
                (f for f in below.get(folder, ()) if not f.startswith(".") and f not in _IGNORED), key=natural_key
            )


def join(*parts: str) -> str:
    """Parts of a path with one slash between them; empty ones are left out.

    >>> join("", "a", "b.jpg")
    'a/b.jpg'
    """
    return "/".join(part.rstrip("/") if part != "/" else "" for part in parts if part)


def _members(archive: str) -> list[str]:
    """Names of an archive's members; the archive is not kept open."""
    try:
        return list(Archive(archive).directory)
    except ArchiveError as error:
        raise ArchiveError(f"{archive} cannot be read: {error}") from error
    except OSError as error:
        raise PictureError(f"{archive} cannot be read ({error.strerror or error})") from error


def _unpacking(name: str) -> str:
    """The ending of an archive that cannot be read in place; empty for all other files."""
    ending = os.path.splitext(name.lower())[1]  # noqa: PTH122
    if ending in (".gz", ".bz2", ".xz") and not name.lower().endswith(f".tar{ending}"):
        return ""
    return ending if ending in _UNPACK else ""


def _quoted(name: str) -> str:
    return f"'{name}'" if " " in name else name


__all__ = ["Tree", "join"]
