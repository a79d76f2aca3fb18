"""From what a user has to a teacher."""

import os

import torch

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth.teachers.huggingface import from_pretrained
from fgbgnet.synth.teachers.teacher import Estimate, Teacher, check_meaning, from_callable
from fgbgnet.types import DepthDirection, DepthUnit, PathInput


def load_teacher(
    source: Estimate | PathInput,
    device: torch.device | str = "auto",
    unit: DepthUnit | None = None,
    direction: DepthDirection | None = None,
    *,
    name: str | None = None,
    revision: str | None = None,
) -> Teacher:
    """Makes a depth teacher of a function, or of a depth-estimation model of Hugging Face (extra ``depth``).

    Args:
        source: A callable, uint8 pictures (B, 3, H, W) -> depth (B, h, w) or (B, 1, h, w), tensor or array; or the
            folder of a model as ``save_pretrained`` writes it; or the id of one on the hub, which is fetched on first
            use, such as ``"depth-anything/Depth-Anything-V2-Small-hf"`` (Apache-2.0) or ``"Intel/dpt-large"``
            (Apache-2.0). Mind the licence of other weights: those of the larger Depth Anything V2 are for
            non-commercial use. A `Teacher` is returned as it is.
        device: ``"auto"`` is the first of cuda, mps and cpu that is there; for a callable it is the CPU.
        unit: ``"metres"`` or ``"relative"``. None asks the model's configuration; a callable has to say it.
        direction: ``"near_small"`` (distance) or ``"near_large"`` (inverse depth). None asks the model's configuration;
            metres are near_small; a callable that is relative has to say it.
        name: How to call it; by default the id, the folder's name, or the qualified name of the callable. Give one
            to a callable that is one of several with the same qualified name, such as lambdas or modules: the name
            tells them apart when a folder is taken up again.
        revision: Branch, tag or commit on the hub.

    Returns:
        The teacher. Its ``fingerprint`` is that of weights and pre-processing, or the names of a callable.

    Raises:
        MissingExtraError: If transformers is not installed.
        MissingFileError: If there is no such folder, or the model cannot be fetched.
        WeightsError: If the folder, or what was fetched, is no depth-estimation model, or lacks weights.
        InvalidArgumentError: If unit or direction is not known, ``source`` or ``device`` is something else, or a
            `Teacher` came with arguments that contradict it.
        UnknownNameError: If there is no such unit or direction.

    >>> teacher = load_teacher(lambda pictures: 1 + pictures[:, 0].float(), unit="metres", name="red")
    >>> teacher
    Teacher('red', metres, near_small, on cpu)
    """
    check_meaning(unit or "relative", direction or "near_small")  # before a large model is loaded
    if isinstance(source, Teacher):
        return _unchanged(source, device, {"unit": unit, "direction": direction, "name": name, "revision": revision})
    if callable(source):
        return from_callable(source, _device("cpu" if device == "auto" else device), unit, direction, name)
    if not isinstance(source, str | os.PathLike):
        raise InvalidArgumentError(
            f"source is a {type(source).__name__}; expected a callable, a folder, or a model id of Hugging Face"
        )
    return from_pretrained(source, _device(device), unit, direction, name, revision)


def _unchanged(teacher: Teacher, device: torch.device | str, wanted: dict[str, str | None]) -> Teacher:
    """A teacher as it is; whatever else was asked for would be lost silently."""
    there: dict[str, str | None] = {"unit": teacher.unit, "direction": teacher.direction, "name": teacher.name}
    if device != "auto":
        there["device"], wanted["device"] = str(teacher.device), str(_device(device))
    for key, value in wanted.items():
        if value is not None and value != there.get(key):
            raise InvalidArgumentError(
                f"{key} is {value!r}, but the source is the {teacher} already; leave {key} out, or make another teacher"
            )
    return teacher


def _device(device: torch.device | str) -> torch.device:
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # AssertionError: torch without CUDA
        raise InvalidArgumentError(f"device {str(device)!r} cannot be used ({error}); try 'cpu' or 'auto'") from error


__all__ = ["load_teacher"]
