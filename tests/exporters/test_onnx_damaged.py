"""ONNX files with values that no exporter writes: an error in words or a difference, never a traceback."""

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import onnx
import pytest
from google.protobuf.message import Message

from archc.diagnostics import ArchcError, ExportError
from archc.exporting import exporters
from archc.weights import InitializedWeights
from archc.weights.network import Network
from tests.exporters.small_networks import RESIDUAL, compiled

ONNX = exporters()["onnx"]
EDITED = 150  # files; a few seconds

INTEGERS = (0, 1, -1, 2, 7, 16, 23, 999, 2**31 - 1, -(2**31), 2**32, 2**40, 2**62, 2**63 - 1, -(2**63))
TEXTS = ("", "x", "\x1b[2J", "a" * 5000, "../../etc/passwd", "input", "output", "Conv", "Loop", "ai.onnx.ml")
BYTES = (b"", b"\0", b"\xff" * 7, b"Conv")
FLOATS = (0.0, -1.0, float("nan"), float("inf"), 1e30)


@cache
def network() -> Network:
    graph = compiled(RESIDUAL)
    return Network(graph, InitializedWeights(graph.parameters(), 0), fresh=True)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("exported") / "small.onnx"
    with path.open("wb") as file:
        ONNX.write(network(), file, ONNX.asked())
    return path.read_bytes()


def examined(path: Path) -> None:
    """Everything that a verification reads of a file before it runs it. Raises ArchcError."""
    artefact = ONNX.open(path)
    artefact.differences(network())
    artefact.structure_differences(network())
    artefact.inputs()
    artefact.node_runners(network(), replace_weights=False)


def tensor(model: onnx.ModelProto) -> onnx.TensorProto:
    return model.graph.initializer[0]


def no_opset(model: onnx.ModelProto) -> None:
    del model.opset_import[:]


def many(model: onnx.ModelProto) -> None:
    tensor(model).dims[0] = 2**62


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda model: setattr(tensor(model), "data_type", 999),
         "NAME has the data type 999, which ONNX does not have"),
        (lambda model: tensor(model).dims.append(-(2**63)), "NAME has the shape SHAPE"),
        (lambda model: setattr(model.graph.output[0].type.tensor_type, "elem_type", 999),
         "'output' has the data type 999, which ONNX does not have"),
    ],
)  # fmt: skip
def test_a_value_that_onnx_does_not_have_is_an_error_that_names_the_tensor(
    change: Callable[[onnx.ModelProto], Any], why: str, exported: bytes, tmp_path: Path
) -> None:
    model = onnx.load_model_from_string(exported)
    change(model)
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ExportError) as caught:
        examined(tmp_path / "a.onnx")
    expected = why.replace("NAME", repr(tensor(model).name)).replace("SHAPE", str(list(tensor(model).dims)))
    assert caught.value.diagnostics[0].message.endswith(expected)


@pytest.mark.parametrize("change", [no_opset, many, lambda model: tensor(model).ClearField("raw_data")])
def test_a_file_that_is_damaged_otherwise_differs(
    change: Callable[[onnx.ModelProto], Any], exported: bytes, tmp_path: Path
) -> None:
    model = onnx.load_model_from_string(exported)
    change(model)
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    artefact = ONNX.open(tmp_path / "a.onnx")
    assert artefact.differences(network()) != []


def places(message: Message) -> list[tuple[Message, Any]]:
    """Every field of a message and of those in it."""
    found: list[tuple[Message, Any]] = [(message, field) for field in message.DESCRIPTOR.fields]
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if isinstance(value, Message) else value:
                found += places(inner)
    return found


def drawn(source: random.Random, field: Any) -> Any:
    """A hostile value of a field's type."""
    if field.type == field.TYPE_STRING:
        return source.choice(TEXTS)
    if field.enum_type is not None:  # protobuf takes no other
        return source.choice(list(field.enum_type.values_by_number))
    if field.type == field.TYPE_BYTES:
        return source.choice(BYTES)
    if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
        return source.choice(FLOATS)
    bits = 63 if field.type in (field.TYPE_INT64, field.TYPE_UINT64) else 31
    least = 0 if field.type == field.TYPE_UINT64 else -(2**bits)
    return source.choice([value for value in INTEGERS if least <= value < 2**bits])


def edit(source: random.Random, model: onnx.ModelProto) -> None:
    """Clear, add, change or remove the value of one field."""
    message, field = source.choice(places(model))
    value = getattr(message, field.name)
    repeated = not isinstance(value, Message | str | bytes | int | float)
    if source.random() < 0.15:
        message.ClearField(field.name)
    elif repeated and len(value) and source.random() < 0.3:
        del value[source.randrange(len(value))]
    elif repeated:
        value.add() if field.message_type is not None else value.append(drawn(source, field))
    elif isinstance(value, Message):
        value.SetInParent()
    else:
        setattr(message, field.name, drawn(source, field))


def test_no_edit_of_a_file_is_a_traceback(exported: bytes, tmp_path: Path) -> None:
    path, refused = tmp_path / "a.onnx", 0
    for seed in range(EDITED):
        source = random.Random(seed)
        model = onnx.load_model_from_string(exported)
        for _ in range(source.choice((1, 1, 2, 4))):
            edit(source, model)
        data = bytearray(model.SerializeToString())
        if source.random() < 0.1:
            data[source.randrange(len(data))] ^= 1 << source.randrange(8)
        path.write_bytes(data)
        try:
            examined(path)
        except ArchcError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"the edit of seed {seed}") from error
    assert 0 < refused < EDITED
