"""Which losses, alone and together, and how the two tasks should be balanced.

Trains one small two-headed network with every loss of the mask alone, every loss of the depth alone, and both tasks
under every balance: the same samples in the same order (one budget counted in steps, so that a busy machine changes
nothing), several seeds, on generated rooms with imperfect backgrounds. Then judges it on rooms that none has seen::

    python examples/benchmarks/losses.py --work runs/losses                    # an hour; each finished run is kept
    python examples/benchmarks/losses.py --work runs/losses --out losses.json
    FGBGNET_SHORT=1 python examples/benchmarks/losses.py                       # seconds

There is no gradient clipping: AdamW does not see the scale of a loss, a clipped gradient would. FAMO (Liu et al., 2023)
is not in the package; it is here to see whether it should be.
"""

import argparse
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.nn.functional import softmax
from tqdm import tqdm

from fgbgnet import DualHeadUNet
from fgbgnet.evaluation import CompensatedDifference, GlobalMeanDepth
from fgbgnet.files import write_json
from fgbgnet.losses import make_loss
from fgbgnet.metrics import compute_depth_metrics, compute_mask_metrics, depth_statistics, mask_statistics
from fgbgnet.synth import RandomPairPerturb, SceneGenerator
from fgbgnet.training.memory import keep_freed_memory

FRAMES = 4  # per background
EPOCH = 15  # steps; what dwa averages over
NETWORK = {
    "encoder_name": "tu-mobilenetv3_small_100",
    "fusion": "early_diff",
    "decoder_block": "separable",
    "decoder_channels": (64, 40, 24, 16),
    "upsampling": 2,
}
MASK = [
    {"bce": 1},
    {"dice": 1},
    {"bce": 1, "dice": 1},
    {"focal": 1},
    {"tversky": 1},
    {"lovasz": 1},
    {"bce": 1, "lovasz": 1},
    {"boundary": 1},
    {"boundary": 1, "dice": 1},
]
DEPTH = [
    {"l1": 1},
    {"l1": 1, "gradient": 0.5},
    {"mse": 1},
    {"berhu": 1},
    {"silog": 1},
    {"l1": 1, "ssim": 0.5},
    {"l1": 1, "multi_scale": 0.5},
    {"l1": 1, "gradient": 0.5, "smoothness": 0.1},
    {"scale_shift_invariant": 1, "space": "linear", "trim": 0},
    {"scale_shift_invariant": 1, "space": "linear", "trim": 0.2},
    {"l1": 1, "gradient": 0.5, "space": "linear"},
]
FLOORS = ["mask: floor, compensated difference", "depth: floor, mean of the training rooms"]
BALANCES = ["fixed", "normalised", "uncertainty", "dwa", "random", "famo"]


@dataclass(frozen=True)
class Budget:
    """What every network gets."""

    size: int = 64
    scenes: int = 1536
    test_scenes: int = 128
    batch: int = 16
    steps: int = 150
    seeds: int = 3
    severity: float = 3.0
    learning_rate: float = 3e-3


SHORT = Budget(size=32, scenes=8, test_scenes=4, batch=4, steps=2, seeds=1)


class Famo:
    """Weights that let every loss shrink at the same rate, from how the last step changed them (Liu et al., 2023)."""

    def __init__(self):
        self.logits = torch.zeros(2, requires_grad=True)
        self.optimizer = torch.optim.Adam([self.logits], lr=0.025, weight_decay=1e-3)

    def total(self, losses):
        """Weighted sum of the logarithms of the losses, normalised as in the paper."""
        shares = softmax(self.logits, 0).detach()
        return (shares * losses.log()).sum() / (shares / losses.detach()).sum()

    def update(self, before, after):
        """After the step of the network: the losses of the same batch before and after it."""
        change = before.log() - after.log()
        (self.logits.grad,) = torch.autograd.grad(softmax(self.logits, 0), self.logits, change)
        self.optimizer.step()


def plan():
    """Name, tasks, and arguments of `make_loss` of every row that is trained."""
    rows = {}
    for terms in MASK:
        rows[f"mask: {_name(terms)}"] = ("mask",), {"mask_loss": terms}
    for terms in DEPTH:
        rows[f"depth: {_name(terms)}"] = ("depth",), {"depth_loss": terms}
    for name in BALANCES:
        rows[f"both: {name}"] = ("mask", "depth"), {"balance": "fixed" if name == "famo" else name}
    return rows


def _name(terms):
    weighted = [n if w == 1 else f"{w} {n}" for n, w in terms.items() if n not in ("space", "trim")]
    trim = f", trim {terms['trim']}" if "trim" in terms else ""
    return " + ".join(weighted) + (f", {terms['space']} space" if "space" in terms else "") + trim


def rooms(count, size, seed):
    """Generated rooms as one batch."""
    generator = SceneGenerator(size=size, seed=seed)
    parts = [range(start, min(start + 32, count)) for start in range(0, count, 32)]
    drawn = [
        generator.batch(ids, [i // FRAMES for i in ids])
        for ids in tqdm(parts, desc=f"rooms, seed {seed}", disable=None)
    ]
    return {key: torch.cat([part[key] for part in drawn]) for key in ("bg", "fg_bg", "mask", "depth", "depth_valid")}


def lessons(train, budget, seed):
    """The batches of a training: samples, perturbations and order depend on the seed alone."""
    augment = RandomPairPerturb(max_severity=budget.severity)
    generator = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.long)
    batches = []
    for step in tqdm(range(budget.steps), desc=f"samples, seed {seed}", disable=None):
        if len(order) < budget.batch:
            order = torch.randperm(len(train["bg"]), generator=generator)
        chosen, order = order[: budget.batch], order[budget.batch :]
        first = (seed * budget.steps + step) * budget.batch
        batches.append(
            augment({key: layer[chosen] for key, layer in train.items()}, seeds=range(first, first + budget.batch))
        )
    return batches


def train(batches, budget, seed, tasks, arguments, famo):
    """A network trained on the batches."""
    torch.manual_seed(seed)
    model = DualHeadUNet(**NETWORK)
    model.set_priors(foreground=0.1, depth=3.0)
    model = model.to(memory_format=torch.channels_last).train()
    loss_function = make_loss(**arguments, depth_unit="metres", seed=seed)
    groups = [{"params": model.parameters()}, {"params": loss_function.parameters(), "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=budget.learning_rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, budget.learning_rate, total_steps=budget.steps)
    for step, batch in enumerate(batches, 1):
        losses = loss_function(model(batch["bg"], batch["fg_bg"], tasks=tasks), batch)
        values = torch.stack([losses[task] for task in tasks])
        optimizer.zero_grad()
        (famo.total(values) if famo else losses["total"]).backward()
        optimizer.step()
        schedule.step()
        if famo:
            with torch.no_grad():
                after = loss_function(model(batch["bg"], batch["fg_bg"], tasks=tasks), batch)
            famo.update(values.detach(), torch.stack([after[task] for task in tasks]))
        if step % EPOCH == 0:
            loss_function.end_epoch()
    return model


def floor(task, batches):
    """What needs no network: a threshold on the difference that suits the samples best, or their mean depth."""
    return (CompensatedDifference() if task == "mask" else GlobalMeanDepth()).fit(batches)


def tests(budget):
    """The test rooms: clean, with imperfect backgrounds, and with nothing new in front of an imperfect background."""
    clean = rooms(budget.test_scenes, budget.size, 2)
    seeds = range(10**6, 10**6 + budget.test_scenes)
    imperfect = RandomPairPerturb(max_severity=budget.severity, p_empty=0)(clean, seeds=seeds)
    empty = RandomPairPerturb(max_severity=budget.severity, p_empty=1, exclusive=False)(clean, seeds=seeds)
    return {"clean": clean, "imperfect": imperfect, "empty": empty}


@torch.no_grad()
def judge(model, cells, tasks):
    """Figures of one network."""
    model.eval()
    outputs = {name: model(rooms["bg"], rooms["fg_bg"], tasks=tasks) for name, rooms in cells.items()}
    figures = {}
    truth = cells["imperfect"]
    if "mask" in tasks:
        for name in ("clean", "imperfect"):
            sums = compute_mask_metrics(mask_statistics(outputs[name]["mask"], cells[name]["mask"]))
            figures[f"IoU, {name}"], figures[f"boundary IoU, {name}"] = sums["iou"], sums["boundary_iou"]
        figures["false alarms, empty"] = (outputs["empty"]["mask"] > 0).float().mean().item()
    if "depth" in tasks:
        depth = outputs["imperfect"]["depth"], truth["depth"], truth["depth_valid"], truth["mask"]
        plain = compute_depth_metrics(depth_statistics(*depth))
        aligned = compute_depth_metrics(depth_statistics(*depth, alignment="scale_shift"))
        figures |= {"AbsRel": plain["abs_rel"], "RMSE": plain["rmse"], "d1": plain["d1"]}
        figures |= {"AbsRel, aligned": aligned["abs_rel"], "AbsRel, contour": plain["contour"]["abs_rel"]}
    return {name: float(value) for name, value in figures.items()}


def study(budget, work, names, finished_only):
    """Trains and judges whatever is not yet in the work folder; one line of JSON for each finished run."""
    keep_freed_memory()
    work.mkdir(parents=True, exist_ok=True)
    log = work / "runs.jsonl"
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    finished = {(run["row"], run["seed"]) for run in done if run["budget"] == asdict(budget)}
    planned = [(0, row) for row in FLOORS] + [(seed, row) for seed in range(budget.seeds) for row in names]
    open_runs = [(seed, row) for seed, row in planned if (row, seed) not in finished]
    if finished_only:
        open_runs = []
    if open_runs:
        train_rooms, cells = rooms(budget.scenes, budget.size, 1), tests(budget)
    batches, batches_of = [], None
    for seed, row in tqdm(open_runs, desc="trainings", disable=None):
        if batches_of != seed:
            batches, batches_of = lessons(train_rooms, budget, seed), seed
        if row in FLOORS:
            tasks = (row.split(":")[0],)
            model = floor(tasks[0], batches)
        else:
            tasks, arguments = plan()[row]
            model = train(batches, budget, seed, tasks, arguments, Famo() if row == "both: famo" else None)
        done.append({"row": row, "seed": seed, "budget": asdict(budget), "figures": judge(model, cells, tasks)})
        with log.open("a") as file:
            file.write(json.dumps(done[-1]) + "\n")
        tqdm.write(f"{row:50}{seed}  " + "  ".join(f"{n} {v:.3f}" for n, v in done[-1]["figures"].items()))
    return [run for run in done if run["budget"] == asdict(budget) and run["row"] in [*names, *FLOORS]]


def table(runs, names):
    """Per row and figure: mean, least and greatest over the seeds."""
    result = {}
    for row in [*FLOORS, *names]:
        own = [run["figures"] for run in runs if run["row"] == row]
        if own:
            values = {name: [figures[name] for figures in own] for name in own[0]}
            spread = {n: {"mean": sum(v) / len(v), "low": min(v), "high": max(v)} for n, v in values.items()}
            result[row] = {"seeds": len(own), "figures": spread}
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="keeps finished runs; a temporary folder by default")
    parser.add_argument("--finished", action="store_true", help="trains nothing: the table of what has finished")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    short = bool(os.environ.get("FGBGNET_SHORT"))
    budget, names = (SHORT, list(plan())[::5]) if short else (Budget(), list(plan()))
    with tempfile.TemporaryDirectory() as temporary:
        runs = study(budget, arguments.work or Path(temporary), names, arguments.finished)
    rows = table(runs, names)
    for row, content in rows.items():
        figures = "  ".join(
            f"{n} {v['mean']:.3f} ({v['low']:.3f} to {v['high']:.3f})" for n, v in content["figures"].items()
        )
        print(f"{row:50}{figures}")
    if arguments.out:
        command = "python examples/benchmarks/losses.py --work runs/losses --out losses.json"
        write_json(arguments.out, {"command": command, "budget": asdict(budget), "rows": rows})


if __name__ == "__main__":
    main()
