"""How many scenes a second one thread, or one GPU, makes.

Every figure is the median of several rounds with their spread::

    python examples/benchmarks/synth.py                    # about a minute
    python examples/benchmarks/synth.py --device cuda --batch 512
    python examples/benchmarks/synth.py --out FILE         # also as JSON

Perturbations and composites have scripts of their own: `perturb.py` and `compose.py`.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from fgbgnet.files import write_json
from fgbgnet.synth import SceneGenerator
from fgbgnet.synth.scenes.generator import GENERATOR_VERSION
from fgbgnet.synth.scenes.props import props
from fgbgnet.synth.scenes.textures import TextureBank


def measure(name: str, unit: str, count: int, rounds: int, work: Callable[[int], None]) -> dict:
    """Prints and returns the rate of ``work(round)``, which makes ``count`` things; round 0 is not counted."""
    work(0)
    rates = []
    for k in range(1, rounds + 1):
        start = time.perf_counter()
        work(k)
        rates.append(count / (time.perf_counter() - start))
    low, middle, high = min(rates), statistics.median(rates), max(rates)
    print(f"{name:34s} {middle:9.1f} {unit}/s   ({low:.1f} to {high:.1f}, {rounds} rounds)", flush=True)
    return {"name": name, "unit": unit, "median": middle, "low": low, "high": high, "rounds": rounds}


def scenes(size: int, count: int, rounds: int, device: str) -> dict:
    generator = SceneGenerator(size, device=device)

    def work(k: int) -> None:
        generator.batch(range(k * count, (k + 1) * count))["fg_bg"].sum().item()  # .item(): wait for a GPU

    return measure(f"scenes at {size} px", "scenes", count, rounds, work)


def layouts(count: int, rounds: int) -> dict:
    """What stands where, without a pixel: the part that is always done on the CPU, but for the cutting into tiles."""
    generator = SceneGenerator(224)

    def work(k: int) -> None:
        numbers = np.arange(k * count, (k + 1) * count)
        generator._draw(numbers, numbers)

    return measure("layouts, without a pixel", "scenes", count, rounds, work)


def preparations() -> dict[str, float]:
    """What each process does once: seconds."""
    seconds = {}
    for name, prepare in (("store of things", props.__wrapped__), ("textures", TextureBank)):
        start = time.perf_counter()
        prepare(123456789)  # a seed that nothing is kept of
        seconds[name] = time.perf_counter() - start
        print(f"once per process: {name} {seconds[name]:.2f} s")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    short = bool(os.environ.get("FGBGNET_SHORT"))
    parser.add_argument("--short", action="store_true", default=short, help="few rounds, small counts")
    parser.add_argument("--device", default="cpu", help="where scenes are rendered")
    parser.add_argument("--batch", type=int, help="scenes per call; 128 at 64 and 96 px, 48 at 224 px by default")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rounds = 2 if arguments.short else 9
    once = preparations()
    rates = [
        scenes(size, arguments.batch or (8 if arguments.short else count), rounds, arguments.device)
        for size, count in ((64, 128), (96, 128), (224, 48))
    ]
    rates.insert(0, layouts(16 if arguments.short else 256, rounds))
    if arguments.out:
        machine = "one thread of a shared machine" if arguments.device == "cpu" else torch.cuda.get_device_name()
        record = {
            "command": " ".join(["python examples/benchmarks/synth.py", *sys.argv[1:]]),
            "machine": f"{machine} ({platform.machine()})",
            "generator_version": GENERATOR_VERSION,
            "torch": torch.__version__,
            "once_seconds": once,
            "rates": rates,
        }
        write_json(arguments.out, record)


if __name__ == "__main__":
    main()
