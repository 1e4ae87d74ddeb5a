"""Two more emitters and a plain evaluator, on every operator: they agree with PyTorch, but for what is listed."""

import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from archc.ir.operator import IMAGE
from archc.weights.network import Network
from tests.operators.cases import CASES, Case, evaluator, exact, session, written
from tests.operators.disagreements import (
    DISAGREEMENTS,
    FRACTIONAL_LRN,
    IMPRECISIONS,
    Disagreement,
    Imprecision,
)
from tests.operators.test_onnx import TOLERANCE


def older_exporter(network: Network, *inputs: np.ndarray) -> np.ndarray:
    """What ONNX Runtime computes of the file that torch.onnx's tracing exporter writes."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.inference_module(), tuple(map(torch.from_numpy, inputs)), cast("Any", file), dynamo=False
        )
    return _run(file.getvalue(), *inputs)


def dynamo_exporter(network: Network, *inputs: np.ndarray) -> np.ndarray:
    """What ONNX Runtime computes of the file that torch.onnx writes today."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program: Any = torch.onnx.export(
            network.inference_module(), tuple(map(torch.from_numpy, inputs)), dynamo=True, verbose=False
        )
    return _run(program.model_proto.SerializeToString(), *inputs)


def reference_evaluator(network: Network, *inputs: np.ndarray) -> np.ndarray:
    """What onnx's own evaluator computes of archc's file."""
    evaluator = ReferenceEvaluator(onnx.load_from_string(written(network)))
    names = map(str, evaluator.input_names)
    with np.errstate(invalid="ignore"):  # a logarithm of what is negative
        return np.asarray(next(iter(evaluator.run(None, dict(zip(names, inputs, strict=True))))))


def _tensors(inputs: Sequence[np.ndarray]) -> tuple[torch.Tensor, ...]:
    return tuple(map(torch.from_numpy, inputs))


def _run(data: bytes, *inputs: np.ndarray) -> np.ndarray:
    runtime = session(data, optimised=False)
    names = [entry.name for entry in runtime.get_inputs()]
    return np.asarray(runtime.run(None, dict(zip(names, inputs, strict=True)))[0])


WITNESSES: dict[str, Callable[..., np.ndarray]] = {
    "torch.onnx": dynamo_exporter,
    "torch.onnx, older": older_exporter,
    "onnx.reference": reference_evaluator,
}
LISTED = {(entry.witness, str(entry.case)) for entry in DISAGREEMENTS}


def agrees(case: Case, witness: str) -> bool:
    """Whether a witness computes what PyTorch computes in float64."""
    network, inputs = case.network(), case.inputs()
    expected = exact(network, *inputs)
    actual = WITNESSES[witness](network, *inputs)
    tolerance = TOLERANCE * max(1.0, np.nanmax(np.abs(expected)))
    return actual.shape == expected.shape and np.allclose(actual, expected, 0, tolerance, equal_nan=True)


@pytest.mark.parametrize("witness", ["torch.onnx, older", "onnx.reference"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_witness_agrees_on_every_operator_that_is_not_listed(case: Case, witness: str) -> None:
    if (witness, str(case)) not in LISTED:
        assert agrees(case, witness)


# The exporter takes seconds for each, so it sees one of each kind here.
@pytest.mark.parametrize(
    "case", [case for case in CASES if str(case) in ("conv2d-out_channels=4-kernel_size=3", "gelu")], ids=str
)
def test_the_dynamo_exporter_agrees(case: Case) -> None:
    assert agrees(case, "torch.onnx")


@pytest.mark.parametrize("entry", DISAGREEMENTS, ids=lambda entry: f"{entry.witness}-{entry.case}")
def test_what_is_listed_still_holds(entry: Disagreement) -> None:
    if entry.does == "refuses":
        with pytest.raises(Exception, match=r"not supported|Unsupported|cannot reshape|could not broadcast|Col2Im"):
            agrees(entry.case, entry.witness)
    else:
        assert not agrees(entry.case, entry.witness)


@pytest.mark.parametrize("entry", IMPRECISIONS, ids=lambda entry: f"{entry.witness}-{entry.case.word}")
def test_a_kernel_that_is_listed_as_imprecise_still_is(entry: Imprecision) -> None:
    network = entry.case.network()
    x = np.full(entry.case.inputs(1)[0].shape, entry.at, np.float32)
    right = exact(network, x)
    runtime = _run(written(network), x)
    with torch.no_grad():
        pytorch = network.inference_module()(torch.from_numpy(x)).numpy()
    rounding = np.abs(right).max() * 2.0**-24
    assert np.abs(pytorch - right).max() < 4 * rounding
    assert np.abs(runtime - right).max() > 100 * rounding


@pytest.mark.parametrize(("bias", "agrees"), [(2.0, True), (2.5, False)])
def test_openvino_still_rounds_the_bias_of_a_local_response_norm(bias: float, agrees: bool, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    shape = [1, 6, 4, 4]
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("x", "y")]
    node = onnx.helper.make_node("LRN", ["x"], ["y"], **FRACTIONAL_LRN, bias=bias)
    graph = onnx.helper.make_graph([node], "lrn", values[:1], values[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, tmp_path / "lrn.onnx")
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    found = openvino.Core().compile_model(str(tmp_path / "lrn.onnx"), "CPU", hint)(x)[0]
    (expected,) = cast("Sequence[np.ndarray]", evaluator(model).run(None, {"x": x}))
    assert (float(np.abs(found - expected).max()) < 1e-5) is agrees


def test_the_reference_evaluator_still_loses_small_log_softmaxes() -> None:
    model = onnx.load_from_string(written(Case("log_softmax", {"dim": 1}).network()))
    x = np.zeros((1, *IMAGE), np.float32)
    x[:, 0] = 200
    right = exact(Case("log_softmax", {"dim": 1}).network(), x)
    with np.errstate(divide="ignore"):
        (wrong,) = cast("Sequence[np.ndarray]", ReferenceEvaluator(model).run(None, {"input": x}))
    (mended,) = cast("Sequence[np.ndarray]", evaluator(model).run(None, {"input": x}))
    assert not np.isfinite(wrong).all()
    np.testing.assert_allclose(mended, right)
