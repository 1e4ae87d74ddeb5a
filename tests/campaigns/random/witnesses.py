"""What else computes a network, each held to the float64 run of its module like an artefact of archc's own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import torch

from archc.exporting import exporters
from archc.ir.graph import Graph
from archc.operators.convolution import Conv2d
from archc.operators.pooling import AvgPool2d
from archc.verification.check import Verifier
from archc.verification.images import Sample, images
from archc.verification.reference import reference
from archc.verification.report import Report
from archc.verification.twin import calibrated_weights
from archc.verification.whole import Run, Trial
from archc.weights import InitializedWeights
from archc.weights.network import Network
from tests.operators.cases import evaluator, session, written

Array = np.ndarray
Compute = Callable[[Array], list[Array]]
KINDS = ("noise", "uniform", "smooth", "noise again", "uniform again")


class Subject:
    """A network with fresh weights, its calibrated twin, and what the twin answers to five images."""

    def __init__(self, graph: Graph) -> None:
        self.network = Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=True)
        x = images(self.network.image_shapes()[0])
        self.twin = self.network.with_weights(calibrated_weights(graph, x))
        self._reference = reference(self.twin, [Sample((x,), (len(x),), KINDS)])
        self._verifier = Verifier(self.network)

    def verified(self, format: str, **asked: bool) -> Report:
        """What archc itself says of a file that it writes."""
        exporter = exporters()[format]
        options = exporter.asked(**asked)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"random{exporter.suffix}"
            with path.open("wb") as file:
                exporter.write(self.network, file, options)
            return self._verifier.verify(path.name, exporter.open(path, options))

    def compared(self, name: str, run: Compute) -> Report:
        """Any other way to compute the twin, on the five images."""
        (sample,) = self._reference.samples
        made = Run(name, 0, sample.parts(every=True), [run(*sample.inputs)])
        rows = tuple(row for _, row in Trial("", self._reference, [made]).judged)
        return Report(name, rows, sharpness={"": self._reference.sharpness})


def onnx_runtime(data: bytes) -> Compute:
    """ONNX Runtime, its optimisations off."""
    runtime = session(data, optimised=False)
    (entry,) = runtime.get_inputs()
    return lambda x: [np.asarray(y) for y in runtime.run(None, {entry.name: x})]


def fixed_batch(network: Network) -> Compute:
    """ONNX Runtime on the file with its batch fixed to that of the images."""
    model = onnx.load_from_string(written(network))
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        if value.type.tensor_type.shape.dim[0].HasField("dim_param"):
            value.type.tensor_type.shape.dim[0].dim_value = len(images(network.image_shapes()[0]))
    return onnx_runtime(model.SerializeToString())


def onnx_reference(network: Network) -> Compute:
    """onnx.reference, with an LRN that counts channels rightly."""
    run = evaluator(onnx.load_from_string(written(network)))
    return lambda x: [np.asarray(y) for y in run.run(None, {network.graph.input.name: x})]


def torch_onnx(network: Network) -> Compute:
    """ONNX Runtime on torch.onnx's own export of the same module."""
    example = torch.from_numpy(images(network.image_shapes()[0], 2))
    program = torch.onnx.export(
        network.inference_module(), (example,), dynamo=True, optimize=False, verbose=False,
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
    )  # fmt: skip
    assert program is not None
    return onnx_runtime(program.model_proto.SerializeToString())


def open_vino(network: Network) -> Compute:
    """OpenVINO, held to float32."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.onnx"
        path.write_bytes(written(network))
        runner = list(exporters()["onnx"].open(path).runners(None, ["openvino"]))[-1]
    return lambda x: runner.run([x])


@dataclass(frozen=True)
class Witness:
    """Who computes one in so many networks, except those about which it is known to be wrong."""

    name: str
    one_in: int
    prepare: Callable[[Network], Compute]
    knows: Callable[[Graph], bool] = lambda graph: True


def without_divisor(graph: Graph) -> bool:
    """No average has a divisor of its own, which torch.onnx leaves out (`tests/operators/disagreements.py`)."""
    return not any(isinstance(node.operator, AvgPool2d) and node.operator.divisor_override for node in graph.nodes)


def with_room_for_kernels(graph: Graph) -> bool:
    """No convolution's kernel is larger than the image, about which OpenVINO 2026.4.1 is wrong.

    A row of two pixels under a kernel of three, with padding, added to two other values, is a case of it.
    """
    return not any(
        isinstance(size, int) and kernel > size
        for node in graph.nodes
        if isinstance(node.operator, Conv2d)
        for size, kernel in zip(node.inputs[0].type.shape[2:], node.operator.kernel_size, strict=True)
    )


WITNESSES = [
    Witness("a fixed batch", 1, fixed_batch),
    Witness("onnx.reference", 5, onnx_reference),
    Witness("torch.onnx", 30, torch_onnx, without_divisor),
    *([Witness("OpenVINO", 5, open_vino, with_room_for_kernels)] if find_spec("openvino") else []),
]
