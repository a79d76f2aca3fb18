"""How fast samples are loaded, beside the loader of 2020 and beside the bare decoding of their files.

The loader of 2020 opens four pictures with Pillow, resizes them, changes the colours of each and makes normalised
tensors. Files are like its own: backgrounds and frames as JPEG, masks as grey JPEG, depth as JPEG that is grey in three
channels; everything is generated. The bare decoding is that of the three files that differ from sample to sample, from
memory, with libjpeg-turbo, in the channels that they are stored in. Candidates take turns within a round, each ratio is
of one round, and figures are medians with quartiles::

    python examples/benchmarks/data.py --out docs/results/data/loading.json

The last part is a manifest of 400,000 rows: how long it takes to read, and what it and an epoch cost in memory.
"""

import argparse
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
import torch
from data_loading import LoaderOf2020, decoding_ways, write_files
from data_rows import measure_rows
from torch.utils.data import DataLoader
from tqdm import tqdm

from fgbgnet.data import Manifest, PairedFgBgDataset, eval_transform, init_worker, make_loader, train_transform
from fgbgnet.files import write_json

BATCH = {224: 32, 64: 128}
"""Samples per batch, as in 2020."""
RATIOS = {"b/a": ("b", "a"), "c/a": ("c", "a"), "c/d": ("c", "d"), "c with PNG masks / a": ("c, PNG masks", "a")}


def loaders(files: dict[str, Manifest], size: int, workers: int, short: bool) -> dict[str, Iterable]:
    """What is compared at one size of the output."""
    settings: dict[str, Any] = {"batch_size": 8 if short else BATCH[size], "num_workers": workers}
    few = 16 if short else max(160, 2 * BATCH[size])  # it is slow
    theirs = {"persistent_workers": workers > 0, "worker_init_fn": init_worker, "shuffle": True}
    train, evaluate = train_transform(size), eval_transform(size)
    return {
        "a": DataLoader(LoaderOf2020(files["JPEG"], size, few), **settings, **theirs),
        "b": make_loader(PairedFgBgDataset(files["JPEG"], train), train=True, **settings),
        "c": make_loader(PairedFgBgDataset(files["JPEG"], evaluate), train=False, **settings),
        "c, PNG masks": make_loader(PairedFgBgDataset(files["PNG"], evaluate), train=False, **settings),
    }


def one_pass(loader: Iterable) -> float:
    """Samples per second of one epoch."""
    start, count = time.perf_counter(), 0
    for batch in loader:
        count += len(batch["fg_bg"])
    return count / (time.perf_counter() - start)


def per_second(work: Callable[[bytes], object], files: list[bytes]) -> float:
    start = time.perf_counter()
    for content in files:
        work(content)
    return len(files) / (time.perf_counter() - start)


def bare_decoding(manifest: Manifest) -> Callable[[], float]:
    """Samples per second of libjpeg-turbo alone."""
    channels = {"fg_bg": "RGB", "mask": "GRAY", "depth": "RGB"}
    files = {name: [manifest.resolve(path).read_bytes() for path in manifest.column(name)] for name in channels}

    def run() -> float:
        seconds = 0.0
        for name, contents in files.items():
            seconds += 1 / per_second(lambda content, c=channels[name]: simplejpeg.decode_jpeg(content, c), contents)
        return 1 / seconds

    return run


def in_turns(candidates: dict[str, Callable[[], float]], rounds: int, title: str) -> dict[str, list[float]]:
    """Rates by round; a first round, which starts workers and fills caches, does not count."""
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in tqdm(range(rounds + 1), desc=title, disable=None):
        for name, run in candidates.items():
            rate = run()
            if turn:
                rates[name].append(rate)
    return rates


def measure_loading(files: dict[str, Manifest], size: int, workers: int, rounds: int, short: bool) -> dict[str, Any]:
    """Samples per second of every candidate, and ratios."""
    loading = loaders(files, size, workers, short)
    candidates = {name: lambda loader=loader: one_pass(loader) for name, loader in loading.items()}
    candidates["d"] = bare_decoding(files["JPEG"])
    rates = in_turns(candidates, rounds, f"{size} px, {workers} workers")
    ratios = {n: [x / y for x, y in zip(rates[p], rates[q], strict=True)] for n, (p, q) in RATIOS.items()}
    return {"samples_per_second": spread(rates), "ratios": spread(ratios)}


def measure_backgrounds(files: Manifest, rounds: int, short: bool) -> dict[str, Any]:
    """Samples per second with few backgrounds and with as many as there are samples, kept and not, in random order."""
    many = files.with_column("bg", files.column("fg_bg"))
    room = 0.15 * len(files.distinct("bg"))  # megabytes: for the few, not for the many
    candidates = {}
    for name, manifest in (("few backgrounds", files), ("many backgrounds", many)):
        for title, megabytes in (("room for the few", room), ("none kept", 0)):
            dataset = PairedFgBgDataset(manifest, eval_transform(224), background_cache=megabytes)
            loader = make_loader(dataset, 8 if short else 32, train=True)
            candidates[f"{name}, {title}"] = lambda loader=loader: one_pass(loader)
    return spread(in_turns(candidates, rounds, "backgrounds"))


def measure_decoders(files: dict[str, Manifest], rounds: int) -> dict[str, Any]:
    """Files per second by kind of file and library."""
    rates = {}
    for title, manifest, column, kind in (
        ("frame, JPEG", files["JPEG"], "fg_bg", "RGB"),
        ("mask, grey JPEG", files["JPEG"], "mask", "GRAY"),
        ("mask, PNG", files["PNG"], "mask", "PNG"),
    ):
        contents = [manifest.resolve(path).read_bytes() for path in manifest.column(column)[:128]]
        ways = {name: lambda way=way, c=contents: per_second(way, c) for name, way in decoding_ways(kind).items()}
        rates[title] = spread(in_turns(ways, rounds, title))
    return rates


def spread(values: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Median and quartiles."""
    names = ("low", "median", "high")
    return {
        key: dict(zip(names, np.percentile(numbers, (25, 50, 75)).round(4).tolist(), strict=True))
        for key, numbers in values.items()
    }


def show(title: str, figures: dict[str, dict[str, float]]) -> None:
    print(title)
    for name, value in figures.items():
        print(f"  {name:40s} {value['median']:10.2f}   ({value['low']:.2f} to {value['high']:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", default=bool(os.environ.get("FGBGNET_SHORT")))
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    short = arguments.short
    count, rounds, rows = (16, 2, 2_000) if short else (480, 5, 400_000)
    result: dict[str, Any] = {
        "command": shlex.join(["python", "examples/benchmarks/data.py", *sys.argv[1:]]),
        "cpus": os.cpu_count(), "files": count, "rounds": rounds, "loading": {},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(Path(folder), count, min(100, count))
        result["decoders"] = measure_decoders(files, rounds)
        for title, figures in result["decoders"].items():
            show(f"{title}: files per second", figures)
        for size in BATCH:
            for workers in (1, 0):
                figures = measure_loading(files, size, workers, rounds, short)
                result["loading"][f"{size} px, {'one worker' if workers else 'in the process'}"] = figures
                for kind, values in figures.items():
                    show(f"{size} px, {workers} workers: {kind.replace('_', ' ')}", values)
        result["backgrounds"] = measure_backgrounds(files["JPEG"], rounds, short)
        show("backgrounds: samples per second", result["backgrounds"])
        result["rows"] = measure_rows(Path(folder), rows, 2 if short else 5)
    for name, value in result["rows"].items():
        print(f"{name:60s} {value}")
    if arguments.out:
        write_json(arguments.out, result)


if __name__ == "__main__":
    main()
