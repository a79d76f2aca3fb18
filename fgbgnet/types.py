"""The words that the whole library shares: what a sample is, what a model returns."""

from collections.abc import Callable
from os import PathLike
from typing import Literal, NotRequired, TypeAlias, TypedDict

from torch import Tensor

Task: TypeAlias = Literal["mask", "depth"]
"""A task is also the name of its branch, its key in the outputs, and its key in a sample."""

TASKS: tuple[Task, Task] = ("mask", "depth")

DepthUnit: TypeAlias = Literal["metres", "relative"]
DepthDirection: TypeAlias = Literal["near_small", "near_large"]
GroupBy: TypeAlias = Literal["bg", "fg"]

PathInput: TypeAlias = str | PathLike[str]


class Sample(TypedDict):
    """One quadruple, as every dataset of the library returns it.

    A batch has the same keys, tensors with a leading batch dimension, and a list of ids.
    """

    bg: Tensor
    """Clean background, float32 (3, H, W), RGB in [0, 1]."""
    fg_bg: Tensor
    """The same scene with something new in it, float32 (3, H, W), RGB in [0, 1]."""
    mask: Tensor
    """Foreground, float32 (1, H, W), 0 or 1."""
    depth: Tensor
    """Distance of ``fg_bg``, float32 (1, H, W), near = small; 0 where it is not valid."""
    depth_valid: Tensor
    """Where ``depth`` may be believed, bool (1, H, W)."""
    id: str
    """Unique within the dataset."""
    mask_valid: NotRequired[Tensor]
    """Where the label in ``mask`` is known, bool (1, H, W); there only where a data set says it, else everywhere."""


Outputs: TypeAlias = dict[str, Tensor]
"""What a model returns: ``"mask"`` logits (B, 1, H, W) and ``"depth"`` (B, 1, H, W)."""

SampleTransform: TypeAlias = Callable[[Sample], Sample]

__all__ = [
    "TASKS",
    "DepthDirection",
    "DepthUnit",
    "GroupBy",
    "Outputs",
    "PathInput",
    "Sample",
    "SampleTransform",
    "Task",
]
