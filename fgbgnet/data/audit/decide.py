"""From measurements to an audit."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fgbgnet.data.arrays import ByteArray
from fgbgnet.data.audit.depth_rules import depth_rules
from fgbgnet.data.audit.facts import Measurement
from fgbgnet.data.audit.findings import KINDS, Correction, Finding, ordered, sentence
from fgbgnet.data.audit.group_rules import group_rules
from fgbgnet.data.audit.result import Audit
from fgbgnet.data.audit.rules import SAMPLE_RULES, Hit
from fgbgnet.data.manifest import Manifest

_SUSPECT = {name for name, kind in KINDS.items() if kind.severity == "error" and name.startswith("mask_")} | {
    "fg_bg_unchanged"
}
"""Samples whose depth map cannot be judged, since nobody knows where the foreground is."""


def decide(
    manifest: Manifest,
    rows: npt.NDArray[np.int64],
    measurements: Sequence[Measurement],
    thumbs: dict[str, ByteArray | None],
    partial: bool,
    progress: bool = False,
) -> Audit:
    """Applies all rules.

    Args:
        manifest: The table.
        rows: Numbers of the rows that were measured.
        measurements: Of these rows.
        thumbs: Thumbnail of backgrounds by their path.
        partial: Whether the table has more rows.
        progress: Whether to show progress bars.
    """
    hits: list[Hit] = [hit for m in measurements for rule in SAMPLE_RULES for hit in rule(m, manifest)]
    suspects = {hit.row for hit in hits if hit.kind in _SUSPECT}
    # An empty mask that could not be compared with the pictures does not say that there is no foreground.
    suspects |= {m.row for m in measurements if m.mask is not None and m.mask.fit is None and m.mask.area == 0}
    hits += depth_rules(measurements, manifest, _true_groups(hits, manifest), suspects, progress)
    dropped = {change.row for hit in hits for change in hit.corrections if not change.column}
    hits += group_rules(measurements, manifest, thumbs, dropped)
    ids = manifest.column("id")
    findings, corrections = [], []
    for kind in KINDS.values():
        found = sorted((hit for hit in hits if hit.kind == kind.name), key=lambda hit: -hit.badness)
        if found:
            worst = list(dict.fromkeys(hit.row for hit in found))
            message = sentence(len(worst), len(manifest) if kind.of_table else len(rows), kind)
            findings.append(Finding(kind.name, kind.severity, tuple(str(ids[row]) for row in worst), message))
        corrections += [correction for hit in found for correction in hit.corrections]
    unique: list[Correction] = list(dict.fromkeys(corrections))
    return Audit(manifest, len(rows), tuple(ordered(findings)), tuple(unique), rows if partial else None)


def _true_groups(hits: Sequence[Hit], manifest: Manifest) -> list[str]:
    """Background of every row, with wrong ones put right; a row whose background is not known stands alone."""
    groups: list[str] = manifest.column("bg_id").tolist()
    wrong = [hit for hit in hits if hit.kind == "bg_wrong"]
    if wrong:
        group_of = dict(zip(manifest.column("bg").tolist(), list(groups), strict=True))
        for hit in wrong:
            change = hit.corrections[0]
            known = change.column == "bg" and change.edit is None
            groups[hit.row] = group_of[change.value] if known else f"row {hit.row} alone"
    return groups


__all__ = ["decide"]
