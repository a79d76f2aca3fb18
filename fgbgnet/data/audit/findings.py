"""What an audit finds: kinds, findings, and the corrections that can be proven."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning", "note"]
"""An error makes a sample wrong, a warning makes it worse than it should be, a note is for your information."""

Edit: TypeAlias = Literal["mirror", "flip", "turn", "invert"]
"""What is done to a picture: left and right change places, top and bottom do, both do, 255 - value."""


@dataclass(frozen=True)
class Kind:
    """One kind of defect."""

    name: str
    """Starts with the layer that it concerns."""
    severity: Severity
    meaning: str
    repair: str
    """What a repair does about it."""

    @property
    def of_table(self) -> bool:
        """Whether it is looked for in the whole table, also where a limit leaves most samples out."""
        return self.name.startswith("group_")


_DROP = "the row is dropped"
_NO_DEPTH = "the row loses its depth"
_NOTHING = "nothing"

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("file_missing", "error", "a file is not there", f"{_DROP}; if it is the depth map, {_NO_DEPTH}"),
        Kind("file_unreadable", "error", "a file is truncated or not what it should be", "as for `file_missing`"),
        Kind(
            "file_shape_differs", "error", "layers of one sample have different aspect ratios", "as for `file_missing`"
        ),
        Kind("file_size_differs", "note", "layers of one sample have different sizes; they are resized", _NOTHING),
        Kind(
            "file_mode_differs",
            "note",
            "a layer has another mode than it needs: several channels, an alpha channel, a palette",
            _NOTHING,
        ),
        Kind(
            "file_rotated", "warning", "the EXIF orientation turns a picture; other tools may not follow it", _NOTHING
        ),
        Kind(
            "bg_wrong",
            "error",
            "the background is not that of the frame",
            "the right one, if it is among the others; else the row is dropped",
        ),
        Kind(
            "bg_mirrored",
            "error",
            "the background is mirrored with respect to the frame",
            "a mirrored copy is written and used",
        ),
        Kind("bg_shifted", "warning", "the background is moved by some pixels with respect to the frame", _NOTHING),
        Kind("fg_bg_unchanged", "warning", "the mask marks something, but the frame shows the background", _DROP),
        Kind(
            "fg_bg_duplicate",
            "warning",
            "the same frame stands under several ids",
            "all rows but the first are dropped",
        ),
        Kind(
            "mask_unusable",
            "error",
            "a mask is coloured, mostly grey, or holds labels, so that it cannot be read",
            _DROP,
        ),
        Kind("mask_grey", "warning", "a mask has grey pixels, which a threshold makes black or white", _NOTHING),
        Kind("mask_dithered", "error", "a mask was dithered: grey became a pattern of single pixels", _DROP),
        Kind("mask_inverted", "error", "a mask is white where nothing is new", "an inverted copy is written and used"),
        Kind("mask_empty", "error", "a mask is empty, but the frame shows something new", _DROP),
        Kind("mask_nothing_new", "note", "a mask is empty, and the frame shows nothing new: a legal pair", _NOTHING),
        Kind("mask_full", "error", "a mask marks the whole picture", _DROP),
        Kind(
            "mask_off_difference",
            "error",
            "a mask does not lie on what differs between frame and background",
            "a mirrored or turned copy, if that lies on it; else the row is dropped",
        ),
        Kind(
            "depth_coloured",
            "error",
            "a depth map went through a colour map; its values cannot be recovered",
            _NO_DEPTH,
        ),
        Kind("depth_margin", "error", "a depth map has a frame around it: the margins of a figure, or bars", _NO_DEPTH),
        Kind("depth_constant", "warning", "a depth map holds one value only", _NO_DEPTH),
        Kind(
            "depth_polarity",
            "error",
            "near and far are the other way round than declared",
            "`depth_direction` is declared (relative depth in [0, 1]); else the row loses its depth",
        ),
        Kind("depth_of_another", "error", "a depth map is that of another sample", _NO_DEPTH),
        Kind("group_duplicate", "warning", "one background stands under several `bg_id`", "they get one `bg_id`"),
        Kind(
            "group_leak",
            "error",
            "a background, a near-duplicate of it, or a foreground that was held out stands on two sides of the split",
            _NOTHING,
        ),
        Kind(
            "group_shared",
            "note",
            "most foregrounds stand on two sides of the split: it holds out backgrounds alone",
            _NOTHING,
        ),
    )
}
"""Every kind that an audit can find."""


@dataclass(frozen=True)
class Finding:
    """Samples that have one defect.

    >>> Finding("mask_full", "error", ("a", "b"), "2 masks mark the whole picture").ids
    ('a', 'b')
    """

    kind: str
    """A name of `KINDS`."""
    severity: Severity
    ids: tuple[str, ...]
    """The samples, the worst first."""
    message: str
    """What was found, in one sentence."""


@dataclass(frozen=True)
class Correction:
    """One change of one row that the audit has proven."""

    row: int
    """Number of the row."""
    column: str
    """Column that changes; empty if the row is dropped."""
    value: str
    """The new value: a path as the manifest has it, a ``bg_id``, a direction; empty to drop a cell."""
    reason: str
    """Kind of the finding."""
    edit: Edit | None = None
    """What is done to the picture at ``value``: a changed copy is written, and its path is the new value."""


def sentence(count: int, total: int, kind: Kind, detail: str = "") -> str:
    """The message of a finding: how many samples, what it is, and a detail."""
    share = f"{count} of {total} sample{'s' * (total != 1)} ({count / total:.1%})"
    return f"{share}: {kind.meaning}{f'; {detail}' if detail else ''}"


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Errors first, then warnings, then notes; within them as `KINDS` stands."""
    ranks = {"error": 0, "warning": 1, "note": 2}
    places = {name: place for place, name in enumerate(KINDS)}
    return sorted(findings, key=lambda finding: (ranks[finding.severity], places[finding.kind]))


__all__ = ["KINDS", "Correction", "Edit", "Finding", "Kind", "Severity", "ordered", "sentence"]
