"""What the stages of the training transform cost, beside the same stages made of albumentations and float tensors.

The reference is what a user of albumentations writes: a random resized crop, a flip and a rotation one after the other,
masks and depth by the nearest pixel, ``ColorJitter``, and perturbations of float tensors. Both get the same decoded
layers and give the same kind of sample. They take turns, on one thread; times are those of the processor, so that
other work on the machine disturbs them less::

    python examples/benchmarks/transforms.py                  # minutes
    FGBGNET_SHORT=1 python examples/benchmarks/transforms.py  # seconds
    python examples/benchmarks/transforms.py --out transforms.json
"""

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import albumentations
import cv2
import numpy as np
import torch
from tqdm import tqdm

from fgbgnet.data import JointTransform, Layers, eval_transform, sample_seed, train_transform
from fgbgnet.data.memory import keep_freed_memory
from fgbgnet.files import write_json
from fgbgnet.synth import SceneDataset
from fgbgnet.types import Sample

Work = Callable[[Layers, int], object]
OFF: dict[str, float] = {"flip": 0, "rotate": 0, "jitter": 0, "perturb_bg": 0, "perturb_fg_bg": 0, "perturb_pair": 0}
STAGES: dict[str, dict[str, float]] = {
    "crop": {},
    "crop, flip, rotation": {"flip": 0.5, "rotate": 8},
    "crop, colours": {"jitter": 0.2},
    "crop, perturb_bg": {"perturb_bg": 0.7},
    "crop, perturb_fg_bg": {"perturb_fg_bg": 0.2},
    "crop, perturb_pair": {"perturb_pair": 0.3},
    "all": {"flip": 0.5, "rotate": 8, "jitter": 0.2, "perturb_bg": 0.7, "perturb_fg_bg": 0.2, "perturb_pair": 0.3},
}


class Reference:
    """The stages that some arguments of `train_transform` turn on, of albumentations and float tensors."""

    def __init__(self, size: int, **options: float) -> None:
        nearest = cv2.INTER_NEAREST_EXACT
        stages: list[Any] = [
            albumentations.RandomResizedCrop((size, size), (0.5, 1), (0.8, 1.25), mask_interpolation=nearest)
        ]
        if options["flip"]:
            stages.append(albumentations.HorizontalFlip(p=options["flip"]))
        if options["rotate"]:
            turn = (-options["rotate"], options["rotate"])
            stages.append(albumentations.Affine(rotate=turn, border_mode=cv2.BORDER_REFLECT_101, p=0.5))
        if options["jitter"]:
            span = (1 - options["jitter"], 1 + options["jitter"])
            hue = (-options["jitter"] / 10, options["jitter"] / 10)
            stages.append(albumentations.ColorJitter(span, span, span, hue, p=0.8))
        self.compose = albumentations.Compose(
            stages, additional_targets={"fg_bg": "image", "depth": "mask", "depth_valid": "mask"}
        )
        ours = train_transform(size, **{**OFF, **options})  # type: ignore[arg-type]
        self.perturbations = (ours.perturb_pair, ours.perturb_bg, ours.perturb_fg_bg)

    def __call__(self, layers: Layers, seed: int) -> Sample:
        self.compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        out = self.compose(
            image=layers.bg,
            fg_bg=layers.fg_bg,
            mask=layers.mask,
            depth=layers.depth,
            depth_valid=layers.depth_valid.view(np.uint8),
        )
        sample = Sample(
            bg=torch.from_numpy(out["image"]).permute(2, 0, 1).contiguous().float().div_(255),
            fg_bg=torch.from_numpy(out["fg_bg"]).permute(2, 0, 1).contiguous().float().div_(255),
            mask=torch.from_numpy(out["mask"]).float()[None],
            depth=torch.from_numpy(out["depth"])[None],
            depth_valid=torch.from_numpy(out["depth_valid"]).bool()[None],
            id="a",
        )
        pair, bg, fg_bg = self.perturbations
        if pair is not None:
            sample = pair(sample, sample_seed(seed, 0, "pair"))
        if bg is not None:
            sample["bg"] = bg(sample["bg"], sample_seed(seed, 0, "bg"))
        if fg_bg is not None:
            sample["fg_bg"] = fg_bg(sample["fg_bg"], sample_seed(seed, 0, "fg_bg"))
        return sample


def candidates(size: int) -> dict[str, dict[str, Work]]:
    """By stage, and by whose it is, what makes a sample."""

    def applied(transform: JointTransform) -> Work:
        return lambda layers, seed: transform.apply_layers(layers, "a", seed)

    smaller = max(size * 2 // 7, 1)
    result: dict[str, dict[str, Work]] = {
        "to tensors": {"ours": applied(eval_transform())},
        f"resize to {smaller}": {"ours": applied(eval_transform(smaller))},
    }
    for name, options in STAGES.items():
        ours = train_transform(size, **{**OFF, **options})  # type: ignore[arg-type]
        result[name] = {"ours": applied(ours), "reference": Reference(size, **{**OFF, **options})}
    return result


def measure(size: int, scenes: int, count: int, rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Milliseconds per sample: median and quartiles over the rounds, after one to warm up."""
    layers = [Layers.from_sample(sample) for sample in SceneDataset(scenes, size=size)]
    work = candidates(size)
    times: dict[tuple[str, str], list[float]] = {(stage, who): [] for stage in work for who in work[stage]}
    for k in tqdm(range(rounds + 1), desc=f"{size} px", unit="round", disable=None):
        for stage, who in times:
            start = time.thread_time()
            for i in range(count):
                work[stage][who](layers[i % scenes], k * count + i)
            times[stage, who].append((time.thread_time() - start) * 1000 / count)
    result: dict[str, dict[str, dict[str, float]]] = {stage: {} for stage in work}
    for (stage, who), values in times.items():
        low, middle, high = statistics.quantiles(values[1:], n=4)
        result[stage][who] = {"low": low, "median": middle, "high": high}
        if who == "reference":
            ratios = [b / a for a, b in zip(times[stage, "ours"][1:], values[1:], strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4)
            result[stage]["times faster"] = {"low": low, "median": middle, "high": high}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    arguments = parser.parse_args()
    short = bool(os.environ.get("FGBGNET_SHORT"))
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    keep_freed_memory()
    figures: dict[str, Any] = {}
    for size in (64,) if short else (64, 224):
        figures[f"{size}"] = table = measure(size, *((4, 10, 3) if short else (20, 60, 11)))
        print(f"{size} px, ms of processor time per sample (quartiles):")
        for stage, row in table.items():
            parts = [f"{who} {v['median']:.2f} ({v['low']:.2f} to {v['high']:.2f})" for who, v in row.items()]
            print(f"  {stage:22s} " + "   ".join(parts))
    if arguments.out:
        write_json(arguments.out, figures)


if __name__ == "__main__":
    main()
