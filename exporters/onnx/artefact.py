"""An ONNX file that has been opened: held to its network node by node and tensor by tensor, and run by ONNX Runtime."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from archc.diagnostics import ExportError
from archc.exporting import SPEC_KEY, DeclaredInput, NodeRunner, Runner
from archc.files import Companions
from archc.weights.network import Network

from .child import Limits
from .emission import emit, exported_graph, message, write_with_companion
from .external_data import load_model
from .in_memory import named_or_stored
from .nodes import node_runners
from .opset import OLDEST_OPSET
from .options import OnnxOptions
from .structure import Origins, structure_differences
from .witnesses import PARSERS, RUNNERS, parsed, runners, runners_in_memory
from .writer import without

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from archc.ir.graph import Parameter

    from .builder import OnnxBuilder, OnnxInitializer

SIMILAR = 0.5  # share of node names by which a file counts as archc's, whatever is wrong in it


class OnnxArtefact:
    """A file and its message; `options` are those that it was exported with, as far as they are known.

    Raises ExportError: it is not an ONNX file.
    """

    shows_nodes: ClassVar[bool] = True

    def __init__(self, path: Path, options: OnnxOptions) -> None:
        self.path, self._options = path, options
        self._emissions: dict[tuple[int, OnnxOptions], OnnxBuilder] = {}

    @cached_property
    def model(self) -> onnx.ModelProto:
        """The whole message, with its weights. Raises ExportError."""
        model = load_model(self.path)
        if not model.graph.output:  # protobuf takes an empty file for an empty message
            raise ExportError(f"{self.path} cannot be read as an ONNX file: it has no output", code="unreadable")
        return model

    def differences(self, network: Network) -> list[str] | None:
        """Tensors whose values or types are not what the network's weights give; None if one is not there."""
        matched = self._matched_options(network)
        if matched is None:
            return None
        origins = self._origins(network, matched)
        initializers = self._emitted(network, matched).initializers
        with ThreadPoolExecutor() as threads:  # NumPy computes and compares without Python's lock
            found = zip(
                initializers, threads.map(lambda each: self._difference(each, network), initializers), strict=True
            )
        return [f"{each.name} {difference}{origins.of(each.name)}" for each, difference in found if difference]

    def structure_differences(self, network: Network) -> list[str]:
        """Everything but the tensors' values in which the file is not the one that the exporter writes."""
        matched = self._similar_options(network)
        if matched is None:
            return ["the file's graph is not one that archc writes for this network"]
        if self._options.opset is not None:
            matched = matched.model_copy(update={"opset": self._options.opset})
        emitted = self._emitted(network, matched)
        stored = [tensor.name for tensor in self.model.graph.initializer]
        wanted = {initializer.name for initializer in emitted.initializers}
        return [
            *structure_differences(self.model, message(network, emitted), self._origins(network, matched)),
            *(f"the tensor {name} is not in the network" for name in stored if name not in wanted),
        ]

    def spec(self) -> str:
        """The spec in the file's metadata. Raises ExportError."""
        return next((entry.value for entry in self.model.metadata_props if entry.key == SPEC_KEY), "")

    def stored_tensors(self, network: Network) -> Mapping[str, np.ndarray]:
        """Those into which nothing is folded, arranged as the network has them."""
        matched = self._matched_options(network)
        if matched is None:
            return {}
        parameters = [each for node in exported_graph(network, matched).nodes for each in node.parameters]
        initializers = {each.name: each for each in self._emitted(network, matched).initializers}
        return {
            parameter.path: _arranged(parameter, initializers[parameter.path], self._stored[parameter.path])
            for parameter in parameters
            if parameter.derived is None and parameter.path in initializers
        }

    def program(self) -> onnx.ModelProto:
        """The message."""
        return self.model

    def inputs(self) -> Sequence[DeclaredInput]:
        """The inputs that are no initializers; a symbolic size is open."""
        entries = [entry for entry in self.model.graph.input if entry.name not in self._stored]
        return [
            DeclaredInput(entry.name, tuple(dim.dim_value or None for dim in entry.type.tensor_type.shape.dim))
            for entry in entries
        ]

    def node_runners(self, network: Network, *, replace_weights: bool) -> Sequence[NodeRunner] | None:
        """Each node of archc's graph as a model of its own; None for a file whose tensors are not archc's."""
        matched = self._similar_options(network)
        if matched is None:
            return None
        weights = network.weights if replace_weights else None
        return node_runners(self.model, exported_graph(network, matched), self._emitted(network, matched), weights)

    def runners(
        self, weights: Network | None = None, witnesses: Sequence[str] = (), *, trusted: bool = True
    ) -> Iterator[Runner]:
        """ONNX Runtime with its optimisations off and on, and the witnesses that compute.

        Without trust each runs in a process of its own, with limits of time and memory.
        """
        limits = None if trusted else Limits()
        if weights is None:
            yield from runners(self.path, witnesses, limits)
            return
        model, derived = self._without_weights(weights)
        if trusted and not RUNNERS.keys() & set(witnesses):
            initializers, named = named_or_stored({each.name: each.values(weights.weights) for each in derived})
            model.graph.initializer.extend(initializers)
            yield from runners_in_memory(self.path, model.SerializeToString(), named)
            return
        with tempfile.TemporaryDirectory(prefix="archc-") as folder:
            path = Path(folder) / self.path.name
            with path.open("wb") as file:
                write_with_companion(model, derived, weights.weights, file, Companions(path))
            yield from runners(path, witnesses, limits)

    def complaints(self, network: Network, witnesses: Sequence[str]) -> list[str]:
        """Where the witnesses that only parse see other shapes than the network has.

        Raises ExportError: one refuses; MissingDependency.
        """
        graph = network.inference
        values = dict(graph.inputs) | {output.name: output.value.type for output in graph.outputs}
        expected = {name: tuple(d if isinstance(d, int) else -1 for d in type.shape) for name, type in values.items()}
        seen = {witness: parsed(witness, self.path) for witness in witnesses if witness in PARSERS}
        return [
            f"{witness} sees the shapes {shapes}, not {expected}"
            for witness, shapes in seen.items()
            if shapes != expected
        ]

    def _difference(self, initializer: OnnxInitializer, network: Network) -> str | None:
        """How a tensor of the file differs from what the network's weights give."""
        import numpy as np
        from onnx import numpy_helper

        try:
            values = numpy_helper.to_array(self._stored[initializer.name])
        except (ValueError, TypeError):  # fewer or more bytes than its shape has
            return "cannot be read"
        if values.dtype != initializer.dtype:
            return f"is stored as {values.dtype}, not {initializer.dtype}"
        expected = initializer.values(network.weights)
        # Comparing with regard to NaN takes four times as long, and hardly ever has to be.
        equal = np.array_equal(values, expected) or (
            values.dtype.kind == "f" and np.array_equal(values, expected, equal_nan=True)
        )
        return None if equal else "differs from the network's weights"

    @cached_property
    def _stored(self) -> dict[str, onnx.TensorProto]:
        return {tensor.name: tensor for tensor in self.model.graph.initializer}

    def _emitted(self, network: Network, options: OnnxOptions) -> OnnxBuilder:
        """What the exporter would write with these options."""
        key = id(network.graph), options
        if key not in self._emissions:
            self._emissions[key] = emit(network, options)
        return self._emissions[key]

    def _origins(self, network: Network, options: OnnxOptions) -> Origins:
        return Origins(exported_graph(network, options), self._emitted(network, options))

    def _tried_options(self) -> list[OnnxOptions]:
        """The ways in which the file may have been exported: folded or not, what the options say first."""
        opset, fold = self._opset(), self._options.fold_batch_norm
        if opset < OLDEST_OPSET:
            return []
        return [self._options.model_copy(update={"opset": opset, "fold_batch_norm": each}) for each in (fold, not fold)]

    def _matched_options(self, network: Network) -> OnnxOptions | None:
        """The options with which every tensor that the exporter stores is in the file, by name and shape."""
        shapes = {name: tuple(tensor.dims) for name, tensor in self._stored.items()}
        for tried in self._tried_options():
            wanted = self._emitted(network, tried).initializers
            if all(shapes.get(initializer.name) == initializer.shape for initializer in wanted):
                return tried
        return None

    def _similar_options(self, network: Network) -> OnnxOptions | None:
        """The options with which the exporter gives most of the file's nodes, by name."""
        names = {node.name for node in self.model.graph.node}
        best, share = None, SIMILAR
        for tried in self._tried_options():
            expected = {node.name for node in self._emitted(network, tried).nodes}
            if (found := len(names & expected) / max(1, len(names | expected))) > share:
                best, share = tried, found
        return best

    def _opset(self) -> int:
        return next((entry.version for entry in self.model.opset_import if entry.domain == ""), 0)

    def _without_weights(self, network: Network) -> tuple[onnx.ModelProto, list[OnnxInitializer]]:
        """The file's own nodes and constants, and the initializers that depend on the weights."""
        import onnx

        matched = self._matched_options(network)
        assert matched is not None, "only asked for after `differences` found every tensor"
        derived = [each for each in self._emitted(network, matched).initializers if not each.constant]
        replaced = {initializer.name for initializer in derived}
        model = without(self.model, "graph")
        model.graph.CopyFrom(without(self.model.graph, "initializer", "node"))
        model.graph.node.extend(
            onnx.helper.make_node("Constant", [], [name], value=tensor)
            for name, tensor in self._stored.items()
            if name not in replaced
        )
        model.graph.node.extend(self.model.graph.node)
        return model, derived


def _arranged(parameter: Parameter, initializer: OnnxInitializer, stored: onnx.TensorProto) -> np.ndarray:
    """A parameter's tensor from how the exporter arranges it in the file: numbered elements show where each went."""
    import numpy as np
    from onnx import numpy_helper

    places = np.arange(prod(parameter.shape)).reshape(parameter.shape)
    order = initializer.values({parameter.path: places})
    tensor = np.empty(parameter.shape, parameter.dtype)
    tensor.reshape(-1)[order.reshape(-1)] = numpy_helper.to_array(stored).reshape(-1)
    return tensor
