"""Findings about several samples: copies, and groups on both sides of a split."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from fgbgnet.data.arrays import ByteArray
from fgbgnet.data.audit.facts import Measurement
from fgbgnet.data.audit.findings import Correction
from fgbgnet.data.audit.rules import Hit, drop
from fgbgnet.data.leakage import Leak, leaks
from fgbgnet.data.manifest import Manifest
from fgbgnet.data.similar import similar_pictures

Pair = tuple[str, str]

_BY_INTENTION = 0.5  # share of the foregrounds on several sides; above it the split did not mean to hold them out


def group_rules(
    measurements: Sequence[Measurement], manifest: Manifest, thumbs: Mapping[str, ByteArray | None]
) -> list[Hit]:
    """Frames that stand twice, backgrounds under several ids, leaks of a split.

    Args:
        measurements: Of the samples.
        manifest: The table.
        thumbs: Thumbnail of every background by its path; None where it cannot be read.
    """
    pairs = _alike(measurements, manifest, thumbs)
    rows = [m.row for m in measurements]
    return [
        *_duplicate_frames(measurements),
        *_duplicate_backgrounds(rows, manifest, pairs),
        *_leaks(rows, manifest, pairs),
    ]


def _duplicate_frames(measurements: Sequence[Measurement]) -> list[Hit]:
    rows: dict[bytes, list[int]] = defaultdict(list)
    for m in measurements:
        # Frames that show nothing new are alike by right.
        if "fg_bg" not in m.problems and (m.mask is None or m.mask.area > 0):
            rows[m.digest].append(m.row)
    kind = "fg_bg_duplicate"
    return [
        Hit(kind, row, len(same), (drop(row, kind),) if row != same[0] else ())
        for same in rows.values()
        for row in (same if len(same) > 1 else ())
    ]


def _alike(
    measurements: Sequence[Measurement], manifest: Manifest, thumbs: Mapping[str, ByteArray | None]
) -> list[Pair]:
    """Pairs of ``bg_id`` of which a picture is a copy of one of the other's."""
    names, groups = manifest.column("bg").tolist(), manifest.column("bg_id").tolist()
    group_of = {names[m.row]: groups[m.row] for m in measurements}
    pictures = {path: thumb for path, thumb in thumbs.items() if thumb is not None and path in group_of}
    if len(pictures) < 2:
        return []
    paths = list(pictures)
    pairs = similar_pictures(np.stack(list(pictures.values()))).tolist()
    named = ((group_of[paths[first]], group_of[paths[second]]) for first, second in pairs)
    return [pair for pair in named if pair[0] != pair[1]]


def _duplicate_backgrounds(rows: Sequence[int], manifest: Manifest, pairs: Iterable[Pair]) -> list[Hit]:
    leader: dict[str, str] = {}
    for first, second in pairs:
        one, other = _lead(leader, first), _lead(leader, second)
        if one != other:
            leader[max(one, other)] = min(one, other)
    involved = {*leader, *leader.values()}
    groups = manifest.column("bg_id")
    kind, hits = "group_duplicate", []
    for row in rows if involved else ():
        group = str(groups[row])
        if group in involved:
            lead = _lead(leader, group)
            hits.append(Hit(kind, row, 1.0, (Correction(row, "bg_id", lead, kind),) if group != lead else ()))
    return hits


def _lead(leader: Mapping[str, str], group: str) -> str:
    while group in leader:
        group = leader[group]
    return group


def _leaks(rows: Sequence[int], manifest: Manifest, pairs: Iterable[Pair]) -> list[Hit]:
    found = leaks(manifest, pairs)
    backgrounds = {group for leak in found if leak.kind != "fg" for group in leak.groups}
    foregrounds = {group for leak in found if leak.kind == "fg" for group in leak.groups}
    fg_kind = "group_shared" if _shared_by_intention(found, manifest) else "group_leak"
    bg_ids, fg_ids, sides = (manifest.column(name) for name in ("bg_id", "fg_id", "split"))
    hits = []
    for row in rows if backgrounds or foregrounds else ():
        if not sides[row]:
            continue
        if str(bg_ids[row]) in backgrounds:
            hits.append(Hit("group_leak", row, 2.0))
        if str(fg_ids[row]) in foregrounds:
            hits.append(Hit(fg_kind, row, 1.0))
    return hits


def _shared_by_intention(found: Sequence[Leak], manifest: Manifest) -> bool:
    known = set(manifest.column("fg_id").tolist()) - {""}
    shared = sum(leak.kind == "fg" for leak in found)
    return shared > _BY_INTENTION * len(known)


__all__ = ["group_rules"]
