"""What computes an ONNX file: in this process, or with this module as a script, in a process of its own.

The script (see `child.py`) answers requests from its standard input. It imports nothing of archc, so that it is there
in a third of a second. A message is a line of JSON and the arrays that it describes; nothing in one can run code.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

MOST_HEADER_BYTES = 1 << 20
NUMBERS = "biuf"  # kinds of NumPy's dtypes
STACK_BYTES = 8 << 20  # of each of a runtime's threads


class Engine(NamedTuple):
    """A file that has been opened: the names of its inputs and outputs, if it has some, and a run."""

    inputs: Sequence[str]
    outputs: Sequence[str]
    run: Callable[[Sequence[np.ndarray]], list[np.ndarray]]


def onnx_runtime(
    model: str | bytes,
    optimised: bool = True,
    named: Mapping[str, np.ndarray] | None = None,
    *,
    threads: int = 0,
    once: bool = False,
) -> Engine:
    """ONNX Runtime on the CPU, for a file or a message; `named` are tensors that it only names. Raises what it raises.

    By itself it starts a thread for each core, and copies large weights into the order that its kernels read them in;
    not for what is run `once`.
    """
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is told by the exception
    options.intra_op_num_threads = threads
    if once:
        options.add_session_config_entry("session.disable_prepacking", "1")
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    memory = {name: onnxruntime.OrtValue.ortvalue_from_numpy(values) for name, values in (named or {}).items()}
    options.add_external_initializers(list(memory), list(memory.values()))
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    # `memory` has to outlive the session, which computes with the tensors as they lie there.
    def run(arrays: Sequence[np.ndarray], memory: object = memory) -> list[np.ndarray]:
        return list(map(np.asarray, session.run(None, dict(zip(names, arrays, strict=True)))))

    return Engine(names, [output.name for output in session.get_outputs()], run)


def onnx_reference(path: str) -> Engine:
    """The onnx package's own evaluator. Raises what it raises."""
    import numpy as np
    from onnx.reference import ReferenceEvaluator

    corrected = runpy.run_path(str(Path(__file__).with_name("reference_operators.py")))["corrected_operators"]
    evaluator = ReferenceEvaluator(path, new_ops=corrected())
    names = list(map(str, evaluator.input_names))

    def run(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [np.asarray(result) for result in evaluator.run(None, dict(zip(names, arrays, strict=True)))]

    return Engine(names, list(map(str, evaluator.output_names)), run)


def openvino(path: str) -> Engine:
    """OpenVINO on the CPU, held to float32 (by itself it may compute in bfloat16). Raises what it raises."""
    module = import_module("openvino")
    compiled = module.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        results = compiled(list(arrays))
        return [results[index] for index in range(len(compiled.outputs))]

    return Engine((), (), run)


ENGINES: dict[str, Callable[..., Engine]] = {
    "onnx-runtime": onnx_runtime,
    "onnx-reference": onnx_reference,
    "openvino": openvino,
}
MODULES = {
    "onnx-runtime": ("numpy", "onnxruntime"),
    "onnx-reference": ("numpy", "onnx", "onnx.reference"),
    "openvino": ("numpy", "openvino"),
}
"""Engine → what it imports."""


def send(file: IO[bytes], header: dict[str, Any], arrays: Sequence[np.ndarray] = ()) -> None:
    """Write a message. Raises: OSError; TypeError: an array is not of numbers."""
    for array in arrays:
        if array.dtype.kind not in NUMBERS:
            raise TypeError(f"an output is of type {array.dtype}, which is not a number's")
    described = [[array.dtype.str, array.shape] for array in arrays]
    file.write(json.dumps({**header, "arrays": described}).encode() + b"\n")
    for array in arrays:
        file.write(array.tobytes() if not array.flags.c_contiguous else array.reshape(-1).view("u1").data)
    file.flush()


def receive(file: IO[bytes], most: int) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Read a message of at most so many bytes. Raises: EOFError: there is none, or not a whole one; ValueError."""
    header = json.loads(_line(file))
    arrays = []
    for code, shape in header.pop("arrays"):
        import numpy as np

        size = np.dtype(code).itemsize
        for length in shape:
            size *= length
        if np.dtype(code).kind not in NUMBERS or not 0 <= size <= most:
            raise ValueError(f"it answers with {size} bytes of type {code}")
        array = np.empty(shape, code)
        rest = array.reshape(-1).view("u1").data
        while rest:
            count = file.readinto(rest)  # type: ignore[attr-defined]
            if not count:
                raise EOFError
            rest = rest[count:]
        arrays.append(array)
    return header, arrays


def _line(file: IO[bytes]) -> bytes:
    line = file.readline(MOST_HEADER_BYTES)
    if not line.endswith(b"\n"):
        raise EOFError
    return line


def _limit_memory(most: int) -> None:
    """Let this process take so many bytes more than it has, where the system knows such a limit."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + most + (os.cpu_count() or 1) * STACK_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time(seconds: float) -> None:
    """End this process when its threads have computed so long from now on, even if nobody waits for it any more."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(used.ru_utime + used.ru_stime + seconds * (os.cpu_count() or 1)) + 2
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _serve() -> None:
    """Open the file of the first request, and run it on the arrays of the others."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a runtime's own prints are no replies
    engine: Engine | None = None
    while True:
        header, arrays = receive(sys.stdin.buffer, sys.maxsize)
        _limit_time(header["seconds"])
        try:
            if engine is None:
                for module in MODULES[header["engine"]]:  # before the limit: they take what they take for any file
                    import_module(module)
                _limit_memory(header["memory"])
                engine = ENGINES[header["engine"]](header["path"], *header["options"])
                send(replies, {"inputs": engine.inputs, "outputs": engine.outputs})
            else:
                send(replies, {}, engine.run(arrays))
        except Exception as error:
            lacking = isinstance(error, MemoryError) or "alloc" in str(error).lower()
            text = str(error).strip() or type(error).__name__
            send(replies, {"error": text[:10_000], "memory": lacking})


if __name__ == "__main__":
    with suppress(EOFError, BrokenPipeError):
        _serve()
