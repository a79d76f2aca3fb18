"""Findings about several samples: copies, and groups on both sides of a split."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from fgbgnet.data.arrays import ByteArray
from fgbgnet.data.audit.findings import Correction
from fgbgnet.data.audit.measure import Measurement
from fgbgnet.data.audit.rules import Hit, drop
from fgbgnet.data.manifest import Manifest
from fgbgnet.data.similar import similar_pictures


def group_findings(
    measurements: Sequence[Measurement], manifest: Manifest, thumbs: dict[str, ByteArray | None]
) -> list[Hit]:
    """Frames that stand twice, backgrounds under several ids, leaks of a split.

    Args:
        measurements: Of the samples.
        manifest: The table.
        thumbs: Thumbnail of every background by its path.
    """
    return [*_duplicate_frames(measurements), *_duplicate_backgrounds(measurements, manifest, thumbs)]


def _duplicate_frames(measurements: Sequence[Measurement]) -> list[Hit]:
    rows: dict[bytes, list[int]] = defaultdict(list)
    for m in measurements:
        # Frames that show nothing new are alike by right.
        if "fg_bg" not in m.problems and (m.mask is None or m.mask.area > 0):
            rows[m.digest].append(m.row)
    copies = [same for same in rows.values() if len(same) > 1]
    kind = "fg_bg_duplicate"
    return [Hit(kind, row, len(same), (drop(row, kind),) if row != same[0] else ()) for same in copies for row in same]


def _duplicate_backgrounds(
    measurements: Sequence[Measurement], manifest: Manifest, thumbs: dict[str, ByteArray | None]
) -> list[Hit]:
    paths = [path for path, thumb in thumbs.items() if thumb is not None]
    if len(paths) < 2:
        return []
    pairs = similar_pictures(np.stack([thumbs[path] for path in paths]))  # type: ignore[misc]
    names, groups = manifest.column("bg").tolist(), manifest.column("bg_id").tolist()
    group_of: dict[str, str] = {}
    rows_of: dict[str, list[int]] = defaultdict(list)
    for m in measurements:
        group_of.setdefault(names[m.row], groups[m.row])
        rows_of[groups[m.row]].append(m.row)
    leader: dict[str, str] = {}
    for first, second in pairs.tolist():
        one, other = _lead(leader, group_of[paths[first]]), _lead(leader, group_of[paths[second]])
        if one != other:
            leader[max(one, other)] = min(one, other)
    together: dict[str, list[str]] = defaultdict(list)
    for group in rows_of:
        together[_lead(leader, group)].append(group)
    kind = "group_duplicate"
    hits = []
    for lead, members in together.items():
        for group in members if len(members) > 1 else ():
            for row in rows_of[group]:
                change = (Correction(row, "bg_id", lead, kind),) if group != lead else ()
                hits.append(Hit(kind, row, len(members), change))
    return hits


def _lead(leader: dict[str, str], group: str) -> str:
    while group in leader:
        group = leader[group]
    return group


__all__ = ["group_findings"]
