"""An ONNX file that has been opened: held to its network tensor by tensor, and run by ONNX Runtime."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from archc.exporting import ExportOptions, NodeRunner, Runner
from archc.files import Companions
from archc.network import Network

from .onnx_external_data import load_model
from .onnx_opset import OLDEST_OPSET
from .onnx_witnesses import PARSERS, RUNNERS, onnx_runtime

if TYPE_CHECKING:
    import onnx

    from .onnx_builder import OnnxInitializer

SIMILAR = 0.5  # share of node names by which a file counts as archc's, whatever is wrong in it


class OnnxArtefact:
    """A file and its message. Raises ExportError: it is not an ONNX file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def model(self) -> onnx.ModelProto:
        """The whole message, with its weights. Raises ExportError."""
        return load_model(self.path)

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

        matched = self._similar_options(network, options)
        if matched is None:
            return None
        weights = network.weights if replace_weights else None
        return node_runners(self.model, exported_graph(network, matched), emit(network, matched), weights)

    def runners(
        self, weights: tuple[Network, ExportOptions] | None = None, witnesses: Sequence[str] = ()
    ) -> Sequence[Runner]:
        """ONNX Runtime with its optimisations off and on, and the witnesses that compute."""
        if weights is None:
            return _runners(self.path, witnesses)
        with tempfile.TemporaryDirectory(prefix="archc-") as folder:
            path = Path(folder) / self.path.name
            self._write_with_weights(path, *weights)
            return _runners(path, witnesses)

    def complaints(self, network: Network, witnesses: Sequence[str]) -> list[str]:
        """Where the witnesses that only parse see other shapes than the network has.

        Raises ExportError: one refuses.
        """
        values = {network.input_name: network.input, **{o.name: o.value.type for o in network.inference.outputs}}
        expected = {name: tuple(d if isinstance(d, int) else -1 for d in type.shape) for name, type in values.items()}
        seen = {witness: PARSERS[witness](self.path) for witness in witnesses if witness in PARSERS}
        return [
            f"{witness} sees the shapes {shapes}, not {expected}"
            for witness, shapes in seen.items()
            if shapes != expected
        ]

    def _expected(self, network: Network, options: ExportOptions) -> list[OnnxInitializer] | None:
        """What the exporter would store, if the file has tensors of just these names and shapes."""
        from .onnx_exporter import emit

        matched = self._matched_options(network, options)
        return emit(network, matched).initializers if matched else None

    def _matched_options(self, network: Network, options: ExportOptions) -> ExportOptions | None:
        """The options, folded or not, with which the exporter stores tensors of the file's names and shapes."""
        from .onnx_exporter import emit

        opset = self._opset()
        if opset < OLDEST_OPSET:
            return None
        shapes = {tensor.name: tuple(tensor.dims) for tensor in self.model.graph.initializer}
        for fold in (options.fold_batch_norm, not options.fold_batch_norm):
            tried = ExportOptions(opset, fold)
            emitted = emit(network, tried).initializers
            if {initializer.name: initializer.shape for initializer in emitted} == shapes:
                return tried
        return None

    def _similar_options(self, network: Network, options: ExportOptions) -> ExportOptions | None:
        """The options, folded or not, with which the exporter gives most of the file's nodes, by name."""
        from .onnx_exporter import emit

        opset = self._opset()
        if opset < OLDEST_OPSET:
            return None
        names = {node.name for node in self.model.graph.node}
        tried = [ExportOptions(opset, fold) for fold in (options.fold_batch_norm, not options.fold_batch_norm)]
        emitted = [{node.name for node in emit(network, each).nodes} for each in tried]
        shares = [len(names & expected) / max(1, len(names | expected)) for expected in emitted]
        best = max(shares)
        return tried[shares.index(best)] if best > SIMILAR else None

    def _opset(self) -> int:
        return next((entry.version for entry in self.model.opset_import if entry.domain == ""), 0)

    def _write_with_weights(self, path: Path, network: Network, options: ExportOptions) -> None:
        """The file's own nodes with another network's weights."""
        import onnx

        from .onnx_exporter import write_with_companion

        expected = self._expected(network, options)
        assert expected is not None, "only asked for after `differences` matched the tensors"
        skeleton = onnx.ModelProto()
        skeleton.CopyFrom(self.model)
        del skeleton.graph.initializer[:]
        with path.open("wb") as file:
            write_with_companion(skeleton, expected, network.weights, file, Companions(path))


def _runners(path: Path, witnesses: Sequence[str]) -> list[Runner]:
    return [*onnx_runtime(path), *(RUNNERS[witness](path) for witness in witnesses if witness in RUNNERS)]
