"""Tensors that ONNX Runtime takes as they lie in memory."""

from importlib import import_module

import numpy as np
import onnx
import pytest
from onnx import helper

engines = import_module("archc.exporters.onnx.engines")
in_memory = import_module("archc.exporters.onnx.in_memory")

SIDE = 160


@pytest.mark.parametrize("transposed", [False, True], ids=["rows", "columns"])
@pytest.mark.parametrize("columns", [2, SIDE], ids=["small", "large"])
def test_a_tensor_is_what_it_is_however_it_lies(columns: int, transposed: bool) -> None:
    values = np.random.default_rng(0).standard_normal((SIDE, columns), np.float32)
    weight = np.asfortranarray(values) if transposed else values
    initializers, named = in_memory.named_or_stored({"w": weight})
    assert list(named) == (["w"] if weight.size >= in_memory.LARGE else [])
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [3, SIDE])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [3, columns])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    x = np.random.default_rng(1).standard_normal((3, SIDE), np.float32)
    (y,) = engines.onnx_runtime(model.SerializeToString(), named=named).run([x])
    np.testing.assert_allclose(y, x @ values, rtol=0, atol=1e-4)
