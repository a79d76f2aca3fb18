"""Commands that train."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.files import check_output
from fgbgnet.training.config import FitConfig
from fgbgnet.training.processes import is_lead_process
from fgbgnet.training.recipes import dump_options

if TYPE_CHECKING:
    from fgbgnet.data import PairedFgBgDataset, PairedShardDataset
    from fgbgnet.data.dataset import Transform
    from fgbgnet.models import DualHeadUNet
    from fgbgnet.types import DepthUnit

DEFAULT_SIZE = 128
"""Side to which `train` brings pictures unless it is told another."""
SHUFFLE_BUFFER = 1000
"""Stored samples among which the next is drawn when shards are read."""
HELD_OUT = 0.2
"""Share of the backgrounds that `train` keeps for validation."""


def demo(out: str = "runs/demo", minutes: float = 4.0, size: int = 64, seed: int = 0) -> None:
    """Train and judge a small model on generated rooms: no data, no download, a few minutes.

    Args:
        out: Folder for the model, results.json, report.html and the pictures.
        minutes: Time for the training; making scenes and the evaluation come on top.
        size: Side of the pictures in pixels.
        seed: Seed of everything.
    """
    from fgbgnet.demo import run_demo

    report = run_demo(out, minutes=minutes, size=size, seed=seed)
    print(f"\nOpen {report} in a browser.")


def train(
    data: str,
    out: str,
    val: str | None = None,
    model: str | None = None,
    encoder: str | None = None,
    encoder_weights: str | None = None,
    init: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    fit: FitConfig | None = None,
) -> None:
    """Train a model on the quadruples of a manifest.

    If the manifest has a column split, the rows train are trained on and the rows val validated on. Otherwise a fifth
    of the backgrounds is held out for validation, unless --val names a manifest. Options may come from a file (--config
    run.yaml) or a recipe of the package (--recipe s; see `fgbgnet recipes`), and those on the command line go before
    them. The run's folder holds the best model, checkpoints, curves, pictures, metrics.csv, and train.yaml with all
    options; it can be given wherever a model is expected.

    Args:
        data: manifest.csv of the training data, or the index of shards (out-index.json).
        out: Folder of the run.
        val: manifest.csv of the validation data, or the index of shards; needed if the training data are shards.
        model: An architecture of `fgbgnet models`; fgbgnet_xs by default.
        encoder: An encoder of `fgbgnet encoders` in place of the architecture's own.
        encoder_weights: Pretrained weights of the encoder, e.g. imagenet.
        init: Folder of a model whose weights to start from, in place of --model and --encoder.
        resume: Go on from the last checkpoint in --out.
        overwrite: Remove the run that --out holds.
        fit: How to train; on the command line the options below.
    """
    from fgbgnet.training import fit as run_fit

    check_output(out, folder=True)
    setup = prepare(data, val, model, encoder, encoder_weights, init, fit or FitConfig())
    options = {"data": data, "out": out, "val": val, "model": model, "encoder": encoder}
    options |= {"encoder_weights": encoder_weights, "init": init, **setup.config.to_dict()}
    options = {name: value for name, value in options.items() if value is not None}
    if is_lead_process():
        print(dump_options(options), end="")
        print(setup.network.summary(setup.largest))
    result = run_fit(
        setup.network, setup.train, setup.val, out, setup.config,
        resume=resume, overwrite=overwrite, metadata=setup.facts, options=options,
    )  # fmt: skip
    if is_lead_process():
        print(f"{result.steps} steps in {result.seconds / 60:.1f} min; the best model is in {result.folder / 'model'}")


@dataclass(frozen=True)
class TrainingSetup:
    """What `train` and its relatives make of their options."""

    network: "DualHeadUNet"
    train: "PairedFgBgDataset | PairedShardDataset"
    val: "PairedFgBgDataset | PairedShardDataset"
    config: FitConfig
    largest: int
    """The largest size of a picture."""
    facts: dict[str, Any]
    """About the data, to keep beside the weights."""


def prepare(
    data: str,
    val: str | None,
    model: str | None,
    encoder: str | None,
    encoder_weights: str | None,
    init: str | None,
    config: FitConfig,
) -> TrainingSetup:
    """Model, data and settings from the options of `train`."""
    everything = _open_data(data, None, config.seed, SHUFFLE_BUFFER)
    if not everything.has_depth and "depth" in config.tasks:
        if len(config.split_phases()) > 1:
            raise InvalidArgumentError(f"{data} has no depth to train in phases; leave out schedule and phases")
        config = replace(config, tasks=("mask",))
        print("The data have no depth: only the mask is trained.")
    if config.size is None and not config.sizes:
        config = replace(config, size=DEFAULT_SIZE)
    largest = max(max(p.size or 0, *(stage[0] for stage in p.sizes), 0) for p in config.split_phases())
    train_data, val_data, held_out = _train_and_val(everything, val, largest, config.seed)
    network = _network(model, encoder, encoder_weights, init, largest, everything.depth_unit, config.seed)
    facts = {"data": Path(data).name, "held_out": held_out, "size": largest}
    return TrainingSetup(network, train_data, val_data, config, largest, facts)


def recipes() -> None:
    """List the recipes for training that come with the package: fgbgnet train --recipe NAME."""
    from fgbgnet.training import list_recipes

    found = list_recipes()
    width = max(len(recipe.name) for recipe in found)
    for recipe in found:
        print(f"{recipe.name:{width}}  {recipe.summary}")


def _open_data(
    path: str, transform: "Transform | None", seed: int, shuffle_buffer: int = 0
) -> "PairedFgBgDataset | PairedShardDataset":
    """The samples of a manifest, or of shards whose index it is."""
    from fgbgnet.data import PairedFgBgDataset, PairedShardDataset

    if path.endswith(".json"):
        return PairedShardDataset(path, transform, seed, shuffle_buffer)
    return PairedFgBgDataset(path, transform, seed)


def _train_and_val(
    everything: "PairedFgBgDataset | PairedShardDataset", val: str | None, size: int, seed: int
) -> tuple["PairedFgBgDataset | PairedShardDataset", "PairedFgBgDataset | PairedShardDataset", str]:
    """Training data, validation data, and in a word what the latter are."""
    from fgbgnet.data import PairedShardDataset, eval_transform, load_split, seeded_split, train_transform

    transforms = (train_transform(size), eval_transform(size))
    if isinstance(everything, PairedShardDataset):
        if val is None:
            raise InvalidArgumentError(
                "shards are read from end to end, so that no backgrounds can be held out of them; give --val, a "
                "manifest or the index of other shards (fgbgnet split makes both sides, fgbgnet pack the shards)"
            )
        return everything.with_transform(transforms[0]), _open_data(val, transforms[1], seed), Path(val).name
    sides = set(everything.manifest.column("split").tolist())
    if val is None and {"train", "val"} <= sides:
        split = load_split(everything, ("train", "val"), transforms)
        print(split.summary())
        shared = set(split[0].group_ids("bg").tolist()) & set(split[1].group_ids("bg").tolist())
        if shared:
            print(f"Mind: {len(shared)} backgrounds stand on both sides, so that validation also measures memory.")
        return split[0], split[1], "split"
    if sides != {""}:
        split = load_split(everything, ("train",))
        print(split.summary())
        (everything,) = split
    if val is not None:
        return (
            everything.with_transform(transforms[0]),
            _open_data(val, transforms[1], seed),
            Path(val).name,
        )
    split = seeded_split(everything, (1 - HELD_OUT, HELD_OUT), seed, group_by="bg", transforms=transforms)
    print(split.summary())
    return split[0], split[1], "backgrounds"


def _network(
    model: str | None,
    encoder: str | None,
    weights: str | None,
    init: str | None,
    size: int,
    unit: "DepthUnit",
    seed: int,
) -> "DualHeadUNet":
    import torch

    from fgbgnet.models import DualHeadUNet, create_model

    if init is not None:
        if model or encoder or weights:
            raise InvalidArgumentError(
                "--init brings its own architecture; leave out --model, --encoder, --encoder_weights"
            )
        return DualHeadUNet.from_pretrained(init, input_size=size)
    torch.manual_seed(seed)
    changes: dict[str, Any] = {"depth_unit": unit, "input_size": size}
    if encoder is not None:
        changes |= {"encoder_name": encoder, "decoder_channels": None}
    if weights is not None:
        changes["encoder_weights"] = weights
    return create_model(model or "fgbgnet_xs", **changes)


__all__ = ["TrainingSetup", "demo", "prepare", "recipes", "train"]
