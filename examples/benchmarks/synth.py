"""How fast the synth room is: scenes and perturbations per second and core; composites are measured by compose.py.

Every figure is the median of several rounds with their spread, on one thread::

    python examples/benchmarks/synth.py            # about a minute
    python examples/benchmarks/synth.py --short    # seconds
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import torch

from fgbgnet.synth import PERTURBATIONS, RandomPerturb, SceneGenerator, perturb


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


if __name__ == "__main__":
    main()
