"""Commands that train."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.files import check_output

if TYPE_CHECKING:
    from fgbgnet.data import PairedFgBgDataset
    from fgbgnet.models import DualHeadUNet
    from fgbgnet.types import DepthUnit

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
    size: int = 128,
    epochs: int | None = None,
    minutes: float | None = None,
    batch_size: int = 16,
    optimizer: Literal["adamw", "sgd"] = "adamw",
    learning_rate: float = 2e-3,
    tasks: str | None = None,
    freeze: str = "",
    num_workers: int = 0,
    precision: str = "32-true",
    accelerator: str = "auto",
    seed: int = 0,
    resume: bool = False,
    overwrite: bool = False,
) -> None:
    """Train a model on the quadruples of a manifest.

    If the manifest has a column split, the rows train are trained on and the rows val validated on. Otherwise a fifth
    of the backgrounds is held out for validation, unless --val names a manifest. The run's folder holds the
    best model, the best and the last checkpoint, curves for TensorBoard, and metrics.csv; it can be given wherever a
    model is expected.

    Args:
        data: manifest.csv of the training data.
        out: Folder of the run.
        val: manifest.csv of the validation data.
        model: An architecture of `fgbgnet models`; fgbgnet_xs by default.
        encoder: An encoder of `fgbgnet encoders` in place of the architecture's own.
        encoder_weights: Pretrained weights of the encoder, e.g. imagenet.
        init: Folder of a model whose weights to start from, in place of --model and --encoder.
        size: Side of the square to which pictures are brought.
        epochs: Passes over the data; 20 unless --minutes is given.
        minutes: Wall-clock time instead of epochs.
        batch_size: Pairs per step.
        optimizer: adamw, or sgd with momentum.
        learning_rate: The highest rate of the one-cycle schedule.
        tasks: What to train: mask, depth, or mask,depth (the default; the mask alone if the data have no depth).
        freeze: Branches that must not change, e.g. shared,mask.
        num_workers: Processes that load data.
        precision: Lightning's precision, e.g. bf16-mixed.
        accelerator: Lightning's accelerator, e.g. cpu or gpu.
        seed: Seed of the split, the order, the augmentation and the weights.
        resume: Go on from the last checkpoint in --out.
        overwrite: Remove the run that --out holds.
    """
    from fgbgnet.data import PairedFgBgDataset
    from fgbgnet.training import FitConfig, fit

    check_output(out, folder=True)
    everything = PairedFgBgDataset(data, seed=seed)
    train_data, val_data, held_out = _train_and_val(everything, val, size, seed)
    if tasks is None:
        tasks = "mask,depth" if everything.has_depth else "mask"
        if not everything.has_depth:
            print("The data have no depth: only the mask is trained.")
    config = FitConfig(
        epochs=epochs,
        minutes=minutes,
        batch_size=batch_size,
        optimizer=optimizer,
        learning_rate=learning_rate,
        tasks=_names(tasks),
        freeze=_names(freeze),
        num_workers=num_workers,
        precision=precision,
        accelerator=accelerator,
        seed=seed,
    )
    network = _network(model, encoder, encoder_weights, init, size, everything.depth_unit, seed)
    print(network.summary(size))
    facts = {"data": Path(data).name, "held_out": held_out, "size": size}
    result = fit(network, train_data, val_data, out, config, resume=resume, overwrite=overwrite, metadata=facts)
    print(f"{result.steps} steps in {result.seconds / 60:.1f} min; the best model is in {result.folder / 'model'}")


def _train_and_val(
    everything: "PairedFgBgDataset", val: str | None, size: int, seed: int
) -> tuple["PairedFgBgDataset", "PairedFgBgDataset", str]:
    """Training data, validation data, and in a word what the latter are."""
    from fgbgnet.data import PairedFgBgDataset, eval_transform, load_split, seeded_split, train_transform

    transforms = (train_transform(size), eval_transform(size))
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
            PairedFgBgDataset(val, transforms[1], seed=seed),
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


def _names(text: str) -> tuple[Any, ...]:
    """Comma-separated names; the library checks them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


__all__ = ["demo", "train"]
