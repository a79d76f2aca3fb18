"""What an exported file says of itself, so that whoever runs it needs nothing else."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias

from fgbgnet.errors import WeightsError
from fgbgnet.types import TASKS, DepthUnit, PathInput, Task

MaskValues: TypeAlias = Literal["logits", "probability"]
Pictures: TypeAlias = Literal["floats", "bytes"]
Precision: TypeAlias = Literal["fp32", "fp16", "int8"]

PRECISIONS = ("fp32", "fp16", "int8")
FACTS_KEY = "fgbgnet"
"""Key of the facts among the metadata of an ONNX file."""
FACTS_FILE = "fgbgnet.json"
"""Their name among the extra files of a ``.pt2`` file."""


@dataclass(frozen=True)
class ExportFacts:
    """The facts in an exported file, as JSON under ``fgbgnet`` (ONNX) or in ``fgbgnet.json`` (``.pt2``).

    Attributes:
        outputs: Names of the outputs, in their order.
        depth_unit: ``"metres"`` or ``"relative"``.
        input_size: Side of the square pictures that the model was trained on, None if it has none.
        size: (H, W) of the pictures that the file takes, None for any.
        in_channels: Channels of each picture.
        pictures: ``"floats"``: float32 (B, C, H, W) in [0, 1]; ``"bytes"``: uint8 (B, H, W, C).
        mask: Whether ``mask`` holds ``"logits"`` or the ``"probability"``.
        precision: How the weights are stored; inputs, outputs and arithmetic are float32.
        fgbgnet_version: Which version wrote the file.
    """

    outputs: tuple[str, ...]
    depth_unit: DepthUnit
    input_size: int | None
    size: tuple[int, int] | None
    in_channels: int
    pictures: Pictures
    mask: MaskValues
    precision: Precision
    fgbgnet_version: str

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks among the outputs.

        >>> ExportFacts(("mask",), "metres", None, None, 3, "floats", "logits", "fp32", "0.1").tasks
        ('mask',)
        """
        return tuple(task for task in TASKS if task in self.outputs)

    def to_json(self) -> str:
        """The facts as a line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | None, path: PathInput) -> "ExportFacts":
        """Reads the facts.

        Args:
            text: What stood in the file; None if nothing did.
            path: The file, for the message.

        Raises:
            WeightsError: If these are not facts that fgbgnet wrote.
        """
        names = [field.name for field in fields(cls)]
        content: Any = None
        if text:
            try:
                content = json.loads(text)
            except ValueError as error:
                raise WeightsError(f"{path}: its facts under {FACTS_KEY!r} are no JSON ({error})") from error
        if not isinstance(content, dict) or any(name not in content for name in names):
            raise WeightsError(
                f"{path} says nothing of itself that fgbgnet could read: expected facts under {FACTS_KEY!r}, as "
                "fgbgnet export writes them. Export the model again, or run the file without fgbgnet"
            )
        values = {name: content[name] for name in names}
        size = values["size"]
        return cls(**values | {"outputs": tuple(values["outputs"]), "size": None if size is None else tuple(size)})


def output_order(names: Sequence[str]) -> tuple[str, ...]:
    """The tasks first, then whatever else a model returns.

    >>> output_order(["mask", "mask_uncertainty", "depth"])
    ('mask', 'depth', 'mask_uncertainty')
    """
    return (*(task for task in TASKS if task in names), *(name for name in names if name not in TASKS))


__all__ = [
    "FACTS_FILE",
    "FACTS_KEY",
    "PRECISIONS",
    "ExportFacts",
    "MaskValues",
    "Pictures",
    "Precision",
    "output_order",
]
