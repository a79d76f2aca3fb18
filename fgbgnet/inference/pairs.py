"""Which background belongs to which frame, and what their result is called."""

import posixpath
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from fgbgnet.data import Manifest
from fgbgnet.data.layouts.values import natural_key
from fgbgnet.data.storage import is_folder, list_names, nearest_on_disk
from fgbgnet.errors import InvalidArgumentError, MissingFileError
from fgbgnet.types import PathInput

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})


class Pair(NamedTuple):
    """Two pictures on disk, or in zip archives.

    Attributes:
        name: What the result is called; the path of a file without its suffix, with ``/`` between folders.
        bg: Path of the clean background.
        fg_bg: Path of the same scene with something new in it.
    """

    name: str
    bg: str
    fg_bg: str


def folder_pairs(bg: PathInput, fg_bg: PathInput) -> list[Pair]:
    """Pairs of the pictures in folders, in natural order (9 before 10).

    Args:
        bg: The background of all frames; or a folder with one for each frame, of the same name but for the suffix.
        fg_bg: Folder of the frames, or a zip archive or a folder in one. Sub-folders are not looked into.

    Returns:
        One pair per frame.

    Raises:
        MissingFileError: If a folder or the background is not there.
        InvalidArgumentError: If a folder holds no picture, names are not unique, or a frame has no background.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("room.png", "10.jpg", "9.jpg", "notes.txt"):
    ...     (folder / name).touch()
    >>> [pair.name for pair in folder_pairs(folder / "room.png", folder)]
    ['9', '10', 'room']
    """
    frames = pictures_in(fg_bg, "fg_bg")
    if not is_folder(bg):
        if not Path(bg).exists() and ".zip" not in str(bg):
            raise MissingFileError(f"bg: no picture or folder at {bg}{nearest_on_disk(str(bg))}")
        return [Pair(name, str(bg), path) for name, path in frames.items()]
    backgrounds = pictures_in(bg, "bg")
    alone = [name for name in frames if name not in backgrounds]
    if alone:
        raise InvalidArgumentError(
            f"{len(alone)} of {len(frames)} frames in {fg_bg} have no background of their name in {bg} (the first is "
            f"{alone[0]!r}, the first background {next(iter(backgrounds))!r}); give one picture as the background of "
            "all, or a manifest that says which belong together"
        )
    return [Pair(name, backgrounds[name], path) for name, path in frames.items()]


def manifest_pairs(manifest: Manifest | PathInput) -> list[Pair]:
    """Pairs of a manifest, in its order; results are called by the ids.

    Args:
        manifest: A manifest, or the path of one. Masks and depth are not read.

    Returns:
        One pair per sample. Ids are relative paths; what would lead out of a folder (``..``, a leading ``/``) is left
        out of the name.

    Raises:
        MissingFileError, ManifestError: If the manifest cannot be read.
        InvalidArgumentError: If names are not unique.

    >>> table = Manifest({"bg": ["b.jpg"], "fg_bg": ["../x/1.jpg"], "mask": ["1.png"]}, root="data")
    >>> manifest_pairs(table)
    [Pair(name='x/1', bg='data/b.jpg', fg_bg='data/../x/1.jpg')]
    """
    table = manifest if isinstance(manifest, Manifest) else Manifest.read(manifest)
    columns = (table.column(name).tolist() for name in ("id", "bg", "fg_bg"))
    pairs = [
        Pair(_inside(id), str(table.resolve(bg)), str(table.resolve(frame)))
        for id, bg, frame in zip(*columns, strict=True)
    ]
    check_names([pair.name for pair in pairs], "the manifest")
    return pairs


def check_names(names: Sequence[str], where: str) -> None:
    """Results need a name each, that does not lead out of their folder.

    Raises:
        InvalidArgumentError: If a name stands twice, or is no plain relative path.
    """
    twins = [name for name, count in Counter(names).items() if count > 1]
    if twins:
        raise InvalidArgumentError(
            f"{where}: several pairs would have a result called {twins[0]!r}; rename their pictures, or leave all but "
            "one out"
        )
    astray = next((name for name in names if _inside(name) != name), None)
    if astray is not None:
        raise InvalidArgumentError(f"{where}: a pair is called {astray!r}; expected a relative path without '..'")


def pictures_in(folder: PathInput, argument: str) -> dict[str, str]:
    """The pictures in a folder: name without suffix -> path, in natural order.

    Raises:
        MissingFileError: If there is no such folder.
        InvalidArgumentError: If it holds no picture, or two of one name.
    """
    if not is_folder(folder):
        raise MissingFileError(f"{argument}: no folder at {folder}{nearest_on_disk(str(folder))}")
    names = [name for name in list_names(folder) if posixpath.splitext(name)[1].lower() in SUFFIXES and name[:1] != "."]
    if not names:
        raise InvalidArgumentError(f"{argument}: {folder} holds no picture ({', '.join(sorted(SUFFIXES))})")
    stems = {name: posixpath.splitext(name)[0] for name in sorted(names, key=natural_key)}
    check_names(list(stems.values()), f"{argument}={str(folder)!r}")
    return {stem: posixpath.join(str(folder), name) for name, stem in stems.items()}


def _inside(id: str) -> str:
    """A relative path that stays in its folder."""
    parts: Iterable[str] = (part for part in id.replace("\\", "/").split("/") if part not in ("", ".", ".."))
    return "/".join(parts) or "_"


__all__ = ["SUFFIXES", "Pair", "check_names", "folder_pairs", "manifest_pairs", "pictures_in"]
