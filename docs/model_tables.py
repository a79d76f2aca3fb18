"""Tables of networks, made from the result files in ``results/models/``."""

import encoder_tables
import export_tables
import zoo_tables
from synth_tables import NOT_YET, _command, _load, _table


def _spread(value, digits):
    return f"{value['median']:.{digits}f} ({value['low']:.{digits}f} to {value['high']:.{digits}f})"


def _result(folder, name):
    path = folder / f"{name}.json"
    return _load(path) if path.exists() else None


def fixed_camera(folder):
    """Time per frame with and without the background's features kept."""
    content = _result(folder, "fixed_camera")
    if content is None:
        return NOT_YET
    rows = [
        [
            f"`{name}`",
            _spread(result["milliseconds"]["whole"], 1),
            _spread(result["milliseconds"]["kept"], 1),
            _spread(result["ratio"], 2),
            f"{result['difference']:g}",
        ]
        for name, result in content["models"].items()
    ]
    head = ["ms per frame: median (quartiles)", "`model(bg, frame)`", "`camera(frame)`", "times faster", "difference"]
    return "\n\n".join([_command(content), _table(head, rows)])


def fusion_study(folder):
    """Figures of every fusion, one table per encoder."""
    content = _result(folder, "fusion")
    if content is None:
        return NOT_YET
    budget = content["budget"]
    parts = [
        _command(content),
        f"{budget['scenes']} rooms, {budget['steps']} steps of {budget['batch']}; "
        f"{budget['test_scenes']} rooms to judge on.",
    ]
    columns = [("iou", c) for c in ("clean", "mean", "worst")] + [("boundary_iou", "mean"), ("abs_rel", "mean")]
    names = {"iou": "IoU", "boundary_iou": "boundary IoU", "abs_rel": "AbsRel"}
    for encoder, rows in content["encoders"].items():
        head = [f"`{encoder}`", *(f"{names[m]}, {c}" for m, c in columns), "parameters", "latency"]
        table = [
            [
                fusion,
                *(_figure(row, metric, column) for metric, column in columns),
                f"{row['parameters'] / 1e6:.2f} M",
                f"{row['latency_ratio']['median']:.2f}",
            ]
            for fusion, row in rows.items()
        ]
        parts.append(_table(head, table))
    return "\n\n".join(parts)


def _figure(row, metric, column):
    low, high = row["interval"][metric][column]
    return f"{row[metric][column]:.3f} ({low:.3f} to {high:.3f})"


def tiles(folder):
    """Memory and time of large pictures whole and by tiles, and how far the two are apart by overlap."""
    content = _result(folder, "tiles")
    if content is None:
        return NOT_YET
    costs = [[size, *(_cost(ways[way]) for way in ("whole", "tiles"))] for size, ways in content["sizes"].items()]
    apart = [
        [overlap, *(f"{row[key][kind]:.2g}" for key in ("mask", "depth") for kind in ("mean", "largest"))]
        for overlap, row in content["overlaps"].items()
    ]
    height, width = content["difference_size"]
    parts = [
        _command(content),
        f"`{content['model']}`, tiles of {content['tile']} pixels, one at a time; memory beyond that of the pictures:",
        _table(["", "whole", "by tiles"], costs),
        f"The same network after a short training, {width} x {height} pixels, tiles against the whole picture:",
        _table(["overlap", "probability, mean", "largest", "depth, mean share", "largest"], apart),
    ]
    return "\n\n".join(parts)


def _cost(result):
    return "not tried" if result is None else f"{result['megabytes']:.0f} MB, {result['seconds']:.1f} s"


def freezing(folder):
    """What moves in a frozen task, by the two ways of freezing."""
    content = _result(folder, "freezing")
    if content is None:
        return NOT_YET
    careless, complete = "requires_grad_(False)", "freeze_branch"
    rows = [
        [row["encoder"], f"{row['optimizer']}, {row['gradients cleared']}"]
        + [f"{change:.2g}" for change in (*row[careless].values(), max(row[complete].values()))]
        for row in content["rows"]
    ]
    head = ["encoder", "optimiser, gradients", "weights", "statistics", "mask", complete]
    return "\n\n".join([_command(content), _table(head, rows)])


TABLES = (
    encoder_tables.TABLES
    | export_tables.TABLES
    | zoo_tables.TABLES
    | {
        "tiles": tiles,
        "fusion study": fusion_study,
        "fixed camera": fixed_camera,
        "freezing": freezing,
    }
)
