"""Tables of the synth room, made from the result files in ``results/synth/``."""

import json

NOT_YET = "**Not measured yet.**"


def _line(cells):
    return "| " + " | ".join(cells) + " |"


def _table(head, rows):
    return "\n".join([_line(head), _line(["---"] * len(head)), *(_line(row) for row in rows)])


def _command(content):
    return f"```bash\n{content['command']}\n```\n"


def _load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def statistics(folder):
    """Figures of generated scenes beside those of real pictures."""
    path = folder / "scene_statistics.json"
    if not path.exists():
        return NOT_YET
    content = _load(path)
    parts = [_command(content)]
    for kind in ("pictures", "depth"):
        columns = content[kind]
        names = list(next(iter(columns.values())))
        rows = [[n, *(f"{c[n]['mean']:.3f} ± {c[n]['sd']:.3f}" for c in columns.values())] for n in names]
        parts.append(_table(["", *columns], rows))
    return "\n\n".join(parts)


def _best_floor(figures):
    return max(values["iou"] for values in figures["floors"].values())


def transfer(folder):
    """The history of the transfer benchmark, oldest first."""
    files = sorted(folder.glob("transfer_*.json"))
    if not files:
        return NOT_YET
    parts = [_command(_load(files[0]))]
    for path in files:
        run = _load(path)
        stages = ", ".join(f"{steps} steps of {batch} at {size} px" for size, batch, steps in run["stages"])
        parts.append(
            f"**{path.stem.removeprefix('transfer_')}**: {run['note']}; {stages}, {run['minutes']:.0f} minutes."
        )
        conditions = [
            key
            for key, value in next(iter(run["results"].values())).items()
            if isinstance(value, dict) and "model" in value and "floors" in value
        ]
        rows = []
        for name, result in run["results"].items():
            cells = [f"{result[c]['model']['iou']:.3f} ({_best_floor(result[c]):.3f})" for c in conditions]
            depth = result["depth_rank_correlation"]
            cells.append("" if depth is None else f"{depth['model']:.2f} ({depth['row_floor']:.2f})")
            rows.append([f"{name} ({result['n']})", *cells])
        parts.append(_table(["IoU (floor)", *conditions, "depth rank"], rows))
    return "\n\n".join(parts)


def speed(folder):
    """Rates of the synth room on one thread."""
    path = folder / "speed.json"
    if not path.exists():
        return NOT_YET
    content = _load(path)
    rows = [
        [r["name"], f"{r['median']:.0f} {r['unit']}/s", f"{r['low']:.0f} to {r['high']:.0f}"] for r in content["rates"]
    ]
    return _command(content) + f"\n{content['machine']}.\n\n" + _table(["one thread", "median", "range"], rows)


def composites(folder):
    """Rates of `compose` and `ComposedDataset` beside the loop of 2020, and their ratios within a round."""
    path = folder / "compose.json"
    if not path.exists():
        return NOT_YET
    content = _load(path)
    parts = [_command(content)]
    titles = {
        "samples_per_second_written": "written, samples/s",
        "samples_per_second_and_core_in_memory": "in memory, samples/s and core",
        "ratios": "ratio within a round",
    }
    for key, title in titles.items():
        rows = [
            [name, f"{v['median']:.3g}", f"{v['least']:.3g} to {v['most']:.3g}"] for name, v in content[key].items()
        ]
        parts.append(_table([title, "median", "range"], rows))
    return "\n\n".join(parts)


TABLES = {"scene statistics": statistics, "transfer": transfer, "scene speed": speed, "composite speed": composites}
