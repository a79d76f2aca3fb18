"""Tables of what training costs, made from ``results/training/training.json``."""

from synth_tables import NOT_YET, _command, _load, _table


def _part(folder, name):
    path = folder / "training.json"
    return (_load(path) if path.exists() else {}).get(name)


def race(folder):
    """Seconds to the target of the classic network and of ours."""
    content = _part(folder, "race")
    if content is None:
        return NOT_YET
    old, runs = content["classic"], content["fgbgnet_s"]
    rows = [_row("`classic`", old), *(_row(f"`fgbgnet_s`, seed {seed}", run) for seed, run in enumerate(runs))]
    others = f"IoU on {content['test_scenes']} others"
    head = ["", "steps", "pairs", "seconds", "processor seconds", "IoU there", others]
    faster = content["times_faster"]
    return "\n\n".join(
        [
            _command(content),
            f"IoU {content['target']:.2f} at {content['size']} px, on {content['val_scenes']} scenes:",
            _table(head, rows),
            f"Times faster{', at least' if faster['bound'] else ''}: {_several(faster['seconds'])} by the clock, "
            f"{_several(faster['cpu_seconds'])} by processor time.",
        ]
    )


def _row(name, run):
    if not run["curve"]:
        return [name, "not validated yet", *[""] * 5]
    last = run["curve"][-1]
    bound = "" if run["reached"] else "not within "
    test = "" if run["test_iou"] is None else f"{run['test_iou']:.3f}"
    return [name, str(last["steps"]), str(last["pairs"]), f"{bound}{last['seconds']:.0f}",
            f"{bound}{last['cpu_seconds']:.0f}", f"{last['iou']:.3f}", test]  # fmt: skip


def _several(values):
    return ", ".join("-" if value is None else f"{value:.1f}" for value in values) or "-"


def joint(folder):
    """Both tasks together, and in turns."""
    content = _part(folder, "joint")
    if content is None:
        return NOT_YET
    ways = list(content["runs"][0])
    rows = []
    for way in ways:
        cells = [[run[way][key] for run in content["runs"]] for key in ("seconds", "cpu_seconds", "iou", "abs_rel")]
        share = content["share_of_time"].get(way)
        figures = [_range(values, digits) for values, digits in zip(cells, (0, 0, 3, 3), strict=True)]
        rows.append([way, *figures, f"{share['seconds']:.2f} ({share['cpu_seconds']:.2f})" if share else ""])
    head = ["", "seconds", "processor seconds", "IoU", "AbsRel", "together, as a share (of processor time)"]
    text = f"`{content['model']}`, {content['steps']} steps of {content['batch_size']} for each task, "
    text += f"{content['size']} px, smallest to largest of {len(content['runs'])}; {_load_of(content)}"
    return "\n\n".join([_command(content), text, _table(head, rows)])


def _range(values, digits):
    low, high = min(values), max(values)
    return f"{low:.{digits}f}" if low == high else f"{low:.{digits}f} to {high:.{digits}f}"


def loader(folder):
    """Share of a step that is spent waiting for data."""
    content = _part(folder, "loader")
    if content is None:
        return NOT_YET
    rows = [
        [str(row["workers"]), str(row["batch_size"]), f"{row['step_ms']:.0f}",
         f"{100 * row['share']['median']:.1f} % ({100 * row['share']['low']:.1f} to {100 * row['share']['high']:.1f})"]
        for row in content["rows"]
    ]  # fmt: skip
    head = ["workers", "batch", "ms of a step", "waiting for data"]
    return "\n\n".join(
        [_command(content), f"`{content['model']}` at {content['size']} px; {_load_of(content)}", _table(head, rows)]
    )


def _load_of(content):
    return f"load average of the machine {content['load']:.1f}."


def gpu(folder):
    """How soon the target is reached on a GPU."""
    content = _part(folder, "gpu")
    if content is None:
        return NOT_YET
    last = content["curve"][-1]
    rows = [[str(e["steps"]), str(e["scenes"]), f"{e['seconds']:.0f}", f"{e['iou']:.3f}"] for e in content["curve"]]
    text = f"{content['device']}: IoU {last['iou']:.3f} after {last['seconds']:.0f} s."
    return "\n\n".join([_command(content), text, _table(["steps", "scenes", "seconds", "IoU"], rows)])


TABLES = {
    "race": race,
    "both tasks or in turns": joint,
    "waiting for data": loader,
    "training on a gpu": gpu,
}
