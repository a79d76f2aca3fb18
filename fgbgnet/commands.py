"""The commands: thin functions over the library, whose docstrings are the help of the command line."""

from collections.abc import Callable
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


def synth(out: str, n: int = 1000, size: int = 224, seed: int = 0, scenes_per_background: int = 4) -> None:
    """Write procedural quadruples (bg, fg_bg, mask, depth in metres) and their manifest.csv.

    Args:
        out: Folder; an interrupted run is taken up again.
        n: Number of scenes.
        size: Side of the pictures in pixels.
        seed: Another seed gives other scenes.
        scenes_per_background: How many scenes share one background.
    """
    from fgbgnet.synth import SceneDataset, write_scenes

    dataset = SceneDataset(n, size=size, seed=seed, scenes_per_background=scenes_per_background)
    print(f"Wrote {write_scenes(dataset, out)}")


def compose(
    backgrounds: str,
    cutouts: str,
    out: str,
    per_pair: int = 20,
    flip: bool = True,
    size: int = 224,
    seed: int = 0,
) -> None:
    """Paste cut-outs onto photographs and write the quadruples (without depth) and their manifest.csv.

    Args:
        backgrounds: Folder of photographs.
        cutouts: Folder of pictures with an alpha channel.
        out: Folder; an interrupted run is taken up again.
        per_pair: Composites of each cut-out on each background.
        flip: Whether each is made mirrored too.
        size: Side of the pictures in pixels.
        seed: Another seed gives other places and sizes.
    """
    from fgbgnet.synth import compose as compose_pictures

    manifest = compose_pictures(backgrounds, cutouts, out, per_pair=per_pair, flip=flip, size=size, seed=seed)
    print(f"Wrote {manifest}")


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

    A fifth of the backgrounds is held out for validation unless --val names a manifest. The run's folder holds the
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
    from fgbgnet.data import PairedFgBgDataset, eval_transform, seeded_split, train_transform
    from fgbgnet.training import FitConfig, fit

    check_output(out, folder=True)
    everything = PairedFgBgDataset(data, seed=seed)
    transforms = (train_transform(size), eval_transform(size))
    if val is None:
        split = seeded_split(everything, (1 - HELD_OUT, HELD_OUT), seed, group_by="bg", transforms=transforms)
        print(split.summary())
        train_data, val_data = split
    else:
        train_data = everything.with_transform(transforms[0])
        val_data = PairedFgBgDataset(val, transforms[1], seed=seed)
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
    facts = {"data": Path(data).name, "held_out": "backgrounds" if val is None else Path(val).name, "size": size}
    result = fit(network, train_data, val_data, out, config, resume=resume, overwrite=overwrite, metadata=facts)
    print(f"{result.steps} steps in {result.seconds / 60:.1f} min; the best model is in {result.folder / 'model'}")


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


def evaluate(
    model: str,
    data: str,
    out: str,
    size: int | None = None,
    batch_size: int = 16,
    num_workers: int = 0,
    perturbation: str | None = None,
    severity: int = 3,
    seed: int = 0,
) -> None:
    """Judge a model on the quadruples of a manifest, beside the floors that need no network.

    Args:
        model: A model's or run's folder, or a floor: difference, compensated_difference.
        data: manifest.csv of data that the model has not seen.
        out: results.json.
        size: Side of the square to which pictures are brought; the model's own by default, their own for floors.
        batch_size: Pairs per step.
        num_workers: Processes that load data.
        perturbation: Makes the backgrounds imperfect, e.g. mixed, shift, gain; see the docs of fgbgnet.synth.
        severity: 1 (mild) to 5.
        seed: Seed of the perturbation.
    """
    from fgbgnet.data import PairedFgBgDataset, eval_transform
    from fgbgnet.evaluation import evaluate as judge
    from fgbgnet.inference import load_model

    check_output(out, folder=False)
    judged = load_model(model)
    side = judged.input_size if size is None else size
    dataset = PairedFgBgDataset(data, eval_transform(side), seed=seed)
    change = None if perturbation is None else (perturbation, severity)
    result = judge(judged, dataset, batch_size=batch_size, num_workers=num_workers, perturbation=change, seed=seed)
    seen = _seen_in_training(model, dataset)
    result.protocol["samples_on_backgrounds_seen_in_training"] = seen
    result.write(out)
    print(result.summary())
    if seen:
        print(f"Mind: {seen} of {result.n} samples show a background that the model was trained on.")
    print(f"Wrote {out}")


def _seen_in_training(model: str, dataset: "PairedFgBgDataset") -> int | None:
    """How many samples show a background of the run's training data; None if the model tells nothing of its data."""
    from fgbgnet.data import Manifest

    record = Path(model) / "train.csv"
    if not record.is_file():
        return None
    known = set(Manifest.read(record).column("bg_id").tolist())
    return sum(group in known for group in dataset.group_ids("bg").tolist())


def predict(model: str, bg: str, fg_bg: str, out: str, threshold: float = 0.5) -> None:
    """Predict mask and depth of one pair of pictures: writes mask.png, depth.png (16 bit) and overview.png.

    Args:
        model: A model's or run's folder, or a floor: difference, compensated_difference.
        bg: The clean background picture.
        fg_bg: The picture of the same scene with something new in it.
        out: Folder for the result.
        threshold: Probability above which a pixel is foreground.
    """
    from fgbgnet.inference import load_model

    check_output(out, folder=True)
    prediction = load_model(model).predict(bg, fg_bg, threshold=threshold)
    print(f"Wrote {prediction.save(out)}")


def models(pattern: str = "*") -> None:
    """List the named architectures.

    Args:
        pattern: Shell pattern, e.g. 'fgbgnet_*'.
    """
    from fgbgnet.models import count_parameters, create_model, list_models

    for card in list_models(pattern):
        millions = count_parameters(create_model(card.name)) / 1e6
        print(f"{card.name:12}{millions:7.2f} M parameters  {card.description}")


def encoders(pattern: str = "*") -> None:
    """List the encoders that a model can be built on.

    Args:
        pattern: Shell pattern, e.g. 'resnet*' or 'tu-convnext*' (tu-: from timm).
    """
    from fgbgnet.models import list_encoders

    names = list_encoders(pattern)
    if not names:
        raise InvalidArgumentError(f"no encoder matches {pattern!r}; try 'res*', or 'tu-*' for those of timm")
    print("\n".join(names))


def _names(text: str) -> tuple[Any, ...]:
    """Comma-separated names; the library checks them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


COMMANDS: dict[str, Callable[..., None]] = {
    function.__name__: function for function in (demo, synth, compose, train, evaluate, predict, models, encoders)
}

__all__ = ["COMMANDS", *COMMANDS]
