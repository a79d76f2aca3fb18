"""A model as one graph: two pictures in, named layers out, for pictures of any size or of one."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from fgbgnet.errors import ExportError
from fgbgnet.inference.export.facts import ExportFacts, Pictures, output_order
from fgbgnet.models import PredictMixin
from fgbgnet.types import Outputs, Task

OTHER_ENCODERS = "resnet18, efficientnet-b0, mobileone_s0, tu-mobilenetv3_small_100 or tu-convnext_atto"


class GraphModel(nn.Module):
    """A model with what is done before and after it in the file.

    Args:
        model: The model, in evaluation mode.
        tasks: What to compute.
        probabilities: Whether the sigmoid of the mask's logits is taken.
        byte_pictures: Whether the pictures come as uint8 (B, H, W, C).
    """

    def __init__(self, model: PredictMixin, tasks: Sequence[Task], probabilities: bool, byte_pictures: bool) -> None:
        super().__init__()
        self.model = model
        self.tasks = tuple(tasks)
        self.probabilities = probabilities
        self.pictures: Pictures = "bytes" if byte_pictures else "floats"

    def forward(self, bg: Tensor, fg_bg: Tensor) -> Outputs:
        """Two batches of pictures -> the layers, tasks first."""
        if self.pictures == "bytes":
            bg, fg_bg = from_bytes(bg), from_bytes(fg_bg)
        outputs: Outputs = self.model(bg, fg_bg, tasks=self.tasks)
        if self.probabilities and "mask" in outputs:
            outputs["mask"] = outputs["mask"].sigmoid()
        return {name: outputs[name] for name in output_order(list(outputs))}


def to_bytes(picture: Tensor) -> Tensor:
    """Pictures (B, C, H, W) in [0, 1] -> uint8 (B, H, W, C), rounded to the nearest.

    >>> to_bytes(torch.tensor([0.0, 0.5, 1.0]).reshape(1, 3, 1, 1)).flatten().tolist()
    [0, 128, 255]
    """
    return (picture * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def from_bytes(picture: Tensor) -> Tensor:
    """Back again: uint8 (B, H, W, C) -> float32 (B, C, H, W) in [0, 1]."""
    return picture.permute(0, 3, 1, 2).to(torch.float32) / 255


def example_pictures(size: tuple[int, int] | None, channels: int, stride: int) -> list[tuple[Tensor, Tensor]]:
    """Random pairs that a model takes.

    If it takes any size: an odd one, one that fits the strides, one that is smaller than the deepest; tall and wide.
    Coarse patterns with noise, of whole bytes, so that both kinds of pictures say the same.

    Args:
        size: (H, W), None for any.
        channels: Channels of each picture.
        stride: The deepest stride of the model.
    """
    if size is None:
        shapes = [
            (2, 2 * stride + stride // 2 + 1, 4 * stride - 1),
            (1, 3 * stride, 2 * stride),
            (1, stride // 2 + 1, 2 * stride),
        ]
    else:
        shapes = [(2, *size), (1, *size)]
    generator = torch.Generator().manual_seed(0)
    pairs = []
    for batch, height, width in shapes:
        coarse = torch.rand(2 * batch, channels, 4, 4, generator=generator)
        fine = torch.rand(2 * batch, channels, height, width, generator=generator)
        pattern = nn.functional.interpolate(coarse, (height, width), mode="bilinear") * 0.8 + 0.2 * fine
        clean, frame = ((pattern * 255).round() / 255).chunk(2)
        pairs.append((clean, frame))
    return pairs


def file_pictures(pair: Sequence[Tensor], kind: Pictures) -> tuple[Tensor, Tensor]:
    """A pair as the file takes it."""
    bg, fg_bg = (to_bytes(picture) if kind == "bytes" else picture.contiguous() for picture in pair)
    return bg, fg_bg


def trace(graph: GraphModel, pair: Sequence[Tensor], facts: ExportFacts, name: str) -> ExportedProgram:
    """Records what the model does to a pair.

    Args:
        graph: The model.
        pair: An example, as `file_pictures` gives it.
        facts: Of the file.
        name: What the user calls the model, for the message.

    Raises:
        ExportError: If a part of the model cannot be recorded.
    """
    height, width = (1, 2) if facts.pictures == "bytes" else (2, 3)
    free = {0: Dim.DYNAMIC} if facts.size else {0: Dim.DYNAMIC, height: Dim.DYNAMIC, width: Dim.DYNAMIC}
    try:
        with silence(), torch.no_grad():
            return torch.export.export(
                graph,
                (),
                # By name, so that nobody can mix up the two pictures.
                kwargs=dict(zip(("bg", "fg_bg"), pair, strict=True)),
                dynamic_shapes={"bg": free, "fg_bg": free},
                strict=False,
            )
    except Exception as error:  # torch raises some forty kinds here; all mean that this model has no such graph
        raise not_exportable(name, "torch.export", error, facts) from error


@contextmanager
def silence() -> Iterator[None]:
    """Keeps the remarks of PyTorch's and ONNX's tools from the terminal; what they refuse is raised all the same."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def not_exportable(name: str, step: str, error: Exception, facts: ExportFacts) -> ExportError:
    """The one error of a model that has no graph.

    Args:
        name: What the user calls the model.
        step: Who refused it.
        error: What it said.
        facts: Of the file.
    """
    root: BaseException = error
    while root.__cause__ is not None:
        root = root.__cause__
    reason = _first_line(error)
    if root is not error:
        reason += f" (at its root: {_first_line(root)})"
    sizes = "any size" if facts.size is None else f"{facts.size[0]} x {facts.size[1]} pixels"
    advice = "Fix the size of the pictures (size=224), or choose" if facts.size is None else "Choose"
    return ExportError(
        f"{name} cannot be exported for pictures of {sizes}: {step} says: {reason}. "
        f"{advice} another encoder, e.g. {OTHER_ENCODERS}"
    )


def _first_line(error: BaseException) -> str:
    return next((line.strip()[:300] for line in str(error).splitlines() if line.strip()), type(error).__name__)


__all__ = [
    "GraphModel",
    "example_pictures",
    "file_pictures",
    "from_bytes",
    "not_exportable",
    "silence",
    "to_bytes",
    "trace",
]
