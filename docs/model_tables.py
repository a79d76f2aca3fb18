"""Tables of networks, made from the result files in ``results/models/``."""

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


TABLES = {
    "fixed camera": fixed_camera,
}
