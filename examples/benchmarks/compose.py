"""How fast composites are made: by `compose`, by `ComposedDataset`, and by the loop of 2020.

The loop opens the background and the cut-out for every sample, copies, pastes, and saves frame and mask as JPEG, in one
process. It is measured on pictures that were brought to their size before, as in 2020, and on pictures as they are,
which it then has to resize. `compose` gets the pictures as they are, writes four kinds of files instead of two, and
draws edges, colours and shadows. All take turns within a round, and ratios are of one round::

    python examples/benchmarks/compose.py --out docs/results/synth/compose.json
    python examples/benchmarks/compose.py --backgrounds photographs --cutouts cutouts
"""

import argparse
import copy
import os
import random
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw

from fgbgnet.files import write_json
from fgbgnet.synth import ComposedDataset, SceneGenerator, compose

SIDE = 224


def make_pictures(folder: Path, count: int) -> tuple[Path, Path]:
    """Photographs of 1280 x 720 pixels and cut-outs of about 400, generated."""
    backgrounds, cutouts = folder / "backgrounds", folder / "cutouts"
    rng = np.random.default_rng(0)
    for path in (backgrounds, cutouts):
        path.mkdir()
    for k, picture in enumerate(SceneGenerator((180, 320)).batch(range(count))["bg"]):
        pixels = (picture * 255).byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).resize((1280, 720), Image.Resampling.BICUBIC).save(backgrounds / f"{k}.jpg", quality=90)
    for k in range(count):
        shape = Image.new("L", (400, 240))
        ImageDraw.Draw(shape).rounded_rectangle((10, 60, 390, 200), 50, fill=255)
        ImageDraw.Draw(shape).ellipse((90, 10 + 5 * k, 310, 230), fill=255)
        coarse = Image.fromarray(rng.integers(0, 256, (24, 40, 3), dtype=np.uint8)).resize((400, 240))
        coarse.putalpha(shape.resize((400, 240), Image.Resampling.LANCZOS))
        coarse.save(cutouts / f"{k}.png")
    return backgrounds, cutouts


def prepare(backgrounds: Path, cutouts: Path, folder: Path) -> tuple[list[Path], list[Path]]:
    """Pictures at the size at which the loop of 2020 wants them."""
    prepared: tuple[list[Path], list[Path]] = ([], [])
    folder.mkdir()
    for kind, source in enumerate((backgrounds, cutouts)):
        for path in sorted(source.iterdir()):
            picture = Image.open(path)
            picture = picture.convert("RGB").resize((SIDE, SIDE)) if kind == 0 else picture.convert("RGBA")
            if kind == 1:
                picture.thumbnail((SIDE // 2, SIDE // 2))
            prepared[kind].append(folder / f"{path.stem}{('.jpg', '.png')[kind]}")
            picture.save(prepared[kind][-1])
    return prepared


def loop_of_2020(photos: list[Path], things: list[Path], out: Path, numbers: range) -> None:
    """Open, copy, paste, save: one sample after the other."""
    out.mkdir(exist_ok=True)
    for k in numbers:
        bg, fg = Image.open(photos[k % len(photos)]), Image.open(things[k // len(photos) % len(things)]).convert("RGBA")
        if bg.size != (SIDE, SIDE):
            bg = bg.convert("RGB").resize((SIDE, SIDE))
            fg.thumbnail((SIDE // 2, SIDE // 2))
        if k % 2:
            fg = fg.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        place = random.randrange(SIDE - fg.width + 1), random.randrange(SIDE - fg.height + 1)
        fg_bg, mask = copy.deepcopy(bg), Image.new("L", bg.size)
        fg_bg.paste(fg, place, fg)
        mask.paste(fg.getchannel("A"), place)
        fg_bg.save(out / f"fg_bg{k}.jpg")
        mask.save(out / f"mask{k}.jpg")


def in_two_processes(photos: list[Path], things: list[Path], out: Path, numbers: range) -> None:
    """The same loop, each process with half of the samples."""
    out.mkdir()
    half = len(numbers) // 2
    jobs = [
        get_context("fork").Process(target=loop_of_2020, args=(photos, things, out, part))
        for part in (numbers[:half], numbers[half:])
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()


def written(backgrounds: Path, cutouts: Path, root: Path, count: int, rounds: int) -> dict[str, list[float]]:
    """Samples per second of every way to write them, by round."""
    photos, things = sorted(backgrounds.iterdir()), sorted(cutouts.iterdir())
    ready = prepare(backgrounds, cutouts, root / "prepared")
    per_pair = -(-count // (2 * len(photos) * len(things)))
    total = per_pair * 2 * len(photos) * len(things)
    few = range(-(-total // 8))  # it is slow
    settings = {"per_pair": per_pair, "size": SIDE, "progress": False}
    ways: dict[str, Callable[[Path], object]] = {
        "loop, prepared pictures, 1 process": lambda out: loop_of_2020(*ready, out, range(total)),
        "compose, folders, 1 process": lambda out: compose(backgrounds, cutouts, out, num_workers=0, **settings),
        "loop, prepared pictures, 2 processes": lambda out: in_two_processes(*ready, out, range(total)),
        "compose, folders, 2 workers": lambda out: compose(backgrounds, cutouts, out, num_workers=2, **settings),
        "compose, archives, 2 workers": lambda out: compose(
            backgrounds, cutouts, out, num_workers=2, shard=max(16, total // 8), **settings
        ),
        "loop, pictures as they are, 1 process": lambda out: loop_of_2020(photos, things, out, few),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    counts = {name: len(few) if "as they are" in name else total for name in ways}
    for turn in range(rounds):
        for k, (name, work) in enumerate(ways.items()):
            start = time.perf_counter()
            work(root / f"out_{turn}_{k}")
            rates[name].append(counts[name] / (time.perf_counter() - start))
    return rates


def on_the_fly(backgrounds: Path, cutouts: Path, count: int, rounds: int) -> dict[str, list[float]]:
    """Samples per second and core of `ComposedDataset`: the arrays, and the tensors of a sample."""
    dataset = ComposedDataset(backgrounds, cutouts, size=SIDE, n=count)
    things = len(list(cutouts.iterdir()))
    rates: dict[str, list[float]] = {"arrays of bytes": [], "samples of float tensors": []}
    for turn in range(rounds + 1):
        dataset.set_epoch(turn)
        start = time.perf_counter()
        for k in range(count):
            dataset._composer(turn * count + k, 0, k % things, bool(k % 2))
        middle = time.perf_counter()
        for k in range(0, count, 32):
            dataset.__getitems__(range(k, min(k + 32, count)))
        end = time.perf_counter()
        if turn:  # the first round also decodes
            rates["arrays of bytes"].append(count / (middle - start))
            rates["samples of float tensors"].append(count / (end - middle))
    return rates


def summary(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    short = bool(os.environ.get("FGBGNET_SHORT"))
    parser.add_argument("--short", action="store_true", default=short, help="few rounds, small counts")
    parser.add_argument("--backgrounds", type=Path, help="folder of photographs; generated ones by default")
    parser.add_argument("--cutouts", type=Path, help="folder of cut-outs; generated ones by default")
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    arguments = parser.parse_args()
    if (arguments.backgrounds is None) != (arguments.cutouts is None):
        parser.error("--backgrounds and --cutouts go together")
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    count, rounds = (32, 2) if arguments.short else (2000, 5)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if arguments.backgrounds and arguments.cutouts:
            pictures = arguments.backgrounds, arguments.cutouts
        else:
            pictures = make_pictures(root, 2 if arguments.short else 8)
        disk = written(*pictures, root, count, rounds)
        memory = on_the_fly(*pictures, count, rounds)
    ratios = {
        f"{ours} / {theirs}": [a / b for a, b in zip(disk[ours], disk[theirs], strict=True)]
        for ours, theirs in (
            ("compose, folders, 1 process", "loop, prepared pictures, 1 process"),
            ("compose, folders, 2 workers", "loop, prepared pictures, 2 processes"),
            ("compose, archives, 2 workers", "loop, prepared pictures, 2 processes"),
            ("compose, archives, 2 workers", "loop, prepared pictures, 1 process"),
            ("compose, folders, 1 process", "loop, pictures as they are, 1 process"),
        )
    }
    result = {
        "command": shlex.join(["python", "examples/benchmarks/compose.py", *sys.argv[1:]]),
        "samples": count, "rounds": rounds, "size": SIDE, "cpus": os.cpu_count(),
        "samples_per_second_written": {name: summary(values) for name, values in disk.items()},
        "samples_per_second_and_core_in_memory": {name: summary(values) for name, values in memory.items()},
        "ratios": {name: summary(values) for name, values in ratios.items()},
    }  # fmt: skip
    for title in ("samples_per_second_written", "samples_per_second_and_core_in_memory", "ratios"):
        print(title.replace("_", " "))
        for name, values in result[title].items():
            print(f"  {name:78s} {values['median']:8.1f}   ({values['least']:.1f} to {values['most']:.1f})")
    if arguments.out:
        write_json(arguments.out, result)


if __name__ == "__main__":
    main()
