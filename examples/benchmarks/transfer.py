"""What a network that saw nothing but generated scenes does on real pictures: the measure of the generator.

A fixed small network is trained for a fixed number of steps on scenes that are all new, with imperfect backgrounds, and
is then judged on real pictures that it never saw, clean and perturbed, beside the floors::

    python examples/benchmarks/transfer.py --real people=a/manifest.csv --real cars=b/manifest.csv --out transfer.json

Pictures are judged at their own size. An interrupted training goes on with ``--checkpoint FILE``. Without ``--real``
the network is judged on scenes of another seed alone, which says little.
"""

import argparse
import json
import math
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

import fgbgnet
from fgbgnet import PairedFgBgDataset, create_model, evaluate
from fgbgnet.files import atomic_path, write_json
from fgbgnet.losses import DepthLoss, DualTaskLoss
from fgbgnet.synth import RandomPairPerturb, SceneDataset, SceneGenerator
from fgbgnet.synth.scenes.generator import GENERATOR_VERSION

MODEL = "fgbgnet_xs"
STAGES = ((64, 32, 1000), (176, 8, 620))
"""Side of the pictures, scenes of a batch, steps."""
SHORT_STAGES = ((32, 4, 3), (48, 2, 2))
LEARNING_RATE = 4e-3
SKY = 60.0
"""Metres that the network learns for the sky: without them it may say anything there."""
PERTURBATIONS = {"clean": None, "mixed 1": ("mixed", 1), "mixed 3": ("mixed", 3), "mixed 5": ("mixed", 5)}
KEYS = ("bg", "fg_bg", "mask", "depth", "depth_valid")


class FreshBatches(IterableDataset):
    """Batches of scenes that nobody saw before, perturbed; batch k of a stage is a function of (seed, k)."""

    def __init__(self, size: int, batch_size: int, first_scene: int, batches: range, seed: int) -> None:
        self.batch_size, self.first_scene, self.batches, self.seed = batch_size, first_scene, batches, seed
        self.generator = SceneGenerator(size, seed)
        self.augment = RandomPairPerturb(p_bg=0.75, p_object=0.08)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        worker = torch.utils.data.get_worker_info()
        mine = self.batches if worker is None else self.batches[worker.id :: worker.num_workers]
        for k in mine:
            first = self.first_scene + k * self.batch_size
            numbers = range(first, first + self.batch_size)
            scenes = self.generator.batch(numbers)
            flipped = np.random.default_rng((self.seed, first)).random(self.batch_size) < 0.5
            scenes["depth"] = torch.where(scenes["depth_valid"], scenes["depth"], SKY)
            scenes["depth_valid"] = torch.ones_like(scenes["depth_valid"])
            batch = {key: scenes[key] for key in KEYS}
            batch = {
                key: torch.where(torch.from_numpy(flipped).view(-1, 1, 1, 1), x.flip(3), x) for key, x in batch.items()
            }
            yield self.augment(batch, list(numbers))


def one_thread(_: int) -> None:
    torch.set_num_threads(1)


def train(stages, seed: int, workers: int, checkpoint: Path | None):
    """Trains through the stages; returns the model and how long it took in seconds."""
    torch.manual_seed(seed)
    model = create_model(MODEL).to(memory_format=torch.channels_last)
    criterion = DualTaskLoss(depth=DepthLoss(space="log"))
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=1e-3)
    total = sum(steps for _, _, steps in stages)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: _one_cycle(k / total))
    state = {"model": model, "optimizer": optimizer, "schedule": schedule}
    done, seconds = _restore(checkpoint, state, {"stages": list(map(list, stages)), "seed": seed})
    model.train()
    begin, first_step, first_scene, losses = time.perf_counter() - seconds, 0, 10**9, []
    for size, batch_size, steps in stages:
        todo = range(max(0, done - first_step), steps)
        batches = FreshBatches(size, batch_size, first_scene, todo, seed)
        loader = DataLoader(
            batches, None, num_workers=workers, worker_init_fn=one_thread, prefetch_factor=4 if workers else None
        )
        for k, batch in zip(todo, loader, strict=False):
            outputs = model(*(batch[key].contiguous(memory_format=torch.channels_last) for key in ("bg", "fg_bg")))
            loss = criterion(outputs, batch)
            optimizer.zero_grad()
            loss["total"].backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            losses.append([loss["mask"].item(), loss["depth"].item()])
            step = first_step + k + 1
            if step % 100 == 0 or step == total:
                _report(step, total, losses[-100:], time.perf_counter() - begin)
                _save(
                    checkpoint,
                    state,
                    {"stages": list(map(list, stages)), "seed": seed},
                    step,
                    time.perf_counter() - begin,
                )
        first_step, first_scene = first_step + steps, first_scene + steps * batch_size
        done = max(done, first_step)
    return model.eval(), time.perf_counter() - begin


def _one_cycle(x: float) -> float:
    return min(x / 0.1 + 0.05, 1.0) * (0.5 + 0.5 * math.cos(math.pi * min(x, 1.0))) + 1e-3


def _report(step, total, recent, seconds) -> None:
    mask, depth = (statistics.mean(values) for values in zip(*recent, strict=True))
    left = seconds / step * (total - step)
    print(
        f"step {step}/{total}  mask {mask:.3f}  depth {depth:.3f}  {seconds / 60:.1f} min, {left / 60:.1f} left",
        flush=True,
    )


def _save(path, state, settings, step, seconds) -> None:
    if path is not None:
        with atomic_path(path) as temporary:
            torch.save(
                {
                    "step": step,
                    "seconds": seconds,
                    "settings": settings,
                    **{k: v.state_dict() for k, v in state.items()},
                },
                temporary,
            )


def _restore(path, state, settings):
    if path is None or not path.exists():
        return 0, 0.0
    saved = torch.load(path, weights_only=True)
    if saved["settings"] != settings:
        raise SystemExit(f"{path} was made with {saved['settings']}, this run has {settings}; give another file")
    for name, item in state.items():
        item.load_state_dict(saved[name])
    return saved["step"], saved["seconds"]


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks with ties at their middle."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


@torch.no_grad()
def depth_rank_correlation(model, dataset) -> dict[str, float] | None:
    """Spearman's rank correlation of predicted and given depth, and of the row (low = near); mean over pictures."""
    figures = []
    for k in range(len(dataset)):
        sample = dataset[k]
        valid = sample["depth_valid"][0].numpy()
        if not valid.any():
            continue
        predicted = model(sample["bg"][None], sample["fg_bg"][None])["depth"][0, 0].numpy()
        rows = -np.broadcast_to(np.arange(valid.shape[0])[:, None], valid.shape)
        truth = ranks(sample["depth"][0].numpy()[valid])
        figures.append([np.corrcoef(ranks(x[valid]), truth)[0, 1] for x in (predicted, rows)])
    if not figures:
        return None
    model_, floor = np.mean(figures, axis=0)
    return {"model": float(model_), "row_floor": float(floor), "pictures": len(figures)}


def judge(model, dataset) -> dict:
    """Pooled and image-mean IoU of model and floors for each perturbation, and the depth's rank correlation."""
    result: dict = {"n": len(dataset), "depth_rank_correlation": depth_rank_correlation(model, dataset)}
    for title, perturbation in PERTURBATIONS.items():
        figures = evaluate(model, dataset, perturbation=perturbation, progress=False).to_dict()
        floors = {name: values for name, values in figures["floors"].items() if "difference" in name}
        result[title] = {"model": figures["mask"], "floors": floors}
    return result


def show(name: str, result: dict) -> None:
    for title in PERTURBATIONS:
        figures = result[title]
        floors = "  ".join(f"{k} {v['iou']:.3f}" for k, v in figures["floors"].items())
        print(f"{name:16s}{title:10s} IoU {figures['model']['iou']:.3f}   floors: {floors}")
    print(f"{name:16s}depth rank correlation: {result['depth_rank_correlation']}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    short = bool(os.environ.get("FGBGNET_SHORT"))
    parser.add_argument(
        "--real", action="append", default=[], metavar="NAME=MANIFEST", help="real pictures; repeatable"
    )
    parser.add_argument("--short", action="store_true", default=short, help="a few steps, to see that it runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes that make scenes")
    parser.add_argument("--checkpoint", type=Path, help="file to resume from, written every 100 steps")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--note", default="", help="what is new about the generator, for the history")
    arguments = parser.parse_args()
    sets = {}
    for item in arguments.real:
        name, separator, path = item.partition("=")
        if not separator:
            parser.error(f"--real {item}: expected NAME=MANIFEST")
        sets[name] = PairedFgBgDataset(path)
    torch.set_num_threads(
        max(1, len(os.sched_getaffinity(0)) - arguments.workers) if hasattr(os, "sched_getaffinity") else 1
    )
    stages = SHORT_STAGES if arguments.short else STAGES
    model, seconds = train(stages, arguments.seed, arguments.workers, arguments.checkpoint)
    sets["scenes"] = SceneDataset(8 if arguments.short else 200, size=stages[-1][0], seed=arguments.seed + 1)
    results = {}
    for name, dataset in sets.items():
        results[name] = judge(model, dataset)
        show(name, results[name])
    if arguments.out:
        record = {
            "command": "python examples/benchmarks/transfer.py --real NAME=MANIFEST ... --out FILE",
            "note": arguments.note, "generator_version": GENERATOR_VERSION, "fgbgnet": fgbgnet.__version__,
            "torch": torch.__version__, "model": MODEL, "stages": stages, "seed": arguments.seed,
            "pairs": sum(b * s for _, b, s in stages), "minutes": seconds / 60, "results": results,
        }  # fmt: skip
        write_json(arguments.out, json.loads(json.dumps(record)))


if __name__ == "__main__":
    main()
