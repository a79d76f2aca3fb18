"""What exported files cost and what they lose.

Trains a small model on generated scenes (or takes one), exports it in every form, and measures in one run: size, time
per pair at batch 1 (all forms in turn), mask IoU on the same unseen scenes, and the largest difference to the model::

    python examples/benchmarks/export.py                    # some five minutes
    FGBGNET_SHORT=1 python examples/benchmarks/export.py    # a minute or two: exporting takes its time
    python examples/benchmarks/export.py --model runs/x --out export.json
"""

import argparse
import copy
import os
import statistics
import tempfile
import time
from pathlib import Path

import torch
from tqdm import tqdm

from fgbgnet import (
    DepthLoss,
    DualTaskLoss,
    SceneDataset,
    create_model,
    eval_transform,
    evaluate,
    load_model,
    make_loader,
    train_transform,
)
from fgbgnet.files import write_json
from fgbgnet.inference import OnnxModel, export_model

FORMS = {
    "ONNX": ("model.onnx", {}),
    "ONNX, weights fp16": ("model_fp16.onnx", {"precision": "fp16"}),
    "ONNX, weights int8": ("model_int8.onnx", {"precision": "int8"}),
    ".pt2": ("model.pt2", {}),
}


def train(name, size, minutes):
    """A named architecture after some minutes of generated scenes that are never shown twice."""
    torch.manual_seed(0)
    model = create_model(name)
    model.set_priors(foreground=0.1, depth=3.0)
    rooms = SceneDataset(512, size=size, fresh=True, scenes_per_background=4, transform=train_transform(size))
    loader = make_loader(rooms, batch_size=16, train=True)
    loss_function = DualTaskLoss(depth=DepthLoss(space="log"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    start, epoch, steps = time.monotonic(), 0, 0
    with tqdm(total=round(60 * minutes), unit="s", desc="training", disable=None) as bar:
        while True:
            rooms.set_epoch(epoch)
            for batch in loader:
                spent = (time.monotonic() - start) / (60 * minutes)
                if spent >= 1:
                    return model.eval(), steps
                optimizer.param_groups[0]["lr"] = 2e-3 * (1 - spent) + 1e-5
                optimizer.zero_grad()
                loss_function(model(batch["bg"], batch["fg_bg"]), batch)["total"].backward()
                optimizer.step()
                steps += 1
                bar.update(round(60 * minutes * spent) - bar.n)
            epoch += 1


def exported(model, folder):
    """Every form of the model: what runs it, and what became of the export."""
    threads = torch.get_num_threads()
    for name, (file, options) in tqdm(FORMS.items(), desc="exporting", disable=None):
        report = export_model(model, folder / file, progress=False, **options)
        path = report.path
        yield name, (OnnxModel(path, threads=threads) if path.suffix == ".onnx" else load_model(path)), report


def latencies(runners, size, rounds):
    """Milliseconds per pair of each, in turn, so that a slow minute slows all."""
    bg, fg_bg = torch.rand(2, 1, 3, size, size)
    times = {name: [] for name in runners}
    with torch.no_grad():
        for turn in tqdm(range(rounds + 3), desc="timing", disable=None):
            for name, runner in runners.items():
                start = time.perf_counter()
                runner(bg, fg_bg)
                if turn >= 3:  # the first ones prepare
                    times[name].append(1000 * (time.perf_counter() - start))
    return times


def spread(values):
    low, median, high = statistics.quantiles(values, n=4)
    return {"low": low, "median": median, "high": high}


def measure(model, arguments, scenes, scene_size):
    with tempfile.TemporaryDirectory() as folder:
        forms = list(exported(model, Path(folder)))
        fast = copy.deepcopy(model).to(memory_format=torch.channels_last)
        runners = {"eager": model, "eager, channels last": fast} | {name: runner for name, runner, _ in forms}
        times = latencies(runners, arguments.size, arguments.rounds)
        data = SceneDataset(scenes, size=scene_size, seed=99, transform=eval_transform(scene_size))
        rows = {}
        for name, runner in tqdm(runners.items(), desc="judging", disable=None):
            iou = evaluate(runner, data, floors=False, progress=False).mask["iou"]
            ratios = [a / b for a, b in zip(times["eager"], times[name], strict=True)]
            rows[name] = {"milliseconds": spread(times[name]), "times_faster": spread(ratios), "iou": iou}
            rows[name]["iou_change"] = iou - rows["eager"]["iou"]
        for name, _, report in forms:
            rows[name] |= {"megabytes": report.megabytes, "differences": report.differences}
    return rows


def main():
    short = bool(os.environ.get("FGBGNET_SHORT"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model's or run's folder, or an architecture to train")
    parser.add_argument("--minutes", type=float, default=0.02 if short else 2, help="of training")
    parser.add_argument("--size", type=int, default=64 if short else 224, help="of the pictures that are timed")
    parser.add_argument("--rounds", type=int, default=2 if short else 50)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    scenes, scene_size = (8, 32) if short else (300, 96)
    name = arguments.model or ("fgbgnet_xs" if short else "fgbgnet_s")
    steps = None
    if Path(name).is_dir():
        model = load_model(name)
        scene_size = model.input_size or scene_size
    else:
        model, steps = train(name, scene_size, arguments.minutes)
    rows = measure(model, arguments, scenes, scene_size)
    for form, row in rows.items():
        ms, times = row["milliseconds"], row["times_faster"]["median"]
        print(
            f"{form:22} {row.get('megabytes', float('nan')):7.2f} MB  {ms['median']:7.1f} ms "
            f"({ms['low']:.1f} to {ms['high']:.1f})  {times:5.2f}x  IoU {row['iou']:.4f} ({row['iou_change']:+.4f})  "
            + ", ".join(f"{key} {value:.0e}" for key, value in row.get("differences", {}).items())
        )
    if arguments.out:
        command = f"python examples/benchmarks/export.py --size {arguments.size} --rounds {arguments.rounds}"
        facts = {"model": name, "training_steps": steps, "training_minutes": arguments.minutes if steps else None}
        scenes_facts = {"scenes": scenes, "scene_size": scene_size, "threads": torch.get_num_threads()}
        write_json(arguments.out, {"command": command, "size": arguments.size} | facts | scenes_facts | {"forms": rows})


if __name__ == "__main__":
    main()
