"""Names of members of an archive, as they are written and as they are meant."""

import posixpath
import re
import unicodedata

from fgbgnet.data.zips.damage import damaged
from fgbgnet.errors import ArchiveError

_UTF8 = 0x800  # flag: the name is UTF-8


def decode_name(raw: bytes, flags: int) -> str:
    r"""The name that the bytes of a directory entry mean, with forward slashes.

    Many programs write UTF-8 without saying so; what is no UTF-8 is taken for code page 437, as the format has it.

    Raises:
        ArchiveError: If the name leads out of the archive.

    >>> decode_name(b"data\\caf\xc3\xa9.png", 0), decode_name(b"./a//b/", 0)
    ('data/café.png', 'a/b/')
    """
    try:
        name = raw.decode()
    except UnicodeDecodeError as error:
        if flags & _UTF8:
            raise damaged(f"its directory has the name {raw!r}, which should be UTF-8") from error
        name = raw.decode("cp437")
    return name if _is_plain(name) else clean_name(name)


def _is_plain(name: str) -> bool:
    """Whether cleaning a name would certainly change nothing."""
    # Not one regular expression: it is several times as slow, and archives have hundreds of thousands of names.
    return (
        name.isascii()
        and name[:1] not in ("", "/", ".")
        and ".." not in name
        and "//" not in name
        and "/./" not in name
        and ":" not in name
        and "\\" not in name
        and "\0" not in name
    )


def clean_name(name: str) -> str:
    """One spelling for a name: composed characters, forward slashes, no empty steps.

    Raises:
        ArchiveError: If it leads out of the archive: absolute, with a drive letter, or with ``..``.

    >>> clean_name("./a//b.png")
    'a/b.png'
    """
    cleaned = unicodedata.normalize("NFC", name.replace("\\", "/"))
    absolute = cleaned.startswith("/") or re.match(r"[A-Za-z]:", cleaned)
    if absolute or ".." in cleaned.split("/") or "\0" in cleaned or not cleaned:
        raise ArchiveError(
            f"its member {name!r} does not lie inside the archive; names must be relative, without '..' or a drive "
            "letter. Make the archive again from inside its folder"
        )
    folder = "/" if cleaned.endswith("/") else ""
    return posixpath.normpath(cleaned) + folder


__all__ = ["clean_name", "decode_name"]
