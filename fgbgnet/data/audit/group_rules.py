"""Findings about several samples: copies, and groups on both sides of a split."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from fgbgnet.data.arrays import ByteArray
from fgbgnet.data.audit.facts import Measurement
from fgbgnet.data.audit.findings import Correction
from fgbgnet.data.audit.rules import Hit, drop
from fgbgnet.data.groups import connected
from fgbgnet.data.leakage import Leak, leaks
from fgbgnet.data.manifest import Manifest
from fgbgnet.data.similar import similar_pictures

Pair = tuple[str, str]

_BY_INTENTION = 0.5  # share of the foregrounds on several sides; above it the split did not mean to hold them out


def group_rules(
    measurements: Sequence[Measurement],
    manifest: Manifest,
    thumbs: Mapping[str, ByteArray | None],
    dropped: Collection[int],
) -> list[Hit]:
    """Frames that stand twice, backgrounds under several ids, leaks of a split.

    Groups are looked at in the whole table: rows that were not measured would else keep another ``bg_id`` than those
    that were, and a leak between a few rows would not be seen.

    Args:
        measurements: Of the samples.
        manifest: The table.
        thumbs: Thumbnail of backgrounds by their path; None where it cannot be read.
        dropped: Rows that go for other reasons.
    """
    pairs = _alike(manifest, thumbs)
    return [
        *_duplicate_frames(measurements, dropped),
        *_duplicate_backgrounds(manifest, pairs),
        *_leaks(manifest, pairs),
    ]


def _duplicate_frames(measurements: Sequence[Measurement], dropped: Collection[int]) -> list[Hit]:
    rows: dict[bytes, list[int]] = defaultdict(list)
    for m in measurements:
        # Frames that show nothing new are alike by right.
        if "fg_bg" not in m.problems and (m.mask is None or m.mask.area > 0):
            rows[m.digest].append(m.row)
    kind, hits = "fg_bg_duplicate", []
    for same in rows.values():
        if len(same) > 1:
            kept = next((row for row in same if row not in dropped), same[0])
            hits += [Hit(kind, row, len(same), (drop(row, kind),) if row != kept else ()) for row in same]
    return hits


def _alike(manifest: Manifest, thumbs: Mapping[str, ByteArray | None]) -> list[Pair]:
    """Pairs of ``bg_id`` that have a picture in common, or of which one has a copy of a picture of the other's."""
    group_of: dict[str, str] = {}
    named: list[Pair] = []
    for path, group in dict.fromkeys(
        zip(manifest.column("bg").tolist(), manifest.column("bg_id").tolist(), strict=True)
    ):
        named.append((group_of.setdefault(path, group), group))
    pictures = {path: thumb for path, thumb in thumbs.items() if thumb is not None}
    if len(pictures) > 1:
        paths = list(pictures)
        pairs = similar_pictures(np.stack(list(pictures.values()))).tolist()
        named += [(group_of[paths[first]], group_of[paths[second]]) for first, second in pairs]
    return [pair for pair in named if pair[0] != pair[1]]


def _duplicate_backgrounds(manifest: Manifest, pairs: Iterable[Pair]) -> list[Hit]:
    pairs = list(pairs)
    names = sorted({group for pair in pairs for group in pair})
    numbers = {group: number for number, group in enumerate(names)}
    joined = connected(np.array([[numbers[a], numbers[b]] for a, b in pairs], np.int64), len(names))
    leads = {group: names[lead] for group, lead in zip(names, joined.tolist(), strict=True)}
    kind, hits = "group_duplicate", []
    for row, group in enumerate(manifest.column("bg_id").tolist() if leads else ()):
        lead = leads.get(group)
        if lead is not None:
            hits.append(Hit(kind, row, 1.0, (Correction(row, "bg_id", lead, kind),) if group != lead else ()))
    return hits


def _leaks(manifest: Manifest, pairs: Iterable[Pair]) -> list[Hit]:
    found = leaks(manifest, pairs)
    backgrounds = {group for leak in found if leak.kind != "fg" for group in leak.groups}
    foregrounds = {group for leak in found if leak.kind == "fg" for group in leak.groups}
    fg_kind = "group_shared" if _shared_by_intention(found, manifest) else "group_leak"
    hits: list[Hit] = []
    if not found:
        return hits
    columns = (manifest.column(name).tolist() for name in ("bg_id", "fg_id", "split"))
    for row, (bg_id, fg_id, side) in enumerate(zip(*columns, strict=True)):
        if side and bg_id in backgrounds:
            hits.append(Hit("group_leak", row, 2.0))
        if side and fg_id in foregrounds:
            hits.append(Hit(fg_kind, row, 1.0))
    return hits


def _shared_by_intention(found: Sequence[Leak], manifest: Manifest) -> bool:
    known = set(manifest.column("fg_id").tolist()) - {""}
    shared = sum(leak.kind == "fg" for leak in found)
    return shared > _BY_INTENTION * len(known)


__all__ = ["group_rules"]
