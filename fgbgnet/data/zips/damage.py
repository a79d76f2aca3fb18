"""What every error about a broken archive says."""

from fgbgnet.errors import ArchiveError


def damaged(what: str) -> ArchiveError:
    """The error for an archive that is not as its format wants it.

    >>> str(damaged("its directory is missing"))
    'its directory is missing; the archive is damaged or truncated, copy or make it again'
    """
    return ArchiveError(f"{what}; the archive is damaged or truncated, copy or make it again")


__all__ = ["damaged"]
