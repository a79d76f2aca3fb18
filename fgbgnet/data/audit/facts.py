"""What is measured of one sample, and the verdict on its background."""

from dataclasses import dataclass, field

from fgbgnet.data.audit.backgrounds import Match
from fgbgnet.data.audit.depth_signals import ContourSteps, DepthThumbs
from fgbgnet.data.audit.findings import Edit
from fgbgnet.data.audit.mask_signals import Fit
from fgbgnet.data.audit.reading import File

GOOD_SUPPORT = 0.6
"""Share of the contour that a mask needs; right ones have more than 0.68 in 99 of 100 generated scenes."""

LEAST_RESIDUAL = 2.0
"""Grey levels that compression and resizing leave between a frame and its own background."""
BETTER = 0.5
"""A background is better if it leaves less than this share of the difference."""
HIGH_RESIDUAL = 10.0
UNEXPLAINED = 0.7
"""Share of a frame's contrast that remains if a background has nothing to do with it."""
_TIE = 1.0  # grey levels: where a mirrored copy has its original beside it, both fit
_HARDLY_EXPLAINED = 0.35  # share of the contrast
_LEAST_IN_SIGHT = 0.2  # of the frame: with less of the background to be seen, nobody can say whose it is
_IN_SIGHT = 0.5  # the same to say that it is none that is there
_LEAST_SHIFT = 1.0  # pixels of the frame
_LEFT_AFTER_SHIFT = 0.6


@dataclass
class BackgroundFacts:
    """What is measured of a pair of frame and background."""

    match: Match
    columns: float = 0.0
    rows: float = 0.0
    """By how much the background would have to move, in pixels of the frame."""
    left_after_shift: float = 1.0
    """Ratio of the differences after and before."""
    differs: float = 0.0
    """Pixels of the largest solid change where the label of the mask is known, as a share of all."""


@dataclass
class MaskFacts:
    """What is measured of a mask."""

    problem: str = ""
    area: float = 0.0
    """Share of foreground, before anything was resized."""
    grey: float = 0.0
    dithered: float = 0.0
    fit: Fit | None = None
    """With the change between frame and the right background; None if that is not known."""
    pixels: int = 0
    """Of foreground, at the working size."""
    inverted: Fit | None = None
    better: Edit | None = None
    """Which edit makes it lie on the change."""
    better_shift: tuple[int, int] | None = None
    """Or rows and columns by which it must move, at the working size."""
    amount_inside: float = 0.0
    """Mean difference on the mask, grey levels."""
    amount_outside: float = 0.0


@dataclass
class DepthFacts:
    """What is measured of a depth map."""

    coloured: float = 0.0
    framed: bool = False
    constant: bool = False
    in_unit_range: bool = False
    """Whether all distances lie in [0, 1], as relative depth must that is near = large."""
    steps: ContourSteps | None = None
    """Along the contour of the mask; None if there is no usable mask."""
    others: tuple[float, ...] = ()
    """Heights of the steps that depth maps of others have along the same contour."""
    below: float = 0.0
    """Correlation of nearness with the row."""
    thumbs: DepthThumbs | None = None
    covered: float = 0.0
    """Share of the picture that the mask covers."""


@dataclass
class Measurement:
    """Everything that is measured of one sample."""

    row: int
    problems: dict[str, File] = field(default_factory=dict)
    """Files that cannot be read, without their bytes."""
    modes: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    rotated: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()
    """Layers of another aspect ratio than the frame."""
    digest: bytes = b""
    """Of the frame's file."""
    background: BackgroundFacts | None = None
    mask: MaskFacts | None = None
    depth: DepthFacts | None = None


def judge_background(match: Match) -> str:
    """Which background is right: ``"own"``, ``"mirrored"`` (its own mirror image), ``"other"``, or ``"none"``."""
    if match.own <= LEAST_RESIDUAL:
        return "own"
    if match.in_sight < _LEAST_IN_SIGHT:
        return "own"
    enough = BETTER * min(match.own, match.contrast)
    if match.own_mirrored < enough and match.own_mirrored <= match.other + _TIE:
        return "mirrored"
    if match.other < enough:
        return "other"
    if match.in_sight < _IN_SIGHT:
        return "own"
    unexplained = match.own > HIGH_RESIDUAL and match.own > UNEXPLAINED * match.contrast
    return "none" if unexplained else "own"


def is_doubtful(match: Match) -> bool:
    """Whether the manifest's background fits so badly that a mask cannot be judged by the difference."""
    return match.own > HIGH_RESIDUAL and match.own > _HARDLY_EXPLAINED * match.contrast


def moves_background(facts: BackgroundFacts) -> bool:
    """Whether the background lies clearly better after a shift."""
    return facts.left_after_shift < _LEFT_AFTER_SHIFT and max(abs(facts.columns), abs(facts.rows)) >= _LEAST_SHIFT


__all__ = [
    "GOOD_SUPPORT",
    "LEAST_RESIDUAL",
    "BackgroundFacts",
    "DepthFacts",
    "MaskFacts",
    "Measurement",
    "is_doubtful",
    "judge_background",
    "moves_background",
]
