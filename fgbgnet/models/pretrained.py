"""Model folders: config.json and model.safetensors. Loading our own files never touches the network."""

import hashlib
import json
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from fgbgnet.errors import MissingFileError, WeightsError
from fgbgnet.files import write_bytes
from fgbgnet.models.memory_format import is_channels_last
from fgbgnet.types import PathInput
from fgbgnet.version import __version__

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
WEIGHTS_HASH = "weights_sha256"
CHANNELS_LAST = "channels_last"
OWN_MODULE = "module:"
"""Start of an argument in a configuration that stands for a module of the user's own."""


class PretrainedMixin(nn.Module):
    """Saves a module as a folder and builds it again from there.

    A subclass records the keyword arguments of its constructor in ``arguments``.
    """

    arguments: dict[str, Any]
    mutable_arguments: tuple[str, ...] = ()
    """Arguments that are attributes of the same name, which may have changed since."""

    untrained: bool
    """Whether the weights are still those of the constructor: False once some were loaded, or training has begun."""

    def __init__(self) -> None:
        super().__init__()
        self.untrained = True
        # A hook, since a module around this one loads its parts without calling their load_state_dict.
        self.register_load_state_dict_post_hook(_mark_loaded)  # type: ignore[no-untyped-call]

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that build this module as it is now."""
        return {**self.arguments, **{name: getattr(self, name) for name in self.mutable_arguments}}

    def save_pretrained(self, folder: PathInput, *, metadata: dict[str, Any] | None = None) -> Path:
        """Writes ``config.json`` and ``model.safetensors``.

        Each file is replaced in one step, the weights first. The configuration holds their SHA-256, so that a save
        which was interrupted between the two is told on loading instead of giving a model that nobody trained.

        Args:
            folder: Made if it is missing.
            metadata: Facts to keep beside the weights, e.g. data, split, seed, figures. Must be JSON-serialisable.

        Returns:
            The folder.
        """
        from safetensors.torch import save

        weights = {key: tensor.detach().cpu().contiguous() for key, tensor in self.state_dict().items()}
        data = save(weights, metadata={"format": "pt"})
        content = {
            "class": type(self).__name__,
            "fgbgnet_version": __version__,
            WEIGHTS_HASH: hashlib.sha256(data).hexdigest(),
            CHANNELS_LAST: is_channels_last(self),
            "config": self.config,
            "metadata": metadata or {},
        }
        try:
            text = json.dumps(content, indent=2)
        except TypeError as error:
            raise WeightsError(f"the configuration cannot be written as JSON ({error}): {self.config}") from error
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / WEIGHTS_FILE, data)
        write_bytes(folder / CONFIG_FILE, (text + "\n").encode())
        return folder

    @classmethod
    def from_pretrained(cls, folder: PathInput, **overrides: Any) -> Self:  # noqa: ANN401 - the constructor's own
        """Builds a model from a folder that `save_pretrained` wrote, or from a run's folder that holds one.

        Args:
            folder: The folder.
            **overrides: Constructor arguments that replace the saved ones.

        Returns:
            The model, in evaluation mode, and in the memory format that it was saved in: results are the same bits.

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
        for name, value in config.items():
            if isinstance(value, str) and value.startswith(OWN_MODULE):
                raise WeightsError(
                    f"the model in {folder} was built with a module of its author's own as {name}, a "
                    f"{value.removeprefix(OWN_MODULE)}; give one like it: from_pretrained(folder, {name}=your_module)"
                )
        try:
            model = cls(**config)
        except TypeError as error:
            raise WeightsError(
                f"{folder / CONFIG_FILE} has arguments that {cls.__name__} does not take: {error}"
            ) from (error)
        model.arguments["encoder_weights"] = content["config"].get("encoder_weights")
        if content.get(CHANNELS_LAST):
            model.to(memory_format=torch.channels_last)
        model.load_weights(folder)
        return model.eval()

    def load_weights(self, folder: PathInput) -> None:
        """Takes over the weights of a model folder whose architecture is this one's.

        Raises:
            MissingFileError: If the folder holds no model.
            WeightsError: If an entry is missing, unknown, or of another shape, or the two files are of different saves;
                nothing is taken over then.
        """
        _load_weights(self, find_model_folder(folder))


def _mark_loaded(module: PretrainedMixin, _: object) -> None:
    module.untrained = False


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


def _load_weights(model: nn.Module, folder: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = folder / WEIGHTS_FILE
    try:
        data = path.read_bytes()
        weights: dict[str, Tensor] = load(data)
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
    expected = read_config(folder).get(WEIGHTS_HASH)  # models of before there was one load all the same
    if expected not in (None, hashlib.sha256(data).hexdigest()):
        raise WeightsError(
            f"{path} is not the file that {CONFIG_FILE} beside it was saved with: a save was interrupted, or one of "
            f"the two was replaced. Copy both from one save_pretrained; if the change is meant, delete "
            f"{WEIGHTS_HASH!r} from {CONFIG_FILE}"
        )
    model.load_state_dict(weights)


__all__ = ["CONFIG_FILE", "OWN_MODULE", "WEIGHTS_FILE", "PretrainedMixin", "find_model_folder", "read_config"]
