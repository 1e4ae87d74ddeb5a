"""How far a correct runtime may be off, by the rounding of its kernels."""

import numpy as np
import torch

from archc.verification.reference import with_rounding_of_kernels
from archc.verification.rounding import ROUNDING
from archc.weights import InitializedWeights
from archc.weights.network import Network
from tests.elaborate.specs import layers


def test_a_gate_is_off_by_a_rounding_of_what_it_multiplies() -> None:
    """GELU is x times a gate that 1 rounds; far below zero nothing but that rounding is left of it."""
    graph = layers("- gelu: {approximate: tanh}\n- relu")
    network = Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=True)
    x = np.full((1, *(int(str(size)) for size in graph.input.type.shape[1:])), -50.0, np.float32)
    x[..., 0] = 1.0  # from all of one kind nothing could be told
    (loose,) = with_rounding_of_kernels(network, (x,))
    assert not torch.nn.functional.gelu(torch.from_numpy(x[..., 1:]), approximate="tanh").any()
    assert 50 * ROUNDING < loose[..., 1:].max() <= 2 * 50 * ROUNDING
