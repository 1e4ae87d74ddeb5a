"""Who runs an ONNX file to bear witness to it: ONNX Runtime always, others on request where they are installed.

A witness either computes the outputs, or (a parser) only reads the file and tells the shapes that it sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from archc.diagnostics import ArchcError, ExportError, MissingDependency
from archc.exporting import Runner
from archc.version import DISTRIBUTION

from . import engines
from .child import Child, Limits

if TYPE_CHECKING:
    import numpy as np

    Run = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


class Mode(NamedTuple):
    """A way to compute a file: what its rows are called, what the engine is called in messages, and its options."""

    name: str
    engine: str
    who: str
    options: tuple[bool, ...] = ()


ONNX_RUNTIME = (
    Mode("ONNX Runtime, not optimised", "onnx-runtime", "ONNX Runtime", (False,)),
    Mode("ONNX Runtime, optimised", "onnx-runtime", "ONNX Runtime", (True,)),
)
# onnx.reference is written to be read: slow, and independent of every runtime. Where it is known to be wrong
# (tests/operators/disagreements.py) it computes what ONNX's specification says.
RUNNERS = {
    "onnx-reference": Mode("onnx.reference", "onnx-reference", "onnx-reference"),
    "openvino": Mode("OpenVINO, float32", "openvino", "openvino"),
}


def runners(path: Path, witnesses: Sequence[str] = (), limits: Limits | None = None) -> Iterator[Runner]:
    """ONNX Runtime with its optimisations off, then on, and the witnesses that compute; each opened at its turn.

    With limits each runs in a process of its own: that is for a file from elsewhere. A file that one refuses is run by
    raising ExportError. Raises MissingDependency: a witness is not installed.
    """
    modes = [*ONNX_RUNTIME, *(RUNNERS[witness] for witness in witnesses if witness in RUNNERS)]
    for mode in modes[len(ONNX_RUNTIME) :]:
        _require(engines.MODULES[mode.engine][-1])
    children = {mode: Child(mode.who, mode.engine, limits) for mode in modes} if limits else {}  # they begin at once
    for mode in modes:
        yield _opened(mode, path, partial(_open, mode, path, children.pop(mode, None)))


def runners_in_memory(path: Path, model: bytes, named: Mapping[str, np.ndarray]) -> Iterator[Runner]:
    """ONNX Runtime, with its optimisations off and on, for a message that only names large tensors; `path` is told."""
    for mode in ONNX_RUNTIME:
        yield _opened(mode, path, partial(engines.onnx_runtime, model, named=named, optimised=mode.options[0]))


def _open(mode: Mode, path: Path, child: Child | None) -> engines.Engine:
    if child is None:
        return engines.ENGINES[mode.engine](str(path), *mode.options)
    return engines.Engine(*child.open(path, *mode.options), child.run)


def _opened(mode: Mode, path: Path, open: Callable[[], engines.Engine]) -> Runner:
    try:
        engine = open()
    except Exception as error:  # the runtimes' exceptions have no common class of their own
        return Runner(mode.name, _refusal(_refused(mode.who, path, error)))
    return Runner(mode.name, engine.run, tuple(engine.inputs), tuple(engine.outputs))


def _refused(who: str, path: Path, error: Exception) -> str:
    """What a runtime says of a file that it does not take."""
    if isinstance(error, ArchcError):  # of a child: it says who
        return error.diagnostics[0].message.replace(str(path), path.name)
    reason = str(error).strip().replace(str(path), path.name) or type(error).__name__
    return f"{who} refuses {path.name}: {reason}"


def _refusal(reason: str) -> Run:
    def run(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        raise ExportError(reason, code="cannot-run")

    return run


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


PARSERS: dict[str, Callable[[Path], dict[str, tuple[int, ...]]]] = {"tensorrt-rtx": tensorrt_rtx}


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
