"""Who runs an ONNX file to bear witness to it: ONNX Runtime always, others on request where they are installed.

A witness either computes the outputs, or (a parser) only reads the file and tells the shapes that it sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archc.diagnostics import ArchcError, ExportError, MissingDependency
from archc.exporting import Runner
from archc.version import DISTRIBUTION

if TYPE_CHECKING:
    import numpy as np

    Run = Callable[[np.ndarray], list[np.ndarray]]


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
    inputs = session.get_inputs()
    if len(inputs) != 1:
        return Runner(name, _refusal(f"{path.name} has {len(inputs)} inputs, and a network has one"))
    batch = inputs[0].shape[0] if inputs[0].shape else None

    def run(images: np.ndarray) -> list[np.ndarray]:
        return list(map(np.asarray, session.run(None, {inputs[0].name: images})))

    outputs = tuple(output.name for output in session.get_outputs())
    return Runner(name, _in_batches(run, batch) if isinstance(batch, int) else run, outputs)


def _refused(who: str, path: Path, error: Exception) -> str:
    """What a runtime says of a file that it does not take."""
    reason = str(error).strip().replace(str(path), path.name) or type(error).__name__
    return f"{who} refuses {path.name}: {reason}"


def _refusal(reason: str) -> Run:
    def run(images: np.ndarray) -> list[np.ndarray]:
        raise ExportError(reason, code="cannot-run")

    return run


def _in_batches(run: Run, size: int) -> Run:
    """Run a file of a fixed batch on any multiple of it."""
    import numpy as np

    def run_all(images: np.ndarray) -> list[np.ndarray]:
        if len(images) % size:
            return run(images)
        parts = [run(images[start : start + size]) for start in range(0, len(images), size)]
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    return run_all


def onnx_reference(path: Path) -> Runner:
    """The onnx package's own evaluator, written to be read: slow, and independent of every runtime.

    Where it is known to be wrong (tests/operators/disagreements.py) it computes what ONNX's specification says.
    """
    import numpy as np
    from onnx.reference import ReferenceEvaluator

    from .reference_operators import corrected_operators

    evaluator = ReferenceEvaluator(str(path), new_ops=corrected_operators())
    name = str(evaluator.input_names[0])

    def run(images: np.ndarray) -> list[np.ndarray]:
        return [np.asarray(result) for result in evaluator.run(None, {name: images})]

    return Runner("onnx.reference", run, tuple(map(str, evaluator.output_names)))


def openvino(path: Path) -> Runner:
    """OpenVINO on the CPU, held to float32 (by itself it may compute in bfloat16)."""
    module = _require("openvino")
    compiled = module.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(images: np.ndarray) -> list[np.ndarray]:
        results = compiled(images)
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
