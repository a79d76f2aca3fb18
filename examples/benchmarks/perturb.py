"""What imperfect pairs cost, and how hard they are.

Prints the time of every perturbation and of a random draw of them as a share of the time that rendering the same scenes
takes, in one run on one thread, and the mask IoU of subtraction under every perturbation at severities 1, 3 and 5::

    python examples/benchmarks/perturb.py                  # minutes
    FGBGNET_SHORT=1 python examples/benchmarks/perturb.py  # seconds
    python examples/benchmarks/perturb.py --out perturb.json
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fgbgnet.evaluation import Difference, evaluate
from fgbgnet.files import write_json
from fgbgnet.synth import (
    PAIR_PERTURBATIONS,
    PERTURBATIONS,
    RandomPairPerturb,
    SceneDataset,
    SceneGenerator,
    perturb_pair,
)

NAMES = [*PERTURBATIONS, *PAIR_PERTURBATIONS]


def milliseconds(count: int, rounds: int, work: Callable[[range], object]) -> dict[str, float]:
    """Per thing, for ``work(numbers)`` that makes ``count`` of them: median and quartiles; one round to warm up."""
    times = []
    for k in range(rounds + 1):
        start = time.perf_counter()
        work(range(k * count, (k + 1) * count))
        times.append((time.perf_counter() - start) * 1000 / count)
    low, middle, high = statistics.quantiles(times[1:], n=4)
    return {"low": low, "median": middle, "high": high}


def cost(size: int, count: int, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds per sample."""
    generator, augment = SceneGenerator(size), RandomPairPerturb()
    batch = generator.batch(range(count))
    few = {key: layer[:4] for key, layer in batch.items()}
    result = {
        "rendering": milliseconds(count, rounds, generator.batch),
        "RandomPairPerturb": milliseconds(count, rounds, lambda seeds: augment(batch, seeds)),
    }
    for name in NAMES:
        result[name] = milliseconds(4, 3 * rounds, lambda seeds, name=name: perturb_pair(few, name, 3, seeds))
    return result


def difficulty(size: int, count: int) -> dict[str, dict[str, float]]:
    """Mask IoU of the thresholded difference, best threshold for these very pictures, by perturbation and severity."""
    data = list(SceneDataset(count, size=size, seed=7))

    def floor(change: tuple[str, float] | None) -> float:
        result = evaluate(Difference(), data, perturbation=change, progress=False)
        iou: float = result.floors["difference_oracle"]["iou"]
        return iou

    table = {"clean": {"0": floor(None)}}
    for name in NAMES:
        table[name] = {str(severity): floor((name, severity)) for severity in (1, 3, 5)}
    return table


def show(size: int, times: dict[str, dict[str, float]]) -> None:
    rendering = times["rendering"]["median"]
    print(
        f"{size} px: rendering takes {rendering:.2f} ms per scene; each of these, as a share of it (and its quartiles):"
    )
    for name, spread in times.items():
        if name != "rendering":
            shares = [f"{100 * spread[key] / rendering:.1f}" for key in ("median", "low", "high")]
            print(f"  {name:18s} {shares[0]:>6} %   ({shares[1]} to {shares[2]})   {spread['median']:.3f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    arguments = parser.parse_args()
    short = bool(os.environ.get("FGBGNET_SHORT"))
    torch.set_num_threads(1)
    figures: dict[str, Any] = {"cost_ms": {}}
    for size in (64,) if short else (64, 96, 224):
        figures["cost_ms"][size] = cost(size, *((8, 3) if short else (32, 9)))
        show(size, figures["cost_ms"][size])
    size, count = (32, 6) if short else (96, 100)
    figures["difference_oracle_iou"] = difficulty(size, count)
    print(f"mask IoU of the difference, best threshold, {count} scenes of {size} px, by severity:")
    for name, row in figures["difference_oracle_iou"].items():
        print(f"  {name:18s} " + "   ".join(f"{severity}: {iou:.3f}" for severity, iou in row.items()))
    if arguments.out:
        write_json(arguments.out, figures)


if __name__ == "__main__":
    main()
