"""Tables of the page on splits, made from the result files in ``results/data/``."""

from synth_tables import NOT_YET, _command, _load, _table


def near_duplicates(folder):
    """Copies that are found, originals that are taken for copies, and the time of the search."""
    path = folder / "near_duplicates.json"
    if not path.exists():
        return NOT_YET
    content = _load(path)
    recall, originals, search = content["recall"], content["originals"], content["search"]
    changes = [
        [change, *(f"{recall[name][change]['found']:.1%}" for name in recall)] for change in next(iter(recall.values()))
    ]
    pairs = [
        [f"{name} ({f['n']})", f"{f['pairs']:,}", str(f["candidates"]), str(f["copies"])]
        for name, f in originals.items()
    ]
    times = [
        [
            f"{int(count):,}",
            f"{f['seconds']:.2g} s ({f['least']:.2g} to {f['most']:.2g})",
            "" if f["all_with_all_over_search"] is None else f"{f['all_with_all_over_search']:.1f}",
        ]
        for count, f in search.items()
    ]
    return "\n\n".join(
        [
            _command(content),
            _table(["copies found", *recall], changes),
            _table(["different pictures", "pairs", "with hashes alike", "taken for copies"], pairs),
            _table(["hashes searched", "median (range)", "comparison of all with all, times as long"], times),
        ]
    )


TABLES = {"near-duplicates": near_duplicates}
