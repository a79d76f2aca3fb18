"""How fast the named architectures are on a GPU.

Pairs per second of large batches in bfloat16, channels-last, compiled; milliseconds of a single pair by a CUDA graph.
The candidates are alternated, and times are those of CUDA events::

    python examples/benchmarks/models_gpu.py                  # a few minutes
    FGBGNET_SHORT=1 python examples/benchmarks/models_gpu.py  # a minute
    python examples/benchmarks/models_gpu.py --out models_gpu.json
"""

import argparse
import os
import statistics
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from fgbgnet import create_model
from fgbgnet.files import write_json

NAMES = ["classic", "fgbgnet_xs", "fgbgnet_s", "fgbgnet_m", "fgbgnet_l"]


def model_of(name):
    torch.manual_seed(0)
    return create_model(name).eval().to("cuda", torch.bfloat16, memory_format=torch.channels_last)


def pictures(batch, size):
    pair = torch.rand(2, batch, 3, size, size, device="cuda", dtype=torch.bfloat16)
    return [picture.contiguous(memory_format=torch.channels_last) for picture in pair]


def throughput(name, batch, size):
    """A compiled forward pass of a large batch."""
    model = torch.compile(model_of(name), mode="max-autotune-no-cudagraphs")
    bg, frame = pictures(batch, size)

    def run():
        with torch.inference_mode():
            model(bg, frame)

    return run


def latency(name, size):
    """A replay of the compiled forward pass of one pair, recorded as a CUDA graph."""
    model = torch.compile(model_of(name), mode="max-autotune-no-cudagraphs")
    bg, frame = pictures(1, size)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.inference_mode(), torch.cuda.stream(side):  # compiles, and lets libraries choose their kernels
        for _ in range(3):
            model(bg, frame)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.inference_mode(), torch.cuda.graph(graph):
        outputs = model(bg, frame)

    def run(outputs=outputs):  # the graph writes into these
        graph.replay()

    return run


def milliseconds(work, calls):
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(calls):
        work()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / calls


def spread(values):
    if len(values) == 1:
        return {"low": values[0], "median": values[0], "high": values[0]}
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"low": low, "median": median, "high": high}


def alternate(works, rounds, calls, title):
    for work in tqdm(works.values(), desc=f"{title}: warm up", disable=None):
        work()
    found = {name: [] for name in works}
    for _ in tqdm(range(rounds), desc=title, disable=None):
        for name, work in works.items():
            found[name].append(milliseconds(work, calls))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=NAMES)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU here: nothing was measured; examples/benchmarks/models.py measures on a CPU", file=sys.stderr)
        sys.exit(0 if os.environ.get("FGBGNET_SHORT") and arguments.out is None else 1)
    names, size, batch, rounds = arguments.models, arguments.size, arguments.batch_size, arguments.rounds
    if os.environ.get("FGBGNET_SHORT"):
        names, size, batch, rounds = ["fgbgnet_s"], 64, 4, 2
    large = alternate({name: throughput(name, batch, size) for name in names}, rounds, 10, f"batch {batch}")
    single = alternate({name: latency(name, size) for name in names}, rounds, 100, "batch 1")
    results = {}
    for name in names:
        rates = [1000 * batch / one for one in large[name]]
        ratios = [a / b for a, b in zip(large[names[0]], large[name], strict=True)]
        results[name] = {
            "pairs_per_second": spread(rates),
            "times_faster": spread(ratios),
            "milliseconds": spread(single[name]),
        }
        rate, ms = results[name]["pairs_per_second"]["median"], results[name]["milliseconds"]["median"]
        print(f"{name:12} {rate:9.0f} pairs/s in batches of {batch}   {ms:.3f} ms for one pair")
    if arguments.out:
        command = f"python examples/benchmarks/models_gpu.py --size {size} --batch-size {batch} --rounds {rounds}"
        card = torch.cuda.get_device_name()
        write_json(arguments.out, {"command": command, "device": card, "batch_size": batch, "models": results})


if __name__ == "__main__":
    main()
