"""One family of errors under `FgBgError`, each also the builtin that it stands for.

A message says what came, what was expected, the nearest valid names, and the fix.
"""

import difflib
from collections.abc import Iterable


class FgBgError(Exception):
    """Base of every error that fgbgnet raises on purpose."""

    def __str__(self) -> str:
        # KeyError quotes its message; ours are sentences.
        return str(self.args[0]) if self.args else ""


class FgBgWarning(UserWarning):
    """Something worth a look that does not stop the work."""


class InvalidArgumentError(FgBgError, ValueError):
    """An argument has a value or shape that the function cannot use."""


class UnknownNameError(FgBgError, KeyError, ValueError):
    """A name that is not in a registry; the message lists the nearest names.

    Args:
        kind: What the name stands for, e.g. ``"encoder"``.
        name: The name that came.
        known: The names that exist.
        hint: How to list all of them.
    """

    def __init__(self, kind: str, name: str | None = None, known: Iterable[str] = (), hint: str = "") -> None:
        if name is None:  # pickle and DataLoader workers rebuild an error from its finished message alone
            super().__init__(kind)
            return
        names = list(known)
        near = difflib.get_close_matches(name, names, n=5, cutoff=0.5)
        if near:
            listing = "; the nearest are " + ", ".join(repr(n) for n in near)
        elif len(names) <= 12:
            listing = "; known are " + ", ".join(repr(n) for n in names)
        else:
            listing = ""
        super().__init__(f"unknown {kind} {name!r}{listing}." + (f" {hint}" if hint else ""))


class MissingFileError(FgBgError, FileNotFoundError):
    """A file or folder that was named does not exist."""


class PictureError(FgBgError, OSError, ValueError):
    """A file is not a picture, is truncated, or holds something other than what it should."""


class MaskError(PictureError):
    """A picture that should be a mask is not one."""


class ArchiveError(PictureError):
    """An archive cannot be read: damaged, truncated, encrypted, unsafe, or packed in a way that is not supported."""


class ManifestError(FgBgError, ValueError):
    """A manifest, or the lists that it is built from, do not fit together."""


class OutputError(FgBgError, OSError):
    """A result cannot be written: the disk is full."""


class SplitError(FgBgError, ValueError):
    """A data set cannot be split as asked."""


class WeightsError(FgBgError, ValueError):
    """A model folder does not hold what the model needs."""


class BranchError(FgBgError, RuntimeError):
    """A branch cannot be frozen or unfrozen as asked."""


class TrainingError(FgBgError, RuntimeError):
    """A training went wrong, by no fault of its input: the loss is not finite any more."""


class NonFiniteLossError(TrainingError):
    """The loss of a batch is infinite or NaN.

    Args:
        message: What happened and what to do.
        ids: The samples of the batch.
    """

    def __init__(self, message: str, ids: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.ids = tuple(ids)


class ExportError(FgBgError, RuntimeError):
    """A model cannot be exported, or what was exported does not agree with it."""


class MissingExtraError(FgBgError, ImportError):
    """A feature needs an optional dependency.

    Args:
        feature: What was asked for, as the start of a sentence.
        extra: The extra of fgbgnet that brings the dependency.
    """

    def __init__(self, feature: str, extra: str | None = None) -> None:
        if extra is None:  # pickle and DataLoader workers rebuild an error from its finished message alone
            super().__init__(feature)
            return
        super().__init__(f"{feature} needs the extra {extra!r}: python -m pip install 'fgbgnet[{extra}]'")


__all__ = [
    "ArchiveError",
    "BranchError",
    "ExportError",
    "FgBgError",
    "FgBgWarning",
    "InvalidArgumentError",
    "ManifestError",
    "MaskError",
    "MissingExtraError",
    "MissingFileError",
    "NonFiniteLossError",
    "OutputError",
    "PictureError",
    "SplitError",
    "TrainingError",
    "UnknownNameError",
    "WeightsError",
]
