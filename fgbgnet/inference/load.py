"""Whatever a user may call a model -> something with `predict`."""

from pathlib import Path

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.evaluation.baselines import CompensatedDifference, Difference
from fgbgnet.inference.export.run import RUNNERS
from fgbgnet.models import DualHeadUNet, PredictMixin, find_model_folder, list_models
from fgbgnet.types import PathInput

FLOORS: dict[str, type[PredictMixin]] = {
    "difference": Difference,
    "compensated_difference": CompensatedDifference,
}


def load_model(name_or_folder: PathInput) -> PredictMixin:
    """Loads a model from its folder, its run's folder or an exported file, or makes a floor by its name.

    Args:
        name_or_folder: A folder with ``config.json`` and ``model.safetensors``, in it or in its sub-folder
            ``model``; a file ``.onnx`` or ``.pt2`` that `export_model` wrote; or ``"difference"`` or
            ``"compensated_difference"``, which need no training.

    Returns:
        A module with ``forward(bg, fg_bg)`` and ``predict(bg, fg_bg)``, in evaluation mode.

    Raises:
        MissingFileError: If the folder holds no model, or the file is not there.
        MissingExtraError: If it is an ONNX file, and ONNX Runtime is not installed.
        WeightsError: If its files do not fit together, or the file is none that was exported.
        InvalidArgumentError: If the name is that of an architecture, for which there are no trained weights.
        UnknownNameError: If there is neither such a folder nor such a name.

    >>> type(load_model("difference")).__name__
    'Difference'
    """
    name = str(name_or_folder)
    if name in FLOORS:
        return FLOORS[name]().eval()
    suffix = Path(name).suffix.removeprefix(".")
    if suffix in RUNNERS and not Path(name).is_dir():
        return RUNNERS[suffix](name)
    if Path(name).exists() or isinstance(name_or_folder, Path) or "/" in name:
        return DualHeadUNet.from_pretrained(find_model_folder(name))
    architectures = [card.name for card in list_models()]
    if name in architectures:
        raise InvalidArgumentError(
            f"{name!r} is an architecture without trained weights; train it first "
            f"(fgbgnet train --model {name} --data manifest.csv --out run) and give the run's folder"
        )
    raise UnknownNameError("model", name, FLOORS, "A folder of that name does not exist either.")


__all__ = ["FLOORS", "load_model"]
