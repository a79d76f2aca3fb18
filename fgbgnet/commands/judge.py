"""The command that judges a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fgbgnet.files import check_output

if TYPE_CHECKING:
    from fgbgnet.data import PairedFgBgDataset


def evaluate(
    model: str,
    data: str,
    out: str,
    split: str | None = None,
    size: int | None = None,
    batch_size: int = 16,
    num_workers: int = 0,
    perturbation: str | None = None,
    severity: float = 3,
    target: Literal["bg", "fg_bg", "both"] | None = None,
    seed: int = 0,
) -> None:
    """Judge a model on the quadruples of a manifest, beside the floors that need no network.

    Args:
        model: A model's or run's folder, or a floor: difference, compensated_difference.
        data: manifest.csv of data that the model has not seen.
        out: results.json.
        split: Side of the manifest's column split, e.g. test; all rows by default.
        size: Side of the square to which pictures are brought; the model's own by default, their own for floors.
        batch_size: Pairs per step.
        num_workers: Processes that load data.
        perturbation: Makes the pairs imperfect, e.g. mixed, shift, empty; see the docs of fgbgnet.synth.
        severity: 1 (mild) to 5.
        target: What it changes; by default the background, and for same_colour the frame.
        seed: Seed of the perturbation.
    """
    from fgbgnet.data import PairedFgBgDataset, eval_transform, load_split
    from fgbgnet.evaluation import evaluate as judge
    from fgbgnet.inference import load_model

    check_output(out, folder=False)
    judged = load_model(model)
    side = judged.input_size if size is None else size
    dataset = PairedFgBgDataset(data, eval_transform(side), seed=seed)
    if split is not None:
        (dataset,) = load_split(dataset, (split,))
    elif len(sides := sorted(set(dataset.manifest.column("split").tolist()) - {""})) > 1:
        print(f"The data have the sides {', '.join(sides)}; all are judged, --split judges one.")
    change = None if perturbation is None else (perturbation, severity, target)
    result = judge(judged, dataset, batch_size=batch_size, num_workers=num_workers, perturbation=change, seed=seed)
    seen = _seen_in_training(model, dataset)
    result.protocol["samples_on_backgrounds_seen_in_training"] = seen
    result.protocol["split"] = split
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


__all__ = ["evaluate"]
