"""What TorchScript and `.pt2` files have in common once they are loaded: a module with a `state_dict`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from archc.diagnostics import ExportError
from archc.exporting import DeclaredInput, NodeRunner, Runner
from archc.weights.network import Network

from .kept import kept_spec

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


class TorchArtefact:
    """A loaded file: held to its network key by key, and run by PyTorch."""

    shows_nodes: ClassVar[bool] = False

    def __init__(
        self,
        name: str,
        path: Path,
        load: Callable[[Path], nn.Module],
        inputs: Callable[[Path], Sequence[DeclaredInput]] = lambda path: (),
        program: Callable[[Path], object] = lambda path: None,
    ) -> None:
        self.path, self._name, self._load, self._inputs, self._program = path, name, load, inputs, program

    @cached_property
    def _module(self) -> nn.Module:
        return self._load(self.path)

    def differences(self, network: Network) -> list[str] | None:
        """Tensors whose values or types are not the network's; None if a key is missing, or of another shape."""
        stored: Mapping[str, Any] = self._module.state_dict()
        if any(_shape(stored.get(key)) != shape for key, shape in _shapes(network).items()):
            return None
        return [
            f"{key} {difference}"
            for key in _shapes(network)
            if (difference := _difference(stored[key].numpy(), network.weights[key]))
        ]

    def structure_differences(self, network: Network) -> list[str]:
        """Tensors that the network does not have; of operators these formats tell nothing that could be compared.

        TorchScript gives a key to constants that have none in the network.
        """
        own = _shapes(network)
        found = {key: tensor for key, tensor in self._module.state_dict().items() if key not in own}
        constants = dict(network.inference_module().named_buffers()) if found else {}
        return [
            f"the tensor {key} is not in the network"
            for key, tensor in found.items()
            if key not in constants or not constants[key].equal(tensor)
        ]

    def spec(self) -> str:
        """The spec that the archive keeps. Raises ExportError."""
        return kept_spec(self.path)

    def stored_tensors(self, network: Network) -> Mapping[str, np.ndarray]:
        """All that run at inference."""
        stored: Mapping[str, Any] = self._module.state_dict()
        shapes = {parameter.path: parameter.shape for parameter in network.graph.parameters()}
        return {key: stored[key].numpy() for key, shape in shapes.items() if _shape(stored.get(key)) == shape}

    def program(self) -> object:
        """The exported program, where the format has one."""
        return self._program(self.path)

    def inputs(self) -> Sequence[DeclaredInput]:
        """The inputs, where the format tells them."""
        return self._inputs(self.path)

    def complaints(self, network: Network, witnesses: Sequence[str]) -> list[str]:
        """None: no parser but PyTorch reads these formats."""
        return []

    def runners(
        self, weights: Network | None = None, witnesses: Sequence[str] = (), *, trusted: bool = True
    ) -> Sequence[Runner]:
        """PyTorch, on the file as it was loaded."""
        module = self._load(self.path) if weights else self._module
        if weights is not None:
            module.load_state_dict(_tensors(weights, list(_shapes(weights))), strict=False)
        return [Runner(self._name, lambda inputs: _run(module, inputs))]

    def node_runners(self, network: Network, *, replace_weights: bool) -> Sequence[NodeRunner] | None:
        """None: these formats are run as a whole."""
        return None


def _shapes(network: Network) -> dict[str, tuple[int, ...]]:
    return {parameter.path: parameter.shape for node in network.inference.nodes for parameter in node.parameters}


def _shape(tensor: Any) -> tuple[int, ...] | None:
    return None if tensor is None else tuple(tensor.shape)


def _difference(stored: np.ndarray, expected: np.ndarray) -> str | None:
    import numpy as np

    if stored.dtype != expected.dtype:
        return f"is stored as {stored.dtype}, not {expected.dtype}"
    equal = np.array_equal(stored, expected, equal_nan=expected.dtype.kind == "f")
    return None if equal else "differs from the network's weights"


def _tensors(network: Network, keys: Sequence[str]) -> dict[str, Any]:
    import torch

    return {key: torch.from_numpy(network.weights[key]) for key in keys}


def _run(module: nn.Module, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs. Raises ExportError: they are no tensors in a row."""
    import torch

    with torch.no_grad():
        result = module(*map(torch.from_numpy, inputs))
    outputs = result if isinstance(result, tuple | list) else (result,)
    if not all(isinstance(output, torch.Tensor) for output in outputs):
        raise ExportError(f"it returns a {type(result).__name__}, not a tensor or several", code="cannot-run")
    return [tensor.numpy() for tensor in outputs]
