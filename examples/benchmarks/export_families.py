"""Which encoders can be exported.

The smallest encoder of every family goes through two training steps and is exported to both formats for pictures of any
size, and where that fails or takes too long, for one size. Each export runs in a process of its own, and counts only if
its file says what the model says, which `fgbgnet.inference.export_model` checks::

    python examples/benchmarks/export_families.py                    # hours
    python examples/benchmarks/export_families.py --encoders resnet18 mit_b0
    FGBGNET_SHORT=1 python examples/benchmarks/export_families.py    # a minute
    python examples/benchmarks/export_families.py --out export_families.json
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from tqdm import tqdm

from fgbgnet import DualHeadUNet, list_encoders
from fgbgnet.errors import FgBgError
from fgbgnet.files import write_json
from fgbgnet.inference import export_model

SIZE = 224
TRIALS = {
    "ONNX, any size": ("a.onnx", None),
    "pt2, any size": ("a.pt2", None),
    "ONNX, one size": ("a.onnx", SIZE),
    "pt2, one size": ("a.pt2", SIZE),
}
MARK = "result: "


def smallest_of_families():
    """The smallest encoder of every family whose size is known."""
    chosen = {}
    for encoder in list_encoders():
        key = encoder.source, encoder.family
        if encoder.parameters and encoder.parameters < getattr(chosen.get(key), "parameters", float("inf")):
            chosen[key] = encoder
    return [encoder.name for encoder in chosen.values()]


def build(name):
    """A model after two steps, so that its outputs are not near zero."""
    torch.manual_seed(0)
    model = DualHeadUNet(name, fusion="siamese", decoder_block="separable")
    size = model.input_sizes.fixed or (128, 128)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(2):
        bg, fg_bg = torch.rand(2, 2, 3, *size)
        outputs = model(bg, fg_bg)
        target = (fg_bg - bg).mean(1, keepdim=True)
        loss = (outputs["mask"] - 5 * target).square().mean() + (outputs["depth"] - 3).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def one(name, trial):
    """One export, in this process; prints what became of it."""
    file, size = TRIALS[trial]
    model = build(name)
    fixed = model.input_sizes.fixed
    start = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            report = export_model(model, Path(folder) / file, size=fixed or size, progress=False)
    except FgBgError as error:
        print(MARK + json.dumps({"error": str(error)}))
        return
    worst = max(report.differences.values())
    facts = {"difference": worst, "seconds": time.monotonic() - start, "megabytes": report.megabytes}
    print(MARK + json.dumps(facts | {"fixed": fixed}))


def attempt(name, trial, limit):
    """One export, in another process."""
    command = [sys.executable, __file__, "--one", name, trial]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"not done within {limit} s"}
    lines = [line.removeprefix(MARK) for line in done.stdout.splitlines() if line.startswith(MARK)]
    return json.loads(lines[-1]) if lines else {"error": (done.stderr.strip().splitlines() or ["no answer"])[-1][:300]}


def attempts(name, limit):
    results = {}
    for trial in TRIALS:
        form, sizes = trial.split(", ")
        free = results.get(f"{form}, any size", {})
        if sizes == "any size" or "error" in free:
            results[trial] = attempt(name, trial, limit)
    return results


def main():
    short = bool(os.environ.get("FGBGNET_SHORT"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoders", nargs="+", help="by default the smallest of every family")
    parser.add_argument("--limit", type=int, default=300, help="seconds for one export")
    parser.add_argument("--out", type=Path, help="results; encoders that are in it already are not tried again")
    parser.add_argument("--one", nargs=2, metavar=("ENCODER", "TRIAL"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one(*arguments.one)
        return
    names = arguments.encoders or (["unet_small"] if short else smallest_of_families())
    done = arguments.out is not None and arguments.out.exists()
    encoders = json.loads(arguments.out.read_text())["encoders"] if done else {}
    for name in tqdm([name for name in names if name not in encoders], desc="encoders", disable=None):
        encoders[name] = attempts(name, arguments.limit)
        for trial, result in encoders[name].items():
            tqdm.write(f"{name:32} {trial:16} {result.get('error') or '{:.0e}'.format(result['difference'])}")
        if arguments.out:
            facts = {"command": "python examples/benchmarks/export_families.py", "limit": arguments.limit}
            write_json(arguments.out, facts | {"size": SIZE, "torch": torch.__version__, "encoders": encoders})


if __name__ == "__main__":
    main()
