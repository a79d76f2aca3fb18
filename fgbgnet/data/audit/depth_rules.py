"""Findings about depth maps; some need the other maps of the same background."""

from collections.abc import Sequence

import numpy as np
from tqdm.auto import tqdm

from fgbgnet.data.arrays import MAX_COLOURED_SHARE
from fgbgnet.data.audit.depth_groups import chunks, kinship
from fgbgnet.data.audit.facts import DepthFacts, Measurement
from fgbgnet.data.audit.findings import Correction
from fgbgnet.data.audit.rules import Hit, by_group, without_depth
from fgbgnet.data.manifest import Manifest

_BELOW_WEIGHT = 0.35  # of "the bottom of the picture is near", which fails in one of five rooms
_OWN_WEIGHT = 0.4  # of what a map says itself, beside what all maps of its background say together
_TINY, _TINY_WEIGHT = 0.004, 0.25  # of the picture: the few steps along a contour as short as that say little
_OPPOSITE, _OPPOSITE_ALONE = -0.15, -0.25  # evidence of maps that others of their background back, and of lone ones
_STRONGER, _STRONG, _WEAK, _WEAKER, _ABSENT = 0.6, 0.45, 0.3, 0.25, 0.15  # steps along the contour
_STRANGER, _DISTANT = 0.8, 0.95  # agreement with the other maps of the background
_OTHERS_FOREGROUND, _CLEARLY, _SURELY = 0.5, 0.2, 0.5  # correlation with another's mask, and by how much it is better
_OWN_FOREGROUND, _OWN_AND_WEAK, _OWN_AND_ABSENT = 0.35, 0.6, 0.8  # correlation with its own mask
_LEAST_COVER, _MOST_COVER = 0.008, 0.6  # of the picture: small foregrounds are lost in thumbnails, large ones hide all
_TRUSTED = 0.5  # steps that a quarter of all maps must have, or the maps show no foregrounds at all


def depth_rules(
    measurements: Sequence[Measurement],
    manifest: Manifest,
    groups: Sequence[str],
    suspects: set[int],
    progress: bool = False,
) -> list[Hit]:
    """Applies the rules to all samples.

    Args:
        measurements: Of the samples.
        manifest: The table.
        groups: ``bg_id`` of every row of the table.
        suspects: Rows whose background or mask is wrong: what their depth maps say about others means nothing.
        progress: Whether to show a progress bar.
    """
    hits = [hit for m in measurements for hit in _by_itself(m)]
    spoiled = suspects | {hit.row for hit in hits}
    usable = [m for m in measurements if m.row not in spoiled and m.depth is not None and m.depth.steps is not None]
    if not usable:
        return hits
    judged = _Judgement(usable)
    parts = [part for places in by_group(usable, groups).values() for part in chunks(places)]
    for part in tqdm(parts, desc="depth maps", unit="group", leave=False, disable=None if progress else True):
        judged.pool(part)
    for place, m in enumerate(usable):
        if judged.of_another(place):
            kind = "depth_of_another"
            bad = 1 - float(np.nan_to_num(judged.agreement[place]))
            hits.append(Hit(kind, m.row, bad, (without_depth(m.row, kind),)))
        elif judged.evidence[place] < (_OPPOSITE if judged.backed[place] else _OPPOSITE_ALONE):
            bad = -float(judged.evidence[place])
            hits.append(Hit("depth_polarity", m.row, bad, (_turned_over(m, manifest),)))
    return hits


def _by_itself(m: Measurement) -> list[Hit]:
    facts = m.depth
    if facts is None:
        return []
    kinds = {
        "depth_coloured": facts.coloured if facts.coloured > MAX_COLOURED_SHARE else 0,
        "depth_margin": float(facts.framed and facts.coloured <= MAX_COLOURED_SHARE),
        "depth_constant": float(facts.constant),
    }
    return [Hit(kind, m.row, bad, (without_depth(m.row, kind),)) for kind, bad in kinds.items() if bad]


class _Judgement:
    """What is known of each of some depth maps."""

    def __init__(self, usable: Sequence[Measurement]) -> None:
        self.facts: list[DepthFacts] = [m.depth for m in usable if m.depth is not None]
        self.nearer = np.array([np.nan if f.steps is None else f.steps.nearer for f in self.facts])
        self.height = np.array([np.nan if f.steps is None else f.steps.height for f in self.facts])
        self.chance = np.array([_median(f.others) for f in self.facts])
        below = np.array([f.below for f in self.facts])
        weight = np.where([f.covered < _TINY for f in self.facts], _TINY_WEIGHT, 1.0)
        self.evidence = weight * np.nan_to_num(self.nearer) + _BELOW_WEIGHT * below
        """Positive if near and far are as declared."""
        self.backed = np.zeros(len(usable), np.bool_)
        """Whether other maps of the background speak for it, too."""
        self.direction = np.where(self.evidence < 0, -1, 1)
        """-1 if the map is turned over as a whole."""
        self.agreement = np.full(len(usable), np.nan)
        self.agreed = np.zeros(len(usable), np.bool_)
        self.own = np.full(len(usable), np.nan)
        self.others = np.full(len(usable), np.nan)
        strength = np.abs(self.nearer[np.isfinite(self.nearer)])
        self.trusted = bool(len(strength)) and float(np.quantile(strength, 0.75)) > _TRUSTED

    def pool(self, part: Sequence[int]) -> None:
        """Lets the maps of one background speak for each other."""
        if len(part) < 2:
            return
        places = np.array(part)
        found = kinship([thumbs for place in part if (thumbs := self.facts[place].thumbs) is not None])
        kin, sign = places[found.sign != 0], found.sign[found.sign != 0]
        if len(kin):
            together = float((sign * self.evidence[kin]).mean())
            self.direction[kin] = sign * (1 if together >= 0 else -1)
            self.backed[kin] = len(kin) > 1
            self.evidence[kin] = _OWN_WEIGHT * self.evidence[kin] + (1 - _OWN_WEIGHT) * sign * together
        self.agreement[places], self.agreed[places] = found.agreement, found.agreed
        self.own[places], self.others[places] = found.own, found.others

    def of_another(self, place: int) -> bool:
        """Whether a map belongs to another sample."""
        nearer, height, chance = self.nearer[place] * self.direction[place], self.height[place], self.chance[place]
        own, others, agreement = self.own[place], self.others[place], self.agreement[place]
        weak = nearer < _WEAK or height < 1.5 * chance
        if self.agreed[place] and (agreement < _STRANGER or (agreement < _DISTANT and weak)):
            return True
        if not _LEAST_COVER < self.facts[place].covered < _MOST_COVER:
            return False
        better = others - own > (_CLEARLY if nearer < _STRONG else _SURELY)
        swapped = others > _OTHERS_FOREGROUND and better and not nearer > _STRONGER
        common = height < 3 * chance  # steps that any map could have there
        lacking = (weak and own < _OWN_FOREGROUND) or (nearer < _WEAKER and common and own < _OWN_AND_WEAK)
        absent = nearer < -_WEAKER or (abs(nearer) < _ABSENT and height < chance)
        return bool(swapped or (self.trusted and (lacking or (absent and not own > _OWN_AND_ABSENT))))


def _median(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.median(finite)) if finite else 0.0


def _turned_over(m: Measurement, manifest: Manifest) -> Correction:
    metres = manifest.value("depth_unit", m.row) == "metres"
    if metres or m.depth is None or not m.depth.in_unit_range:  # such a map cannot be declared to be near = large
        return without_depth(m.row, "depth_polarity")
    declared = manifest.value("depth_direction", m.row)
    value = "near_small" if declared == "near_large" else "near_large"
    return Correction(m.row, "depth_direction", value, "depth_polarity")


__all__ = ["depth_rules"]
