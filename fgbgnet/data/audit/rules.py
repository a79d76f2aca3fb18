"""From measurements to findings: what counts as wrong, and what can be proven."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from fgbgnet.data.audit.facts import GOOD_SUPPORT, Measurement, judge_background, moves_background
from fgbgnet.data.audit.findings import Correction
from fgbgnet.data.manifest import Manifest

_GREY = 0.002  # share of grey pixels; a mask of PNG has none, JPEG leaves 1 to 4 %
_DITHERED = 0.04
_FULL = 0.98
_STRAY = 24  # pixels at the working size: a solid change that a mask cannot have overlooked
_EMPTY_CHANGE = 0.0015  # share of the picture; noise makes pieces of up to 0.0013
_AGAINST = 0.25
_FEW_PIXELS = 24
_SINGLE_CHANNEL = ("L", "1", "I", "I;16", "I;16B", "I;16L", "F", "npy")
_PICTURE = ("RGB", "L", "I;16", "I;16B", "CMYK")


@dataclass(frozen=True)
class Hit:
    """One sample that has a defect."""

    kind: str
    row: int
    badness: float = 0.0
    """Orders samples of one kind."""
    corrections: tuple[Correction, ...] = ()


Rule: TypeAlias = Callable[[Measurement, Manifest], Iterable[Hit]]


def drop(row: int, kind: str) -> Correction:
    """The whole row goes."""
    return Correction(row, "", "", kind)


def without_depth(row: int, kind: str) -> Correction:
    """The row loses its depth."""
    return Correction(row, "depth", "", kind)


def file_rule(m: Measurement, manifest: Manifest) -> Iterable[Hit]:
    """Files that are missing, unreadable, or of another shape, size or mode."""
    for name, file in m.problems.items():
        kind = "file_missing" if file.missing else "file_unreadable"
        yield Hit(kind, m.row, 1.0, (without_depth(m.row, kind) if name == "depth" else drop(m.row, kind),))
    if m.misshapen:
        only_depth = m.misshapen == ("depth",)
        kind = "file_shape_differs"
        yield Hit(kind, m.row, len(m.misshapen), (without_depth(m.row, kind) if only_depth else drop(m.row, kind),))
    frame = m.sizes.get("fg_bg")
    others = [size for name, size in m.sizes.items() if name not in m.misshapen]
    if frame is not None and any(size != frame for size in others):
        ratio = max(max(size[0] / frame[0], frame[0] / size[0]) for size in others)
        yield Hit("file_size_differs", m.row, ratio)
    odd = [name for name, mode in m.modes.items() if mode not in (_PICTURE if "bg" in name else _SINGLE_CHANNEL)]
    if odd:
        yield Hit("file_mode_differs", m.row, len(odd))
    if m.rotated:
        yield Hit("file_rotated", m.row, len(m.rotated))


def background_rule(m: Measurement, manifest: Manifest) -> Iterable[Hit]:
    """Backgrounds of other frames, mirrored ones, and ones that moved."""
    facts = m.background
    if facts is None:
        return
    match, verdict = facts.match, judge_background(facts.match)
    if moves_background(facts):
        # The one that did not move may be there, too.
        still_there = (_other_background(m, manifest, "bg_shifted"),) if verdict == "other" else ()
        yield Hit("bg_shifted", m.row, max(abs(facts.columns), abs(facts.rows)), still_there)
        return
    path = manifest.value("bg", m.row)
    if verdict == "mirrored":
        change = Correction(m.row, "bg", path, "bg_mirrored", "mirror")
        yield Hit("bg_mirrored", m.row, match.own, (change,))
    elif verdict == "other":
        yield Hit("bg_wrong", m.row, match.own, (_other_background(m, manifest, "bg_wrong"),))
    elif verdict == "none":
        yield Hit("bg_wrong", m.row, match.own, (drop(m.row, "bg_wrong"),))


def _other_background(m: Measurement, manifest: Manifest, kind: str) -> Correction:
    assert m.background is not None
    match = m.background.match
    return Correction(m.row, "bg", match.other_path, kind, "mirror" if match.other_is_mirrored else None)


def mask_rule(m: Measurement, manifest: Manifest) -> Iterable[Hit]:
    """Masks that are no masks, and masks that lie elsewhere."""
    facts = m.mask
    if facts is None:
        return
    if facts.problem:
        yield Hit("mask_unusable", m.row, 1.0, (drop(m.row, "mask_unusable"),))
        return
    if facts.grey > _GREY:
        yield Hit("mask_grey", m.row, facts.grey)
    if facts.dithered > _DITHERED:
        yield Hit("mask_dithered", m.row, facts.dithered, (drop(m.row, "mask_dithered"),))
    kind = _mask_place(m)
    if kind:
        yield Hit(kind, m.row, *_mask_badness(m, manifest, kind))


def _mask_place(m: Measurement) -> str:
    """The kind of defect that the place of the mask shows; empty if none."""
    facts, background = m.mask, m.background
    assert facts is not None
    turned = facts.inverted is not None and facts.inverted.support >= GOOD_SUPPORT
    if facts.area > _FULL and not turned:
        return "mask_full" if facts.fit is None or facts.fit.recall < 0.9 else ""
    if facts.fit is None or background is None:
        return ""
    fit = facts.fit
    if facts.area == 0:
        return "mask_empty" if background.differs > _EMPTY_CHANGE else "mask_nothing_new"
    alike = facts.amount_inside < 2 * facts.amount_outside
    if facts.pixels >= _FEW_PIXELS and fit.recall < 0.25 and alike and background.differs < _EMPTY_CHANGE:
        return "fg_bg_unchanged"
    if turned and not fit.support >= 0.2:
        return "mask_inverted"
    if np.isnan(fit.support):
        return "mask_off_difference" if fit.stray > 2 * _STRAY and fit.precision < 0.3 else ""
    if fit.support >= GOOD_SUPPORT:
        return ""
    astray = fit.stray > max(_STRAY, 0.1 * facts.pixels) and fit.precision < 0.7
    crossed = fit.against > _AGAINST and min(fit.precision, fit.recall) < 0.7
    too_large = fit.support < 0.2 and fit.recall < 0.35 and background.differs > 2 * _EMPTY_CHANGE
    return "mask_off_difference" if astray or crossed or too_large or facts.better or facts.better_shift else ""


def _mask_badness(m: Measurement, manifest: Manifest, kind: str) -> tuple[float, tuple[Correction, ...]]:
    facts = m.mask
    assert facts is not None
    path = manifest.value("mask", m.row)
    if kind == "mask_nothing_new":
        return 0.0, ()
    if kind == "mask_inverted":
        return facts.area, (Correction(m.row, "mask", path, kind, "invert"),)
    if kind == "mask_off_difference" and facts.better:
        return 1.0, (Correction(m.row, "mask", path, kind, facts.better),)
    if kind == "mask_empty" and m.background is not None:
        return m.background.differs, (drop(m.row, kind),)
    support = 0.0 if facts.fit is None else float(np.nan_to_num(facts.fit.support))
    return 1 - support, (drop(m.row, kind),)


SAMPLE_RULES: tuple[Rule, ...] = (file_rule, background_rule, mask_rule)
"""Rules that look at one sample alone."""


def by_group(measurements: Sequence[Measurement], groups: Sequence[str]) -> dict[str, list[int]]:
    """Positions of the measurements by the background of their rows."""
    found: dict[str, list[int]] = defaultdict(list)
    for place, m in enumerate(measurements):
        found[groups[m.row]].append(place)
    return found


__all__ = [
    "SAMPLE_RULES",
    "Hit",
    "background_rule",
    "by_group",
    "drop",
    "file_rule",
    "mask_rule",
    "without_depth",
]
