"""A graph together with its weights: what is built, exported and verified."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from archc.ir.graph import Graph
from archc.ir.types import SymbolicDim

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


@dataclass(frozen=True)
class Network:
    """A graph and its weights by `state_dict` key, read lazily.

    `fresh` tells weights that were only initialised from weights that somebody gave: a comparison of fresh networks
    needs a calibrated twin to mean anything. `write_spec` gives the text that the graph comes from.
    """

    graph: Graph
    weights: Mapping[str, np.ndarray]
    fresh: bool
    seed: int = 0
    write_spec: Callable[[], str] = field(default=str, compare=False)

    @cached_property
    def spec(self) -> str:
        """The spec with everything resolved, which an artefact keeps; empty where there was none."""
        return self.write_spec()

    @cached_property
    def inference(self) -> Graph:
        """The graph outside training, as exporters see it."""
        return self.graph.at_inference()

    def module(self) -> nn.Module:
        """A new PyTorch module with these weights, in training mode."""
        return self._build(self.graph, named_outputs=True)

    def inference_module(self) -> nn.Module:
        """A new PyTorch module of what runs at inference, in eval mode; several outputs are a plain tuple."""
        return self._build(self.inference, named_outputs=False).eval()

    def _build(self, graph: Graph, *, named_outputs: bool) -> nn.Module:
        from archc.nn import assemble_module, give_weights
        from archc.weights import read_all

        # One after the other: threads that read would wait for Python's lock while modules are assembled.
        module = assemble_module(graph, named_outputs=named_outputs)
        give_weights(module, graph, read_all(self.weights, [parameter.path for parameter in graph.parameters()]))
        return module

    def with_weights(self, weights: Mapping[str, np.ndarray]) -> Network:
        """The same graph with other weights."""
        return replace(self, weights=weights)

    def image_shapes(self, size: str = "optimum") -> list[tuple[int, ...]]:
        """The shape of one image for each input, at the `minimum`, `optimum` or `maximum` of dynamic sizes."""
        return [
            tuple([dim.at(getattr(dim, size)) if isinstance(dim, SymbolicDim) else dim for dim in value.type.shape[1:]])
            for value in self.graph.inputs
        ]
