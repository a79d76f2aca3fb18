"""What freshly mapped memory and the memory format cost on a CPU.

Steps of a training and pictures that are looked at, each combination in a process of its own, in turn: with glibc as it
is, with ``fgbgnet.training.keep_freed_memory``; tensors contiguous and channels-last::

    python examples/benchmarks/memory.py                  # about ten minutes
    FGBGNET_SHORT=1 python examples/benchmarks/memory.py  # half a minute
    python examples/benchmarks/memory.py --out memory.json
"""

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from tqdm import tqdm

from fgbgnet import DualTaskLoss, create_model
from fgbgnet.files import write_json
from fgbgnet.training import keep_freed_memory

WORKS = {
    "training step, 16 of 128 px": {"train": True, "batch_size": 16, "size": 128},
    "forward, 8 of 224 px": {"train": False, "batch_size": 8, "size": 224},
    "forward, 1 of 1024 px": {"train": False, "batch_size": 1, "size": 1024},
}
SHORT_WORKS = {"training step, 2 of 32 px": {"train": True, "batch_size": 2, "size": 32}}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def work(model, train, batch_size, size):
    """A function without arguments: a step of a training, or a forward pass."""
    bg, frame = torch.rand(2, batch_size, 3, size, size)
    if not train:

        def forward():
            with torch.inference_mode():
                model(bg, frame)

        return forward
    truth = {
        "mask": (torch.rand(batch_size, 1, size, size) > 0.9).float(),
        "depth": 1 + torch.rand(batch_size, 1, size, size),
        "depth_valid": torch.ones(batch_size, 1, size, size, dtype=torch.bool),
    }
    loss_function, optimizer = DualTaskLoss(), torch.optim.AdamW(model.parameters(), 1e-4)

    def step():
        loss = loss_function(model(bg, frame), truth)["total"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def measure_here(request):
    """Milliseconds of wall and of system time per call, page faults per call, and the peak of the resident memory."""
    if request["keep"] and not keep_freed_memory():
        raise SystemExit("keep_freed_memory takes effect with glibc on Linux only")
    torch.manual_seed(0)
    model = create_model(request["model"]).to(memory_format=LAYOUTS[request["layout"]])
    call = work(model.train(request["work"]["train"]), **request["work"])
    for _ in range(2):
        call()
    before, times = resource.getrusage(resource.RUSAGE_SELF), []
    for _ in range(request["calls"]):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "milliseconds": statistics.median(times),
        "cpu_milliseconds": 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / len(times),
        "system_milliseconds": 1000 * (after.ru_stime - before.ru_stime) / len(times),
        "page_faults": (after.ru_minflt - before.ru_minflt) / len(times),
        "peak_mb": peak_mb(),
    }


def peak_mb():
    """Not of getrusage: what it says begins with the memory of the process that started this one."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def measure(request):
    done = subprocess.run(
        [sys.executable, __file__, "--here", json.dumps(request)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def spread(values):
    if len(values) == 1:
        return {"low": values[0], "median": values[0], "high": values[0]}
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"low": low, "median": median, "high": high}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["classic", "fgbgnet_s"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=8)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--here", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure_here(json.loads(arguments.here))))
        return
    models, rounds, calls, works = arguments.models, arguments.rounds, arguments.calls, WORKS
    if os.environ.get("FGBGNET_SHORT"):
        models, rounds, calls, works = ["fgbgnet_xs"], 1, 1, SHORT_WORKS
    cells = list(itertools.product(models, works, LAYOUTS, (False, True)))
    found = {cell: [] for cell in cells}
    for cell in tqdm(cells * rounds, desc="processes", disable=None):
        model, title, layout, keep = cell
        request = {"model": model, "work": works[title], "layout": layout, "keep": keep, "calls": calls}
        found[cell].append(measure(request))
    results = []
    for cell in cells:
        model, title, layout, keep = cell
        plain = found[model, title, "contiguous", False]
        ratios = [a["milliseconds"] / b["milliseconds"] for a, b in zip(plain, found[cell], strict=True)]
        figures = {key: statistics.median(one[key] for one in found[cell]) for key in found[cell][0]}
        entry = {"model": model, "work": title, "memory_format": layout, "keep": keep}
        results.append({**entry, "times_faster": spread(ratios), **figures})
        print(
            f"{model:10} {title:28} {layout:14} {'kept' if keep else 'as it is':9} {figures['milliseconds']:9.1f} ms  "
            f"{statistics.median(ratios):.2f} times faster  {figures['page_faults']:9.0f} page faults  "
            f"{figures['system_milliseconds']:7.1f} ms in the system  peak {figures['peak_mb']:.0f} MB"
        )
    if arguments.out:
        command = f"python examples/benchmarks/memory.py --rounds {rounds} --calls {calls}"
        write_json(arguments.out, {"command": command, "threads": torch.get_num_threads(), "cells": results})


if __name__ == "__main__":
    main()
