"""Commands that look at how a training would go, without training."""

from dataclasses import replace

from fgbgnet.commands.learn import TrainingSetup, prepare
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.files import atomic_path, check_output, write_json
from fgbgnet.training.config import FitConfig


def profile(
    data: str,
    out: str | None = None,
    val: str | None = None,
    model: str | None = None,
    encoder: str | None = None,
    encoder_weights: str | None = None,
    init: str | None = None,
    steps: int = 30,
    warmup_steps: int = 5,
    fit: FitConfig | None = None,
) -> None:
    """Measure where the steps of a training go, and say which setting to change.

    Takes the options of train, and trains a copy for some steps. Prints the time of each part of a step (median,
    quartiles, share), images per second, and what to change. Nothing is kept but --out.

    Args:
        data: manifest.csv of the training data.
        out: JSON file for the figures.
        val: manifest.csv of the validation data.
        model: An architecture of `fgbgnet models`; fgbgnet_xs by default.
        encoder: An encoder of `fgbgnet encoders` in place of the architecture's own.
        encoder_weights: Pretrained weights of the encoder, e.g. imagenet.
        init: Folder of a model whose weights to start from, in place of --model and --encoder.
        steps: Steps that are measured.
        warmup_steps: Steps before them.
        fit: How to train; on the command line the options below.
    """
    from fgbgnet.training import profile_training

    if out is not None:
        check_output(out, folder=False)
    setup = prepare(data, val, model, encoder, encoder_weights, init, fit or FitConfig())
    phases = setup.config.split_phases()
    profiles = []
    for number, phase in enumerate(phases, 1):
        if len(phases) > 1:
            print(f"\nphase {number} of {len(phases)}")
        config = _with_batch_size(setup, phase)
        found = profile_training(setup.network, setup.train, config, val=setup.val, steps=steps, warmup=warmup_steps)
        print(found.table())
        profiles.append(found.to_dict())
    if out is not None:
        write_json(out, {"phases": profiles})


def lr_range(
    data: str,
    out: str,
    val: str | None = None,
    model: str | None = None,
    encoder: str | None = None,
    encoder_weights: str | None = None,
    init: str | None = None,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 120,
    fit: FitConfig | None = None,
) -> None:
    """Find a learning rate: train with one that grows from step to step, and plot the losses.

    Takes the options of train, and trains a copy (Smith's range test); with several phases the first. Prints a
    suggestion for --learning_rate.

    Args:
        data: manifest.csv of the training data.
        out: Picture of the plot, such as lr.png.
        val: manifest.csv of the validation data, which are left out of the training data.
        model: An architecture of `fgbgnet models`; fgbgnet_xs by default.
        encoder: An encoder of `fgbgnet encoders` in place of the architecture's own.
        encoder_weights: Pretrained weights of the encoder, e.g. imagenet.
        init: Folder of a model whose weights to start from, in place of --model and --encoder.
        lowest: The first learning rate.
        highest: The last learning rate.
        steps: Steps from the first to the last.
        fit: How to train; on the command line the options below.
    """
    from fgbgnet.training import lr_range_test

    check_output(out, folder=False)
    if not out.lower().endswith((".png", ".pdf", ".svg")):
        raise InvalidArgumentError(f"--out is {out}; expected a picture: .png, .pdf or .svg")
    setup = prepare(data, val, model, encoder, encoder_weights, init, fit or FitConfig())
    phase = _with_batch_size(setup, setup.config.split_phases()[0])
    found = lr_range_test(setup.network, setup.train, phase, lowest=lowest, highest=highest, steps=steps)
    with atomic_path(out) as path:
        found.plot().savefig(path, dpi=110)
    print(f"{out}: {len(found.losses)} steps from {found.rates[0]:.2g} to {found.rates[-1]:.2g}")
    print(f"--learning_rate {found.suggestion:.2g}")


def _with_batch_size(setup: TrainingSetup, phase: FitConfig) -> FitConfig:
    """The settings of a phase, with a number where the batch size is "auto"."""
    from fgbgnet.training.trials.batch_size import chosen_batch_size

    return replace(phase, batch_size=chosen_batch_size(setup.network, setup.train, setup.val, phase))


__all__ = ["lr_range", "profile"]
