"""Files from elsewhere in processes of their own: the same numbers, and an end at every limit."""

import ast
import importlib
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from archc.diagnostics import ExportError
from archc.exporting import Runner, exporters
from archc.weights import InitializedWeights
from archc.weights.network import Network
from tests.exporters.small_networks import RESIDUAL, compiled

ONNX = exporters()["onnx"]
child = importlib.import_module("archc.exporters.onnx.child")
engines = importlib.import_module("archc.exporters.onnx.engines")
witnesses = importlib.import_module("archc.exporters.onnx.witnesses")

IMAGES = np.random.default_rng(0).standard_normal((5, 3, 8, 8)).astype(np.float32)
EVER = 2**62


def written(folder: Path, nodes: Sequence[onnx.NodeProto], **constants: np.ndarray) -> Path:
    """A file from the input x to the output y."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", None), ("y", None)))
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    path = folder / "theirs.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def relu(folder: Path) -> Path:
    return written(folder, [helper.make_node("Relu", ["x"], ["y"])])


def loop(folder: Path) -> Path:
    """A loop of so many steps that it does not end."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("v", "w")]
    step = [
        helper.make_tensor_value_info(name, kind, [])
        for name, kind in (("i", TensorProto.INT64), ("c", TensorProto.BOOL), ("d", TensorProto.BOOL))
    ]
    nodes = [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Relu", ["v"], ["w"])]
    body = helper.make_graph(nodes, "body", [*step[:2], value[0]], [step[2], value[1]])
    return written(folder, [helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)], n=np.array(EVER))


def huge(folder: Path) -> Path:
    """A tensor of 2^40 numbers from a file of a hundred bytes, also while the constants are folded."""
    nodes = [helper.make_node("ConstantOfShape", ["n"], ["k"]), helper.make_node("Relu", ["k"], ["y"])]
    return written(folder, nodes, n=np.array([2**40]))


def first(path: Path, witness: str | None = None, **limits: Any) -> Runner:
    found: Iterator[Runner] = witnesses.runners(path, [witness] if witness else [], child.Limits(**limits))
    runners = list(found)
    return runners[-1 if witness else 0]


def test_a_file_gives_the_same_numbers_as_in_this_process(tmp_path: Path) -> None:
    graph = compiled(RESIDUAL)
    network = Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=True)
    with (tmp_path / "small.onnx").open("wb") as file:
        ONNX.write(network, file, ONNX.asked())
    artefact = ONNX.open(tmp_path / "small.onnx")
    images = np.random.default_rng(1).standard_normal((5, *network.image_shapes()[0])).astype(np.float32)
    for weights in (None, network):
        here, there = (
            list(artefact.runners(weights, ["onnx-reference"], trusted=trusted)) for trusted in (True, False)
        )
        assert [(runner.name, runner.outputs) for runner in here] == [(runner.name, runner.outputs) for runner in there]
        for mine, other in zip(here, there, strict=True):
            np.testing.assert_array_equal(mine.run([images]), other.run([images]))


def test_a_loop_without_an_end_is_stopped_at_the_limit(tmp_path: Path) -> None:
    runner = first(loop(tmp_path), seconds=2)
    for _ in range(2):  # once more: it stays ended
        with pytest.raises(ExportError, match="ONNX Runtime was stopped after 2 s, the limit for files from elsewhere"):
            runner.run([IMAGES])


@pytest.mark.skipif(sys.platform != "linux", reason="no other system has a limit of memory for a process")
@pytest.mark.parametrize("witness", [None, "onnx-reference"])
def test_a_tensor_that_takes_all_memory_is_refused(witness: str | None, tmp_path: Path) -> None:
    runner = first(huge(tmp_path), witness, memory=1 << 30)
    with pytest.raises(ExportError, match="needs more memory than 1,024 MiB, the limit for files from elsewhere: "):
        runner.run([IMAGES])


def test_a_file_that_is_refused_is_told_as_in_this_process(tmp_path: Path) -> None:
    path = written(tmp_path, [helper.make_node("Nonsense", ["x"], ["y"])])
    told = []
    for limits in (None, child.Limits()):
        with pytest.raises(ExportError, match=r"^error\[cannot-run\]: ONNX Runtime refuses theirs\.onnx: ") as caught:
            next(witnesses.runners(path, [], limits)).run([IMAGES])
        told.append(str(caught.value))
    assert told[0] == told[1]


def test_a_process_that_dies_is_told(tmp_path: Path) -> None:
    process = child.Child("ONNX Runtime", "onnx-runtime", child.Limits())
    process.open(relu(tmp_path), True)
    os.kill(process._process.pid, signal.SIGSEGV)
    with pytest.raises(ExportError, match="ONNX Runtime ended with SIGSEGV"):
        process.run([IMAGES])


def test_an_interrupt_ends_the_process_at_once(tmp_path: Path) -> None:
    process = child.Child("ONNX Runtime", "onnx-runtime", child.Limits(seconds=60))
    process.open(loop(tmp_path), True)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which pytest-xdist's workers ignore
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            process.run([IMAGES])
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - begun < 5
    assert process._process.returncode == -signal.SIGKILL


def test_a_process_ends_with_its_runner(tmp_path: Path) -> None:
    process = child.Child("ONNX Runtime", "onnx-runtime", child.Limits())
    process.open(relu(tmp_path), True)
    inner = process._process
    del process
    assert inner.returncode == -signal.SIGKILL


def test_an_output_that_is_no_number_is_refused(tmp_path: Path) -> None:
    strings = np.array(["a", "b"], dtype=object)
    path = written(tmp_path, [helper.make_node("Identity", ["s"], ["y"])], s=strings)
    model = onnx.load(path)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.STRING
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ExportError, match="ONNX Runtime fails: an output is of type object, which is not a number's"):
        first(path).run([IMAGES])


@pytest.mark.parametrize(
    "answer",
    [b"\n", b"[]\n", b"{}\n", b'{"arrays": [["O", [1]]]}\n', b'{"arrays": [["<f4", [-1]]]}\n',
     b'{"arrays": [["<f4", [1099511627776]]]}\n', b'{"arrays": [["<f4", ["1"]]]}\n', b'{"arrays": [["?", 1]]}\n',
     b'{"arrays": [["<f4", [2]]]}\n1234', b'{"arrays": []}'],
)  # fmt: skip
def test_an_answer_that_cannot_be_one_is_an_error(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    receive = engines.receive
    monkeypatch.setattr(engines, "receive", lambda _, most: receive(io.BufferedReader(io.BytesIO(answer)), most))
    process = child.Child("ONNX Runtime", "onnx-runtime", child.Limits())
    with pytest.raises(ExportError, match=r"ONNX Runtime (gives an answer that cannot be read|ended with)"):
        process.run([IMAGES])


def test_the_process_imports_nothing_of_archc_and_no_framework_before_it_is_asked() -> None:
    tree = ast.parse(Path(str(engines.__file__)).read_text())
    names = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {name.split()[1].partition(".")[0] for name in names}
    assert modules <= sys.stdlib_module_names
