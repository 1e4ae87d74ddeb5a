"""The types that archc declares between the nodes of its own files are held to the network's."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto

from archc.verification import Verdict
from tests.verification.test_blind_spots import DEAD_BRANCH, Edit, fresh, report


def declaration(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    return next(value for value in model.graph.value_info if value.name == "/relu/Relu_output_0")


def undeclared(model: onnx.ModelProto) -> None:
    model.graph.value_info.remove(declaration(model))


def declared_under_another_name(model: onnx.ModelProto) -> None:
    declaration(model).name = "theirs"


def declared_twice(model: onnx.ModelProto) -> None:
    model.graph.value_info.append(declaration(model))


def another_declared_size(model: onnx.ModelProto) -> None:
    declaration(model).type.tensor_type.shape.dim[1].dim_param = "any"


def another_declared_type(model: onnx.ModelProto) -> None:
    declaration(model).type.tensor_type.elem_type = TensorProto.FLOAT16


@pytest.mark.parametrize(
    ("edit", "differences"),
    [
        (undeclared, ("the tensor /relu/Relu_output_0 is not declared (relu relu, net.yaml:10)",)),
        (
            declared_under_another_name,
            (
                "the tensor /relu/Relu_output_0 is not declared (relu relu, net.yaml:10)",
                "the file declares the tensor theirs, which no node gives",
            ),
        ),
        (declared_twice, ("the file declares a tensor twice",)),
        (
            another_declared_size,
            (
                "the tensor /relu/Relu_output_0 is declared as float [batch, any, 16, 16], "
                "not float [batch, 8, 16, 16] (relu relu, net.yaml:10)",
            ),
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_archcs_own_file_is_held_to_the_declared_types_between_the_nodes(
    edit: Edit, differences: tuple[str, ...], tmp_path: Path
) -> None:
    found = report(fresh(DEAD_BRANCH), tmp_path, edit, own=True)
    assert (found.verdict, found.differences) == (Verdict.FAILED, differences)


def test_another_declared_element_type_is_noticed(tmp_path: Path) -> None:
    # ONNX Runtime refuses such a file, so that the rows fail as well.
    found = report(fresh(DEAD_BRANCH), tmp_path, another_declared_type, own=True)
    expected = "is declared as float16 [batch, 8, 16, 16], not float [batch, 8, 16, 16] (relu relu, net.yaml:10)"
    assert found.differences == (f"the tensor /relu/Relu_output_0 {expected}",)
