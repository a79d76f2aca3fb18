"""Part of `training.py`: how long two networks train until they find foregrounds that they never saw."""

import time
from pathlib import Path

import torch
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm

from fgbgnet import DualTaskLoss, MaskLoss, PairedFgBgDataset, SceneDataset, create_model
from fgbgnet.data import make_loader
from fgbgnet.files import atomic_path
from fgbgnet.synth import write_scenes
from fgbgnet.training.schedule import warm_cosine

TARGET, SIZE = 0.90, 96
CLASSIC = {"model": "classic", "batch_size": 32, "every": 15}
OURS = {"model": "fgbgnet_s", "batch_size": 16, "every": 25, "steps": 1000, "learning_rate": 1e-2}
SCENES = {"train": (8192, 0), "val": (512, 1), "test": (512, 2)}
"""Scenes and seed of each side: no background and no foreground stands on two of them."""


def data(work: Path, counts=SCENES, size=SIZE):
    """Scenes on disk, made once."""
    sides = {}
    for side, (count, seed) in counts.items():
        manifest = write_scenes(SceneDataset(count, size=size, seed=seed), work / f"{side}_{size}")
        sides[side] = PairedFgBgDataset(manifest)
    return sides


class Candidate:
    """A network with its recipe, which trains for a while whenever it is its turn.

    Its clock runs while it waits for data, computes and steps, and stands while it is validated or saved.
    """

    def __init__(self, name, recipe, seed, sides, work, budget):
        self.name, self.recipe, self.sides, self.path = name, recipe, sides, work / f"{name}.pt"
        torch.manual_seed(seed)
        self.model = create_model(recipe["model"])
        self.seconds = self.cpu_seconds = 0.0
        self.steps, self.curve, self.sessions, self.budget = 0, [], 0, budget
        classic = recipe["model"] == "classic"
        self.loss = DualTaskLoss(MaskLoss(bce=1, dice=0) if classic else MaskLoss())
        self.clip = None if classic else 1.0
        self.optimizer, self.schedule = (self.of_2020 if classic else self.of_today)()
        if self.path.exists():
            saved = torch.load(self.path, weights_only=True)
            self.model.load_state_dict(saved.pop("model"))
            self.optimizer.load_state_dict(saved.pop("optimizer"))
            vars(self).update(saved)
            self.sessions += 1
        batch, order = recipe["batch_size"], 1000 * self.sessions + seed  # a resumed run sees pairs in a new order
        self.loader = make_loader(sides["train"], batch, train=True, seed=order)
        self.batches = iter(())

    def of_2020(self):
        """SGD; the rate climbs in a straight line for a third of the budget and falls to zero."""
        optimizer = torch.optim.SGD(self.model.parameters(), 0.02, momentum=0.9, weight_decay=1e-4)

        def factor(_):
            share = min(1.0, self.seconds / self.budget)
            return 0.5 + 1.5 * share if share < 1 / 3 else 1.5 * (1 - share)

        return optimizer, LambdaLR(optimizer, factor)

    def of_today(self):
        """AdamW as `fit` uses it: a tenth of the steps up, a cosine down."""
        decaying = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        groups = [{"params": decaying, "weight_decay": 1e-2}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, self.recipe["learning_rate"])
        return optimizer, LambdaLR(optimizer, lambda step: warm_cosine(min(1.0, step / self.recipe["steps"]), 0.1))

    @property
    def reached(self):
        return bool(self.curve) and self.curve[-1]["iou"] >= TARGET

    @property
    def over(self):
        return self.reached or self.seconds >= self.budget or self.steps >= self.recipe.get("steps", float("inf"))

    def turn(self, seconds):
        """Trains for so long at least, up to the next validation."""
        end = self.seconds + seconds
        with tqdm(desc=self.name, disable=None, unit="step", initial=self.steps) as bar:
            while self.seconds < end and not self.over:
                self.step()
                bar.update()
                if self.steps % self.recipe["every"] == 0 or self.over:
                    self.validate()
                    self.save()

    def step(self):
        start, cpu = time.perf_counter(), time.process_time()
        batch = next(self.batches, None)
        if batch is None:
            self.batches = iter(self.loader)
            batch = next(self.batches)
        self.model.train()
        loss = self.loss(self.model(batch["bg"], batch["fg_bg"], tasks=("mask",)), batch)["total"]
        self.optimizer.zero_grad()
        loss.backward()
        if self.clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        self.steps += 1
        self.schedule.step()
        self.seconds += time.perf_counter() - start
        self.cpu_seconds += time.process_time() - cpu

    def validate(self):
        iou = intersection_over_union(self.model, self.sides["val"])
        entry = {"steps": self.steps, "pairs": self.steps * self.recipe["batch_size"], "iou": iou}
        self.curve.append({**entry, "seconds": self.seconds, "cpu_seconds": self.cpu_seconds})
        print(
            f"{self.name}: {self.steps} steps, {self.seconds:.0f} s, {self.cpu_seconds:.0f} CPU s, IoU {iou:.3f}",
            flush=True,
        )

    def save(self):
        plain = ("seconds", "cpu_seconds", "steps", "curve", "sessions")
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        with atomic_path(self.path) as temporary:
            torch.save({**state, **{name: getattr(self, name) for name in plain}}, temporary)

    def result(self):
        test = intersection_over_union(self.model, self.sides["test"]) if self.reached else None
        return {**self.recipe, "reached": self.reached, "test_iou": test, "sessions": self.sessions + 1,
                "curve": self.curve}  # fmt: skip


@torch.no_grad()
def intersection_over_union(model, dataset):
    """Pooled over all pixels."""
    model.eval()
    both = either = 0
    for batch in make_loader(dataset, 16, train=False):
        found, true = model(batch["bg"], batch["fg_bg"], tasks=("mask",))["mask"] > 0, batch["mask"] > 0.5
        both, either = both + int((found & true).sum()), either + int((found | true).sum())
    return both / max(1, either)


def race(work, minutes, seeds, short=False):
    """Classic and ours in turns on the same threads; ours with several seeds."""
    counts, ours, classic, size = SCENES, OURS, CLASSIC, SIZE
    if short:
        counts, size = {side: (16, seed) for side, (_, seed) in SCENES.items()}, 32
        ours, classic = {**OURS, "steps": 4, "every": 2}, {**CLASSIC, "batch_size": 2, "every": 1}
        minutes, seeds = 1 / 60, 1
    sides = data(work, counts, size)
    budget = 60 * minutes
    others = [Candidate(f"fgbgnet_s_{seed}", ours, seed, sides, work, budget) for seed in range(seeds)]
    old = Candidate("classic", classic, 0, sides, work, budget)
    while not all(candidate.over for candidate in (old, *others)):
        waiting = [candidate for candidate in others if not candidate.over]
        for candidate in [*waiting[:1], old]:
            if not candidate.over:
                candidate.turn(budget / 10)
    results = {"target": TARGET, "size": size, "budget_seconds": budget, "threads": torch.get_num_threads(),
               "val_scenes": counts["val"][0], "test_scenes": counts["test"][0],
               "classic": old.result(), "fgbgnet_s": [candidate.result() for candidate in others]}  # fmt: skip
    return {**results, "times_faster": ratios(results)}


def ratios(results):
    """Classic's time over ours; the classic network is credited with its last validation below the target."""
    old = results["classic"]
    below = [entry for entry in old["curve"] if entry["iou"] < TARGET]
    found = {"bound": not old["reached"]}
    for clock in ("seconds", "cpu_seconds"):
        limit = below[-1][clock] if below else 0.0
        found[clock] = [limit / run["curve"][-1][clock] if run["reached"] else None for run in results["fgbgnet_s"]]
    return found
