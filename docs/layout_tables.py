"""Tables of the page on layouts, made from the catalogue and from ``results/data/index.json``."""

from synth_tables import NOT_YET, _command, _load, _table


def layouts(folder):
    """Every layout that has a name: what is known of it, and its patterns."""
    from fgbgnet.data.layouts import LAYOUTS

    rows = []
    for layout in LAYOUTS.values():
        known = [f"`{name}`: `{value}`" for name, value in layout.columns.items()]
        rows.append([f"`{layout.name}`", layout.meaning, "; ".join([*known, layout.note]).strip("; ")])
    return _table(["name", "files, and how a frame finds its background", "known"], rows)


def index(folder):
    """Time and memory of making a manifest of 400,000 names."""
    path = folder / "index.json"
    if not path.exists():
        return NOT_YET
    content = _load(path)
    rows = [
        [
            case,
            f"{figures['rows']:,}",
            *(_spread(figures[key]) if key in figures else "" for key in ("seconds", "processor_seconds", "megabytes")),
        ]
        for case, figures in content["cases"].items()
    ]
    head = ["names", "frames", "seconds", "of the processor", "megabytes more"]
    load = f"Load before it began: {content['load_before']:.1f} on {content['processors']} processors."
    return f"{_command(content)}\n\n{_table(head, rows)}\n\n{load}"


def _spread(figure):
    return f"{figure['median']:.3g} ({figure['lowest']:.3g} to {figure['highest']:.3g})"


TABLES = {"layouts": layouts, "time of an index": index}
