"""What a repair does with each row: the corrections of an audit, put in order and combined."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fgbgnet.data.audit.findings import KINDS, Correction, Edit
from fgbgnet.data.manifest import Manifest
from fgbgnet.errors import InvalidArgumentError, UnknownNameError


@dataclass
class CellRepair:
    """The new value of one cell."""

    value: str
    """What stands there; or the path of the picture, as the manifest has it, of which an edited copy stands there."""
    edits: tuple[Edit, ...] = ()
    """What is done to that picture, in this order."""
    reasons: tuple[str, ...] = ()
    """The kinds of finding that led to it."""


@dataclass
class RowRepair:
    """What happens to one row."""

    cells: dict[str, CellRepair] = field(default_factory=dict)
    """By column."""
    dropped: tuple[str, ...] = ()
    """The kinds of finding for which the row is dropped; none if it stays."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """The kinds of finding that changed or dropped the row, as `KINDS` stands."""
        kinds = {kind for cell in self.cells.values() for kind in cell.reasons} | set(self.dropped)
        return tuple(kind for kind in KINDS if kind in kinds)


@dataclass
class RepairCounts:
    """How many rows one kind of finding changes."""

    fixed: int = 0
    depthless: int = 0
    dropped: int = 0

    def in_words(self) -> str:
        """The counts as a few words; ``"nothing"`` if nothing changes.

        >>> RepairCounts(fixed=12, dropped=3).in_words()
        '12 fixed, 3 dropped'
        """
        words = {"fixed": self.fixed, "depthless": self.depthless, "dropped": self.dropped}
        return ", ".join(f"{count} {word}" for word, count in words.items() if count) or "nothing"


def plan_repair(manifest: Manifest, corrections: Iterable[Correction]) -> dict[int, RowRepair]:
    """Combines corrections, whatever their order, into one change of each row.

    Corrections are applied in the order of `KINDS`. A dropped row stays dropped and an emptied cell stays empty; edits
    of one picture are all made, each once; where two corrections want different values, that of the later kind wins.

    Args:
        manifest: The table that was audited.
        corrections: What was proven.

    Returns:
        Number of the row -> what happens to it, ascending.

    Raises:
        InvalidArgumentError: If a row does not exist.
        UnknownNameError: If a column, or the kind of a finding, does not exist.

    >>> table = Manifest.from_lists("room.png", ["1.png", "2.png"], ["a.png", "b.png"])
    >>> plan = plan_repair(table, [Correction(1, "mask", "b.png", "mask_inverted", "invert")])
    >>> plan[1].cells["mask"].edits, plan[1].reasons
    (('invert',), ('mask_inverted',))
    """
    places = {name: place for place, name in enumerate(KINDS)}
    known = list(corrections)
    for correction in known:
        _check(manifest, correction)
    plan: dict[int, RowRepair] = {}
    # The whole correction takes part, so that the order in which they came does not matter.
    for correction in sorted(known, key=lambda c: (c.row, places[c.reason], c.column, c.value, c.edit or "")):
        _add(plan.setdefault(correction.row, RowRepair()), correction)
    return plan


def count_repairs(corrections: Sequence[Correction]) -> dict[str, RepairCounts]:
    """Counts rows by what is done with them, for each kind of finding that leads to a change.

    >>> counts = count_repairs([Correction(0, "", "", "mask_full"), Correction(3, "depth", "", "depth_margin")])
    >>> {kind: count.in_words() for kind, count in counts.items()}
    {'mask_full': '1 dropped', 'depth_margin': '1 depthless'}
    """
    by_kind: dict[str, list[Correction]] = {}
    for correction in corrections:
        by_kind.setdefault(correction.reason, []).append(correction)
    return {kind: count_rows(of_kind) for kind, of_kind in by_kind.items()}


def count_rows(corrections: Iterable[Correction]) -> RepairCounts:
    """Counts rows, each once, by the most that is done to it.

    >>> count_rows([Correction(0, "depth", "", "depth_margin"), Correction(0, "", "", "mask_full")]).in_words()
    '1 dropped'
    """
    done: dict[int, int] = {}
    for correction in corrections:
        strength = 2 if not correction.column else 0 if correction.value else 1
        done[correction.row] = max(done.get(correction.row, 0), strength)
    return RepairCounts(*(list(done.values()).count(strength) for strength in range(3)))


def _check(manifest: Manifest, correction: Correction) -> None:
    if correction.reason not in KINDS:
        raise UnknownNameError("kind of finding", correction.reason, KINDS)
    if not 0 <= correction.row < len(manifest):
        raise InvalidArgumentError(
            f"a correction is for row {correction.row}, but the manifest has {len(manifest)}; expected the number of a "
            "row of the audited table, from 0"
        )
    if correction.column:
        manifest.column(correction.column)  # raises if there is none


def _add(repair: RowRepair, correction: Correction) -> None:
    if not correction.column:
        repair.dropped = tuple(dict.fromkeys((*repair.dropped, correction.reason)))
        return
    cell = repair.cells.setdefault(correction.column, CellRepair(correction.value))
    cell.reasons = tuple(dict.fromkeys((*cell.reasons, correction.reason)))
    if not cell.value:
        return
    if cell.value != correction.value:
        cell.value, cell.edits = correction.value, ()
    if correction.edit is not None:
        cell.edits = tuple(dict.fromkeys((*cell.edits, correction.edit)))


__all__ = ["CellRepair", "RepairCounts", "RowRepair", "count_repairs", "count_rows", "plan_repair"]
