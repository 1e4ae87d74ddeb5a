"""Dropping what does nothing at inference: a printed graph in, a printed graph out."""

from archc.ir.printer import print_graph
from archc.passes import drop_training_only, run_passes
from tests.elaborate.specs import layers

SPEC = """\
- dropout: {name: first}
- identity
- sum:
    - [{dropout2d: {p: 0.1}}, relu, {stochastic_depth: 0.2}]
    - identity
- block: [dropout, tanh, dropout]
- output: middle
- dropout: {name: last}
"""


def test_dropouts_and_identities_disappear_and_outputs_keep_their_names() -> None:
    graph = layers(SPEC)
    assert (
        print_graph(graph)
        == """\
graph net
  input: float32[batch, 3, 32, 32]
  first            = dropout(input)                : float32[batch, 3, 32, 32]
  dropout2d        = dropout2d[p=0.1](first)       : float32[batch, 3, 32, 32]
  relu             = relu(dropout2d)               : float32[batch, 3, 32, 32]
  stochastic_depth = stochastic_depth[p=0.2](relu) : float32[batch, 3, 32, 32]
  :sum             = sum(stochastic_depth, first)  : float32[batch, 3, 32, 32]
  block.0          = dropout(:sum)                 : float32[batch, 3, 32, 32]
  block.1          = tanh(block.0)                 : float32[batch, 3, 32, 32]
  block.2          = dropout(block.1)              : float32[batch, 3, 32, 32]
  last             = dropout(block.2)              : float32[batch, 3, 32, 32]
  return output = last
  return middle = block.2
"""
    )
    assert (
        print_graph(run_passes(graph, [drop_training_only]))
        == """\
graph net
  input: float32[batch, 3, 32, 32]
  relu    = relu(input)      : float32[batch, 3, 32, 32]
  :sum    = sum(relu, input) : float32[batch, 3, 32, 32]
  block.1 = tanh(:sum)       : float32[batch, 3, 32, 32]
  return output = block.1
  return middle = block.1
"""
    )


def test_a_network_that_only_drops_out_returns_its_input() -> None:
    assert (
        print_graph(run_passes(layers("- dropout"), [drop_training_only]))
        == """\
graph net
  input: float32[batch, 3, 32, 32]
  return output = input
"""
    )


def test_a_graph_without_them_is_unchanged() -> None:
    graph = layers("- relu\n- tanh")
    assert run_passes(graph, [drop_training_only]) == graph
