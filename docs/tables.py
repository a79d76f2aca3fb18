"""Tables that are made from the code and from result files, so that they cannot be wrong: see `insert`."""

import inspect
import json
import re
from importlib import import_module
from pathlib import Path

import data_tables
import layout_tables
import model_tables
import split_tables
import synth_tables
import training_tables

RESULTS = Path(__file__).parent / "results"
COLUMNS = {
    "mask IoU": ("mask", "iou"),
    "AbsRel": ("depth", "abs_rel"),
    "RMSE": ("depth", "rmse"),
    "d1": ("depth", "d1"),
}


def insert(app, docname, source):
    """Hook of Sphinx for pages as they are read.

    Markdown: comments such as ``<!-- results -->`` or ``<!-- perturbations -->`` are replaced by tables. reST: a line
    ``.. public-names:: fgbgnet.data`` is replaced by the summary and the documentation of the room's ``__all__``.
    """
    text = source[0]
    text = text.replace("<!-- results -->", results() if docname == "benchmarks" else "")
    if "<!-- perturbations -->" in text:
        text = text.replace("<!-- perturbations -->", perturbations())
    if "<!-- pair perturbations -->" in text:
        text = text.replace("<!-- pair perturbations -->", pair_perturbations())
    if "<!-- audit kinds -->" in text:
        text = text.replace("<!-- audit kinds -->", audit_kinds())
    for name, table in synth_tables.TABLES.items():
        if f"<!-- {name} -->" in text:
            text = text.replace(f"<!-- {name} -->", table(RESULTS / "synth"))
    for name, table in (split_tables.TABLES | data_tables.TABLES | layout_tables.TABLES).items():
        if f"<!-- {name} -->" in text:
            text = text.replace(f"<!-- {name} -->", table(RESULTS / "data"))
    for name, table in model_tables.TABLES.items():
        if f"<!-- {name} -->" in text:
            text = text.replace(f"<!-- {name} -->", table(RESULTS / "models"))
    for name, table in training_tables.TABLES.items():
        if f"<!-- {name} -->" in text:
            text = text.replace(f"<!-- {name} -->", table(RESULTS / "training"))
    source[0] = re.sub(r"^\.\. public-names:: (\S+)$", lambda match: public_names(match[1]), text, flags=re.MULTILINE)


def public_names(module):
    """What the room says of itself, a summary table, then every class and function of its ``__all__``.

    Constants are documented where they are made.
    """
    room = import_module(module)
    kinds = {name: _kind(getattr(room, name)) for name in room.__all__}
    kinds = {name: kind for name, kind in kinds.items() if kind}
    summary = "\n".join(f"   {name}" for name in kinds)
    entries = "\n\n".join(f".. auto{kind}:: {name}" for name, kind in kinds.items())
    head = f".. module:: {module}\n\n{inspect.getdoc(room)}"
    return f"{head}\n\n.. autosummary::\n   :nosignatures:\n\n{summary}\n\n{entries}\n"


def _kind(value):
    return "class" if inspect.isclass(value) else "function" if inspect.isroutine(value) else None


def perturbations():
    """Names and meanings of `fgbgnet.synth.PERTURBATIONS`."""
    from fgbgnet.synth import PERTURBATIONS

    rows = [_line([f"`{p.name}`", p.meaning, "yes" if p.geometric else ""]) for p in PERTURBATIONS.values()]
    return "\n".join([_line(["name", "what happened", "moves pixels"]), _line(["---"] * 3), *rows])


def pair_perturbations():
    """Names and meanings of `fgbgnet.synth.PAIR_PERTURBATIONS`."""
    from fgbgnet.synth import PAIR_PERTURBATIONS

    rows = [
        _line([f"`{p.name}`", p.meaning, ", ".join(f"`{target}`" for target in p.targets)])
        for p in PAIR_PERTURBATIONS.values()
    ]
    return "\n".join([_line(["name", "what happened, and what the truth says", "targets"]), _line(["---"] * 3), *rows])


def audit_kinds():
    """Kinds of finding of `fgbgnet.data.audit.KINDS`."""
    from fgbgnet.data.audit import KINDS

    rows = [_line([f"`{kind.name}`", kind.severity, kind.meaning, kind.repair]) for kind in KINDS.values()]
    return "\n".join([_line(["kind", "severity", "meaning", "what a repair does"]), _line(["---"] * 4), *rows])


def results(folder=RESULTS):
    """All result files as Markdown; a sentence if there are none."""
    files = sorted(Path(folder).glob("*.json"))
    if not files:
        return "**No results are committed yet.**"
    return "\n\n".join(_section(path) for path in files)


def _section(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    head = f"## {content.get('title', path.stem)}\n"
    if "command" in content:
        head += f"\n```bash\n{content['command']}\n```\n"
    rows = [line for name, result in _evaluations(content) for line in _rows(name, result)]
    return "\n".join([head, _line(["", *COLUMNS]), _line(["---"] * (1 + len(COLUMNS))), *rows])


def _evaluations(content, name="model"):
    """Every evaluation in a file: the file itself, or those that it holds under names such as "clean"."""
    if "n" in content and ("mask" in content or "depth" in content):
        yield name, content
        return
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _evaluations(value, key)


def _rows(name, result):
    yield _line([f"**{name.replace('_', ' ')}** ({result['n']} samples)", *_figures(result)])
    for floor, figures in (result.get("floors") or {}).items():
        # A floor has figures of one task, under the same names.
        yield _line([f"floor: {floor.replace('_', ' ')}", *_figures({"mask": figures, "depth": figures})])


def _figures(result):
    for task, key in COLUMNS.values():
        value = (result.get(task) or {}).get(key)
        yield "" if value is None else f"{value:.3f}"


def _line(cells):
    return "| " + " | ".join(cells) + " |"
