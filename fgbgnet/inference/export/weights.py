"""Smaller ONNX files: weights stored in half precision or as bytes; the arithmetic stays float32."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto, TensorProto

SMALLEST = 256
"""Weights of fewer numbers stay as they are: they take no room, and a scale for each channel would eat the gain."""


def store_weights(proto: "ModelProto", precision: str) -> int:
    """Stores the weights of convolutions and matrix products in fewer bits, in place.

    ``"fp16"``: half precision. ``"int8"``: whole numbers of -127 to 127 times a scale for each output channel, the
    largest weight of the channel over 127 (symmetric per-channel quantisation, Krishnamoorthi, 2018). A node before
    the first use makes float32 of them again. Biases, normalisations and everything else stay float32.

    Args:
        proto: The model.
        precision: ``"fp16"`` or ``"int8"``.

    Returns:
        How many weights were stored anew.
    """
    from onnx import numpy_helper

    axes = _channel_axes(proto)
    kept: list[TensorProto] = []
    stored: list[NodeProto] = []
    for tensor in proto.graph.initializer:
        axis = axes.get(tensor.name)
        values = numpy_helper.to_array(tensor)
        if axis is None or values.dtype != np.float32 or values.ndim < 2 or values.size < SMALLEST:
            kept.append(tensor)
            continue
        tensors, node = _halved(tensor.name, values) if precision == "fp16" else _bytes(tensor.name, values, axis)
        kept += tensors
        stored.append(node)
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)
    nodes = [*stored, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return len(stored)


def quantize(values: "NDArray[np.float32]", axis: int) -> "tuple[NDArray[np.int8], NDArray[np.float32]]":
    """Symmetric bytes with one scale per channel; a channel of zeros gets the scale 1.

    >>> quantize(np.array([[0.5, -1.0], [0.0, 0.0]], np.float32), axis=0)[0].tolist()
    [[64, -127], [0, 0]]

    Args:
        values: The weight.
        axis: Which axis the channels are.

    Returns:
        The bytes, and the scale of each channel.
    """
    others = tuple(other for other in range(values.ndim) if other != axis)
    peaks = np.abs(values).max(axis=others)
    scales = np.where(peaks > 0, peaks / np.float32(127), np.float32(1)).astype(np.float32)
    shape = [1] * values.ndim
    shape[axis] = -1
    return np.rint(values / scales.reshape(shape)).astype(np.int8), scales


def _channel_axes(proto: "ModelProto") -> dict[str, int]:
    """Weights that only convolutions and matrix products read, with the axis of the output channels."""
    axes: dict[str, int] = {}
    others: set[str] = set()
    for node in proto.graph.node:
        for place, name in enumerate(node.input):
            axis = _channel_axis(node) if place == 1 else None
            if axis is None or axes.setdefault(name, axis) != axis:
                others.add(name)
    return {name: axis for name, axis in axes.items() if name not in others}


def _channel_axis(node: "NodeProto") -> int | None:
    if node.op_type == "Conv":
        return 0
    if node.op_type == "Gemm":
        # The other kind is left alone: unless told not to, ONNX Runtime 1.32 rounds its input to bytes, too.
        return 0 if any(a.name == "transB" and a.i for a in node.attribute) else None
    return -1 if node.op_type == "MatMul" else None


def _halved(name: str, values: "NDArray[np.float32]") -> "tuple[list[TensorProto], NodeProto]":
    from onnx import TensorProto, helper, numpy_helper

    limit = np.finfo(np.float16).max  # a weight beyond it would become infinite
    half = numpy_helper.from_array(np.clip(values, -limit, limit).astype(np.float16), f"{name}_fp16")
    return [half], helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT)


def _bytes(name: str, values: "NDArray[np.float32]", axis: int) -> "tuple[list[TensorProto], NodeProto]":
    from onnx import helper, numpy_helper

    axis %= values.ndim
    quantized, scales = quantize(values, axis)
    tensors = [
        numpy_helper.from_array(quantized, f"{name}_int8"),
        numpy_helper.from_array(scales, f"{name}_scale"),
        numpy_helper.from_array(np.zeros(len(scales), np.int8), f"{name}_zero"),
    ]
    return tensors, helper.make_node("DequantizeLinear", [t.name for t in tensors], [name], axis=axis)


__all__ = ["quantize", "store_weights"]
