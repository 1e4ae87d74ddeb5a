"""Which opsets can be asked for: the asked one is the one that the file has, or there is an error."""

from __future__ import annotations

from functools import cache

from archc.diagnostics import ExportError

OLDEST_OPSET = 17
DEFAULT_OPSET = 18


def check_opset(opset: int) -> None:
    """Raise ExportError unless archc can write this opset and the installed onnx and ONNX Runtime can read it."""
    if opset == DEFAULT_OPSET:
        return
    newest = newest_opset()
    if not OLDEST_OPSET <= opset <= newest:
        raise ExportError(
            f"opset {opset} is not supported: the installed onnx and ONNX Runtime take {OLDEST_OPSET} to {newest}",
            code="unsupported-opset",
        )


@cache
def newest_opset() -> int:
    """The newest opset that both the installed onnx and the installed ONNX Runtime take as released."""
    from onnx.defs import onnx_opset_version

    return next(opset for opset in range(onnx_opset_version(), DEFAULT_OPSET - 1, -1) if _runtime_takes(opset))


def _runtime_takes(opset: int) -> bool:
    import onnxruntime
    from onnx import TensorProto, helper

    from .builder import ir_version

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "probe", [value], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version(opset))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common class of their own
        if "opset" not in str(error) and "IR version" not in str(error):
            raise
        return False
    return True
