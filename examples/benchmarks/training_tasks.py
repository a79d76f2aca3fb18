"""Part of `training.py`: both tasks together against the two in turns, with the same number of steps for each task."""

import os
import statistics
import time
from contextlib import nullcontext

import torch
from tqdm import tqdm
from training_race import data

from fgbgnet import DepthLoss, DualTaskLoss, create_model
from fgbgnet.data import make_loader
from fgbgnet.metrics import DepthMetrics, MaskMetrics, depth_protocol
from fgbgnet.models import frozen
from fgbgnet.training.schedule import warm_cosine

MODEL, SIZE, BATCH, RATE = "fgbgnet_s", 96, 16, 4e-3
COUNTS = {"train": (8192, 0), "test": (512, 2)}
WAYS = {
    "together": [(("mask", "depth"), ())],
    "in turns": [(("depth",), ("mask",)), (("mask",), ("depth",))],
    "in turns, depth kept": [(("depth",), ("mask",)), (("mask",), ("shared", "depth"))],
}
"""Tasks that are trained, and branches that are frozen meanwhile, phase by phase."""


def phases(way, model, dataset, steps, seed):
    """Trains; every item is the wall time and the processor time of a step, the wait for its data included."""
    loss_function = DualTaskLoss(depth=DepthLoss(space="log"))
    for number, (tasks, kept) in enumerate(WAYS[way]):
        with frozen(model, *kept) if kept else nullcontext():
            learning = [p for p in model.parameters() if p.requires_grad]
            groups = [
                {"params": [p for p in learning if p.ndim > 1], "weight_decay": 1e-2},
                {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
            ]
            optimizer = torch.optim.AdamW(groups, RATE)
            batches = forever(make_loader(dataset, BATCH, train=True, seed=1000 * number + seed))
            model.train()
            for step in range(steps):
                begin, cpu = time.perf_counter(), time.process_time()
                batch = next(batches)
                for group in optimizer.param_groups:
                    group["lr"] = RATE * warm_cosine(step / steps, 0.1)
                loss = loss_function(model(batch["bg"], batch["fg_bg"], tasks=tasks), batch)["total"]
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(learning, 1.0)
                optimizer.step()
                yield time.perf_counter() - begin, time.process_time() - cpu


def forever(loader):
    while True:
        yield from loader


@torch.no_grad()
def judge(model, dataset):
    model.eval()
    mask, depth = MaskMetrics(), DepthMetrics(**depth_protocol("metres"))
    for batch in make_loader(dataset, BATCH, train=False):
        outputs = model(batch["bg"], batch["fg_bg"])
        mask.update(outputs["mask"], batch["mask"])
        depth.update(outputs["depth"], batch["depth"], batch["depth_valid"])
    return {"iou": float(mask.compute()["iou"]), "abs_rel": float(depth.compute()["abs_rel"])}


def one_seed(sides, steps, seed, ways=WAYS):
    """All ways, a few steps at a time in turns, so that a noisy machine treats them alike."""
    models = {}
    for way in ways:
        torch.manual_seed(seed)
        models[way] = create_model(MODEL)
    runs = {way: phases(way, model, sides["train"], steps, seed) for way, model in models.items()}
    clocks = {way: [] for way in ways}
    with tqdm(total=sum(steps * len(WAYS[way]) for way in ways), desc=f"seed {seed}", disable=None) as bar:
        while runs:
            for way in list(runs):
                for _ in range(5 * len(WAYS[way])):  # all of them end at about the same time
                    clock = next(runs[way], None)
                    if clock is None:
                        del runs[way]
                        break
                    clocks[way].append(clock)
                    bar.update()
    totals = {way: [sum(column) for column in zip(*found, strict=True)] for way, found in clocks.items()}
    return {
        way: {"seconds": totals[way][0], "cpu_seconds": totals[way][1], **judge(model, sides["test"])}
        for way, model in models.items()
    }


def joint(work, seeds, steps, short=False):
    """Time and figures of every way, seed by seed, and the time of both together as a share of the others."""
    counts, size = COUNTS, SIZE
    if short:
        counts, size, seeds, steps = {side: (32, seed) for side, (_, seed) in COUNTS.items()}, 32, 1, 2
    sides = data(work, counts, size)
    runs = [one_seed(sides, steps, seed) for seed in range(seeds)]
    shares = {}
    for way in WAYS:
        if way != "together":
            shares[way] = {
                clock: statistics.median(run["together"][clock] / run[way][clock] for run in runs)
                for clock in ("seconds", "cpu_seconds")
            }
    return {"model": MODEL, "size": size, "batch_size": BATCH, "steps": steps, "load": os.getloadavg()[1],
            "runs": runs, "share_of_time": shares}  # fmt: skip
