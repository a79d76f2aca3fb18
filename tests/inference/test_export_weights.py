"""Weights in fewer bits."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, strategies as st
from onnx import TensorProto, helper, numpy_helper

from fgbgnet.inference.export.weights import SMALLEST, quantize, store_weights


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")  # deprecated, and still an independent reference
@given(st.integers(0, 10**6), st.integers(0, 2), st.floats(1e-6, 1e6))
def test_bytes_as_torch_makes_them(seed, axis, scale):
    values = np.random.default_rng(seed).normal(0, scale, (3, 4, 5)).astype(np.float32)
    quantized, scales = quantize(values, axis)
    zeros = torch.zeros(len(scales), dtype=torch.int64)
    expected = torch.quantize_per_channel(
        torch.from_numpy(values), torch.from_numpy(scales).double(), zeros, axis, torch.qint8
    )
    # A value in the middle of two bytes may go either way.
    assert np.abs(quantized.astype(int) - expected.int_repr().numpy()).max() <= 1
    shape = [1, 1, 1]
    shape[axis] = -1
    restored = quantized * scales.reshape(shape)
    assert np.abs(restored - values).max() <= scales.max() * 0.5001
    assert (np.abs(quantized).max(axis=tuple(a for a in range(3) if a != axis)) == 127).all()


def test_a_channel_of_zeros_stays_zero():
    quantized, scales = quantize(np.zeros((2, 3), np.float32), 0)
    assert not quantized.any()
    assert (scales == 1).all()


def products():
    """x -> Conv, then a Gemm of each kind and a MatMul on its mean; and a tensor that is not only a weight."""
    rng = np.random.default_rng(0)
    shapes = {"conv": (32, 8, 1, 1), "plain": (32, 16), "turned": (16, 32), "product": (32, 16), "twice": (32, 32)}
    weights = {name: rng.normal(0, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Conv", ["x", "conv"], ["features"]),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "plain"], ["a"]),
        helper.make_node("Gemm", ["flat", "turned"], ["b"], transB=1),
        helper.make_node("MatMul", ["flat", "product"], ["c"]),
        helper.make_node("MatMul", ["flat", "twice"], ["d"]),
        helper.make_node("MatMul", ["twice", "product"], ["e"]),
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", "columns"]) for name in "abcde"]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 8, 5, 5])]
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "products", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), weights


def run(proto, x):
    return onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"]).run(
        None, {"x": x}
    )


@pytest.mark.parametrize(("precision", "kind"), [("fp16", np.float16), ("int8", np.int8)])
def test_the_file_computes_with_the_rounded_weights(precision, kind):
    proto, weights = products()
    x = np.random.default_rng(1).normal(0, 1, (2, 8, 5, 5)).astype(np.float32)
    exact = run(proto, x)
    assert store_weights(proto, precision) == 3
    onnx.checker.check_model(proto, full_check=True)

    def rounded(name, axis):
        if precision == "fp16":
            return weights[name].astype(np.float16).astype(np.float32)
        moved = np.moveaxis(weights[name], axis, 0)
        scale = np.abs(moved).reshape(len(moved), -1).max(1) / 127
        steps = np.round(moved / scale.reshape(-1, *[1] * (moved.ndim - 1)))
        return np.moveaxis(steps * scale.reshape(-1, *[1] * (moved.ndim - 1)), 0, axis)

    flat = np.einsum("bihw,oi->bo", x, rounded("conv", 0)[:, :, 0, 0]) / 25
    product = rounded("product", 1)
    expected = [
        flat @ weights["plain"], flat @ rounded("turned", 0).T, flat @ product, flat @ weights["twice"],
        weights["twice"] @ product,
    ]  # fmt: skip
    for output, wanted, before in zip(run(proto, x), expected, exact, strict=True):
        assert np.allclose(output, wanted, atol=1e-4)
        assert not np.allclose(output, before, atol=1e-4)
    stored = [t for t in proto.graph.initializer if numpy_helper.to_array(t).dtype == kind and t.name != "conv"]
    assert sum(numpy_helper.to_array(t).size >= SMALLEST for t in stored) == 3


def test_half_precision_never_makes_infinity():
    proto, _ = products()
    big = numpy_helper.from_array(np.full((32, 8, 1, 1), 1e6, np.float32), "conv")
    proto.graph.initializer[0].CopyFrom(big)
    store_weights(proto, "fp16")
    x = np.ones((2, 8, 5, 5), np.float32)
    assert all(np.isfinite(output).all() for output in run(proto, x))
