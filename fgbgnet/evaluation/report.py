"""A report for people who would rather look: one HTML file that needs nothing else."""

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from fgbgnet.evaluation.charts import Points, line_chart
from fgbgnet.evaluation.evaluate import Evaluation
from fgbgnet.evaluation.tables import task_tables, verdict
from fgbgnet.files import write_bytes
from fgbgnet.types import TASKS, PathInput

_STYLE = """
:root { color-scheme: light dark; --page: #fdfdfc; --ink: #1d1f21; --soft: #5c6268; --line: #d8dadd; --panel: #f2f3f4;
  --mark: #d9efe3; --accent: #0b6e4f; }
@media (prefers-color-scheme: dark) { :root { --page: #16181a; --ink: #e8e8e6; --soft: #a4a9ae; --line: #3a3e42;
  --panel: #202326; --mark: #1d4635; --accent: #5fd0a5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.2rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .6rem; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .4rem; padding-top: .8rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 .2rem; }
p, ul { margin: .3rem 0 .7rem; max-width: 50rem; }
.note, figcaption, dt { color: var(--soft); font-size: .9rem; }
.summary { background: var(--panel); border-left: 4px solid var(--accent); padding: .6rem 1rem; max-width: none; }
.summary ul { padding-left: 1.1rem; margin: 0; max-width: none; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .32rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
thead th { vertical-align: bottom; color: var(--soft); font-weight: 600; min-width: 5.2rem; }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--page); font-weight: 400;
  min-width: 8.5rem; max-width: 19rem; }
td.best { font-weight: 700; background: var(--mark); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .5rem 0; }
dd { margin: 0; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: .8rem; }
svg { width: 100%; height: auto; background: var(--panel); border-radius: 6px; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
svg text.title, svg text.value { fill: var(--ink); font-size: 13px; font-weight: 600; }
svg .grid { stroke: var(--line); } svg .curve { fill: none; stroke: var(--accent); stroke-width: 2; }
svg .dot { fill: var(--accent); }
figure { margin: .8rem 0 1.2rem; }
figure img { display: block; max-width: 100%; height: auto; border-radius: 4px; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--soft); }
pre { background: var(--panel); padding: .7rem; overflow-x: auto; font-size: .8rem; border-radius: 6px; }
@media (max-width: 40rem) { .wide img { max-width: none; width: 62rem; } dl { grid-template-columns: 1fr; }
  dd { margin-bottom: .4rem; } th:first-child { max-width: 9.5rem; font-size: .82rem; } }
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
    heading = html.escape(title)
    sections = [
        f"<h1>{heading}</h1>",
        _facts(facts or {}),
        _summary(evaluations),
        *(_section(name, evaluation) for name, evaluation in evaluations.items()),
        _curves(history or {}),
        _pictures(pictures),
    ]
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # An empty icon: browsers ask the server for one otherwise.
        f'<link rel="icon" href="data:,"><title>{heading}</title><style>{_STYLE}</style></head>\n<body>\n'
        + "\n".join(section for section in sections if section)
        + "\n</body></html>\n"
    )
    return write_bytes(out, page.encode())


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
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    source = base64.b64encode(buffer.getvalue()).decode()
    # A strip of many panels would be a line on a phone: there it keeps its size and is scrolled.
    kind = "scroll wide" if picture.width > 3 * picture.height else "scroll"
    text = html.escape(caption)
    return (
        f'<figure><div class="{kind}"><img alt="{text}" width="{picture.width}" height="{picture.height}" '
        f'src="data:image/png;base64,{source}"></div><figcaption>{text}</figcaption></figure>'
    )


__all__ = ["write_report"]
