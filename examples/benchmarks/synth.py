"""How fast the synth room is: scenes, perturbations and composites per second and core.

Every figure is the median of several rounds with their spread, on one thread::

    python examples/benchmarks/synth.py            # about a minute
    python examples/benchmarks/synth.py --short    # seconds
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fgbgnet.synth import PERTURBATIONS, RandomPerturb, SceneGenerator, compose, perturb


def measure(name: str, unit: str, count: int, rounds: int, work: Callable[[int], None]) -> None:
    """Prints the rate of ``work(round)``, which makes ``count`` things; round 0 is not counted."""
    work(0)
    rates = []
    for k in range(1, rounds + 1):
        start = time.perf_counter()
        work(k)
        rates.append(count / (time.perf_counter() - start))
    low, middle, high = min(rates), statistics.median(rates), max(rates)
    print(f"{name:34s} {middle:9.1f} {unit}/s   ({low:.1f} to {high:.1f}, {rounds} rounds)")


def scenes(size: int, count: int, rounds: int, device: str) -> None:
    generator = SceneGenerator(size, device=device)

    def work(k: int) -> None:
        generator.batch(range(k * count, (k + 1) * count))["fg_bg"].sum().item()  # .item(): wait for a GPU

    measure(f"scenes {size} px, {device}", "scenes", count, rounds, work)


def perturbations(size: int, count: int, rounds: int) -> None:
    picture, augment = SceneGenerator(size).batch([0])["bg"], RandomPerturb()

    def any_of_them(k: int) -> None:
        for seed in range(k * count, (k + 1) * count):
            augment(picture[0], seed)

    measure(f"RandomPerturb {size} px", "pictures", count, rounds, any_of_them)
    if rounds < 3:
        return
    for name in PERTURBATIONS:

        def this(k: int, name: str = name) -> None:
            for seed in range(40 * k, 40 * k + 40):
                perturb(picture, name, 3, [seed])

        measure(f"  {name} {size} px", "pictures", 40, rounds, this)


def composites(short: bool, rounds: int) -> None:
    y, x = np.mgrid[:300, :200]
    body = ((x - 100) / 70) ** 2 + ((y - 150) / 140) ** 2 < 1
    rgba = np.dstack([x % 256, y % 256, (x + y) % 256, 255 * body]).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "bg").mkdir()
        (root / "fg").mkdir()
        for k, picture in enumerate(SceneGenerator(224).batch(range(4))["bg"]):
            pixels = (picture * 255).byte().permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(root / "bg" / f"{k}.png")
        Image.fromarray(rgba).save(root / "fg" / "thing.png")
        per_pair = 5 if short else 40
        measure(
            "compose 224 px, written to disk", "samples", 4 * per_pair * 2, rounds,
            lambda k: compose(root / "bg", root / "fg", root / f"out{k}", per_pair=per_pair, progress=False),
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    short = bool(os.environ.get("FGBGNET_SHORT"))
    parser.add_argument("--short", action="store_true", default=short, help="few rounds, small counts")
    parser.add_argument("--device", default="cpu", help="where scenes are rendered")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rounds = 2 if arguments.short else 5
    for size, count in ((96, 32), (224, 8)) if arguments.short else ((96, 128), (224, 48)):
        scenes(size, count, rounds, arguments.device)
    for size in (96, 224):
        perturbations(size, 30 if arguments.short else 300, rounds)
    composites(arguments.short, rounds)


if __name__ == "__main__":
    main()
