"""The streaming writer against protobuf's own serialisation and onnx's own reader."""

import importlib
import io
import tracemalloc
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from archc.diagnostics import ExportError

builder = importlib.import_module("archc.exporters.onnx.builder")
writer = importlib.import_module("archc.exporters.onnx.writer")

NOTHING: dict[str, np.ndarray] = {}
dtypes = st.sampled_from(["float32", "int64"])
shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple) | st.just((3, 500))


def initializer(name: str, shape: tuple[int, ...], dtype: str = "float32", values: np.ndarray | None = None) -> Any:
    array = np.random.default_rng(len(name)).standard_normal(shape).astype(dtype) if values is None else values
    return builder.OnnxInitializer(name, shape, dtype, lambda weights: array)


def skeleton(**fields: Any) -> onnx.ModelProto:
    node = helper.make_node("Identity", ["input"], ["output"], "/Identity")
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3])
    result = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 3])
    graph = helper.make_graph([node], "g", [image], [result], doc_string="a graph", value_info=[image])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], producer_name="archc", **fields)


def whole(model: onnx.ModelProto, initializers: list[Any]) -> onnx.ModelProto:
    """The same model as one message, as anybody would build it."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.initializer.extend(numpy_helper.from_array(i.values(NOTHING), i.name) for i in initializers)
    return copy


def streamed(model: onnx.ModelProto, initializers: list[Any], external: str | None = None) -> bytes:
    file = io.BytesIO()
    writer.write_model(model, initializers, NOTHING, file, external)
    return file.getvalue()


@given(st.lists(st.tuples(shapes, dtypes), max_size=6))
def test_the_bytes_are_those_of_protobuf_for_any_shapes(tensors: list[tuple[tuple[int, ...], str]]) -> None:
    initializers = [initializer(f"t{i}", shape, dtype) for i, (shape, dtype) in enumerate(tensors)]
    model = skeleton()
    assert streamed(model, initializers) == whole(model, initializers).SerializeToString(deterministic=True)


def test_the_bytes_are_those_of_protobuf_for_fields_on_both_sides_of_the_graph() -> None:
    function = helper.make_function(
        "archc", "F", ["x"], ["y"], [helper.make_node("Relu", ["x"], ["y"])], [helper.make_opsetid("", 18)]
    )
    model = skeleton(functions=[function], doc_string="a model", ir_version=8)
    helper.set_model_props(model, {"fingerprint": "1234"})
    initializers = [initializer("fc.weight", (200, 300)), initializer("axes", (), "int64")]
    assert streamed(model, initializers) == whole(model, initializers).SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(12, dtype=np.float32).reshape(3, 4).T,
        np.arange(12, dtype=">f4").reshape(4, 3),
        np.arange(24, dtype=np.float32).reshape(4, 6)[:, ::2],
    ],
    ids=["transposed", "big-endian", "strided"],
)
def test_values_in_any_memory_layout_are_written_row_by_row_and_little_endian(values: np.ndarray) -> None:
    written = onnx.load_from_string(streamed(skeleton(), [initializer("t", (4, 3), values=values)]))
    assert np.frombuffer(written.graph.initializer[0].raw_data, "<f4").reshape(4, 3).tolist() == values.tolist()


def test_memory_holds_one_tensor_at_a_time(tmp_path: Path) -> None:
    shape, count = (256, 1024), 12
    tensors = [
        builder.OnnxInitializer(f"t{i}", shape, "float32", lambda _: np.ones(shape, np.float32)) for i in range(count)
    ]
    with (tmp_path / "model.onnx").open("wb") as file:
        tracemalloc.start()
        writer.write_model(skeleton(), tensors, NOTHING, file)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    one = 4 * prod(shape)
    # A second tensor would make it two; half of one is left for everything else.
    assert one <= peak < 1.5 * one
    assert (tmp_path / "model.onnx").stat().st_size > count * one


def test_a_file_over_the_limit_of_protobuf_is_refused_before_anything_is_drawn_or_written() -> None:
    def draw(weights: object) -> np.ndarray:
        raise AssertionError("nothing may be drawn")

    file = io.BytesIO()
    huge = builder.OnnxInitializer("fc.weight", (2**15, 2**14), "float32", draw)
    model = skeleton()
    size = len(whole(model, []).SerializeToString()) + 2**31
    with pytest.raises(ExportError) as caught:
        writer.write_model(model, [huge], NOTHING, file)
    message, help_line = str(caught.value).split("\n")
    # The tensor's shape, type, name and data length take 8, 2, 11 and 6 bytes, its own tag and length 6, and
    # the graph's length 5 where it took 2.
    size += 36
    assert message == (
        f"error[too-large]: the ONNX file would have {size:,} bytes, and protobuf's limit is 2,147,483,647"
    )
    assert help_line == "  = help: store the weights beside it, as external data"
    assert file.getvalue() == b""


def test_the_largest_file_that_protobuf_takes_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model, tensors = skeleton(), [initializer("fc.weight", (10, 10))]
    size = len(streamed(model, tensors))
    monkeypatch.setattr(writer, "LIMIT_BYTES", size)
    assert len(streamed(model, tensors)) == size
    monkeypatch.setattr(writer, "LIMIT_BYTES", size - 1)
    with pytest.raises(ExportError, match="too-large"):
        streamed(model, tensors)


def test_external_data_are_read_back_by_onnx(tmp_path: Path) -> None:
    tensors = [
        initializer("first", (7, 100)),
        initializer("small", (255,)),
        initializer("second", (16, 16)),
        initializer("third", (600, 2), "int64"),
    ]
    with (tmp_path / "weights.bin").open("wb") as file:
        writer.write_external_data(tensors, NOTHING, file)
    (tmp_path / "model.onnx").write_bytes(streamed(skeleton(), tensors, "weights.bin"))

    inside = onnx.load(tmp_path / "model.onnx", load_external_data=False).graph.initializer
    assert [{entry.key: entry.value for entry in tensor.external_data} for tensor in inside] == [
        {"location": "weights.bin", "offset": "0", "length": "2800"},
        {},
        {"location": "weights.bin", "offset": "4096", "length": "1024"},
        {"location": "weights.bin", "offset": "8192", "length": "9600"},
    ]
    loaded = onnx.load(tmp_path / "model.onnx").graph.initializer
    assert {tensor.name: numpy_helper.to_array(tensor).tolist() for tensor in loaded} == {
        tensor.name: tensor.values(NOTHING).tolist() for tensor in tensors
    }
    onnx.checker.check_model(tmp_path / "model.onnx", full_check=True)


def test_external_data_lift_the_limit_of_protobuf(monkeypatch: pytest.MonkeyPatch) -> None:
    model, tensors = skeleton(), [initializer("fc.weight", (100, 100))]
    monkeypatch.setattr(writer, "LIMIT_BYTES", 20_000)
    with pytest.raises(ExportError, match="too-large"):
        streamed(model, tensors)
    assert len(streamed(model, tensors, "weights.bin")) < 1_000
