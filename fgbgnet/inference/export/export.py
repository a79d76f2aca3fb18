"""`export_model`: traces a model, writes the file, and runs it against the model before it is left there."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor
from tqdm import tqdm

from fgbgnet.errors import ExportError, InvalidArgumentError, MissingExtraError, UnknownNameError
from fgbgnet.files import atomic_path, check_output
from fgbgnet.inference.export.facts import FACTS_FILE, PRECISIONS, ExportFacts, Precision
from fgbgnet.inference.export.graph import GraphModel, example_pictures, file_pictures, trace
from fgbgnet.inference.export.onnx_file import require_onnx, to_onnx, write_onnx
from fgbgnet.inference.export.run import RUNNERS, ExportedFile
from fgbgnet.models import PredictMixin
from fgbgnet.models.checks import checked_count, checked_tasks
from fgbgnet.types import TASKS, Outputs, PathInput, Task
from fgbgnet.version import __version__

Format: TypeAlias = Literal["onnx", "pt2"]
FORMATS = ("onnx", "pt2")
TOLERANCE = 1e-4
"""How much the outputs of a float32 file may differ from the model's: see `difference`."""
OLDEST_TORCH = (2, 6)
"""The first with the exporter that is used here."""


@dataclass(frozen=True)
class ExportReport:
    """What became of an export.

    Attributes:
        path: The file.
        format: ``"onnx"`` or ``"pt2"``.
        megabytes: Its size.
        differences: By output, the largest `difference` to the model on random pictures.
        facts: What the file says of itself.
    """

    path: Path
    format: Format
    megabytes: float
    differences: dict[str, float]
    facts: ExportFacts

    def summary(self) -> str:
        """One line."""
        differences = ", ".join(f"{name} {value:.1e}" for name, value in self.differences.items())
        return (
            f"{self.path}: {self.megabytes:.1f} MB, largest difference to the model on random pictures: {differences}"
        )


def export_model(
    model: PredictMixin,
    path: PathInput,
    *,
    format: Format | None = None,  # noqa: A002 - the word that users know
    tasks: Sequence[Task] | Task | None = None,
    probabilities: bool = False,
    byte_pictures: bool = False,
    size: int | tuple[int, int] | None = None,
    precision: Precision = "fp32",
    overwrite: bool = False,
    progress: bool = True,
) -> ExportReport:
    """Writes a model as one file that runs without its code, and checks that the file says what the model says.

    The file takes two inputs ``bg`` and ``fg_bg`` and has the outputs ``mask`` and ``depth``, in that order, and
    whatever else the model returns behind them. Batch, height and width are free. Normalisation, padding and cropping
    are inside.

    The file is run on random pictures of several sizes and stays only if it agrees with the model: within 1e-4 in
    float32 (see `fgbgnet.inference.export.export.difference`); with weights of fewer bits the difference is reported.

    Args:
        model: The model. It stays as it is; the file is made from its evaluation mode, in float32, on the CPU.
        path: The file, ending with ``.onnx`` or ``.pt2``.
        format: ``"onnx"`` (extra ``export``) or ``"pt2"``; by default by the end of the path.
        tasks: What the file computes; the model's ``tasks`` by default.
        probabilities: Whether ``mask`` is a probability instead of a logit.
        byte_pictures: Whether the file takes uint8 (B, H, W, C) as cameras give it, instead of float32 (B, C, H, W) in
            [0, 1].
        size: Fixes the pictures to a square, or to (H, W), for models that have no graph for any size.
        precision: ``"fp32"``; or, for ONNX, ``"fp16"`` or ``"int8"``: the weights are stored so, the arithmetic stays
            float32.
        overwrite: Whether a file that is there is replaced.
        progress: Whether a bar shows the steps.

    Returns:
        What became of it.

    Raises:
        MissingExtraError: If ``onnx``, ``onnxscript`` or ``onnxruntime`` is missing, or torch is older than 2.6.
        ExportError: If the model has no such graph, or the file does not agree with the model.
        InvalidArgumentError: If an option does not fit, or the file is there already.
        UnknownNameError: If a format, precision or task is unknown.

    >>> import tempfile
    >>> from fgbgnet import create_model, load_model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = export_model(create_model("fgbgnet_xs"), f"{folder}/model.onnx", progress=False)
    ...     outputs = load_model(report.path)(torch.rand(1, 3, 50, 70), torch.rand(1, 3, 50, 70))
    >>> {name: tuple(layer.shape) for name, layer in outputs.items()}
    {'mask': (1, 1, 50, 70), 'depth': (1, 1, 50, 70)}
    """
    path = Path(path)
    if isinstance(model, ExportedFile):
        raise InvalidArgumentError(f"{model.path} is exported already; export the model that it was made from")
    format = _checked_format(path, format, precision)  # noqa: A001
    check_output(path, folder=False)
    if path.exists() and not overwrite:
        raise InvalidArgumentError(f"{path} is there already; replace it (overwrite), or choose another name")
    _require(format)
    own = getattr(model, "tasks", TASKS)
    wanted = checked_tasks(own if tasks is None else tasks)
    graph = GraphModel(copy.deepcopy(model).cpu().float().eval(), wanted, probabilities, byte_pictures)
    with tqdm(total=4, desc="export: record", disable=None if progress else True, leave=False) as bar:
        trials = _trials(graph, _size(model, size))
        facts = _facts(graph, _size(model, size), precision, trials[0].outputs)
        program = trace(graph, trials[0].pictures, facts, _name(model))
        with atomic_path(path) as temporary:
            if format == "onnx":
                _advance(bar, "translate")
                proto = to_onnx(program, facts, _name(model))
                _advance(bar, "write")
                write_onnx(proto, temporary)
            else:
                bar.update()
                _advance(bar, "write")
                torch.export.save(program, str(temporary), extra_files={FACTS_FILE: facts.to_json()})
            _advance(bar, "check")
            differences = _compare(RUNNERS[format](temporary), trials)
            _refuse(differences, precision, path)
        bar.update()
    return ExportReport(path, format, path.stat().st_size / 1e6, differences, facts)


def difference(layer: Tensor, expected: Tensor) -> float:
    """The largest difference of two layers: absolute where the expected value is below 1, else relative to it.

    >>> difference(torch.tensor([0.1, 100.0]), torch.tensor([0.0, 101.0]))
    0.10000000149011612
    """
    return float(((layer - expected).abs() / expected.abs().clamp(min=1)).max())


def _checked_format(path: Path, format: str | None, precision: str) -> Format:  # noqa: A002
    suffix = path.suffix.removeprefix(".")
    name = suffix if format is None else format
    if name not in FORMATS:
        raise UnknownNameError("format", name, FORMATS, "Let the file end with .onnx or .pt2, or name the format.")
    if suffix != name:
        raise InvalidArgumentError(f"{path} is to be of format {name!r}; let its name end with '.{name}'")
    if precision not in PRECISIONS:
        raise UnknownNameError("precision", precision, PRECISIONS)
    if name == "pt2" and precision != "fp32":
        raise InvalidArgumentError(
            f"precision={precision!r} is for ONNX: a .pt2 file computes in the type that its weights have; "
            "use format='onnx', or precision='fp32'"
        )
    return "onnx" if name == "onnx" else "pt2"


def _require(format: str) -> None:  # noqa: A002
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < OLDEST_TORCH:
        raise MissingExtraError(f"Export with torch {torch.__version__} is not possible: it", "export")
    if format == "onnx":
        require_onnx()


class _Trial(NamedTuple):
    """Pictures as the file takes them, and what the model says to them."""

    pictures: tuple[Tensor, Tensor]
    outputs: Outputs


def _size(model: PredictMixin, size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """The one (H, W) that the file takes: what was asked for, or all that the encoder takes; None for any."""
    if size is None:
        fixed: tuple[int, int] | None = getattr(getattr(model, "input_sizes", None), "fixed", None)
        return fixed
    height, width = (size, size) if isinstance(size, int) else size
    return checked_count("size", height), checked_count("size", width)


def _trials(graph: GraphModel, size: tuple[int, int] | None) -> list[_Trial]:
    model = graph.model
    pairs = example_pictures(size, model.in_channels, getattr(model, "stride", 16))
    pictures = [file_pictures(pair, graph.pictures) for pair in pairs]
    with torch.no_grad():
        return [_Trial(pair, graph(*pair)) for pair in pictures]


def _facts(graph: GraphModel, size: tuple[int, int] | None, precision: Precision, outputs: Outputs) -> ExportFacts:
    model = graph.model
    return ExportFacts(
        outputs=tuple(outputs),
        depth_unit=model.depth_unit,
        input_size=model.input_size,
        size=size,
        in_channels=model.in_channels,
        pictures=graph.pictures,
        mask="probability" if graph.probabilities else "logits",
        precision=precision,
        fgbgnet_version=__version__,
    )


def _name(model: PredictMixin) -> str:
    encoder = getattr(model, "arguments", {}).get("encoder_name")
    return type(model).__name__ if encoder is None else f"A model with encoder {encoder!r}"


def _advance(bar: "tqdm[None]", step: str) -> None:
    bar.update()
    bar.set_description(f"export: {step}")


def _compare(runner: ExportedFile, trials: Sequence[_Trial]) -> dict[str, float]:
    """By output, the largest difference between the file and the model.

    Raises:
        ExportError: If the file refuses pictures that the model takes.
    """
    differences = dict.fromkeys(runner.facts.outputs, 0.0)
    for pictures, outputs in trials:
        try:
            layers = runner.run(*pictures, runner.facts.outputs)
        except Exception as error:  # each format has errors of its own for pictures that a graph does not take
            raise ExportError(
                f"the file does not take pictures of shape {tuple(pictures[0].shape)}, which the model takes, and was "
                f"not written: {error}. Fix the size of the pictures (size=224), or choose another encoder"
            ) from error
        for name, expected in outputs.items():
            differences[name] = _larger(differences[name], difference(layers[name], expected))
    return differences


def _larger(one: float, other: float) -> float:
    """The larger of two; what is not a number counts as larger than any."""
    return one if one != one or one > other else other


def _refuse(differences: dict[str, float], precision: Precision, path: Path) -> None:
    """Refuses a file that does not agree with the model.

    Raises:
        ExportError: If float32 outputs differ by more than `TOLERANCE`, or others are not finite.
    """
    limit = TOLERANCE if precision == "fp32" else float("inf")
    wrong = {name: value for name, value in differences.items() if not value < limit}
    if wrong:
        values = ", ".join(f"{name} {value:.1e}" for name, value in wrong.items())
        raise ExportError(
            f"the file does not say what the model says, and {path} was not written: largest difference on random "
            f"pictures {values}, expected less than {limit:g}. Choose the other format ({' or '.join(FORMATS)}), or "
            "another encoder"
        )


__all__ = ["FORMATS", "TOLERANCE", "ExportReport", "Format", "difference", "export_model"]
