"""What it costs to read quadruples out of zip archives and shards rather than folders.

Everything in one run, candidates in turn, as medians and quartiles: members alone, samples of a data set in random
order, packing (all by processor time, which other work on the machine hardly disturbs), a loader with one worker (by
the clock), the size of shards; and the memory of an archive with 400,000 members::

    python examples/benchmarks/archives.py                  # minutes
    FGBGNET_SHORT=1 python examples/benchmarks/archives.py  # seconds
    python examples/benchmarks/archives.py --out archives.json
"""

import argparse
import gc
import io
import multiprocessing
import os
import random
import shutil
import statistics
import tempfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fgbgnet.data import (
    Manifest,
    PairedFgBgDataset,
    PairedShardDataset,
    eval_transform,
    make_loader,
    pack_shards,
    read_bytes,
)
from fgbgnet.data.shards.sources import open_shard
from fgbgnet.data.shards.streams import read_samples
from fgbgnet.files import write_json

LAYERS = ("bg", "fg_bg", "mask", "depth")
BACKGROUNDS = 20


def photograph(rng: np.random.Generator) -> Image.Image:
    """Something that JPEG finds about as hard as a photograph."""
    coarse = Image.fromarray(rng.integers(0, 256, (14, 14, 3), dtype=np.uint8)).resize((224, 224))
    return Image.fromarray(np.clip(np.asarray(coarse) + rng.normal(0, 6, (224, 224, 1)), 0, 255).astype(np.uint8))


def encoded(picture: Image.Image, suffix: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, {"jpg": "JPEG", "png": "PNG"}[suffix], quality=85)
    return file.getvalue()


def write_data(folder: Path, count: int) -> Manifest:
    """Quadruples as a folder and as archives; few different pictures under many names."""
    rng = np.random.default_rng(0)
    frames = [encoded(photograph(rng), "jpg") for _ in range(min(count, 100))]
    inside = np.zeros((224, 224), np.uint8)
    inside[60:200, 80:140] = 255
    mask = encoded(Image.fromarray(inside), "png")
    depth = encoded(Image.fromarray(np.linspace(900, 6000, 224 * 224).reshape(224, 224).astype(np.uint16)), "png")
    names = [f"{n:06d}" for n in range(count)]
    files = {f"bg/{n}.jpg": frames[n % len(frames)] for n in range(BACKGROUNDS)}
    for n, name in enumerate(names):
        files[f"fg_bg/{name}.jpg"] = frames[n % len(frames)]
        files[f"mask/{name}.png"], files[f"depth/{name}.png"] = mask, depth
    for name, content in files.items():
        path = folder / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(folder / f"{name}.zip", "w", method) as archive:
            for member, content in files.items():
                archive.writestr(member, content)
    columns = {
        "bg": [f"bg/{n // 40 % BACKGROUNDS}.jpg" for n in range(count)],
        "fg_bg": [f"fg_bg/{name}.jpg" for name in names],
        "mask": [f"mask/{name}.png" for name in names],
        "depth": [f"depth/{name}.png" for name in names],
    }
    return Manifest({**columns, "id": names, "depth_unit": ["metres"] * count})


def placed(manifest: Manifest, root: Path) -> Manifest:
    """The same table with its files at another place."""
    return Manifest({name: manifest.column(name) for name in manifest.names}, root)


def rates(
    rounds: int, candidates: dict[str, Callable[[], int]], clock: Callable[[], float] = time.process_time
) -> dict[str, dict[str, float]]:
    """Things per second of every candidate, each of which says how many it made; one round to warm up."""
    found: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds + 1):
        for name, work in candidates.items():
            start = clock()
            count = work()
            found[name].append(count / (clock() - start))
    table = {}
    for name, values in found.items():
        low, middle, high = statistics.quantiles(values[1:], n=4)
        table[name] = {"low": low, "median": middle, "high": high}
    return table


def consume(items: Iterable[Any]) -> int:
    return sum(1 for _ in items)


def members(folder: Path, manifest: Manifest, rounds: int) -> dict[str, dict[str, float]]:
    """Files per second, in random order."""
    names = [str(path) for layer in ("fg_bg", "mask", "depth") for path in manifest.column(layer)]
    rng = random.Random(0)
    standard = zipfile.ZipFile(folder / "stored.zip")

    def read(where: str, anew: bool = False) -> Callable[[], int]:
        def work() -> int:
            if anew:  # an archive that is not open yet: its directory is read, and all checksums are compared
                os.utime(folder / where)
            rng.shuffle(names)
            for name in names:
                read_bytes(f"{folder}/{where}/{name}")
            return len(names)

        return work

    def read_standard() -> int:
        rng.shuffle(names)
        for name in names:
            standard.read(name)
        return len(names)

    candidates = {
        "folder": read("folder"),
        "stored.zip": read("stored.zip"),
        "stored.zip, first pass": read("stored.zip", anew=True),
        "deflated.zip": read("deflated.zip"),
        "zipfile, stored": read_standard,
    }
    return rates(rounds, candidates)


def samples(folder: Path, manifest: Manifest, rounds: int) -> dict[str, dict[str, float]]:
    """Samples per second at 224 px, in random order and this process."""
    rng = random.Random(0)
    order = list(range(len(manifest)))

    def read(where: str) -> Callable[[], int]:
        dataset = PairedFgBgDataset(placed(manifest, folder / where), eval_transform(224))

        def work() -> int:
            rng.shuffle(order)
            return consume(dataset[index] for index in order)

        return work

    return rates(rounds, {name: read(name) for name in ("folder", "stored.zip", "deflated.zip")})


def loaders(folder: Path, manifest: Manifest, rounds: int) -> dict[str, dict[str, float]]:
    """Samples per second at 224 px out of one worker that stays alive."""
    transform = eval_transform(224)
    datasets = {
        name: PairedFgBgDataset(placed(manifest, folder / name), transform) for name in ("folder", "stored.zip")
    }
    streams = {
        f"shards, {name}": PairedShardDataset(folder / name / "index.json", transform, shuffle_buffer=200)
        for name in ("repeated", "shared")
    }
    settings: dict[str, Any] = {"batch_size": 20, "num_workers": 1, "train": True, "drop_last": False}
    made = {name: make_loader(dataset, **settings) for name, dataset in {**datasets, **streams}.items()}
    work = {name: lambda loader=loader: sum(len(batch["id"]) for batch in loader) for name, loader in made.items()}
    return rates(rounds, work, time.perf_counter)


def packing(folder: Path, manifest: Manifest, rounds: int) -> dict[str, dict[str, float]]:
    """Samples per second into shards and out of them, without decoding."""
    source = placed(manifest, folder / "folder")

    def pack(name: str, share: bool) -> Callable[[], int]:
        def work() -> int:
            shutil.rmtree(folder / name, ignore_errors=True)
            return pack_shards(
                source, folder / name / "%06d.tar", samples_per_shard=200, share_backgrounds=share
            ).samples

        return work

    def stream(name: str) -> Callable[[], int]:
        def work() -> int:
            count = 0
            for path in sorted((folder / name).glob("*.tar")):
                with open_shard(str(path)) as file:
                    count += consume(read_samples(file, str(path)))
            return count

        return work

    candidates = {
        "pack, repeated": pack("repeated", False),
        "pack, shared": pack("shared", True),
        "stream, repeated": stream("repeated"),
        "stream, shared": stream("shared"),
    }
    return rates(rounds, candidates)


def private_bytes() -> int:
    """Memory of this process that no other shares; Linux only."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) * 1024


def forked_growth(read: Callable[[str], bytes], numbers: list[int]) -> int:
    """Bytes that a forked worker adds by reading members."""
    queue = multiprocessing.get_context("fork").SimpleQueue()

    def work() -> None:
        gc.freeze()
        names = [many(n) for n in numbers]  # of its own: counting references to the parent's would copy those
        for name in names[:10]:
            read(name)
        before = private_bytes()
        for name in names:
            read(name)
        queue.put(private_bytes() - before)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    grown: int = queue.get()
    process.join()
    return grown


def many(number: int) -> str:
    """Name of one of very many members."""
    return f"data_1/Fg-Bg/fg-bg{number}.jpg"


def memory(folder: Path, count: int) -> dict[str, float]:
    """Megabytes and seconds of an archive with very many members."""
    path = folder / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            archive.writestr(many(number), b"")
    some = list(range(0, count, max(1, count // 20_000)))
    random.Random(0).shuffle(some)

    def taken(work: Callable[[], object]) -> tuple[object, float]:
        tracemalloc.start()
        kept = work()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return kept, size / 1e6

    def timed(work: Callable[[], object]) -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    figures: dict[str, float] = {"members": count}
    figures["open_seconds"] = timed(lambda: read_bytes(path / many(0)))
    figures["zipfile_open_seconds"] = timed(lambda: zipfile.ZipFile(path).close())
    os.utime(path)
    _, figures["directory_mb"] = taken(lambda: read_bytes(path / many(0)))
    standard, figures["zipfile_directory_mb"] = taken(lambda: zipfile.ZipFile(path))
    figures["forked_worker_mb"] = forked_growth(lambda name: read_bytes(f"{path}/{name}"), some) / 1e6
    figures["zipfile_forked_worker_mb"] = forked_growth(standard.read, some) / 1e6  # type: ignore[attr-defined]
    return figures


def show(title: str, table: dict[str, dict[str, float]]) -> None:
    base = next(iter(table.values()))["median"]
    print(f"{title}:")
    for name, row in table.items():
        print(
            f"  {name:24s} {row['median']:9.0f}   ({row['low']:.0f} to {row['high']:.0f})   {row['median'] / base:.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    arguments = parser.parse_args()
    short = bool(os.environ.get("FGBGNET_SHORT"))
    torch.set_num_threads(1)
    count, rounds = (60, 3) if short else (1200, 9)
    figures: dict[str, Any] = {"samples": count, "rounds": rounds}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        manifest = write_data(folder, count)
        for title, measure in (
            ("members per second", members),
            ("samples per second, data set", samples),
            ("samples per second, shards, not decoded", packing),
            ("samples per second, loader with one worker", loaders),
        ):
            figures[measure.__name__] = measure(folder, manifest, rounds)
            show(title, figures[measure.__name__])
        sizes = {
            name: sum(path.stat().st_size for path in (folder / name).glob("*.tar")) for name in ("repeated", "shared")
        }
        figures["shard_bytes"] = sizes
        print(f"shards that share backgrounds have {sizes['shared'] / sizes['repeated']:.2f} of the size")
        figures["memory"] = memory(folder, 4_000 if short else 400_000)
        for name, value in figures["memory"].items():
            print(f"  {name:26s} {value:.2f}")
    if arguments.out:
        write_json(arguments.out, figures)


if __name__ == "__main__":
    main()
