"""How long an audit takes, and what its parts cost.

Scenes of 224 x 224 pixels are written as data sets have them (JPEG pictures, PNG masks, 8-bit depth) and listed as
often as it takes to have enough rows: files that are read again are in the system's cache, as they are after a first
look at a set. The time is that of `check_manifest` with one process per CPU, beside the processor time of all of them,
which tells a slow audit from a busy machine, and the time of only decoding the files in one process::

    python examples/benchmarks/audit.py --out docs/results/data/audit.json
"""

import argparse
import os
import shlex
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fgbgnet.data import Manifest, PairedFgBgDataset, check_manifest
from fgbgnet.files import write_json
from fgbgnet.synth import SceneGenerator

SIDE = 224
PER_BACKGROUND = 40


def write_scenes(folder: Path, count: int) -> dict[str, list[str]]:
    """Quadruples with relative depth; paths by column."""
    torch.set_num_threads(1)
    generator = SceneGenerator((SIDE, SIDE))
    columns: dict[str, list[str]] = {"bg": [], "fg_bg": [], "mask": [], "depth": []}
    for number in range(count):
        scene = generator.batch([number], [number // PER_BACKGROUND])
        depth, valid = scene["depth"][0, 0].numpy(), scene["depth_valid"][0, 0].numpy()
        depth = np.where(valid, depth, depth[valid].max())
        pictures = {
            "bg": (f"bg_{number // PER_BACKGROUND}.jpg", scene["bg"][0]),
            "fg_bg": (f"frame_{number}.jpg", scene["fg_bg"][0]),
            "mask": (f"mask_{number}.png", scene["mask"][0]),
            "depth": (f"depth_{number}.png", torch.from_numpy((depth - depth.min()) / np.ptp(depth))[None]),
        }
        for layer, (name, values) in pictures.items():
            pixels = (values * 255).round().byte().permute(1, 2, 0).numpy()
            Image.fromarray(pixels.squeeze()).save(folder / name)
            columns[layer].append(name)
    return columns


def listed(columns: dict[str, list[str]], rows: int, root: Path) -> Manifest:
    """A manifest of so many rows, which lists the files again and again."""
    times = -(-rows // len(columns["fg_bg"]))
    table = {layer: (names * times)[:rows] for layer, names in columns.items()}
    return Manifest({**table, "id": [str(row) for row in range(rows)]}, root)


def processor_time() -> float:
    """Seconds that this process and those of its children that have ended have used."""
    return sum(os.times()[:4])


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--scenes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    arguments = parser.parse_args()
    if os.environ.get("FGBGNET_SHORT"):
        arguments.rows, arguments.scenes, arguments.rounds = 40, 8, 1
    audits, processor, decodings = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        manifest = listed(write_scenes(Path(folder), arguments.scenes), arguments.rows, Path(folder))
        dataset = PairedFgBgDataset(manifest)
        few = range(0, arguments.rows, max(1, arguments.rows // 400))
        for turn in range(arguments.rounds):
            start, used = time.perf_counter(), processor_time()
            check_manifest(manifest, progress=False)
            audits.append(time.perf_counter() - start)
            processor.append(processor_time() - used)
            start = time.perf_counter()
            for row in few:
                dataset[row]
            decodings.append((time.perf_counter() - start) / len(few))
            print(
                f"round {turn + 1}: {audits[-1]:.1f} s for {arguments.rows} rows, "
                f"{processor[-1]:.1f} s of processors; {1e3 * audits[-1] / arguments.rows:.1f} ms each, decoding alone "
                f"{1e3 * decodings[-1]:.1f} ms"
            )
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "rows": arguments.rows,
        "cpus": os.cpu_count(),
        "seconds": spread(audits),
        "processor_seconds": spread(processor),
        "decoding_ms": spread([1e3 * seconds for seconds in decodings]),
    }
    if arguments.out:
        write_json(arguments.out, result)


if __name__ == "__main__":
    main()
