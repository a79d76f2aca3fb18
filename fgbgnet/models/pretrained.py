"""Model folders: config.json and model.safetensors. Loading our own files never touches the network."""

import json
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from fgbgnet.errors import MissingFileError, WeightsError
from fgbgnet.files import write_bytes
from fgbgnet.types import PathInput
from fgbgnet.version import __version__

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"


class PretrainedMixin(nn.Module):
    """Saves a module as a folder and builds it again from there.

    A subclass records the keyword arguments of its constructor in ``arguments``.
    """

    arguments: dict[str, Any]
    mutable_arguments: tuple[str, ...] = ()
    """Arguments that are attributes of the same name, which may have changed since."""

    untrained: bool = True
    """Whether the weights are still those of the constructor."""

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that build this module as it is now."""
        return {**self.arguments, **{name: getattr(self, name) for name in self.mutable_arguments}}

    def save_pretrained(self, folder: PathInput, *, metadata: dict[str, Any] | None = None) -> Path:
        """Writes ``config.json`` and ``model.safetensors``.

        Each file is replaced in one step, so that an interrupted save leaves the former one whole.

        Args:
            folder: Made if it is missing.
            metadata: Facts to keep beside the weights, e.g. data, split, seed, figures. Must be JSON-serialisable.

        Returns:
            The folder.
        """
        from safetensors.torch import save

        content = {
            "class": type(self).__name__,
            "fgbgnet_version": __version__,
            "config": self.config,
            "metadata": metadata or {},
        }
        try:
            text = json.dumps(content, indent=2)
        except TypeError as error:
            raise WeightsError(f"the configuration cannot be written as JSON ({error}): {self.config}") from error
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = {key: tensor.detach().cpu().contiguous() for key, tensor in self.state_dict().items()}
        write_bytes(folder / WEIGHTS_FILE, save(weights, metadata={"format": "pt"}))
        write_bytes(folder / CONFIG_FILE, (text + "\n").encode())
        return folder

    @classmethod
    def from_pretrained(cls, folder: PathInput, **overrides: Any) -> Self:  # noqa: ANN401 - the constructor's own
        """Builds a model from a folder that `save_pretrained` wrote, or from a run's folder that holds one.

        Args:
            folder: The folder.
            **overrides: Constructor arguments that replace the saved ones.

        Returns:
            The model, in evaluation mode.

        Raises:
            MissingFileError: If the folder or one of its files is missing.
            WeightsError: If the configuration or the weights do not fit the model.
        """
        folder = find_model_folder(folder)
        content = read_config(folder)
        if content.get("class") != cls.__name__:
            raise WeightsError(
                f"{folder / CONFIG_FILE} describes a {content.get('class')!r}; expected {cls.__name__!r}"
            )
        # Whatever the training started from is in our own file now.
        config = {**content["config"], "encoder_weights": None, **overrides}
        try:
            model = cls(**config)
        except TypeError as error:
            raise WeightsError(
                f"{folder / CONFIG_FILE} has arguments that {cls.__name__} does not take: {error}"
            ) from (error)
        model.arguments["encoder_weights"] = content["config"].get("encoder_weights")
        model.load_weights(folder)
        return model.eval()

    def load_weights(self, folder: PathInput) -> None:
        """Takes over the weights of a model folder whose architecture is this one's.

        Raises:
            MissingFileError: If the folder holds no model.
            WeightsError: If an entry is missing, unknown, or of another shape; nothing is taken over then.
        """
        _load_weights(self, find_model_folder(folder) / WEIGHTS_FILE)
        self.untrained = False


def find_model_folder(folder: PathInput) -> Path:
    """The folder itself if it holds a model, or its sub-folder ``model`` if that does, as in a run's folder.

    Raises:
        MissingFileError: If neither does.
    """
    folder = Path(folder)
    for candidate in (folder, folder / "model"):
        if (candidate / CONFIG_FILE).is_file() and (candidate / WEIGHTS_FILE).is_file():
            return candidate
    if not folder.exists():
        raise MissingFileError(f"no model folder at {folder}")
    raise MissingFileError(
        f"{folder} holds no model: expected {CONFIG_FILE} and {WEIGHTS_FILE}, as save_pretrained and "
        "fgbgnet train write them, in it or in its sub-folder 'model'"
    )


def read_config(folder: PathInput) -> dict[str, Any]:
    """Reads and checks ``config.json`` of a model folder.

    Raises:
        WeightsError: If it is not what `PretrainedMixin.save_pretrained` writes.
    """
    path = Path(folder) / CONFIG_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("config"), dict):
        raise WeightsError(f"{path} has no 'config' object; it is not a model that fgbgnet saved")
    return content


def _load_weights(model: nn.Module, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} cannot be read ({error}); copy or save it again") from error
    own = model.state_dict()
    problems = {
        "missing": [key for key in own if key not in weights],
        "unknown": [key for key in weights if key not in own],
        "of another shape": [key for key in own if key in weights and own[key].shape != weights[key].shape],
    }
    found = [f"{len(keys)} {kind} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
             for kind, keys in problems.items() if keys]  # fmt: skip
    if found:
        raise WeightsError(
            f"{path} does not fit the model that {CONFIG_FILE} beside it describes: entries {'; '.join(found)}. "
            "The two files must come from the same save_pretrained"
        )
    model.load_state_dict(weights)


__all__ = ["CONFIG_FILE", "WEIGHTS_FILE", "PretrainedMixin", "find_model_folder", "read_config"]
