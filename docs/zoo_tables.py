"""Tables of the named architectures, made from the code and from the result files in ``results/models/``."""

import statistics

from synth_tables import NOT_YET, _command, _load, _table

ENGINES = {
    "contiguous": "eager, contiguous",
    "channels_last": "eager, channels-last",
    "compile": "`torch.compile`",
    "onnxruntime": "ONNX Runtime",
}
FIGURES = {"iou": "mask IoU", "boundary_iou": "boundary IoU", "abs_rel": "depth AbsRel"}

TRAINING = ("milliseconds", "times_faster")


def _result(folder, name):
    path = folder / f"{name}.json"
    return _load(path) if path.exists() else None


def _spread(value, digits):
    return f"{value['median']:.{digits}f} ({value['low']:.{digits}f} to {value['high']:.{digits}f})"


def cards(_):
    """The architectures, from the code."""
    from fgbgnet import list_models

    rows = []
    for card in list_models():
        encoder = card.encoder
        weights = f"`{encoder.pretrained[0]}`, {encoder.licenses[0]}" if encoder.pretrained else "none"
        name = f"`{encoder.name}`"
        rows.append([f"`{card.name}`", f"{card.parameters:,}", name, weights, card.description])
    return _table(["name", "parameters", "encoder", "its default weights, their licence", ""], rows)


def models(folder):
    """Time per call by engine, times faster than the first model, and memory."""
    content = _result(folder, "models")
    if content is None:
        return NOT_YET
    base, parts = content["base"], [_command(content)]
    parts.append(f"{content['size']} px, {content['threads']} threads. Medians, and quartiles in brackets.")
    parts += [f"{ENGINES[engine]}: {why}." for engine, why in content["missing"].items()]
    batches = list(next(iter(content["models"].values()))["inference"])
    for batch in batches:
        rows = []
        for name, entry in content["models"].items():
            found = entry["inference"][batch]
            for engine in (e for e in ENGINES if e in found):
                cell = found[engine]
                rows.append(
                    [
                        f"`{name}`",
                        ENGINES[engine],
                        _spread(cell["milliseconds"], 1),
                        _spread(cell["times_faster"], 1),
                        _spread(cell["both_over_one"], 2) if "both_over_one" in cell else "",
                        f"{entry['peak_mb'][batch][engine]:.0f}" if "peak_mb" in entry else "not measured",
                    ]
                )
        head = [f"batch {batch}", "", "ms", f"times faster than `{base}`", "both heads / one", "peak MB"]
        parts.append(_table(head, rows))
    train = content["training"]
    rows = [
        [
            f"`{name}`",
            f"{entry['parameters']:,}",
            f"{entry['gmacs']:.2f}",
            *(_spread(entry["inference"][batch]["eager"]["times_faster"], 1) for batch in batches),
            *(_spread(entry["training"][key], 1) if "training" in entry else "not measured" for key in TRAINING),
        ]
        for name, entry in content["models"].items()
    ]
    head = ["", "parameters", "GMACs", *(f"eager, batch {batch}: times faster" for batch in batches)]
    head += [f"training step, {train['batch_size']} of {train['size']} px: ms", "times faster"]
    parts.append(_table(head, rows))
    return "\n\n".join(parts)


def models_gpu(folder):
    """Pairs per second and time of one pair on a GPU."""
    content = _result(folder, "models_gpu")
    if content is None:
        return NOT_YET
    rows = [
        [
            f"`{name}`",
            _spread(entry["pairs_per_second"], 0),
            _spread(entry["times_faster"], 1),
            _spread(entry["milliseconds"], 3),
        ]
        for name, entry in content["models"].items()
    ]
    head = [content["device"], f"pairs/s, batch {content['batch_size']}", "times faster", "ms, batch 1"]
    return "\n\n".join([_command(content), _table(head, rows)])


def decoders(folder):
    """Quality of decoders after equal training: mean, and each seed in brackets."""
    content = _result(folder, "decoders")
    if content is None:
        return NOT_YET
    parts = [_command(content)]
    for title in next(iter(content["decoders"].values()))["figures"]:
        rows = []
        for name, entry in content["decoders"].items():
            values = [entry["figures"][title][key] for key in FIGURES]
            cells = [f"{statistics.mean(v):.3f} ({', '.join(f'{one:.3f}' for one in v)})" for v in values]
            rows.append([name, f"{entry['parameters'] / 1e6:.2f} M", f"{entry['gmacs']:.2f}", *cells])
        parts.append(_table([title, "parameters", "GMACs, 224 px", *FIGURES.values()], rows))
    return "\n\n".join(parts)


def memory(folder):
    """Memory formats, and freed memory kept or not."""
    content = _result(folder, "memory")
    if content is None:
        return NOT_YET
    rows = [
        [
            f"`{cell['model']}`, {cell['work']}",
            cell["memory_format"].replace("_", "-"),
            "kept" if cell["keep"] else "as it is",
            f"{cell['milliseconds']:.1f}",
            _spread(cell["times_faster"], 2),
            f"{cell['system_milliseconds']:.1f}",
            f"{cell['page_faults']:.0f}",
            f"{cell['peak_mb']:.0f}",
        ]
        for cell in content["cells"]
    ]
    head = ["", "format", "freed memory", "ms", "times faster", "of it in the system", "page faults", "peak MB"]
    return "\n\n".join([_command(content), _table(head, rows)])


TABLES = {
    "zoo cards": cards,
    "zoo models": models,
    "zoo models gpu": models_gpu,
    "zoo decoders": decoders,
    "zoo memory": memory,
}
