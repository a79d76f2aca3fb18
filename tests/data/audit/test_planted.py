"""Defects of every kind, planted at 1, 10 and 50 %: nearly all are found, and hardly anything else is."""

import numpy as np
import pytest

from fgbgnet.data import Manifest
from fgbgnet.data.audit import KINDS, check_manifest

from .planting import PLANTS, Quadruples, make_quadruples, plant

ROWS = 240
FOLLOWS = {
    "mask_unusable": {"file_mode_differs"},  # a photograph has three channels
    "depth_coloured": {"file_mode_differs"},
    "fg_bg_unchanged": {"fg_bg_duplicate"},  # copies of one background are copies of each other
}
"""What a defect is besides, by its kind."""


@pytest.fixture(scope="module")
def quadruples(tmp_path_factory) -> Quadruples:
    return make_quadruples(tmp_path_factory.mktemp("planted"), ROWS)


def found_by_kind(manifest: Manifest) -> dict[str, set[int]]:
    audit = check_manifest(manifest, num_workers=0, progress=False)
    return {finding.kind: {int(id) for id in finding.ids} for finding in audit.findings}


def expected(kind: str, planted: set[int], manifest: Manifest, quadruples: Quadruples) -> set[int]:
    """Rows that have a defect once some are planted: copies need two, and a group is found as a whole."""
    if kind == "fg_bg_duplicate":
        frames = manifest.column("fg_bg").tolist()
        return {row for row, frame in enumerate(frames) if frames.count(frame) > 1}
    if kind == "group_duplicate":
        groups = {quadruples.rows[row]["bg_id"] for row in planted}
        return {row for row in range(len(quadruples)) if quadruples.rows[row]["bg_id"] in groups}
    return planted


def assert_found(quadruples: Quadruples, kinds: list[str], share: float, seed: int) -> None:
    manifest, spoiled = plant(quadruples, kinds, share, seed)
    found = found_by_kind(manifest)
    for kind, planted in spoiled.items():
        rows = expected(kind, planted, manifest, quadruples)
        assert len(rows) >= round(share * ROWS), f"{kind}: only {len(rows)} rows could be spoiled"
        hits = found.get(kind, set()) & rows
        assert len(hits) >= 0.95 * len(rows), f"{kind}: {len(hits)} of {len(rows)} found, missing {sorted(rows - hits)}"
    for kind in KINDS:
        allowed = set().union(*(rows for cause, rows in spoiled.items() if kind in FOLLOWS.get(cause, ())))
        rows = expected(kind, spoiled.get(kind, set()), manifest, quadruples) | allowed
        false = found.get(kind, set()) - rows
        if kind == "mask_nothing_new":
            false = {row for row in false if quadruples.masks[row].any()}
        assert len(false) <= 0.01 * (ROWS - len(rows)), f"{kind}: false alarms on {sorted(false)}"


def test_every_kind_can_be_planted():
    assert set(PLANTS) == set(KINDS) - {"mask_nothing_new", "group_leak", "group_shared"}


def test_clean_set_has_hardly_a_finding(quadruples):
    for kind, rows in found_by_kind(quadruples.manifest({})).items():
        clean = {row for row in rows if kind != "mask_nothing_new" or quadruples.masks[row].any()}
        assert len(clean) <= 0.01 * ROWS, (kind, clean)


def test_one_percent(quadruples):
    assert_found(quadruples, list(PLANTS), 0.01, seed=1)


@pytest.mark.parametrize("part", range(6))
def test_ten_percent(quadruples, part):
    assert_found(quadruples, list(PLANTS)[part::6], 0.1, seed=2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", PLANTS)
def test_half(quadruples, kind):
    assert_found(quadruples, [kind], 0.5, seed=3)


def test_depth_of_metres_and_many_backgrounds(tmp_path):
    """Every sample with a background of its own: nothing can be learned from others of the group."""
    quadruples = make_quadruples(tmp_path, 96, per_background=1, seed=5)
    for kind in ("depth_polarity", "bg_mirrored", "mask_inverted"):
        manifest, spoiled = plant(quadruples, [kind], 0.1, seed=4)
        found = found_by_kind(manifest)
        assert len(found.get(kind, set()) & spoiled[kind]) >= 0.9 * len(spoiled[kind]), kind
        assert np.count_nonzero([row not in spoiled[kind] for row in found[kind]]) <= 1, kind
