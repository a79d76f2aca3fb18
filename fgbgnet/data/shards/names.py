"""Names inside a shard, as WebDataset has them: what stands before the first dot of a name is the sample's key."""

import re
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import quote, unquote

SHARED = "bg/"
"""Folder of backgrounds that several samples of a shard share."""
SHARED_KEY = "__shared__"
"""What the json of a sample says about members that it shares: a dict of layer and member."""

_SHARED_NAME = re.compile(r"bg/\d+(\.[a-z0-9]+)?")


class MemberName(NamedTuple):
    """The parts of ``key.bg.jpg``."""

    key: str
    layer: str
    """``"bg"``, ``"json"`` and so on; lower case."""


def key_of(id: str) -> str:
    """The key of a sample: its id, with everything but letters of ASCII, digits, ``_`` and ``-`` as ``%XX``.

    A dot would end the key, a slash would make folders, and programs differ about other alphabets.

    >>> key_of("room 1/v1.5_ä")
    'room%201%2Fv1%2E5_%C3%A4'
    """
    return quote(id, safe="").replace(".", "%2E").replace("~", "%7E")


def id_of(key: str) -> str:
    """The id that a key stands for.

    >>> id_of(key_of("room 1/v1.5_ä"))
    'room 1/v1.5_ä'
    """
    return unquote(key)


def member_name(key: str, layer: str, path: str) -> str:
    """Name of the member that holds the file at ``path``.

    >>> member_name("0007", "bg", "part.zip/Rooms/A.JPG")
    '0007.bg.jpg'
    """
    return f"{key}.{layer}{suffix_of(path)}"


def suffix_of(path: str) -> str:
    """Suffix of a path in lower case, or nothing."""
    suffix = PurePosixPath(path.replace("\\", "/")).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]+", suffix) else ""


def split_member(name: str) -> MemberName:
    """Splits the name of a member.

    >>> split_member("./0007.fg_bg.JPG"), split_member("a.b/0007.json")
    (MemberName(key='0007', layer='fg_bg'), MemberName(key='a.b/0007', layer='json'))
    """
    folder, slash, base = name.removeprefix("./").rpartition("/")
    key, _, rest = base.partition(".")
    return MemberName(folder + slash + key, rest.partition(".")[0].lower())


def is_shared(name: str) -> bool:
    """Whether a member is no part of one sample, but a background that several share."""
    return _SHARED_NAME.fullmatch(name.removeprefix("./")) is not None and not name.endswith(".json")


__all__ = [
    "SHARED",
    "SHARED_KEY",
    "MemberName",
    "id_of",
    "is_shared",
    "key_of",
    "member_name",
    "split_member",
    "suffix_of",
]
