"""One function that measures a model on a dataset, with its floors and the whole protocol beside the figures."""

import math
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.evaluation.batches import BatchStream, Perturbing, size_of
from fgbgnet.evaluation.floors import Floors, even_subset
from fgbgnet.files import write_json
from fgbgnet.metrics import (
    DepthAggregation,
    DepthAlignment,
    DepthProtocol,
    compute_depth_metrics,
    compute_mask_metrics,
    depth_protocol,
    depth_statistics,
    mask_statistics,
)
from fgbgnet.models.modes import evaluating
from fgbgnet.synth.perturb import PAIR_PERTURBATIONS
from fgbgnet.types import DepthUnit, PathInput
from fgbgnet.version import __version__

_FIT_SAMPLES = 256


@dataclass(frozen=True)
class Evaluation:
    """What came out of an evaluation.

    Attributes:
        n: Number of samples.
        mask: Figures of `fgbgnet.metrics.compute_mask_metrics`; None if the model has no mask.
        depth: Figures of `fgbgnet.metrics.compute_depth_metrics`; None if the model has no depth. nan where no truth is
            valid.
        floors: Figures of each floor under its name, of the same kind as those of the model.
        protocol: How all of it was measured.
    """

    n: int
    mask: dict[str, Any] | None
    depth: dict[str, Any] | None
    floors: dict[str, dict[str, Any]]
    protocol: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries as JSON can hold them: figures that are not finite become None."""
        content = {key: getattr(self, key) for key in ("n", "mask", "depth", "floors", "protocol")}
        result: dict[str, Any] = _finite(content)
        return result

    def summary(self) -> str:
        """The main figures of the model and of each floor, as a table for the terminal."""
        keys = ("iou", "iou_image_mean", "f1", "boundary_iou", "rmse", "abs_rel", "d1")
        rows = {"model": {**(self.depth or {}), **(self.mask or {})}, **self.floors}
        lines = [f"{f'{self.n} samples':29}" + "".join(f"{key:>15}" for key in keys)]
        lines += [f"{name:29}" + "".join(f"{_cell(row.get(key)):>15}" for key in keys) for name, row in rows.items()]
        return "\n".join(lines)

    def write(self, path: PathInput) -> Path:
        """Write `to_dict` as JSON, in one step: the file is whole or not there.

        Args:
            path: File; its folder is made if it is missing.

        Returns:
            The path.
        """
        return write_json(path, self.to_dict())


def evaluate(
    model: nn.Module,
    dataset: Any,  # noqa: ANN401 - any map-style dataset, also a list of samples
    *,
    batch_size: int = 16,
    device: torch.device | str | None = None,
    num_workers: int = 0,
    perturbation: Perturbing | None = None,
    floors: bool = True,
    floor_data: Any = None,  # noqa: ANN401 - as dataset
    alignment: DepthAlignment | None = None,
    aggregation: DepthAggregation = "pixel",
    threshold: float = 0.5,
    seed: int = 0,
    progress: bool = True,
) -> Evaluation:
    """Measure a model on every sample of a dataset, at the sizes that the dataset delivers.

    Memory does not grow with the dataset, apart from one 32 kB map for each repeated background. The model is put into
    evaluation mode without gradients, and all its modules get their own mode back, also after an error.

    Floors. ``difference`` and ``compensated_difference`` subtract the background at a threshold of 24 grey levels, or
    the best one on ``floor_data``; those with ``_oracle`` have the best threshold on the evaluated pictures themselves,
    which favours the floor (boundary figures are not computed for them). ``global_mean`` is one distance everywhere,
    ``background_mean`` the mean map of the same background, there only when backgrounds repeat. Without ``floor_data``
    the depth floors are fitted on the evaluated pictures (the global mean on at most 256 of them, the maps leaving out
    the picture in question), again in favour of the floor. Floors see the same perturbed backgrounds as the model,
    and their depth is aligned as the model's is.

    Args:
        model: Anything with the models' forward: ``model(bg, fg_bg)`` returns ``"mask"`` logits and ``"depth"``, or one
            of them. Its attribute ``depth_unit`` is read if it is there.
        dataset: Gives a `fgbgnet.Sample` for an index and has a length; a list of samples will do. ``group_ids("bg")``
            and ``depth_unit`` are read if they are there; without the latter the truth is in the model's unit.
        batch_size: Samples that are evaluated together, as far as their sizes are the same.
        device: Where to compute; None is where the model is. The model is brought back afterwards.
        num_workers: Processes that load samples; 0 loads in this one.
        perturbation: ``(name, severity)`` or ``(name, severity, target)`` of `fgbgnet.synth.perturb_pair`, with a seed
            made from the sample's id; None evaluates the pairs as they are. By default the background changes. What
            shows something of another sample takes the next one with another background, so that the order of the
            samples matters then, but not the batch size. Without ``group_ids`` the backgrounds' pixels are compared,
            for which all samples are read once more.
        floors: Whether to compute the floors.
        floor_data: A dataset, for example the training set, on which thresholds and mean depths are fitted.
        alignment: How depth is aligned, see `fgbgnet.metrics.align_depth`; None is what
            `fgbgnet.metrics.depth_protocol` says: ``none`` when model and truth are in metres, ``scale_shift``
            otherwise.
        aggregation: Depth figures pooled over pixels, or averaged over pictures.
        threshold: Probability above which a pixel is foreground.
        seed: Seed of the perturbation.
        progress: Whether to show a progress bar.

    Returns:
        Figures, floors and protocol.

    Raises:
        InvalidArgumentError: The dataset is empty, the perturbation is not possible, or the model returns neither task.
        UnknownNameError: There is no such perturbation, target, alignment, aggregation or unit.

    Example:
        >>> from fgbgnet.evaluation import Difference
        >>> sample = {"bg": torch.zeros(3, 8, 8), "fg_bg": torch.zeros(3, 8, 8), "mask": torch.zeros(1, 8, 8),
        ...           "depth": torch.ones(1, 8, 8), "depth_valid": torch.ones(1, 8, 8, dtype=torch.bool), "id": "empty"}
        >>> result = evaluate(Difference(), [sample], progress=False)
        >>> result.n, result.mask["iou"], result.depth, sorted(result.floors)[:2]
        (1, 1.0, None, ['compensated_difference', 'compensated_difference_oracle'])
    """
    home = _device_of(model)
    stream = BatchStream(dataset, batch_size, num_workers, device or home, perturbation, seed)
    model_unit = getattr(model, "depth_unit", None)
    unit: DepthUnit = getattr(dataset, "depth_unit", None) or model_unit or "relative"
    options = depth_protocol(unit, model_unit)
    if alignment is not None:
        options["alignment"] = alignment
    # Wrong names are told before the work, not after it.
    empty = torch.ones(1, 1, 1, 1)
    compute_depth_metrics(depth_statistics(empty, empty, **options), aggregation)
    mask_statistics(empty, empty, threshold=threshold)
    fitted = _fit_floors(stream, floor_data, Floors(dict(options), aggregation)) if floors else None
    with evaluating(model), _moved(model, stream.device, home):
        sums, sizes = _sums(model, stream, threshold, options, fitted, progress)
    return Evaluation(
        n=len(stream),
        mask=compute_mask_metrics(sums["mask"]) if "mask" in sums else None,
        depth=dict(compute_depth_metrics(sums["depth"], aggregation)) if "depth" in sums else None,
        floors={} if fitted is None else fitted.compute(),
        protocol={
            **_describe(model, dataset, sizes),
            "mask_threshold": threshold,
            "depth_unit": unit,
            "depth_unit_of_model": model_unit,
            "depth_alignment": options["alignment"],
            "depth_min": options["min_depth"],
            "depth_aggregation": aggregation,
            "perturbation": _named(perturbation),
            "seed": seed,
            "floors_fitted_on": None if not floors else "the evaluated samples" if floor_data is None else "floor_data",
        },
    )


def _sums(
    model: nn.Module,
    stream: BatchStream,
    threshold: float,
    options: DepthProtocol,
    floors: Floors | None,
    progress: bool,
) -> tuple[dict[str, Tensor], set[tuple[int, int]]]:
    """Statistics of each task over all batches, and the first sizes that were met; feeds the floors on the way."""
    sums: dict[str, Tensor] = {}
    sizes: set[tuple[int, int]] = set()
    with tqdm(total=len(stream), unit="img", disable=not progress) as bar:
        for batch, names in stream:
            for task, statistics in _statistics(model, batch, threshold, options).items():
                sums[task] = sums[task] + statistics if task in sums else statistics
            if floors is not None:
                floors.update(batch, names, sums)
            if len(sizes) < 9:
                sizes.add(size_of(batch))
            bar.update(len(names))
    return sums, sizes


@torch.inference_mode()
def _statistics(
    model: nn.Module, batch: Mapping[str, Any], threshold: float, options: DepthProtocol
) -> dict[str, Tensor]:
    outputs = model(batch["bg"], batch["fg_bg"])
    statistics: dict[str, Tensor] = {}
    if "mask" in outputs:
        known = batch.get("mask_valid")
        statistics["mask"] = mask_statistics(outputs["mask"], batch["mask"], known, threshold=threshold)
    if "depth" in outputs:
        layers = outputs["depth"], batch["depth"], batch["depth_valid"], batch["mask"], batch.get("mask_valid")
        statistics["depth"] = depth_statistics(*layers, **options)
    if not statistics:
        raise InvalidArgumentError(f"the model returned {sorted(outputs)}; expected 'mask', 'depth' or both.")
    return {task: values.cpu() for task, values in statistics.items()}


@torch.inference_mode()
def _fit_floors(stream: BatchStream, floor_data: Any, floors: Floors) -> Floors:  # noqa: ANN401
    if floor_data is not None:
        data = BatchStream(
            floor_data, stream.batch_size, stream.num_workers, stream.device, stream.perturbation, stream.seed
        )
        floors.fit_thresholds(data)
        floors.fit_depth(data, repeats=data.repeats, leave_out=False)
    elif stream.repeats:
        floors.fit_depth(stream, repeats=True, leave_out=True)
    else:
        floors.fit_depth(stream.subset(even_subset(len(stream), _FIT_SAMPLES)), repeats=False, leave_out=False)
    return floors


@contextmanager
def _moved(model: nn.Module, device: torch.device, home: torch.device) -> Iterator[None]:
    try:
        model.to(device)
        yield
    finally:
        model.to(home)


def _device_of(model: nn.Module) -> torch.device:
    return next((tensor.device for tensor in (*model.parameters(), *model.buffers())), torch.device("cpu"))


def _describe(model: nn.Module, dataset: Any, sizes: set[tuple[int, int]]) -> dict[str, Any]:  # noqa: ANN401
    return {
        "model": type(model).__name__,
        "dataset": type(dataset).__name__,
        "sizes": [list(size) for size in sorted(sizes)[:8]],
        "size_handling": "as the dataset delivers; the prediction is scored at the size of the truth"
        + (", more sizes than are listed" if len(sizes) > 8 else ""),
        "boundary": "2 px at 224 px, in proportion to the longer side, at least 1 px",
        "versions": {
            "fgbgnet": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "pillow": version("pillow"),
            "python": platform.python_version(),
        },
    }


def _named(perturbation: Perturbing | None) -> dict[str, Any] | None:
    if perturbation is None:
        return None
    name, severity, target = (*perturbation, None)[:3]
    default = PAIR_PERTURBATIONS[name].targets[0] if name in PAIR_PERTURBATIONS else "bg"
    return {"name": name, "severity": severity, "applied_to": target or default}


def _finite(value: Any) -> Any:  # noqa: ANN401 - a tree of JSON values
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.4f}"


__all__ = ["Evaluation", "evaluate"]
