"""Part of `training.py`: how much of a training step passes in waiting for the loader."""

import os
import statistics
import time

import torch
from tqdm import tqdm
from training_race import data

from fgbgnet import DualTaskLoss, create_model, train_transform
from fgbgnet.data import make_loader

MODEL, SIZE = "fgbgnet_s", 96
BATCHES, WORKERS = (16, 32), (0, 1)
COUNTS = {"train": (8192, 0)}


class Training:
    """A network with a loader of its own."""

    def __init__(self, dataset, batch_size, workers):
        torch.manual_seed(0)
        self.model = create_model(MODEL).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 1e-4)
        self.loss = DualTaskLoss()
        self.loader = make_loader(dataset, batch_size, train=True, num_workers=workers)

    def visit(self, steps):
        """Waits, and whole steps, in seconds; the first two steps find a loader that has just begun."""
        found, batches = [], iter(self.loader)
        for _ in range(steps + 2):
            begin = time.perf_counter()
            batch = next(batches)
            waited = time.perf_counter() - begin
            loss = self.loss(self.model(batch["bg"], batch["fg_bg"]), batch)["total"]
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            found.append((waited, time.perf_counter() - begin))
        return found[2:]


def loader(work, short=False):
    """Both tasks, scenes from disk with all of `train_transform`; the candidates in turns."""
    counts, size, batches, rounds, steps = COUNTS, SIZE, BATCHES, 5, 10
    if short:
        counts, size, batches, rounds, steps = {"train": (32, 0)}, 32, (4,), 2, 2
    dataset = data(work, counts, size)["train"].with_transform(train_transform(size))
    candidates = {(batch, workers): Training(dataset, batch, workers) for batch in batches for workers in WORKERS}
    found = {key: [] for key in candidates}
    for _ in tqdm(range(rounds), desc="loader", disable=None):
        for key, candidate in candidates.items():
            found[key].append(candidate.visit(steps))
    rows = []
    for (batch, workers), visits in found.items():
        shares = [sum(waited for waited, _ in visit) / sum(whole for _, whole in visit) for visit in visits]
        step = statistics.median(whole for visit in visits for _, whole in visit)
        rows.append(
            {"batch_size": batch, "workers": workers, "step_ms": 1000 * step,
             "share": {"low": min(shares), "median": statistics.median(shares), "high": max(shares)}}
        )  # fmt: skip
    return {"model": MODEL, "size": size, "rounds": rounds, "steps": steps, "load": os.getloadavg()[1],
            "processors": len(os.sched_getaffinity(0)), "rows": rows}  # fmt: skip
