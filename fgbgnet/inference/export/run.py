"""Exported files that behave like models."""

import inspect
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from fgbgnet.errors import InvalidArgumentError, MissingExtraError, MissingFileError, WeightsError
from fgbgnet.inference.export.facts import FACTS_FILE, FACTS_KEY, ExportFacts
from fgbgnet.inference.export.graph import file_pictures
from fgbgnet.models import PredictMixin
from fgbgnet.models.checks import check_pair, check_range, checked_tasks
from fgbgnet.types import Outputs, PathInput, Task

CERTAIN = 1e-7
"""Probabilities are kept this far from 0 and 1 before logits are made of them."""


class ExportedFile(PredictMixin):
    """What the runners have in common: the contract of a model, on the CPU, without gradients.

    Args:
        path: The file.
        facts: What it says of itself.
    """

    def __init__(self, path: Path, facts: ExportFacts) -> None:
        super().__init__()
        self.path = path
        self.facts = facts
        self.depth_unit = facts.depth_unit
        self.in_channels = facts.in_channels
        self.tasks = facts.tasks
        square = facts.size is not None and facts.size[0] == facts.size[1]
        self.input_size = facts.size[0] if facts.size is not None and square else facts.input_size
        self.eval()

    @abstractmethod
    def run(self, bg: Tensor, fg_bg: Tensor, names: Sequence[str]) -> Mapping[str, Tensor]:
        """The named outputs for two batches of pictures, as the file takes and gives them."""

    def forward(self, bg: Tensor, fg_bg: Tensor, tasks: Sequence[Task] | Task | None = None) -> Outputs:
        """As the model's forward.

        Args:
            bg: Clean background, float (B, C, H, W) in [0, 1].
            fg_bg: The same scene with something new in it, of the same shape.
            tasks: Which of the file's tasks to return; all by default.

        Returns:
            The outputs on the device of ``bg``; ``"mask"`` holds logits, whatever the file holds.

        Raises:
            InvalidArgumentError: If shapes, types or ranges do not fit, or the file has no such task.
            UnknownNameError: If a task is unknown.
        """
        names = checked_tasks(self.tasks if tasks is None else tasks)
        for name in names:
            if name not in self.facts.tasks:
                raise InvalidArgumentError(f"{self.path} was exported without {name!r}; it has {self.facts.tasks}")
        check_pair(bg, fg_bg, self.in_channels)
        check_range(bg, fg_bg)
        if self.facts.size is not None and tuple(bg.shape[-2:]) != self.facts.size:
            raise InvalidArgumentError(
                f"pictures of {tuple(bg.shape[-2:])} pixels came; {self.path} was exported for {self.facts.size} only. "
                "Resize them, or export without a size"
            )
        wanted = [name for name in self.facts.outputs if name.removesuffix("_uncertainty") in names]
        pair = file_pictures([picture.detach().float().cpu() for picture in (bg, fg_bg)], self.facts.pictures)
        outputs = {name: layer.to(bg.device) for name, layer in self.run(*pair, wanted).items()}
        if self.facts.mask == "probability" and "mask" in outputs:
            outputs["mask"] = outputs["mask"].clamp(CERTAIN, 1 - CERTAIN).logit()
        return outputs

    def _working_size(self, height: int, width: int) -> torch.Size:
        return super()._working_size(height, width) if self.facts.size is None else torch.Size(self.facts.size)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{self.path}, {self.facts}"


class OnnxModel(ExportedFile):
    """An ONNX file that `fgbgnet.inference.export_model` wrote, run by ONNX Runtime (extra ``export``).

    Args:
        path: The file.
        threads: How many threads compute; ONNX Runtime's own choice by default.
        providers: Execution providers of ONNX Runtime, by preference. The first that is installed computes.

    Raises:
        MissingExtraError: If ONNX Runtime is not installed.
        MissingFileError: If there is no such file.
        WeightsError: If the file is no ONNX file, or not ours.
        InvalidArgumentError: If the number of threads or a provider is unknown.
    """

    default_providers: ClassVar[tuple[str, ...]] = ("CPUExecutionProvider",)

    def __init__(
        self, path: PathInput, *, threads: int | None = None, providers: Sequence[str] = default_providers
    ) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("Running an ONNX file", "export") from error
        path = _existing(path)
        known = onnxruntime.get_available_providers()
        if not set(providers) <= set(known):
            raise InvalidArgumentError(f"providers={list(providers)}; this ONNX Runtime has {known}")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors alone; a warning per weight helps nobody
        # Weights stored as bytes are made floats once, when the file is loaded, and not with every picture.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        if threads is not None:
            if threads < 1:
                raise InvalidArgumentError(f"threads={threads}; expected at least 1, or None")
            options.intra_op_num_threads = threads
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=list(providers))
        except Exception as error:  # the runtime has an error of its own for each way in which a file can be broken
            raise WeightsError(f"{path} cannot be read as an ONNX file: {error}") from error
        text = session.get_modelmeta().custom_metadata_map.get(FACTS_KEY)
        super().__init__(path, ExportFacts.from_json(text, path))
        self.session: Any = session
        self.partial: Any = onnxruntime.RunOptions()
        self.partial.only_execute_path_to_fetches = True  # a task that nobody asked for costs nothing

    def run(self, bg: Tensor, fg_bg: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """The named outputs for two batches of pictures, as the file takes and gives them."""
        options = None if len(names) == len(self.facts.outputs) else self.partial
        layers = self.session.run(list(names), {"bg": bg.numpy(), "fg_bg": fg_bg.numpy()}, options)
        return {name: torch.from_numpy(layer) for name, layer in zip(names, layers, strict=True)}


class ExportedModel(ExportedFile):
    """A ``.pt2`` file that `fgbgnet.inference.export_model` wrote, run by PyTorch alone, without the model's code.

    Args:
        path: The file. As with any file of PyTorch: load only what you trust.

    Raises:
        MissingFileError: If there is no such file.
        WeightsError: If the file is no exported program, or not ours.
    """

    def __init__(self, path: PathInput) -> None:
        path = _existing(path)
        extra = {FACTS_FILE: ""}
        try:
            program = torch.export.load(str(path), extra_files=extra)
        except Exception as error:  # a broken archive raises whatever its first unreadable part raises
            raise WeightsError(f"{path} cannot be read as an exported program of PyTorch: {error}") from error
        super().__init__(path, ExportFacts.from_json(extra[FACTS_FILE], path))
        # Not a sub-module: a program has no evaluation mode to be put into, and no device to be moved to.
        self._programs = (_module(program),)

    @torch.no_grad()
    def run(self, bg: Tensor, fg_bg: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """The named outputs for two batches of pictures, as the file takes and gives them."""
        outputs = self._programs[0](bg=bg, fg_bg=fg_bg)
        return {name: outputs[name] for name in names}


def _module(program: ExportedProgram) -> nn.Module:
    """The program as a module that takes every size.

    Later versions of torch check what the recording noted of its example. Notes on how large tensors lie in memory are
    among it, such as that a layer is wider than one pixel, which refuse sizes for which the program is right. What
    depends on the size indeed is found by `export_model`, which runs the file on pictures of several.
    """
    if "check_guards" in inspect.signature(program.module).parameters:
        return program.module(check_guards=False)
    return program.module()


def _existing(path: PathInput) -> Path:
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"no file at {path}")
    return path


RUNNERS: dict[str, type[OnnxModel] | type[ExportedModel]] = {"onnx": OnnxModel, "pt2": ExportedModel}
"""Which runner a file has, by its suffix."""

__all__ = ["RUNNERS", "ExportedFile", "ExportedModel", "OnnxModel"]
