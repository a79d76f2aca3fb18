"""Tables of exported files, made from ``results/models/export.json`` and ``export_families.json``."""

from synth_tables import NOT_YET, _command, _load, _table


def _spread(value, digits):
    return f"{value['median']:.{digits}f} ({value['low']:.{digits}f} to {value['high']:.{digits}f})"


def forms(folder):
    """Size, time and IoU of every form of one model."""
    path = folder / "export.json"
    if not path.exists():
        return NOT_YET
    content = _load(path)
    rows = [
        [
            name,
            f"{row['megabytes']:.2f}" if "megabytes" in row else "",
            _spread(row["milliseconds"], 1),
            _spread(row["times_faster"], 2),
            f"{row['iou']:.4f}",
            f"{row['iou_change']:+.4f}",
            ", ".join(f"{key} {value:.0e}" for key, value in row.get("differences", {}).items()),
        ]
        for name, row in content["forms"].items()
    ]
    head = ["form", "MB", "ms per pair", "times faster", "mask IoU", "change", "largest difference"]
    training = f", trained for {content['training_minutes']:g} minutes" if content["training_minutes"] else ""
    facts = (
        f"`{content['model']}`{training}; {content['size']} px, batch 1, {content['threads']} threads: median "
        f"(quartiles); IoU on {content['scenes']} unseen scenes of {content['scene_size']} px."
    )
    return "\n\n".join([_command(content), facts, _table(head, rows)])


def families(folder):
    """What became of every family: the largest difference, or why there is no file."""
    path = folder / "export_families.json"
    if not path.exists():
        return NOT_YET
    content = _load(path)
    trials = ["ONNX, any size", "pt2, any size", "ONNX, one size", "pt2, one size"]
    reasons = []
    rows = []
    for name, results in content["encoders"].items():
        cells = [_cell(results.get(trial), reasons) for trial in trials]
        rows.append([f"`{name}`", *cells])
    notes = "\n".join(f"{number}. {_plain(reason)}" for number, reason in enumerate(reasons, 1))
    facts = (
        f"torch {content['torch']}, at most {content['limit']} s for each export. A figure is the largest difference "
        f"to the model; a number in brackets a reason below. One size is {content['size']} px, or the encoder's own."
    )
    return "\n\n".join([_command(content), facts, _table(["encoder", *trials], rows), notes])


def _cell(result, reasons):
    if result is None:
        return ""
    if "error" not in result:
        return f"{result['difference']:.0e}" + (f" at {result['fixed'][0]} px" if result["fixed"] else "")
    reason = result["error"].split(": ", 1)[-1].split(". Fix the size")[0].split(". Choose")[0]
    if reason not in reasons:
        reasons.append(reason)
    return f"[{reasons.index(reason) + 1}]"


def _plain(text):
    """No markup out of an error message."""
    return "`" + " ".join(text.replace("`", "'").split()) + "`"


TABLES = {
    "export forms": forms,
    "export families": families,
}
