"""How the two pictures should meet.

Trains the same two-headed networks with every fusion, on two encoders, with the same samples in the same order (one
budget counted in steps, so that a busy machine changes nothing), several seeds, on generated rooms with imperfect
backgrounds; then judges them on rooms that none has seen, clean and under every perturbation::

    python examples/benchmarks/fusion.py --work runs/fusion                  # hours; each finished run is kept
    python examples/benchmarks/fusion.py --work runs/fusion --out fusion.json
    FGBGNET_SHORT=1 python examples/benchmarks/fusion.py                     # seconds

Intervals are 95 % bootstrap intervals over seeds and backgrounds. Latency is measured at the end, in one run, every
network in turn.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from fgbgnet import DepthLoss, DualHeadUNet, DualTaskLoss
from fgbgnet.files import write_json
from fgbgnet.metrics import DEPTH_REGIONS, DEPTH_STATISTICS, MASK_STATISTICS, depth_statistics, mask_statistics
from fgbgnet.models import count_parameters
from fgbgnet.synth import PAIR_PERTURBATIONS, PERTURBATIONS, RandomPairPerturb, SceneDataset, perturb_pair
from fgbgnet.training.memory import keep_freed_memory

FRAMES = 4  # per background
FUSIONS = {
    "early": {"fusion": "early"},
    "early_diff": {"fusion": "early_diff"},
    "siamese concat": {"fusion": "siamese", "merge": "concat"},
    "siamese abs_diff": {"fusion": "siamese", "merge": "abs_diff"},
    "siamese correlation": {"fusion": "siamese", "merge": "correlation"},
    "siamese exchange": {"fusion": "siamese", "merge": "exchange"},
}
THIN = {"decoder_block": "separable", "decoder_channels": (64, 40, 24, 16), "upsampling": 2}
ENCODERS = {"tu-mobilenetv3_small_100": THIN, "tu-convnext_atto": THIN}
# Where nothing is new there is no intersection to speak of.
COUNTS = ("clean", *PERTURBATIONS, *(name for name in PAIR_PERTURBATIONS if name != "empty"))


@dataclass(frozen=True)
class Budget:
    """What every network gets."""

    size: int = 64
    scenes: int = 1536
    test_scenes: int = 96
    batch: int = 16
    steps: int = 240
    seeds: int = 3
    severity: int = 3
    learning_rate: float = 3e-3


SHORT = Budget(size=32, scenes=16, test_scenes=8, batch=4, steps=2, seeds=1)


def load(count, size, seed, path):
    """Rooms as one batch, kept in a file for the next start."""
    if path.exists():
        return torch.load(path)
    rooms = SceneDataset(count, size=size, seed=seed, scenes_per_background=FRAMES)
    samples = [rooms[number] for number in tqdm(range(count), desc="rendering", disable=None)]
    batch = {key: torch.stack([s[key] for s in samples]) for key in ("bg", "fg_bg", "mask", "depth", "depth_valid")}
    torch.save(batch, path)
    return batch


def build(encoder, fusion, seed):
    torch.manual_seed(seed)
    model = DualHeadUNet(encoder, **ENCODERS[encoder], **FUSIONS[fusion])
    model.set_priors(foreground=0.1, depth=3.0)
    return model.to(memory_format=torch.channels_last)


def lessons(rooms, budget, seed):
    """The batches of a training: samples, perturbations and order depend on the seed alone. Pictures as bytes."""
    augment = RandomPairPerturb()
    generator = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.long)
    batches = []
    for step in tqdm(range(budget.steps), desc=f"samples of seed {seed}", disable=None):
        if len(order) < budget.batch:
            order = torch.randperm(len(rooms["bg"]), generator=generator)
        chosen, order = order[: budget.batch], order[budget.batch :]
        first = (seed * budget.steps + step) * budget.batch
        batch = {key: layer[chosen] for key, layer in rooms.items()}
        batch = augment(batch, seeds=range(first, first + budget.batch))
        pictures = {key: (batch[key] * 255).round().byte() for key in ("bg", "fg_bg")}
        batches.append({**batch, **pictures, "mask": batch["mask"] > 0.5})
    return batches


def train(model, batches, budget):
    loss_function = DualTaskLoss(depth=DepthLoss(space="log"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=budget.learning_rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, budget.learning_rate, total_steps=budget.steps)
    model.train()
    for batch in batches:
        outputs = model(batch["bg"] / 255, batch["fg_bg"] / 255)
        losses = loss_function(outputs, batch)
        optimizer.zero_grad()
        losses["total"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def cells(rooms, severity):
    """The test rooms, clean and under every perturbation."""
    count = len(rooms["bg"])
    partners = {key: layer.roll(FRAMES, 0) for key, layer in rooms.items()}  # of another background
    yield "clean", rooms
    for name in COUNTS[1:]:
        yield name, perturb_pair(rooms, name, severity, seeds=list(range(count)), partners=partners)


@torch.no_grad()
def judge(model, tests):
    """Per cell and background: pixels of intersection and union, of the whole mask and its boundary; depth errors."""
    model.eval()
    result = {}
    for name, rooms in tests.items():
        outputs = model(rooms["bg"], rooms["fg_bg"])
        result[name] = [
            figures_of(
                mask_statistics(outputs["mask"][own], rooms["mask"][own]),
                depth_statistics(outputs["depth"][own], rooms["depth"][own], rooms["depth_valid"][own]),
            )
            for own in (slice(start, start + FRAMES) for start in range(0, len(rooms["bg"]), FRAMES))
        ]
    return result


def figures_of(mask, depth):
    """Numerators and denominators of mask IoU, boundary IoU and AbsRel."""
    m = dict(zip(MASK_STATISTICS, mask.tolist(), strict=True))
    d = dict(zip(DEPTH_STATISTICS, depth[DEPTH_REGIONS.index("all")].tolist(), strict=True))
    boundary = m["boundary_intersection"], m["boundary_union"]
    return [m["tp"], m["tp"] + m["fp"] + m["fn"], *boundary, d["abs_rel"], d["pixels"]]


def figures(runs, rng=None):
    """Mask IoU, boundary IoU, AbsRel: clean, mean over the perturbations, worst of them; means over the seeds.

    With a random generator: of a resample of seeds and backgrounds.
    """
    sums = np.array([[run[name] for name in COUNTS] for run in runs])  # seed, cell, background, count
    if rng is not None:
        seeds, backgrounds = sums.shape[0], sums.shape[2]
        sums = sums[rng.integers(seeds, size=seeds)][:, :, rng.integers(backgrounds, size=backgrounds)]
    pooled = sums.sum(2)  # seed, cell, count
    ratios = pooled[..., ::2] / np.maximum(pooled[..., 1::2], 1e-9)
    names = ("iou", "boundary_iou", "abs_rel")
    result = {}
    for k, name in enumerate(names):
        values = ratios[..., k].mean(0)
        worst = values[1:].max() if name == "abs_rel" else values[1:].min()
        result[name] = {"clean": values[0], "mean": values[1:].mean(), "worst": worst}
        result[name]["worst_name"] = COUNTS[
            1 + int(np.argmax(values[1:]) if name == "abs_rel" else np.argmin(values[1:]))
        ]
    return result


def interval(runs, draws=1000):
    rng = np.random.default_rng(0)
    samples = [figures(runs, rng) for _ in range(draws)]
    return {
        name: {
            column: [float(q) for q in np.quantile([s[name][column] for s in samples], (0.025, 0.975))]
            for column in ("clean", "mean", "worst")
        }
        for name in ("iou", "boundary_iou", "abs_rel")
    }


def latencies(fusions, size, rounds):
    """Milliseconds of every network, in turn, and their ratios to early fusion of the same round."""
    pair = torch.rand(2, 1, 3, size, size)
    models = {(e, f): build(e, f, 0).eval() for e in ENCODERS for f in fusions}
    times = {key: [] for key in models}
    with torch.no_grad():
        for turn in range(rounds + 2):
            for key, model in models.items():
                start = time.perf_counter()
                model(*pair)
                if turn >= 2:
                    times[key].append(1000 * (time.perf_counter() - start))
    ratios = {}
    for (encoder, fusion), own in times.items():
        quotients = [a / b for a, b in zip(own, times[encoder, "early"], strict=True)]
        low, median, high = statistics.quantiles(quotients, n=4)
        ratios[encoder, fusion] = {"low": low, "median": median, "high": high}
    return ratios


def study(budget, fusions, work):
    """Trains and judges whatever is not yet in the work folder; one line of JSON for each finished run."""
    keep_freed_memory()
    work.mkdir(parents=True, exist_ok=True)
    rooms = load(budget.scenes, budget.size, 1, work / "train.pt")
    tests = dict(cells(load(budget.test_scenes, budget.size, 2, work / "test.pt"), budget.severity))
    log = work / "runs.jsonl"
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    finished = {(run["seed"], run["encoder"], run["fusion"]) for run in done}
    plan = [(s, e, f) for s in range(budget.seeds) for f in fusions for e in ENCODERS]
    plan.sort(key=lambda key: FUSIONS[key[2]].get("merge") == "exchange")  # the costliest last
    batches, batches_of = [], None
    for seed, encoder, fusion in tqdm([key for key in plan if key not in finished], desc="trainings", disable=None):
        if batches_of != seed:
            batches, batches_of = lessons(rooms, budget, seed), seed
        model = build(encoder, fusion, seed)
        train(model, batches, budget)
        run = {
            "encoder": encoder,
            "fusion": fusion,
            "seed": seed,
            "budget": asdict(budget),
            "cells": judge(model, tests),
        }
        done.append(run)
        with log.open("a") as file:
            file.write(json.dumps(run) + "\n")
        summary = figures([run["cells"]]).items()
        texts = [f"{name} {v['clean']:.3f} {v['mean']:.3f} {v['worst']:.3f}" for name, v in summary]
        tqdm.write(f"{encoder:26}{fusion:34}{seed}  {'  '.join(texts)}")
    return done


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="keeps data and finished runs; a temporary folder by default")
    parser.add_argument("--fusions", nargs="+", choices=FUSIONS, default=list(FUSIONS), metavar="NAME")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    short = bool(os.environ.get("FGBGNET_SHORT"))
    budget = SHORT if short else Budget()
    with tempfile.TemporaryDirectory() as temporary:
        runs = study(budget, arguments.fusions, arguments.work or Path(temporary))
    ratios = latencies(arguments.fusions, 64, 2) if short else latencies(arguments.fusions, 224, 20)
    table = {}
    for encoder in ENCODERS:
        for fusion in arguments.fusions:
            own = [run["cells"] for run in runs if (run["encoder"], run["fusion"]) == (encoder, fusion)]
            table.setdefault(encoder, {})[fusion] = {
                **figures(own),
                "interval": interval(own, 20 if short else 1000),
                "seeds": len(own),
                "parameters": count_parameters(build(encoder, fusion, 0)),
                "latency_ratio": ratios[encoder, fusion],
            }
    for encoder, rows in table.items():
        print(f"\n{encoder}: mask IoU, boundary IoU, AbsRel (clean, mean of perturbations, worst), latency to early")
        for fusion, row in rows.items():
            cells_of = "   ".join(
                " ".join(f"{row[name][column]:.3f}" for column in ("clean", "mean", "worst"))
                for name in ("iou", "boundary_iou", "abs_rel")
            )
            print(f"{fusion:34}{cells_of}   {row['latency_ratio']['median']:.2f}   {row['parameters']:,}")
    if arguments.out:
        names = " ".join(f'"{name}"' for name in arguments.fusions)
        command = f"python examples/benchmarks/fusion.py --work runs/fusion --fusions {names} --out fusion.json"
        write_json(arguments.out, {"command": command, "budget": asdict(budget), "encoders": table})


if __name__ == "__main__":
    main()
