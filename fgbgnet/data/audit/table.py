"""An audit as a table for the terminal: one line per finding, at any width."""

import shutil
from collections.abc import Sequence

from fgbgnet.data.audit.plan import RepairCounts, count_repairs, count_rows
from fgbgnet.data.audit.result import Audit

_HEAD = ("finding", "severity", "samples", "share", "examples", "repair")
_NARROWEST = 72
_SHORTEST_EXAMPLE = 8
_EXAMPLES, _REPAIR = 4, 5  # columns that give way
_GAP = "  "
_MORE = "…"


def format_table(audit: Audit, width: int | None = None) -> str:
    """An audit in words: one line per finding, then how many samples are clean and what a repair does.

    Args:
        audit: Result of `check_manifest`.
        width: Characters per line, at least 72; the width of the terminal by default. The ids that are shown, the worst
            first, and the words on the repair give way.

    Returns:
        Lines without a line break at the end.

    >>> from fgbgnet.data import Manifest
    >>> from fgbgnet.data.audit.findings import Finding
    >>> table = Manifest.from_lists("room.png", ["1.png", "2.png"], ["a.png", "b.png"])
    >>> found = Finding("mask_full", "error", ("2",), "1 of 2 samples (50.0%): a mask marks the whole picture")
    >>> print(format_table(Audit(table, 2, [found]), width=72))
    finding    severity  samples  share  examples  repair
    mask_full  error           1  50.0%  2         nothing
    Clean: 1 of 2 samples.
    """
    width = max(_NARROWEST, width or shutil.get_terminal_size().columns)
    lines = _lines(audit, width) if audit.findings else []
    return "\n".join([*lines, closing_words(audit)])


def closing_words(audit: Audit) -> str:
    """How many samples are clean, and how many rows a repair changes; notes do not make a sample unclean."""
    words = f"Clean: {clean_samples(audit)} of {audit.n} samples."
    return f"{words} Repair: {count_rows(audit.corrections).in_words()}." if audit.corrections else words


def clean_samples(audit: Audit) -> int:
    """Number of samples with neither an error nor a warning."""
    unclean = {id for finding in audit.findings if finding.severity != "note" for id in finding.ids}
    ids = audit.manifest.column("id")
    return audit.n - sum(id in unclean for id in (ids if audit.rows is None else ids[audit.rows]).tolist())


def _lines(audit: Audit, width: int) -> list[str]:
    repairs = count_repairs(audit.corrections)
    cells = [
        [
            finding.kind,
            finding.severity,
            str(len(finding.ids)),
            f"{len(finding.ids) / audit.total(finding):.1%}",
            "",
            repairs.get(finding.kind, RepairCounts()).in_words(),
        ]
        for finding in audit.findings
    ]
    rows = [list(_HEAD), *cells]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    left = width - sum(widths[:_EXAMPLES]) - len(_GAP) * (len(_HEAD) - 1)
    widths[_REPAIR] = min(widths[_REPAIR], max(left - _SHORTEST_EXAMPLE, len(_HEAD[_REPAIR])))
    room = max(left - widths[_REPAIR], _SHORTEST_EXAMPLE)
    for row, finding in zip(cells, audit.findings, strict=True):
        row[_EXAMPLES] = _examples(finding.ids, room)
        row[_REPAIR] = _cut(row[_REPAIR], widths[_REPAIR])
    widths[_EXAMPLES] = max(len(row[_EXAMPLES]) for row in rows)
    return [_line(row, widths) for row in rows]


def _examples(ids: Sequence[str], room: int) -> str:
    """As many ids as fit; of the first, if it is too long, the end, which tells more than the start."""
    plain = ["".join(char if char.isprintable() else "?" for char in id) for id in ids[:room]]
    shown = ""
    for count in range(1, len(plain) + 1):
        text = ", ".join(plain[:count]) + (f", {_MORE}" if count < len(ids) else "")
        if len(text) > room:
            break
        shown = text
    return shown or (_MORE + plain[0][-(room - 1) :] if plain else "")


def _cut(text: str, room: int) -> str:
    """As many of the parts between commas as fit; the start of the first, if it is too long."""
    if len(text) <= room:
        return text
    whole = text[: room - 2].rpartition(", ")[0]
    return f"{whole}, {_MORE}" if whole else text[: room - 1] + _MORE


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    numbers = (2, 3)
    parts = [
        text.rjust(width) if column in numbers else text.ljust(width)
        for column, (text, width) in enumerate(zip(row, widths, strict=True))
    ]
    return _GAP.join(parts).rstrip()


__all__ = ["closing_words", "format_table"]
