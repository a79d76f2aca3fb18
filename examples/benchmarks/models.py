"""How fast the named architectures are, and how large.

All of them in one run, engine by engine in turn, so that ratios are of neighbours in time: eager PyTorch in both memory
formats, torch.compile where there is a C++ compiler, and ONNX Runtime (extra ``export``); one head against both; a
training step; and the peak of the resident memory, each in a process of its own::

    python examples/benchmarks/models.py                  # about half an hour
    FGBGNET_SHORT=1 python examples/benchmarks/models.py  # a minute
    python examples/benchmarks/models.py --out models.json

For a GPU there is ``models_gpu.py``.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tqdm import tqdm

ENGINES = ("contiguous", "channels_last", "compile", "onnxruntime")
BATCHES = (1, 8)
TRAINING = {"size": 128, "batch_size": 16}
VISIT = 0.3
"""Seconds for which a candidate is called before it is the next one's turn."""


def prepared(name, channels_last):
    """A model in evaluation mode. Weights are random: they do not matter here."""
    import torch

    from fgbgnet import create_model

    torch.manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return create_model(name).eval().to(memory_format=layout)


def runner(name, engine, folder):
    """A function (bg, frame, tasks) of tensors, or of arrays for ONNX Runtime."""
    if engine == "onnxruntime":
        return onnx_runner(folder / f"{name}.onnx")
    import torch

    model = prepared(name, engine != "contiguous")
    model = torch.compile(model) if engine == "compile" else model

    def run(bg, frame, tasks=None):
        with torch.inference_mode():
            return model(bg, frame, tasks)

    return run


def onnx_runner(path):
    """A session of the file with the threads that torch would take, without torch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda bg, frame: session.run(None, {"bg": bg, "fg_bg": frame})


def threads():
    return int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))


def engines():
    """The engines that this machine has, and why others are missing."""
    missing = {}
    if not any(shutil.which(compiler) for compiler in (os.environ.get("CXX") or "g++", "g++", "clang++")):
        missing["compile"] = "no C++ compiler here"
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        missing["onnxruntime"] = 'not installed: pip install "fgbgnet[export]"'
    return [engine for engine in ENGINES if engine not in missing], missing


def visit(work, visit_seconds):
    """Milliseconds of each call; the first finds the caches of another candidate, and counts only if it is alone."""
    found, begin = [], time.perf_counter()
    while not found or time.perf_counter() - begin < visit_seconds:
        start = time.perf_counter()
        work()
        found.append(1000 * (time.perf_counter() - start))
    return found[1:] or found


def spread(values):
    if len(values) == 1:
        return {"low": values[0], "median": values[0], "high": values[0]}
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"low": low, "median": median, "high": high}


def alternate(works, rounds, visit_seconds, title):
    """Milliseconds of each candidate: all calls, and the median of each round."""
    calls, medians = {key: [] for key in works}, {key: [] for key in works}
    for work in tqdm(works.values(), desc=f"{title}: warm up", disable=None):
        work()
    for _ in tqdm(range(rounds), desc=title, disable=None):
        for key, work in works.items():
            found = visit(work, visit_seconds)
            calls[key] += found
            medians[key].append(statistics.median(found))
    return calls, medians


def ratio(slow, fast):
    return spread([a / b for a, b in zip(slow, fast, strict=True)])


def inference(names, available, batch, size, rounds, visit_seconds, folder):
    """Milliseconds per call, times faster than the first model, and both heads against one."""
    import torch

    bg, frame = torch.rand(2, batch, 3, size, size)
    arrays = bg.numpy(), frame.numpy()
    works = {}
    for name in names:
        for engine in available:
            run = runner(name, engine, folder)
            if engine == "onnxruntime":
                works[name, engine] = lambda run=run: run(*arrays)
                continue
            works[name, engine] = lambda run=run: run(bg, frame)
            if engine in ("contiguous", "channels_last"):
                works[name, f"{engine}, mask alone"] = lambda run=run: run(bg, frame, ("mask",))
    calls, medians = alternate(works, rounds, visit_seconds, f"batch {batch}")
    result = {name: {} for name in names}
    for name, engine in works:
        if engine.endswith("alone"):
            continue
        entry = {
            "milliseconds": spread(calls[name, engine]),
            "times_faster": ratio(medians[names[0], engine], medians[name, engine]),
        }
        if (name, f"{engine}, mask alone") in works:
            entry["both_over_one"] = ratio(medians[name, engine], medians[name, f"{engine}, mask alone"])
        result[name][engine] = entry
    eager = {n: min(("contiguous", "channels_last"), key=lambda e: statistics.median(medians[n, e])) for n in names}
    for name in names:
        result[name]["eager"] = {
            "memory_format": eager[name],
            "times_faster": ratio(medians[names[0], eager[names[0]]], medians[name, eager[name]]),
        }
    return result


def training(names, size, batch_size, rounds, visit_seconds):
    """Milliseconds of a training step as `fgbgnet.training.fit` does it, and times faster than the first model."""
    import torch

    from fgbgnet import DualTaskLoss
    from fgbgnet.training import keep_freed_memory

    keep_freed_memory()
    batch = {
        "bg": torch.rand(batch_size, 3, size, size),
        "fg_bg": torch.rand(batch_size, 3, size, size),
        "mask": (torch.rand(batch_size, 1, size, size) > 0.9).float(),
        "depth": 1 + torch.rand(batch_size, 1, size, size),
        "depth_valid": torch.ones(batch_size, 1, size, size, dtype=torch.bool),
    }
    loss_function = DualTaskLoss()

    def stepper(name):
        model = prepared(name, channels_last=True).train()
        optimizer = torch.optim.AdamW(model.parameters(), 1e-4)

        def step():
            loss = loss_function(model(batch["bg"], batch["fg_bg"]), batch)["total"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        return step

    calls, medians = alternate({name: stepper(name) for name in names}, rounds, visit_seconds, "training")
    first = medians[names[0]]
    return {n: {"milliseconds": spread(calls[n]), "times_faster": ratio(first, medians[n])} for n in names}


def export_all(names, folder):
    from fgbgnet.inference.export import export_model

    for name in tqdm(names, desc="export", disable=None):
        export_model(prepared(name, channels_last=False), folder / f"{name}.onnx", progress=False)


def peak_memory(names, available, batch, size, folder):
    """Peak of the resident memory in MB, of a process that does nothing but load the model and run it three times."""
    result = {name: {} for name in names}
    cells = [(name, engine) for name in names for engine in available]
    for name, engine in tqdm(cells, desc="memory", disable=None):
        request = json.dumps([name, engine, batch, size, str(folder)])
        done = subprocess.run(
            [sys.executable, __file__, "--peak-of", request], check=True, capture_output=True, text=True
        )
        result[name][engine] = float(done.stdout.split()[-1])
    return result


def print_peak(request):
    """The other side of `peak_memory`."""
    import numpy as np

    name, engine, batch, size, folder = json.loads(request)
    pair = list(np.random.default_rng(0).random((2, batch, 3, size, size), np.float32))
    run = runner(name, engine, Path(folder))
    if engine != "onnxruntime":
        import torch

        pair = [torch.from_numpy(picture) for picture in pair]
    for _ in range(3):
        run(*pair)
    # Not getrusage: what it says begins with the memory of the process that started this one.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) / 1024)


def facts(name, size):
    from fgbgnet.models import count_parameters

    model = prepared(name, channels_last=False)
    return {
        "parameters": count_parameters(model),
        "gmacs": float(model.summary(size).splitlines()[-1].split()[2]),
    }


def report(result):
    print(f"{result['size']} px, {result['threads']} threads; missing engines: {result['missing'] or 'none'}")
    for name, entry in result["models"].items():
        print(f"{name:12} {entry['parameters'] / 1e6:6.2f} M  {entry['gmacs']:.3f} GMACs")
        for batch, engines_ in entry["inference"].items():
            best = engines_["eager"]
            faster = best["times_faster"]["median"]
            print(f"  batch {batch}: eager ({best['memory_format']}) {faster:.1f} times faster than {result['base']}")
            for engine in (e for e in engines_ if e != "eager"):
                cell = engines_[engine]
                ms, faster = cell["milliseconds"], cell["times_faster"]["median"]
                heads = f"  both/one {cell['both_over_one']['median']:.2f}" if "both_over_one" in cell else ""
                print(
                    f"    {engine:14} p50 {ms['median']:8.1f} ms ({ms['low']:.1f} to {ms['high']:.1f})  "
                    f"{faster:5.1f} times faster  peak {entry['peak_mb'][batch][engine]:6.0f} MB{heads}"
                )
        ms, faster = entry["training"]["milliseconds"], entry["training"]["times_faster"]
        print(f"  training step {ms['median']:.0f} ms, {faster['median']:.1f} times faster")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--models", nargs="+", default=["classic", "fgbgnet_xs", "fgbgnet_s", "fgbgnet_m", "fgbgnet_l"])
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak_of:
        print_peak(arguments.peak_of)
        return
    import torch

    from fgbgnet.files import write_json

    names, size, rounds, seconds, train = arguments.models, arguments.size, arguments.rounds, VISIT, TRAINING
    batches = BATCHES
    available, missing = engines()
    missing |= {engine: "left out" for engine in available if engine not in arguments.engines}
    available = [engine for engine in available if engine in arguments.engines]
    if os.environ.get("FGBGNET_SHORT"):
        names, size, rounds, seconds, train = ["fgbgnet_s"], 64, 1, 0.0, {"size": 32, "batch_size": 2}
        batches = (1,)
        available = [engine for engine in available if engine != "compile"]
    torch.set_num_threads(threads())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if "onnxruntime" in available:
            export_all(names, folder)
        timings = {
            batch: inference(names, available, int(batch), size, rounds, seconds, folder) for batch in map(str, batches)
        }
        peaks = {batch: peak_memory(names, available, int(batch), size, folder) for batch in timings}
    steps = training(names, train["size"], train["batch_size"], max(1, rounds // 2), seconds)
    result = {
        "command": f"python examples/benchmarks/models.py --size {size} --rounds {rounds} "
        f"--engines {' '.join(available)}",
        "size": size,
        "threads": threads(),
        "base": names[0],
        "missing": missing,
        "training": train,
        "models": {
            name: {
                **facts(name, size),
                "inference": {batch: timings[batch][name] for batch in timings},
                "peak_mb": {batch: peaks[batch][name] for batch in peaks},
                "training": steps[name],
            }
            for name in names
        },
    }
    report(result)
    if arguments.out:
        write_json(arguments.out, result)


if __name__ == "__main__":
    main()
