"""An ONNX file that has been opened: held to its network tensor by tensor, and run by ONNX Runtime."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archc.diagnostics import ExportError
from archc.exporting import ExportOptions, NodeRunner, Runner
from archc.network import Network

from .onnx_opset import OLDEST_OPSET

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from .onnx_builder import OnnxInitializer


class OnnxArtefact:
    """A file and its message. Raises ExportError: it is not an ONNX file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def model(self) -> onnx.ModelProto:
        """The whole message, with its weights."""
        import onnx
        from google.protobuf.message import DecodeError

        try:
            return onnx.load(self.path)
        except (DecodeError, OSError, onnx.checker.ValidationError) as error:
            raise ExportError(f"{self.path} cannot be read as an ONNX file: {error}", code="unreadable") from None

    def differences(self, network: Network, options: ExportOptions) -> list[str] | None:
        """Tensors whose values are not what the network's weights give; None if the tensors are not archc's."""
        import numpy as np
        from onnx import numpy_helper

        expected = self._expected(network, options)
        if expected is None:
            return None
        stored = {tensor.name: tensor for tensor in self.model.graph.initializer}
        return [
            f"{initializer.name} differs from the network's weights"
            for initializer in expected
            if not np.array_equal(
                numpy_helper.to_array(stored[initializer.name]),
                initializer.values(network.weights),
                equal_nan=True,
            )
        ]

    def image_shape(self) -> tuple[int, ...] | None:
        """Channels, height and width of the input; None if one of them is dynamic."""
        (entry,) = self.model.graph.input
        sizes = tuple(dim.dim_value for dim in entry.type.tensor_type.shape.dim[1:])
        return sizes if all(sizes) else None

    def node_runners(
        self, network: Network, options: ExportOptions, *, replace_weights: bool
    ) -> Sequence[NodeRunner] | None:
        """Each node of archc's graph as a model of its own; None for a file whose tensors are not archc's."""
        from .onnx_exporter import emit, exported_graph
        from .onnx_nodes import node_runners

        matched = self._matched_options(network, options)
        if matched is None:
            return None
        weights = network.weights if replace_weights else None
        return node_runners(self.model, exported_graph(network, matched), emit(network, matched), weights)

    def runners(self, weights: tuple[Network, ExportOptions] | None = None) -> Sequence[Runner]:
        """ONNX Runtime with its optimisations off and on."""
        if weights is None:
            return [Runner(name, _run(self.path, optimised)) for name, optimised in _MODES]
        with tempfile.TemporaryDirectory(prefix="archc-") as folder:
            path = Path(folder) / "twin.onnx"
            self._write_with_weights(path, *weights)
            return [Runner(name, _run(path, optimised)) for name, optimised in _MODES]

    def _expected(self, network: Network, options: ExportOptions) -> list[OnnxInitializer] | None:
        """What the exporter would store, if the file has tensors of just these names and shapes."""
        from .onnx_exporter import emit

        matched = self._matched_options(network, options)
        return emit(network, matched).initializers if matched else None

    def _matched_options(self, network: Network, options: ExportOptions) -> ExportOptions | None:
        """The options, folded or not, with which the exporter would store tensors of just the file's names and shapes."""
        from .onnx_exporter import emit

        opset = next((entry.version for entry in self.model.opset_import if entry.domain == ""), 0)
        if opset < OLDEST_OPSET:
            return None
        shapes = {tensor.name: tuple(tensor.dims) for tensor in self.model.graph.initializer}
        for fold in (options.fold_batch_norm, not options.fold_batch_norm):
            tried = ExportOptions(opset, fold)
            emitted = emit(network, tried).initializers
            if {initializer.name: initializer.shape for initializer in emitted} == shapes:
                return tried
        return None

    def _write_with_weights(self, path: Path, network: Network, options: ExportOptions) -> None:
        """The file's own nodes with another network's weights."""
        import onnx

        from .onnx_writer import write_model

        expected = self._expected(network, options)
        assert expected is not None, "only asked for after `differences` matched the tensors"
        skeleton = onnx.ModelProto()
        skeleton.CopyFrom(self.model)
        del skeleton.graph.initializer[:]
        with path.open("wb") as file:
            write_model(skeleton, expected, network.weights, file)


_MODES = (("ONNX Runtime, not optimised", False), ("ONNX Runtime, optimised", True))


def _run(path: Path, optimised: bool) -> Any:
    """A function from images to the outputs. Raises ExportError: ONNX Runtime refuses the file."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common class of their own
        raise ExportError(f"ONNX Runtime refuses {path.name}: {error}", code="runtime") from None
    (entry,) = session.get_inputs()

    def run(images: np.ndarray) -> list[np.ndarray]:
        return [np.asarray(result) for result in session.run(None, {entry.name: images})]

    return run
