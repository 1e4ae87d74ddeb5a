"""Who runs an ONNX file to bear witness to it: ONNX Runtime always, others on request where they are installed.

A witness either computes the outputs, or (a parser) only reads the file and tells the shapes that it sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archc.diagnostics import ArchcError, ExportError, MissingDependency
from archc.exporting import Runner
from archc.version import DISTRIBUTION

if TYPE_CHECKING:
    import numpy as np

    Run = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


def onnx_runtime(path: Path) -> Iterator[Runner]:
    """ONNX Runtime with its optimisations off, then on. A file that it refuses is run by raising ExportError."""
    modes = {"ONNX Runtime, not optimised": False, "ONNX Runtime, optimised": True}
    return (_onnx_runtime(name, path, optimised) for name, optimised in modes.items())


def _onnx_runtime(name: str, path: Path, optimised: bool) -> Runner:
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is told by the exception
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common class of their own
        return Runner(name, _refusal(_refused("ONNX Runtime", path, error)))
    names = tuple(entry.name for entry in session.get_inputs())

    def run(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return list(map(np.asarray, session.run(None, dict(zip(names, inputs, strict=True)))))

    return Runner(name, run, names, tuple(output.name for output in session.get_outputs()))


def _refused(who: str, path: Path, error: Exception) -> str:
    """What a runtime says of a file that it does not take."""
    reason = str(error).strip().replace(str(path), path.name) or type(error).__name__
    return f"{who} refuses {path.name}: {reason}"


def _refusal(reason: str) -> Run:
    def run(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        raise ExportError(reason, code="cannot-run")

    return run


def onnx_reference(path: Path) -> Runner:
    """The onnx package's own evaluator, written to be read: slow, and independent of every runtime.

    Where it is known to be wrong (tests/operators/disagreements.py) it computes what ONNX's specification says.
    """
    import numpy as np
    from onnx.reference import ReferenceEvaluator

    from .reference_operators import corrected_operators

    evaluator = ReferenceEvaluator(str(path), new_ops=corrected_operators())
    names = tuple(map(str, evaluator.input_names))

    def run(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [np.asarray(result) for result in evaluator.run(None, dict(zip(names, inputs, strict=True)))]

    return Runner("onnx.reference", run, names, tuple(map(str, evaluator.output_names)))


def openvino(path: Path) -> Runner:
    """OpenVINO on the CPU, held to float32 (by itself it may compute in bfloat16)."""
    module = _require("openvino")
    compiled = module.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        results = compiled(list(inputs))
        return [results[index] for index in range(len(compiled.outputs))]

    return Runner("OpenVINO, float32", run)


def tensorrt_rtx(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes that TensorRT's parser sees, by name, a dynamic size as -1; it needs no GPU for that.

    Raises: ExportError: it does not take the file.
    """
    tensorrt = _require("tensorrt_rtx", "tensorrt-rtx")
    logger = tensorrt.Logger(tensorrt.Logger.ERROR)
    network = tensorrt.Builder(logger).create_network(0)
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(path)):
        reasons = "; ".join(parser.get_error(index).desc() for index in range(parser.num_errors))
        raise ExportError(f"TensorRT's parser refuses {path.name}: {reasons}", code="cannot-run")
    tensors = [network.get_input(index) for index in range(network.num_inputs)]
    tensors += [network.get_output(index) for index in range(network.num_outputs)]
    return {tensor.name: tuple(tensor.shape) for tensor in tensors}


RUNNERS: dict[str, Callable[[Path], Runner]] = {"onnx-reference": onnx_reference, "openvino": openvino}
PARSERS: dict[str, Callable[[Path], dict[str, tuple[int, ...]]]] = {"tensorrt-rtx": tensorrt_rtx}


def runner(witness: str, path: Path) -> Runner:
    """A witness that computes. A file that it refuses is run by raising ExportError. Raises MissingDependency."""
    try:
        return RUNNERS[witness](path)
    except MissingDependency:
        raise
    except Exception as error:  # every runtime has exceptions of its own
        return Runner(witness, _refusal(_refused(witness, path, error)))


def parsed(witness: str, path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes that a parser sees. Raises: ExportError: it refuses the file; MissingDependency."""
    try:
        return PARSERS[witness](path)
    except ArchcError:
        raise
    except Exception as error:  # every parser has exceptions of its own
        raise ExportError(_refused(witness, path, error), code="cannot-run") from None


def _require(module: str, package: str | None = None) -> Any:
    """An optional package. Raises MissingDependency."""
    try:
        return import_module(module)
    except ImportError:
        name = package or module
        help = f"pip install '{DISTRIBUTION}[{name}]'"
        raise MissingDependency(f"the witness {name} is not installed", code="missing-dependency", help=help) from None
