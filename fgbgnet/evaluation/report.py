"""A report for people who would rather look: one HTML file that needs nothing else."""

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from fgbgnet.evaluation.charts import Points, line_chart
from fgbgnet.evaluation.evaluate import Evaluation
from fgbgnet.evaluation.tables import task_tables, verdict
from fgbgnet.files import write_bytes
from fgbgnet.pages import data_uri, html_page
from fgbgnet.types import TASKS, PathInput

_STYLE = """
td.best { font-weight: 700; background: var(--mark); }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: .8rem; }
svg { width: 100%; height: auto; background: var(--panel); border-radius: 6px; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
svg text.title, svg text.value { fill: var(--ink); font-size: 13px; font-weight: 600; }
svg .grid { stroke: var(--line); } svg .curve { fill: none; stroke: var(--accent); stroke-width: 2; }
svg .dot { fill: var(--accent); }
"""


def write_report(
    out: PathInput,
    evaluations: Mapping[str, Evaluation],
    pictures: Sequence[tuple[Image.Image, str]] = (),
    history: Mapping[str, Points] | None = None,
    title: str = "fgbgnet report",
    facts: Mapping[str, object] | None = None,
) -> Path:
    """Write a self-contained HTML report, readable on a phone, in light and in dark.

    Pictures are inside as PNG, curves as SVG; there is no script and nothing is fetched. Every table has the floors
    beside the model with the best value of each column marked, and a sentence states the model's distance to the best
    floor, whichever of the two is better.

    Args:
        out: The HTML file; its folder is made if it is missing. It is whole or not there.
        evaluations: Title -> evaluation, in the order of the page.
        pictures: Pictures and their captions.
        history: Name of a curve -> its points (x, y); None or empty leaves the section out.
        title: Heading of the page.
        facts: Name -> value, listed below the heading: the model, the data, the time it took.

    Returns:
        The path.

    Example:
        >>> import tempfile
        >>> result = Evaluation(1, {"iou": 0.9}, None, {"difference": {"iou": 0.8}}, {})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = write_report(f"{folder}/report.html", {"Clean": result}).read_text(encoding="utf-8")
        >>> "0.100 above the best floor" in page
        True
    """
    sections = [
        f"<h1>{html.escape(title)}</h1>",
        _facts(facts or {}),
        _summary(evaluations),
        *(_section(name, evaluation) for name, evaluation in evaluations.items()),
        _curves(history or {}),
        _pictures(pictures),
    ]
    return write_bytes(out, html_page(title, sections, _STYLE).encode())


def _facts(facts: Mapping[str, object]) -> str:
    items = "".join(f"<dt>{html.escape(str(k))}</dt><dd>{html.escape(str(v))}</dd>" for k, v in facts.items())
    return f"<dl>{items}</dl>" if items else ""


def _summary(evaluations: Mapping[str, Evaluation]) -> str:
    sentences = [
        f"<li>{html.escape(f'{task.capitalize()}, ' + verdict(name, evaluation, task))}</li>"
        for task in TASKS
        for name, evaluation in evaluations.items()
        if getattr(evaluation, task) is not None
    ]
    return f'<div class="summary"><ul>{"".join(sentences)}</ul></div>' if sentences else ""


def _section(name: str, evaluation: Evaluation) -> str:
    protocol = evaluation.protocol
    notes = [f"{evaluation.n} samples"]
    if protocol.get("sizes"):
        notes.append("at " + ", ".join(" x ".join(str(side) for side in size) for size in protocol["sizes"]) + " px")
    if protocol.get("perturbation"):
        change = protocol["perturbation"]
        which = {"bg": "backgrounds", "fg_bg": "frames"}.get(change.get("applied_to", "bg"), "backgrounds and frames")
        notes.append(f"{which} perturbed: {change['name']}, severity {change['severity']} of 5")
    if evaluation.depth is not None and "depth_unit" in protocol:
        notes.append(
            f"depth in {protocol['depth_unit']} units" if protocol["depth_unit"] != "metres" else "depth in metres"
        )
        notes.append(f"alignment {protocol['depth_alignment']}, pooled by {protocol['depth_aggregation']}")
    whole = html.escape(json.dumps(evaluation.to_dict()["protocol"], indent=2))
    return (
        f"<h2>{html.escape(name)}</h2>"
        f'<p class="note">{html.escape("; ".join(notes))}. Arrows point to the better side; marked is the best of a '
        f"column.</p>{task_tables(name, evaluation)}"
        f"<details><summary>Protocol</summary><pre>{whole}</pre></details>"
    )


def _curves(history: Mapping[str, Points]) -> str:
    charts = "".join(line_chart(points, name) for name, points in history.items())
    return f'<h2>Training</h2><div class="curves">{charts}</div>' if charts else ""


def _pictures(pictures: Sequence[tuple[Image.Image, str]]) -> str:
    figures = "".join(_figure(picture, caption) for picture, caption in pictures)
    return f"<h2>Pictures</h2>{figures}" if figures else ""


def _figure(picture: Image.Image, caption: str) -> str:
    # A strip of many panels would be a line on a phone: there it keeps its size and is scrolled.
    kind = "scroll wide" if picture.width > 3 * picture.height else "scroll"
    text = html.escape(caption)
    return (
        f'<figure><div class="{kind}"><img alt="{text}" width="{picture.width}" height="{picture.height}" '
        f'src="{data_uri(picture)}"></div><figcaption>{text}</figcaption></figure>'
    )


__all__ = ["write_report"]
