"""What TorchScript and `.pt2` files have in common once they are loaded: a module with a `state_dict`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from archc.exporting import ExportOptions, NodeRunner, Runner
from archc.network import Network

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


class TorchArtefact:
    """A loaded file: held to its network key by key, and run by PyTorch."""

    def __init__(self, name: str, load: Callable[[], nn.Module], shape: tuple[int, ...] | None) -> None:
        self._name, self._load, self._shape = name, load, shape

    @cached_property
    def _module(self) -> nn.Module:
        return self._load()

    def differences(self, network: Network, options: ExportOptions) -> list[str] | None:
        """Tensors whose values are not the network's; None if the keys or shapes are not the network's."""
        import numpy as np

        stored: Mapping[str, Any] = self._module.state_dict()
        expected = {p.path: p.shape for node in network.inference.nodes for p in node.parameters}
        if {key: tuple(tensor.shape) for key, tensor in stored.items()} != expected:
            return None
        return [
            f"{key} differs from the network's weights"
            for key, tensor in stored.items()
            if not np.array_equal(tensor.numpy(), network.weights[key], equal_nan=True)
        ]

    def image_shape(self) -> tuple[int, ...] | None:
        """Channels, height and width of the input, where the format tells them."""
        return self._shape

    def complaints(self, network: Network, witnesses: Sequence[str]) -> list[str]:
        """None: no parser but PyTorch reads these formats."""
        return []

    def runners(
        self, weights: tuple[Network, ExportOptions] | None = None, witnesses: Sequence[str] = ()
    ) -> Sequence[Runner]:
        """PyTorch, on the file as it was loaded."""
        module = self._load() if weights else self._module
        if weights:
            network = weights[0]
            module.load_state_dict(_tensors(network, list(module.state_dict())))
        return [Runner(self._name, lambda images: _run(module, images))]

    def node_runners(
        self, network: Network, options: ExportOptions, *, replace_weights: bool
    ) -> Sequence[NodeRunner] | None:
        """None: these formats are run as a whole."""
        return None


def _tensors(network: Network, keys: Sequence[str]) -> dict[str, Any]:
    import torch

    return {key: torch.from_numpy(network.weights[key]) for key in keys}


def _run(module: nn.Module, images: np.ndarray) -> list[np.ndarray]:
    import torch

    with torch.no_grad():
        result = module(torch.from_numpy(images))
    return [tensor.numpy() for tensor in (result if isinstance(result, tuple | list) else (result,))]
