"""Several inputs, several results of a node and sources: printed, verified, built, interpreted and exported."""

import inspect
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from archc.ir.cost import cost
from archc.ir.printer import print_graph
from archc.ir.verifier import InvalidGraph, verify_graph
from archc.nn.interpreter import Interpreter
from archc.passes import fold_batch_norm, inference_graph, run_passes
from tests.ir.several import several
from tests.operators.cases import images, run_everywhere, session, with_random_weights, written


def test_it_is_printed_verified_and_left_alone_by_passes(golden: Callable[[str, str], None]) -> None:
    graph = several()
    verify_graph(graph)
    golden("several.txt", print_graph(graph))
    assert run_passes(graph, [inference_graph, fold_batch_norm]) == graph
    assert [parameter.path for parameter in graph.parameters()] == [
        "gamma", "stem.shift", "stem.conv.weight", "stem.conv.bias",
    ]  # fmt: skip


def test_the_verifier_counts_results_and_inputs() -> None:
    graph = several()
    node = next(node for node in graph.nodes if len(node.outputs) == 2)
    nodes = tuple(replace(each, outputs=each.outputs[:1]) if each is node else each for each in graph.nodes)
    with pytest.raises(InvalidGraph, match=r"is of type .*, but infers"):
        verify_graph(replace(graph, nodes=nodes))
    with pytest.raises(InvalidGraph, match="there is no input"):
        verify_graph(replace(graph, inputs=(), nodes=(), outputs=graph.outputs))


def test_its_cost_counts_every_result() -> None:
    total = cost(several())
    assert total.parameters == 4 * 4 * 9 + 4 + 2 + 2
    assert total.nodes[1].activation_bytes == 2 * (2 * 6 * 5 * 4)
    assert [layer.field.size for layer in total.nodes] == [(3, 3), (3, 3), (0, 0), *[(3, 3)] * 2, (0, 0), *[(3, 3)] * 2]


def test_the_module_reads_like_one_that_a_person_wrote() -> None:
    module = with_random_weights(several()).module()
    assert list(module.state_dict()) == ["gamma", "stem.shift", "stem.conv.weight", "stem.conv.bias"]
    assert (
        inspect.getsource(type(module).forward)
        == """\
    def forward(self, image, mask):
        x, y = self.stem(image)
        y = y * mask
        z = self.gamma
        z = y + z + x
        z = self.tanh(z)
        return Outputs(z, y)
"""
    )
    assert (
        inspect.getsource(type(module.get_submodule("stem")).forward)
        == """\
    def forward(self, x):
        x = self.conv(x)
        x, y = torch.chunk(x, 2, 1)
        z = self.shift
        x = x + z
        return (y, x)
"""
    )


def test_pytorch_the_interpreter_and_onnx_compute_the_same() -> None:
    network = with_random_weights(several())
    inputs = [images(value.type.shape, 3, seed=seed) for seed, value in enumerate(network.graph.inputs)]
    tensors = [torch.from_numpy(x.astype(np.float64)) for x in inputs]
    module = network.inference_module().double()
    with torch.no_grad():
        expected, masked = module(*tensors)
    given = dict(zip(["image", "mask"], tensors, strict=True))
    assert torch.equal(Interpreter(network.graph, module).value("tanh", given), expected)
    data = written(network)
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    for name, actual in run_everywhere(data, *inputs).items():
        np.testing.assert_allclose(actual, expected.numpy(), rtol=0, atol=1e-5, err_msg=name)
    feeds = dict(zip(["image", "mask"], inputs, strict=True))
    (actual,) = session(data, optimised=True).run(["masked"], feeds)
    np.testing.assert_allclose(np.asarray(actual), masked.numpy(), atol=1e-5)
