"""Writing ONNX files."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.export import ExportedProgram

from fgbgnet.errors import MissingExtraError
from fgbgnet.inference.export.facts import FACTS_KEY, ExportFacts
from fgbgnet.inference.export.graph import not_exportable, silence
from fgbgnet.inference.export.weights import store_weights

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto


def require_onnx() -> None:
    """Asks before the work whether what it needs is there.

    Raises:
        MissingExtraError: If not.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("Export to ONNX", "export") from error


def to_onnx(program: ExportedProgram, facts: ExportFacts, name: str) -> "ModelProto":
    """Translates a recorded model.

    Args:
        program: What `trace` recorded.
        facts: Of the file.
        name: What the user calls the model, for the message.

    Raises:
        ExportError: If an operation has no translation.
    """
    try:
        with silence():
            translated = torch.onnx.export(
                program, dynamo=True, input_names=["bg", "fg_bg"], output_names=list(facts.outputs), verbose=False
            )
            assert translated is not None  # it is one with dynamo=True
            proto = translated.model_proto
    except Exception as error:  # the translation wraps whatever went wrong in errors of its own
        raise not_exportable(name, "torch.onnx", error, facts) from error
    _name_dimensions(proto.graph, facts)
    if facts.precision != "fp32":
        store_weights(proto, facts.precision)
    entry = proto.metadata_props.add()
    entry.key, entry.value = FACTS_KEY, facts.to_json()
    return proto


def write_onnx(proto: "ModelProto", path: Path) -> None:
    """Writes the file, after ONNX's own checker has seen the model."""
    import onnx

    onnx.checker.check_model(proto)
    onnx.save_model(proto, str(path))


def _name_dimensions(graph: "GraphProto", facts: ExportFacts) -> None:
    """Calls the free dimensions batch, height and width, in place of the tracer's symbols."""
    meanings = ("batch", "height", "width", "") if facts.pictures == "bytes" else ("batch", "", "height", "width")
    names: dict[str, str] = {}
    for picture in graph.input:
        for dimension, meaning in zip(picture.type.tensor_type.shape.dim, meanings, strict=True):
            if dimension.dim_param:
                names[dimension.dim_param] = meaning
    if not names:
        return
    symbols = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param:
                dimension.dim_param = symbols.sub(lambda match: names[match[1]], dimension.dim_param)


__all__ = ["require_onnx", "to_onnx", "write_onnx"]
