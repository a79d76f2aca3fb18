"""Tables of loading, made from the result file ``results/data/loading.json``."""

from synth_tables import NOT_YET, _command, _load, _table

CANDIDATES = {
    "a": "a: the loader of 2020",
    "b": "b: `train_transform`",
    "c": "c: `eval_transform`",
    "c, PNG masks": "c with PNG masks",
    "d": "d: the bare decoding",
}


def _spread(value, digits):
    return f"{value['median']:.{digits}f} ({value['low']:.{digits}f} to {value['high']:.{digits}f})"


def _result(folder):
    path = folder / "loading.json"
    return _load(path) if path.exists() else None


def loading(folder):
    """Samples per second and ratios, by size and number of workers."""
    content = _result(folder)
    if content is None:
        return NOT_YET
    parts = [_command(content)]
    columns = content["loading"]
    rates = [
        [title, *(_spread(column["samples_per_second"][name], 0) for column in columns.values())]
        for name, title in CANDIDATES.items()
    ]
    parts.append(_table(["samples per second: median (quartiles)", *columns], rates))
    names = list(next(iter(columns.values()))["ratios"])
    ratios = [[name, *(_spread(column["ratios"][name], 2) for column in columns.values())] for name in names]
    parts.append(_table(["ratio within a round: median (quartiles)", *columns], ratios))
    return "\n\n".join(parts)


def decoders(folder):
    """Files per second of the libraries that could decode."""
    content = _result(folder)
    if content is None:
        return NOT_YET
    kinds = content["decoders"]
    names = list(dict.fromkeys(name for rates in kinds.values() for name in rates))
    rows = [[n, *(_spread(rates[n], 0) if n in rates else "" for rates in kinds.values())] for n in names]
    return _table(["files per second: median (quartiles)", *kinds], rows)


def backgrounds(folder):
    """Samples per second with few and with many backgrounds, kept and not."""
    content = _result(folder)
    if content is None:
        return NOT_YET
    rows = [[name, _spread(value, 0)] for name, value in content["backgrounds"].items()]
    return _table(["samples per second: median (quartiles)", ""], rows)


def rows(folder):
    """What a manifest of many rows costs."""
    content = _result(folder)
    if content is None:
        return NOT_YET
    figures = dict(content["rows"])
    head = f"{figures.pop('rows'):,} rows"
    return _table([head, "median"], [[name, f"{value:.4g}"] for name, value in figures.items()])


def audit(folder):
    """How long an audit takes."""
    path = folder / "audit.json"
    if not path.exists():
        return NOT_YET
    content = _load(path)
    head = f"{content['rows']:,} rows at 224 x 224, {content['cpus']} CPUs"
    lines = [
        ["seconds", _spread(content["seconds"], 0)],
        ["seconds of processors", _spread(content["processor_seconds"], 0)],
        ["decoding alone, ms per row, one process", _spread(content["decoding_ms"], 1)],
    ]
    return "\n\n".join([_command(content), _table([head, "median (lowest to highest)"], lines)])


TABLES = {
    "audit speed": audit,
    "loading": loading,
    "decoders": decoders,
    "kept backgrounds": backgrounds,
    "manifest rows": rows,
}
