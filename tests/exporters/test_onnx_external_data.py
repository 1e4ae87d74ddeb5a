"""Weights beside the file: where they go, and what a file that names others may not make archc read."""

import importlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from archc.builds.delivery import Delivery, deliver
from archc.diagnostics import ExportError
from archc.exporting import exporters
from archc.verification import Verdict
from archc.weights import InitializedWeights
from archc.weights.network import Network
from tests.exporters.small_networks import RESIDUAL, compiled

ONNX = exporters()["onnx"]
emission = importlib.import_module("archc.exporters.onnx.emission")
load_model = importlib.import_module("archc.exporters.onnx.external_data").load_model


def network(text: str) -> Network:
    graph = compiled(text)
    return Network(graph, InitializedWeights(graph.parameters(), 0), fresh=True)


def delivered(folder: Path, *, external: bool = True) -> Delivery:
    folder.mkdir(exist_ok=True)
    options = ONNX.asked(external_data=external)
    return deliver(network(RESIDUAL), ONNX, folder / "small.onnx", options)


def tensors(path: Path) -> dict[str, bytes]:
    return {tensor.name: tensor.raw_data for tensor in load_model(path).graph.initializer}


def test_a_file_with_external_data_is_verified_and_holds_the_same_tensors(tmp_path: Path) -> None:
    outside, inside = delivered(tmp_path / "a"), delivered(tmp_path / "b", external=False)
    (name,) = outside.companions
    assert name == f"small-{outside.companions[name][:16]}.weights"
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"small.onnx", name}
    assert inside.companions == {}
    assert outside.report
    assert outside.report.verdict is Verdict.PASSED
    assert tensors(tmp_path / "a" / "small.onnx") == tensors(tmp_path / "b" / "small.onnx")


def test_weights_too_large_for_one_file_go_beside_it_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emission, "EMBEDDED_BYTES", 1000)
    assert delivered(tmp_path / "a", external=False).companions


def test_a_file_that_is_not_delivered_leaves_no_companion(tmp_path: Path) -> None:
    broken = replace(network(RESIDUAL), fresh=False)
    values = {**broken.weights, "fc.weight": np.full_like(broken.weights["fc.weight"], np.nan)}
    with pytest.raises(Exception, match="not delivered"):
        deliver(broken.with_weights(values), ONNX, tmp_path / "small.onnx", ONNX.asked(external_data=True))
    assert list(tmp_path.iterdir()) == []


def absolute(folder: Path, weights: Path) -> str:
    return str(weights)


def above(folder: Path, weights: Path) -> str:
    weights.rename(folder.parent / "secret")
    return "../secret"


def above_for_windows(folder: Path, weights: Path) -> str:
    return "..\\secret"


def of_a_drive(folder: Path, weights: Path) -> str:
    return "C:secret"


def symbolic_link(folder: Path, weights: Path) -> str:
    weights.rename(folder.parent / "secret")
    (folder / "link").symlink_to(folder.parent / "secret")
    return "link"


def linked_folder(folder: Path, weights: Path) -> str:
    (folder.parent / "elsewhere").mkdir()
    weights.rename(folder.parent / "elsewhere" / "secret")
    (folder / "below").symlink_to(folder.parent / "elsewhere")
    return "below/secret"


def hard_link(folder: Path, weights: Path) -> str:
    weights.rename(folder.parent / "secret")
    os.link(folder.parent / "secret", folder / "link")
    return "link"


def pipe(folder: Path, weights: Path) -> str:
    os.mkfifo(folder / "pipe")
    return "pipe"


def not_a_name(folder: Path, weights: Path) -> str:
    return "weights\0"


def nothing(folder: Path, weights: Path) -> str:
    return ""


def missing(folder: Path, weights: Path) -> str:
    return "missing"


@pytest.mark.parametrize(
    ("named", "why"),
    [
        (absolute, "not below the file's own folder"),
        (above, "not below the file's own folder"),
        (above_for_windows, "not below the file's own folder"),
        (of_a_drive, "not below the file's own folder"),
        (nothing, "not below the file's own folder"),
        (symbolic_link, "symbolic link"),
        (linked_folder, "below is a symbolic link"),
        (hard_link, "hard link"),
        (pipe, "not a file"),
        (missing, "cannot be read: No such file"),
        (not_a_name, "not a file's name"),
    ],
)  # fmt: skip
def test_a_file_that_names_weights_elsewhere_is_refused(
    named: Callable[[Path, Path], str], why: str, tmp_path: Path
) -> None:
    folder = tmp_path / "build"
    (weights,) = delivered(folder).companions
    location = named(folder, folder / weights)
    model = onnx.load(folder / "small.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    (folder / "small.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ExportError, match=why) as caught:
        load_model(folder / "small.onnx")
    assert caught.value.diagnostics[0].code == "bad-external-data"


def test_weights_in_a_folder_below_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "build"
    (name,) = delivered(folder).companions
    before = tensors(folder / "small.onnx")
    (folder / "below").mkdir()
    (folder / name).rename(folder / "below" / name)
    model = onnx.load(folder / "small.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = f"below/{name}"
    (folder / "small.onnx").write_bytes(model.SerializeToString())
    assert tensors(folder / "small.onnx") == before


TENSOR = onnx.TensorProto
FLOATS = np.arange(4, dtype=np.float32)  # 16 bytes


def external(**fields: str) -> onnx.TensorProto:
    """A tensor of four floats that lies in `data`."""
    tensor = TENSOR(name="w", dims=[4], data_type=TENSOR.FLOAT, data_location=TENSOR.EXTERNAL)
    for key, value in {"location": "data", **fields}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def written(folder: Path, graph: onnx.GraphProto, *functions: onnx.FunctionProto) -> Path:
    (folder / "data").write_bytes(FLOATS.tobytes())
    path = folder / "small.onnx"
    path.write_bytes(onnx.ModelProto(ir_version=10, graph=graph, functions=functions).SerializeToString())
    return path


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"offset": "-5"}, "the offset '-5', which is not a number of bytes"),
        ({"offset": "abc"}, "the offset 'abc', which is not a number of bytes"),
        ({"offset": " 4"}, "the offset ' 4', which is not a number of bytes"),
        ({"length": "-1"}, "the length '-1', which is not a number of bytes"),
        ({"length": "9" * 20}, f"the length '{'9' * 20}', which is not a number of bytes"),
        ({"offset": str(2**63)}, f"the bytes {2**63} to {2**63}, but it has 16"),
        ({"length": str(2**62)}, f"the bytes 0 to {2**62}, but it has 16"),
        ({"offset": "1", "length": "16"}, "the bytes 1 to 17, but it has 16"),
        ({"offset": "17"}, "the bytes 17 to 17, but it has 16"),
    ],
)
def test_bytes_that_the_file_does_not_have_are_refused(fields: dict[str, str], why: str, tmp_path: Path) -> None:
    path = written(tmp_path, onnx.GraphProto(initializer=[external(**fields)]))
    with pytest.raises(ExportError) as caught:
        load_model(path)
    (problem,) = caught.value.diagnostics
    assert problem.code == "bad-external-data"
    assert problem.message == f"{path} has its weights in 'data', and of 'w' {why}"


def test_a_file_whose_data_were_cut_off_is_refused(tmp_path: Path) -> None:
    (name,) = delivered(tmp_path).companions
    os.truncate(tmp_path / name, 100)
    with pytest.raises(ExportError, match=r"the bytes \d+ to \d+, but it has 100"):
        load_model(tmp_path / "small.onnx")


def test_a_field_that_stands_twice_is_refused(tmp_path: Path) -> None:
    # Readers differ in which of the two they take.
    tensor = external()
    tensor.external_data.add(key="location", value="/etc/passwd")
    with pytest.raises(ExportError, match="of 'w' a field twice"):
        load_model(written(tmp_path, onnx.GraphProto(initializer=[tensor])))


def test_a_field_that_the_format_does_not_have_changes_nothing(tmp_path: Path) -> None:
    model = load_model(written(tmp_path, onnx.GraphProto(initializer=[external(prepacked="1")])))
    assert onnx.numpy_helper.to_array(model.graph.initializer[0]).tolist() == FLOATS.tolist()


def as_sparse_values(tensor: onnx.TensorProto) -> onnx.GraphProto:
    return onnx.GraphProto(sparse_initializer=[onnx.SparseTensorProto(values=tensor, dims=[4])])


def as_sparse_indices(tensor: onnx.TensorProto) -> onnx.GraphProto:
    return onnx.GraphProto(sparse_initializer=[onnx.SparseTensorProto(indices=tensor, dims=[4])])


def as_attribute(tensor: onnx.TensorProto) -> onnx.GraphProto:
    return onnx.GraphProto(node=[onnx.NodeProto(attribute=[onnx.AttributeProto(name="value", t=tensor)])])


def as_sparse_attribute(tensor: onnx.TensorProto) -> onnx.GraphProto:
    sparse = onnx.SparseTensorProto(values=tensor, dims=[4])
    return onnx.GraphProto(node=[onnx.NodeProto(attribute=[onnx.AttributeProto(name="v", sparse_tensors=[sparse])])])


def in_a_subgraph(tensor: onnx.TensorProto) -> onnx.GraphProto:
    inner = as_sparse_values(tensor)
    return onnx.GraphProto(node=[onnx.NodeProto(attribute=[onnx.AttributeProto(name="body", graphs=[inner])])])


PLACES = [as_sparse_values, as_sparse_indices, as_attribute, as_sparse_attribute, in_a_subgraph]


@pytest.mark.parametrize("in_function", [False, True])
@pytest.mark.parametrize("place", PLACES)
def test_tensors_are_looked_at_wherever_they_are(
    place: Callable[[onnx.TensorProto], onnx.GraphProto], in_function: bool, tmp_path: Path
) -> None:
    graph = place(external(location="../secret"))
    body = onnx.NodeProto(attribute=[onnx.AttributeProto(name="body", g=graph)])
    functions = [onnx.FunctionProto(name="f", node=[body])] if in_function else []
    path = written(tmp_path, onnx.GraphProto() if in_function else graph, *functions)
    with pytest.raises(ExportError, match="not below the file's own folder"):
        load_model(path)
