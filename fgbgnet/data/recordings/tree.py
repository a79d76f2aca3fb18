"""Where recordings lie in a folder, and the numbered files of each."""

import os
import re
from collections.abc import Sequence

from fgbgnet.data.layouts.values import natural_key
from fgbgnet.data.storage import is_folder, list_names
from fgbgnet.errors import InvalidArgumentError, ManifestError, MissingFileError, UnknownNameError
from fgbgnet.types import PathInput

_DEEPEST = 6  # folders between what a user names and a recording
_SHOWN = 8


def find_recordings(root: PathInput, holding: Sequence[str], expected: str) -> list[str]:
    """Absolute paths of the folders at or below ``root`` that hold all of some sub-folders, in natural order.

    Args:
        root: Folder, on disk or inside a zip archive.
        holding: Names of the sub-folders.
        expected: The layout in words, for the error.

    Raises:
        MissingFileError: If there is no such folder, or none of its folders is one; the message says what was expected
            and what is there.
    """
    top = os.path.abspath(root)  # noqa: PTH100 - strings: paths may lead into archives
    found: list[str] = []
    pending = [(top, 0)]
    while pending:
        folder, depth = pending.pop()
        names = set(list_names(folder))
        if names.issuperset(holding):
            found.append(folder)
        elif depth < _DEEPEST:
            below = (_join(folder, name) for name in names if not name.startswith("."))
            pending += [(path, depth + 1) for path in below if is_folder(path)]
    if not found:
        there = sorted(list_names(top), key=natural_key)
        more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
        raise MissingFileError(
            f"no recordings at {root}: expected {expected}; there is {', '.join(there[:_SHOWN]) or 'nothing'}{more}"
        )
    return sorted(found, key=natural_key)


def by_name(root: PathInput, names: Sequence[str], folders: Sequence[str]) -> dict[str, str]:
    """Name -> folder of recordings.

    Raises:
        ManifestError: If two have one name.
    """
    places: dict[str, str] = {}
    for name, folder in zip(names, folders, strict=True):
        if places.setdefault(name, folder) != folder:
            raise ManifestError(
                f"{root} holds several recordings called {name}: {places[name]} and {folder}; name the folder of one "
                "of them"
            )
    return places


def parts_of(folder: str) -> list[str]:
    """Names along a path; that of a zip archive without its suffix: ``PTZ.zip`` holds what ``PTZ`` does.

    >>> parts_of("data/PTZ.zip/twoPositionPTZCam")
    ['data', 'PTZ', 'twoPositionPTZCam']
    """
    return [re.sub(r"\.zip$", "", part, flags=re.IGNORECASE) for part in re.split(r"[/\\]", folder)]


def numbered_files(folder: str, prefix: str) -> dict[int, str]:
    """Number -> path of the pictures ``<prefix><digits>.<suffix>`` in a folder, by number; none if there is no folder.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("in000010.jpg", "in000009.jpg", "Thumbs.db"):
    ...         _ = pathlib.Path(folder, name).write_bytes(b"")
    ...     list(numbered_files(folder, "in"))
    [9, 10]
    """
    pattern = re.compile(rf"{prefix}(\d+)\.(?:png|jpe?g|bmp|tiff?)", re.IGNORECASE)
    matches = [(match, name) for name in _names(folder) if (match := pattern.fullmatch(name))]
    return dict(sorted((int(match[1]), _join(folder, name)) for match, name in matches))


def named_files(folder: str) -> dict[str, str]:
    """Name -> path of the pictures in a folder, in natural order; none if there is no folder."""
    pictures = re.compile(r"[^.].*\.(?:png|jpe?g|bmp|tiff?)", re.IGNORECASE)
    return {name: _join(folder, name) for name in sorted(_names(folder), key=natural_key) if pictures.fullmatch(name)}


def find_file(folder: str, names: Sequence[str]) -> str | None:
    """Path of the first of some files that is there, whatever their case."""
    there = {name.lower(): name for name in list_names(folder)}
    return next((_join(folder, there[name.lower()]) for name in names if name.lower() in there), None)


def choose(names: Sequence[str], only: Sequence[str] | None) -> list[str]:
    """Those of the names that were asked for, by their own or by that of a folder above them; all for None.

    Raises:
        UnknownNameError: If nothing has one of the names.
        InvalidArgumentError: If ``only`` is empty.

    >>> choose(["baseline/highway", "baseline/office", "shadow/bungalows"], ["shadow", "baseline/office"])
    ['baseline/office', 'shadow/bungalows']
    """
    if only is None:
        return list(names)
    only = [only] if isinstance(only, str) else only
    if not only:
        raise InvalidArgumentError("only is empty; expected names of recordings or their folders, or None for all")
    known = {name: _heads(name) for name in names}
    for wanted in only:
        if not any(wanted in heads for heads in known.values()):
            listed = dict.fromkeys(head for heads in known.values() for head in heads)
            raise UnknownNameError("recording or folder of recordings", wanted, listed)
    return [name for name, heads in known.items() if heads & set(only)]


def _heads(name: str) -> set[str]:
    parts = name.split("/")
    return {"/".join(parts[:count]) for count in range(1, len(parts) + 1)}


def _names(folder: str) -> list[str]:
    return list_names(folder) if is_folder(folder) else []


def _join(folder: str, name: str) -> str:
    return os.path.join(folder, name)  # noqa: PTH118 - strings: paths may lead into archives


__all__ = ["by_name", "choose", "find_file", "find_recordings", "named_files", "numbered_files", "parts_of"]
