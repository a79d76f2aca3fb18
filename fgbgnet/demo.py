"""`fgbgnet demo`: from nothing to a trained model, its figures and its pictures, on generated rooms."""

import csv
from pathlib import Path

import torch
from PIL import Image

from fgbgnet.data import PairedFgBgDataset, eval_transform, sample_seed, seeded_split, train_transform
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.evaluation import evaluate, write_report
from fgbgnet.files import atomic_path, write_json
from fgbgnet.models import DualHeadUNet, create_model
from fgbgnet.plotting import overview
from fgbgnet.synth import SceneDataset, perturb, write_scenes
from fgbgnet.training import FitConfig, FitResult, fit
from fgbgnet.types import PathInput

SCENES = 2400
SCENES_PER_BACKGROUND = 4
FRACTIONS = (0.8, 0.1, 0.1)
MODEL = "fgbgnet_xs"
BATCH_SIZE = 16
IMPERFECT = ("mixed", 3)
PICTURES = 8

Curves = dict[str, list[tuple[float, float]]]


def run_demo(out: PathInput, *, minutes: float = 4.0, size: int = 64, seed: int = 0, scenes: int = SCENES) -> Path:
    """Makes rooms, splits them, trains a small model, and judges it on rooms that it has not seen.

    Args:
        out: Folder for ``scenes/``, ``model/``, ``results.json``, ``report.html`` and ``pictures/``.
        minutes: Time for the training alone.
        size: Side of the pictures in pixels.
        seed: Seed of everything.
        scenes: How many scenes are made, the held-out ones included.

    Returns:
        The report.

    Raises:
        InvalidArgumentError: If there is no time to train, or the pictures are too small to show anything.
    """
    if not minutes > 0:
        raise InvalidArgumentError(f"minutes={minutes}; expected more than 0")
    if size < 32:
        raise InvalidArgumentError(f"size={size}; expected 32 pixels or more")
    out = Path(out)
    rooms = SceneDataset(scenes, size=size, seed=seed, scenes_per_background=SCENES_PER_BACKGROUND)
    manifest = write_scenes(rooms, out / "scenes")
    # Strong crops are zooms, and metric depth cannot follow a zoom: mild ones are enough here.
    augmentation = train_transform(size, scale=(0.8, 1.0), ratio=(0.9, 1.1), rotate=3)
    transforms = (augmentation, eval_transform(size), eval_transform(size))
    split = seeded_split(PairedFgBgDataset(manifest, seed=seed), FRACTIONS, seed, group_by="bg", transforms=transforms)
    print(split.summary())
    train, val, test = split

    torch.manual_seed(seed)
    model = create_model(MODEL, input_size=size)
    print(model.summary(size))
    # The pictures of the demo are those of its test set; those of the validations would stand in the same folder.
    config = FitConfig(minutes=minutes, batch_size=BATCH_SIZE, seed=seed, learning_rate=4e-3, pictures=0)
    facts = {"data": f"{scenes} generated scenes", "seed": seed}
    result = fit(model, train, val, out, config, overwrite=True, metadata=facts)

    known = train.with_transform(eval_transform(size))  # what the floors may learn from, as the model did
    evaluations = {
        "clean backgrounds": evaluate(model, test, floor_data=known, seed=seed),
        "imperfect backgrounds": evaluate(model, test, floor_data=known, perturbation=IMPERFECT, seed=seed),
    }
    write_json(out / "results.json", {_key(title): e.to_dict() for title, e in evaluations.items()})
    for title, evaluation in evaluations.items():
        print(f"\n{title}\n{evaluation.summary()}")
    return write_report(
        out / "report.html",
        evaluations,
        pictures=_pictures(model, test, out / "pictures", seed),
        history=read_curves(out / "metrics.csv"),
        title="fgbgnet demo: foreground and depth in generated rooms",
        facts=_facts(result, scenes, split.summary(), config),
    )


def _key(title: str) -> str:
    return title.split()[0]


def _facts(result: FitResult, scenes: int, split: str, config: FitConfig) -> dict[str, str]:
    shown = result.steps * BATCH_SIZE
    return {
        "model": f"{MODEL}, {sum(p.numel() for p in result.model.parameters()):,} parameters, random initial weights",
        "data": f"{scenes} procedural scenes, {SCENES_PER_BACKGROUND} for each background; {split}",
        "training": f"{result.seconds / 60:.1f} minutes, {result.steps:,} steps, {shown:,} pairs, "
        f"{shown / result.seconds:.0f} pairs per second",
        "imperfect": "backgrounds moved, re-exposed, shadowed, noisy and compressed: "
        f"perturbation {IMPERFECT[0]!r} at severity {IMPERFECT[1]} of 5",
    }


def _pictures(model: DualHeadUNet, test: PairedFgBgDataset, folder: Path, seed: int) -> list[tuple[Image.Image, str]]:
    """The first scenes of the test set, every other one with an imperfect background, as PNG and for the report."""
    pictures = []
    step = max(1, len(test) // PICTURES)
    for number, index in enumerate(range(0, len(test), step)[:PICTURES]):
        sample = test[index]
        kind = ("clean", "imperfect")[number % 2]
        if kind == "imperfect":
            sample["bg"] = perturb(sample["bg"][None], *IMPERFECT, [sample_seed(seed, 0, sample["id"])])[0]
        layers = {key: sample[key] for key in ("bg", "fg_bg", "mask", "depth", "depth_valid")}
        sheet = overview(**layers, prediction=model.predict(sample["bg"], sample["fg_bg"]))
        with atomic_path(folder / f"{number:02}_{kind}.png") as path:
            sheet.save(path)
        pictures.append((sheet, f"{sample['id'].replace('_', ' ')}, {kind} background"))
    return pictures


def read_curves(metrics: Path) -> Curves:
    """Losses and validation figures of a run, by the name of the column.

    Args:
        metrics: ``metrics.csv`` as Lightning's CSV logger writes it.

    Returns:
        (step, value) pairs of each column that is a curve.
    """
    curves: Curves = {}
    with metrics.open(newline="") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if name.startswith(("train/", "val/")) and value not in ("", "nan"):
                    curves.setdefault(name, []).append((float(row["step"]), float(value)))
    return curves


__all__ = ["read_curves", "run_demo"]
