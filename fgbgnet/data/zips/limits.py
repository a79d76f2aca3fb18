"""How much a single member of an archive may take in memory."""

import os
from dataclasses import dataclass, fields
from typing import Any

from fgbgnet.errors import ArchiveError, InvalidArgumentError

_PREFIX = "FGBGNET_ARCHIVE_"
_MIB = 2**20


@dataclass(frozen=True)
class ArchiveLimits:
    """Limits for members of zip archives and shards.

    Deflate can expand data a thousandfold, and an empty mask honestly does so; hence the ratio counts only for members
    that are large when unpacked.
    """

    max_member: int = 512 * _MIB
    """Bytes of an unpacked member."""
    max_ratio: float = 200.0
    """Unpacked bytes per packed byte, of members that unpack to more than `ratio_from` bytes."""
    ratio_from: int = 64 * _MIB
    """Bytes from which on the ratio is looked at."""

    def check(self, name: str, packed: int, size: int) -> None:
        """Checks the sizes that an archive declares for a member.

        Raises:
            ArchiveError: If they exceed the limits.

        >>> ArchiveLimits(max_member=100).check("a.png", packed=10, size=100)
        """
        if size > self.max_member:
            raise ArchiveError(
                f"{name} unpacks to {size / _MIB:.1f} MiB; at most {self.max_member / _MIB:g} MiB are read. If this is "
                "no mistake, call set_archive_limits(max_member=...)"
            )
        if size > self.ratio_from and size > self.max_ratio * packed:
            raise ArchiveError(
                f"{name} has {packed} bytes and unpacks to {size / _MIB:.1f} MiB, as a zip bomb does; at most "
                f"{self.max_ratio:g} bytes per packed byte are read. If this is no mistake, call "
                "set_archive_limits(max_ratio=...)"
            )


def set_archive_limits(
    max_member: int | None = None, max_ratio: float | None = None, ratio_from: int | None = None
) -> ArchiveLimits:
    """Changes the limits for members of archives, here and in processes that start from here.

    They travel as environment variables, ``FGBGNET_ARCHIVE_MAX_MEMBER`` and so on, because a spawned worker inherits
    nothing else.

    Args:
        max_member: Bytes of an unpacked member; 512 MiB at first. None leaves each limit as it is.
        max_ratio: Unpacked bytes per packed byte of large members; 200 at first.
        ratio_from: Unpacked bytes from which on the ratio counts; 64 MiB at first.

    Returns:
        The limits that hold from now on.

    Raises:
        InvalidArgumentError: If one is not positive.

    >>> before = archive_limits()
    >>> set_archive_limits(max_member=2**30).max_member
    1073741824
    >>> set_archive_limits(max_member=before.max_member) == before
    True
    """
    given = {"max_member": max_member, "max_ratio": max_ratio, "ratio_from": ratio_from}
    for name, value in given.items():
        if value is not None and not value > 0:
            raise InvalidArgumentError(f"{name} is {value}; expected a positive number")
    for name, value in given.items():
        if value is not None:
            os.environ[_PREFIX + name.upper()] = repr(value)
    global _limits
    _limits = _from_environment()
    return _limits


def archive_limits() -> ArchiveLimits:
    """The limits that hold now."""
    return _limits


def _from_environment() -> ArchiveLimits:
    given = {}
    for field in fields(ArchiveLimits):
        text = os.environ.get(_PREFIX + field.name.upper())
        if text is not None:
            given[field.name] = _positive(text, type(field.default), _PREFIX + field.name.upper())
    return ArchiveLimits(**given)


def _positive(text: str, kind: Any, variable: str) -> Any:  # noqa: ANN401 - int or float, as the field is
    try:
        value = kind(text)
    except ValueError:
        value = 0
    if not value > 0:
        raise InvalidArgumentError(
            f"the environment variable {variable} is {text!r}; expected a positive {kind.__name__}"
        )
    return value


_limits = _from_environment()

__all__ = ["ArchiveLimits", "archive_limits", "set_archive_limits"]
