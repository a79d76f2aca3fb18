"""What tiles cost, and how near they come to the whole picture.

Peak memory and time of a picture whole and by tiles, each in a process of its own; then the difference between the two
on generated rooms, by overlap, for a model that was trained for a minute::

    python examples/benchmarks/tiles.py                  # some minutes
    FGBGNET_SHORT=1 python examples/benchmarks/tiles.py  # seconds
    python examples/benchmarks/tiles.py --out tiles.json
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch

from fgbgnet import DualTaskLoss, SceneDataset, create_model, make_loader, train_transform
from fgbgnet.files import write_json
from fgbgnet.inference import TiledModel

SHORT = bool(os.environ.get("FGBGNET_SHORT"))
MODEL, TILE = "fgbgnet_xs", 128 if SHORT else 512
SIZES = [(192, 256)] if SHORT else [(1500, 2000), (3000, 4000), (6000, 8000)]
LARGEST_WHOLE = 1500 * 2000 if SHORT else 3000 * 4000
"""Pixels above which the whole picture is not tried: it would not fit in the memory of a small machine."""
SIDE = 32 if SHORT else 96
OVERLAPS = (0, 32, 64, 128, 256)


def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(height, width, tiled):
    """Memory beyond that of the two pictures, and seconds; printed as JSON for the process that asked."""
    model = create_model(MODEL).eval()
    with torch.no_grad():
        model(*torch.rand(2, 1, 3, 64, 64))
        bg, frame = torch.rand(1, 3, height, width), torch.rand(1, 3, height, width)
        before, start = megabytes(), time.perf_counter()
        (TiledModel(model, TILE, batch_size=1) if tiled else model)(bg, frame)
    print(json.dumps({"megabytes": megabytes() - before, "seconds": time.perf_counter() - start}))


def in_a_process(height, width, tiled):
    if not tiled and height * width > LARGEST_WHOLE:
        return None
    command = [sys.executable, __file__, "--measure", str(height), str(width), str(int(tiled))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def trained(steps):
    torch.manual_seed(0)
    model = create_model(MODEL)
    model.set_priors(foreground=0.1, depth=3.0)
    rooms = SceneDataset(16 * steps, size=SIDE, scenes_per_background=4, transform=train_transform(SIDE))
    loss_function, optimizer = DualTaskLoss(), torch.optim.AdamW(model.parameters(), lr=2e-3)
    for batch in make_loader(rooms, batch_size=16, train=True):
        optimizer.zero_grad()
        loss_function(model(batch["bg"], batch["fg_bg"]), batch)["total"].backward()
        optimizer.step()
    return model.eval()


def differences(model, size, tile):
    """Mean and largest difference of mask probability and depth (relative) between tiles and the whole, by overlap."""
    rooms = SceneDataset(1 if SHORT else 4, size=size, seed=7)
    rows = {}
    with torch.no_grad():
        pairs = [(sample["bg"][None], sample["fg_bg"][None]) for sample in rooms]
        wholes = [model(*pair) for pair in pairs]
        for overlap in (overlap for overlap in OVERLAPS if overlap <= tile // 2):
            tiles = [TiledModel(model, tile, overlap)(*pair) for pair in pairs]
            mask = torch.stack(
                [(t["mask"].sigmoid() - w["mask"].sigmoid()).abs() for t, w in zip(tiles, wholes, strict=True)]
            )
            depth = torch.stack([(t["depth"] / w["depth"] - 1).abs() for t, w in zip(tiles, wholes, strict=True)])
            rows[overlap] = {
                key: {"mean": layer.mean().item(), "largest": layer.max().item()}
                for key, layer in (("mask", mask), ("depth", depth))
            }
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", help="JSON file for the figures")
    parser.add_argument("--measure", nargs=3, type=int, metavar=("HEIGHT", "WIDTH", "TILED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure)
        return
    sizes = {}
    for height, width in SIZES:
        sizes[f"{width} x {height}"] = {
            name: in_a_process(height, width, name == "tiles") for name in ("whole", "tiles")
        }
        print(f"{width} x {height}", sizes[f"{width} x {height}"], flush=True)
    tile, size = (64, (64, 128)) if SHORT else (TILE, (768, 1280))
    overlaps = differences(trained(2 if SHORT else 200), size, tile)
    for overlap, row in overlaps.items():
        print(f"overlap {overlap}", row)
    if options.out:
        content = {"model": MODEL, "tile": TILE, "sizes": sizes, "overlaps": overlaps, "difference_size": size}
        write_json(options.out, {"command": f"python examples/benchmarks/{Path(__file__).name}", **content})


if __name__ == "__main__":
    main()
