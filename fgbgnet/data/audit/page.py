"""An audit as a page: what was found, what a repair does, and the worst pictures of each finding."""

import html
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tqdm.auto import tqdm

from fgbgnet.data.audit.findings import KINDS, Finding
from fgbgnet.data.audit.panels import DIFFERENCE_GAIN, Panel, corrected_panels, in_words, layer_panels
from fgbgnet.data.audit.plan import CellRepair, RepairCounts, RowRepair, count_repairs, plan_repair
from fgbgnet.data.audit.result import Audit
from fgbgnet.data.audit.table import closing_words
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.files import check_output, write_bytes
from fgbgnet.pages import data_uri, html_page
from fgbgnet.types import PathInput

_MOST_SAMPLES, _MOST_BYTES = 300, 24_000_000
"""On a whole page, so that a browser can show it; shared out evenly among the findings."""
_LONGEST_PROBLEM = 240
_NOTHING = RepairCounts().in_words()
_SEVERITIES = ("error", "warning", "note")

_STYLE = """
.badge { border-radius: 4px; padding: 0 .4rem; font-size: .8rem; font-weight: 600; white-space: nowrap;
  border: 1px solid var(--line); vertical-align: middle; }
.badge.error { background: #b3261e; border-color: #b3261e; color: #fff; }
.badge.warning { background: #f0c33c; border-color: #f0c33c; color: #1d1f21; }
.words, thead th.words { text-align: left; min-width: 5rem; } .summary p { margin: 0; max-width: none; }
a { color: var(--accent); } h2 .badge { margin-left: .4rem; }
.sample { margin: .9rem 0 1.3rem; } .sample h3 { font-size: .95rem; margin: 0 0 .3rem; }
.sample h3 .note { font-weight: 400; }
.panels { display: flex; flex-wrap: wrap; gap: .6rem; align-items: flex-start; }
.panels figure { margin: 0; width: 160px; } .panels img { width: 100%; border-radius: 3px; background: var(--panel); }
.panels img.sharp { image-rendering: pixelated; }
.panels figure.then img, .panels figure.then .problem { outline: 2px solid var(--accent); }
.panels figcaption { font-size: .78rem; line-height: 1.3; margin-top: .2rem; }
.problem { width: 160px; min-height: 6rem; padding: .5rem; background: var(--panel); border: 1px dashed var(--soft);
  border-radius: 3px; font-size: .75rem; line-height: 1.3; overflow: hidden; }
@media (max-width: 40rem) { .meaning { display: none; } .panels { gap: .4rem; }
  .panels figure, .problem { width: calc(33.3vw - 1.1rem); } }
"""


def write_page(audit: Audit, out: PathInput, samples: int = 12, title: str = "Audit of the data") -> Path:
    """Writes a self-contained HTML page, readable on a phone, in light and in dark.

    On top stand the counts; then, for each finding, what it means, what a repair does, and its worst samples as rows
    of small pictures: background, frame, mask, the difference of the pictures with the contour of the mask, depth
    (near = bright), and what a repair puts in their place. Files that are missing or unreadable are shown as such.

    The page never shows more than 300 samples, nor, but for one sample of each finding, more than 24 MB of pictures;
    with many findings each has fewer than ``samples``. Pictures have at most 160 pixels on their longer side.

    Args:
        audit: Result of `check_manifest`.
        out: The HTML file; its folder is made if it is missing. It is whole or not there.
        samples: Most samples that are shown of each finding.
        title: Heading of the page.

    Returns:
        The path.

    Raises:
        InvalidArgumentError: If ``samples`` is negative, or the file cannot be written there.

    >>> import tempfile
    >>> from fgbgnet.data import Manifest
    >>> table = Manifest.from_lists("no.png", ["1.png"], ["a.png"])
    >>> found = Finding("file_missing", "error", ("1",), "1 of 1 sample (100.0%): a file is not there")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_page(Audit(table, 1, [found]), f"{folder}/audit.html").read_text(encoding="utf-8")
    >>> "no file at no.png" in page
    True
    """
    if samples < 0:
        raise InvalidArgumentError(f"samples is {samples}; expected 0 or more samples per finding")
    check_output(out, folder=False)
    shown = min(samples, max(1, _MOST_SAMPLES // max(1, len(audit.findings))))
    worst = [finding.ids[:shown] for finding in audit.findings]
    repairs = {kind: counts.in_words() for kind, counts in count_repairs(audit.corrections).items()}
    findings = [_finding(audit, place, pictures, repairs) for place, pictures in enumerate(_pictures(audit, worst))]
    sections = [f"<h1>{html.escape(title)}</h1>", _summary(audit), _overview(audit, repairs), *findings]
    return write_bytes(out, html_page(title, sections, _STYLE).encode())


def _pictures(audit: Audit, worst: Sequence[Sequence[str]]) -> Iterator[list[str]]:
    """For each finding its samples as HTML, as many as there is room for."""
    rows = _rows_of(audit, {id for ids in worst for id in ids})
    plan = plan_repair(audit.manifest, audit.corrections)
    total = sum(map(len, worst))
    with tqdm(total=total, desc="pictures", unit="sample", disable=None if total else True) as progress:
        for finding, ids in zip(audit.findings, worst, strict=True):
            pictures: list[str] = []
            for id in ids:
                if sum(map(len, pictures)) <= _MOST_BYTES / len(worst):
                    pictures.append(_sample(audit, finding.kind, id, rows[id], plan.get(rows[id])))
                progress.update()
            yield pictures


def _rows_of(audit: Audit, wanted: set[str]) -> dict[str, int]:
    """Id -> number of its row, for the ids that are shown."""
    rows = {id: row for row, id in enumerate(audit.manifest.column("id").tolist()) if id in wanted}
    unknown = sorted(wanted - rows.keys())
    if unknown:
        raise InvalidArgumentError(f"a finding names the sample {unknown[0]!r}, which is not in the audited manifest")
    return rows


def _summary(audit: Audit) -> str:
    severities: Counter[str] = Counter(finding.severity for finding in audit.findings)
    counts = ", ".join(f"{severities[name]} {name}{'s' * (severities[name] != 1)}" for name in _SEVERITIES)
    limited = "" if audit.n == len(audit.manifest) else f" Of {len(audit.manifest)} samples {audit.n} were looked at."
    found = f"Kinds of finding: {counts}." if audit.findings else "Nothing was found."
    return f'<div class="summary"><p>{html.escape(f"{closing_words(audit)} {found}{limited}")}</p></div>'


def _overview(audit: Audit, repairs: Mapping[str, str]) -> str:
    body = "".join(
        f'<tr><th scope="row"><a href="#finding-{place}">{html.escape(finding.kind)}</a></th>'
        f'<td class="words">{_badge(finding)}</td><td>{len(finding.ids)}</td>'
        f"<td>{len(finding.ids) / audit.total(finding):.1%}</td>"
        f'<td class="words meaning">{_text(KINDS[finding.kind].meaning)}</td>'
        f'<td class="words">{repairs.get(finding.kind, _NOTHING)}</td></tr>'
        for place, finding in enumerate(audit.findings)
    )
    classes = {"Severity": "words", "Samples": "", "Share": "", "Meaning": "words meaning", "Repair": "words"}
    head = '<th scope="col">Finding</th>' + "".join(
        f'<th scope="col" class="{of}">{name}</th>' for name, of in classes.items()
    )
    table = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    note = (
        f"Differences are shown {DIFFERENCE_GAIN} times brighter than they are, with the contour of the mask; depth is "
        "bright where it is near. Framed pictures are what a repair puts in place."
    )
    return f'{table}<p class="note">{note}</p>' if audit.findings else ""


def _finding(audit: Audit, place: int, pictures: Sequence[str], repairs: Mapping[str, str]) -> str:
    finding = audit.findings[place]
    kind = KINDS[finding.kind]
    does = repairs.get(finding.kind, _NOTHING)
    count = len(finding.ids)
    shown = f"Shown are the worst {len(pictures)} of {count}." if len(pictures) < count else ""
    meaning = "" if kind.meaning in finding.message else f"Meaning: {_text(kind.meaning)}. "
    repair = _text(kind.repair) if does == kind.repair else f"{_text(kind.repair)} ({does} here)"
    samples = "".join(pictures)
    if finding.severity == "note" and samples:
        samples = f"<details><summary>Pictures</summary>{samples}</details>"
    return (
        f'<h2 id="finding-{place}">{html.escape(finding.kind)} {_badge(finding)}</h2>'
        f"<p>{html.escape(finding.message)}.</p>"
        f'<p class="note">{meaning}Repair: {repair}. {shown}</p>{samples}'
    )


def _sample(audit: Audit, kind: str, id: str, row: int, repair: RowRepair | None) -> str:
    """One sample as a row of pictures, with what a repair of this kind of finding makes of it."""
    cells = repair.cells if repair else {}
    of_kind = {name: cell for name, cell in cells.items() if kind in cell.reasons}
    folder = str(audit.manifest.root)
    panels = [_panel(panel, id, folder) for panel in layer_panels(audit.manifest, row)]
    if of_kind:
        then = corrected_panels(audit.manifest, row, cells, kind)
        panels += [_panel(panel, id, folder, "then") for panel in then]
    return (
        f'<div class="sample"><h3>{html.escape(id)} <span class="note">{_remarks(of_kind, repair)}</span></h3>'
        f'<div class="panels">{"".join(panels)}</div></div>'
    )


def _remarks(cells: Mapping[str, CellRepair], repair: RowRepair | None) -> str:
    if repair and repair.dropped:
        return f"dropped for {html.escape(', '.join(repair.dropped))}"
    remarks = [
        f"{column} becomes {in_words(cell)}" if cell.value else f"loses {column}" for column, cell in cells.items()
    ]
    return html.escape("; ".join(remarks))


def _panel(panel: Panel, id: str, folder: str, state: str = "") -> str:
    caption = html.escape(panel.caption)
    if panel.picture is None:
        problem = panel.problem.replace(os.path.join(folder, ""), "")  # noqa: PTH118 - with the separator at its end
        problem = problem[:_LONGEST_PROBLEM] + ("…" if len(problem) > _LONGEST_PROBLEM else "")
        inside = f'<div class="problem">{html.escape(problem)}</div>'
    else:
        source = data_uri(panel.picture, "png" if panel.sharp else "jpeg")
        inside = f'<img class="{"sharp" if panel.sharp else ""}" alt="{caption} of {html.escape(id)}" src="{source}">'
    return f'<figure class="{state}">{inside}<figcaption>{caption}</figcaption></figure>'


def _badge(finding: Finding) -> str:
    return f'<span class="badge {finding.severity}">{finding.severity}</span>'


def _text(markdown: str) -> str:
    """Text with code in backticks as HTML."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(markdown))


__all__ = ["write_page"]
