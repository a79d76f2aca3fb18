"""Depth-estimation models of Hugging Face as teachers (extra ``depth``)."""

import re
from hashlib import blake2b
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError, MissingExtraError, MissingFileError, WeightsError
from fgbgnet.synth.teachers.teacher import Teacher
from fgbgnet.types import DepthDirection, DepthUnit, PathInput

Meaning = tuple[DepthUnit, DepthDirection]

_DISTANCE: Meaning = ("metres", "near_small")
_INVERSE: Meaning = ("relative", "near_large")
_UNUSED = "neck.fusion_stage.layers.0.residual_layer1."
"""The first fusion has nothing to add, so published weights of DPT lack this layer."""
_MEANINGS = {"depth_pro": _DISTANCE, "dpt": _INVERSE, "glpn": _DISTANCE, "tipsv2_dpt": _DISTANCE, "zoedepth": _DISTANCE}


def from_pretrained(
    source: PathInput,
    device: torch.device,
    unit: DepthUnit | None,
    direction: DepthDirection | None,
    name: str | None,
    revision: str | None,
) -> Teacher:
    """A model of the hub, or of a local folder, as a teacher; arguments as for `load_teacher`."""
    try:
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation
    except ImportError as error:
        raise MissingExtraError("A depth-estimation model of Hugging Face", "depth") from error

    where, revision = _located(source, revision)
    try:
        processor = AutoImageProcessor.from_pretrained(where, revision=revision)
        model, report = AutoModelForDepthEstimation.from_pretrained(where, revision=revision, output_loading_info=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, UnpicklingError) as error:
        raise _not_loaded(str(source), error) from error
    missing = set(report["missing_keys"])
    _refuse_random_weights(missing, str(source))
    model = model.float().eval().to(device)  # some are stored with half the bits
    if unit is None or direction is None:
        unit, direction = _completed(model.config, unit, direction, str(source))
    label = name or (where if revision else Path(where).resolve().name)
    fingerprint = f"{model.config.model_type} {_digest(model, processor, missing)}"
    return Teacher(_Estimator(model, processor, device), label, fingerprint, unit, direction, device)


class _Estimator:
    """A model with its own pre- and post-processing."""

    def __init__(self, model: Any, processor: Any, device: torch.device) -> None:  # noqa: ANN401 - transformers' own
        self.model, self.processor, self.device = model, processor, device

    def __call__(self, pictures: Tensor) -> Tensor:
        height, width = pictures.shape[2:]
        inputs = self.processor(images=list(pictures), input_data_format="channels_first", return_tensors="pt")
        outputs = self.model(**inputs.to(self.device))
        # The size's name differs between models, its place does not.
        results = self.processor.post_process_depth_estimation(outputs, [(height, width)] * len(pictures))
        # Sides of a single pixel get lost on the way.
        return torch.stack([result["predicted_depth"].reshape(height, width) for result in results])


def meaning_of(config: Any) -> Meaning | None:  # noqa: ANN401 - any configuration of transformers
    """What the values of a model mean, as far as its configuration says it.

    Depth Anything says it itself. MiDaS (``dpt``) gives inverse depth up to scale and shift, but a DPT head on DINOv2
    may as well have been trained in metres, and its configuration does not tell.

    Returns:
        Unit and direction, or None if they are not known.
    """
    if config.model_type in ("depth_anything", "prompt_depth_anything"):
        return _DISTANCE if config.depth_estimation_type == "metric" else _INVERSE
    if config.model_type == "dpt" and getattr(config.backbone_config, "model_type", "").startswith("dino"):
        return None
    return _MEANINGS.get(config.model_type)


def _completed(
    config: Any, unit: DepthUnit | None, direction: DepthDirection | None, source: str  # noqa: ANN401
) -> Meaning:  # fmt: skip
    """Unit and direction where at least one was not given."""
    if unit == "metres":
        return _DISTANCE
    known = meaning_of(config)
    if known is not None and unit in (None, known[0]):
        return known[0], direction or known[1]
    raise InvalidArgumentError(
        f"what the values of {source!r} mean is not known: a model of type {config.model_type!r} does not say it. Give "
        "unit='metres', or unit='relative' with direction='near_small' (distance) or 'near_large' (inverse depth)"
    )


def _located(source: PathInput, revision: str | None) -> tuple[str, str | None]:
    """The folder, or the id with its commit; a path that leads nowhere is not looked for on the network."""
    text = str(source)
    path = Path(source).expanduser()
    if path.is_dir():
        return str(path), None
    if path.exists():
        raise InvalidArgumentError(f"{text} is a file; expected the folder of a model, with config.json in it")
    if not isinstance(source, str) or not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", text):
        raise MissingFileError(f"no folder of a model at {text}")
    return text, _commit(text, revision)


def _commit(model_id: str, revision: str | None) -> str:
    """The commit that a revision stands for; fails here, with a word of its own, if the hub cannot be reached."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        config = hf_hub_download(model_id, "config.json", revision=revision)
    except LocalEntryNotFoundError as error:
        raise MissingFileError(
            f"the model {model_id!r} is not on this machine and huggingface.co cannot be reached; fetch it where there "
            "is a network and give its folder. If a folder was meant: there is none of this name here"
        ) from error
    except (OSError, ValueError) as error:
        raise MissingFileError(
            f"no model {model_id!r}{'' if revision is None else f' with revision {revision!r}'} can be fetched from "
            f"huggingface.co, and there is no folder of this name here ({_one_line(error)})"
        ) from error
    return Path(config).parent.name


def _not_loaded(source: str, error: Exception) -> WeightsError:
    return WeightsError(
        f"{source} is not a depth-estimation model that transformers can load ({_one_line(error)}); expected "
        "config.json, preprocessor_config.json and model.safetensors, as save_pretrained writes them"
    )


def _one_line(error: Exception) -> str:
    """The first sentences of an error; those of transformers may list all of its models."""
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:300]} ..."


def _refuse_random_weights(missing: set[str], source: str) -> None:
    """Refuses a model that transformers has silently completed with random weights."""
    used = sorted(key for key in missing if not key.startswith(_UNUSED))
    if used:
        raise WeightsError(
            f"{source} lacks {len(used)} weights of its model, of which the first is {used[0]}; with random ones in "
            "their place it would guess nothing. Is it a model for depth estimation?"
        )


def _digest(model: torch.nn.Module, processor: Any, missing: set[str]) -> str:  # noqa: ANN401
    """Of the weights and the pre-processing: the same for a model of the hub and its copy in a folder."""
    digest = blake2b(processor.to_json_string().encode(), digest_size=16)
    for key, tensor in model.state_dict().items():
        if key in missing:  # random, and not used
            continue
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


__all__ = ["from_pretrained", "meaning_of"]
