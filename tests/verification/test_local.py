"""Convolutions are compared on small images, which show what large ones would."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from archc.exporting import NodeRunner, RunNode, exporters
from archc.ir.graph import Node
from archc.verification.local import is_local, smaller
from archc.verification.nodes import compare_kinds
from archc.weights import Array, InitializedWeights
from archc.weights.network import Network
from tests.exporters.small_networks import compiled

ONNX = exporters()["onnx"]
SPEC = """\
name: large
input: {channels: 3, height: 150, width: 97}
layers:
  - conv2d: {name: stem, out_channels: 4, kernel_size: 7, stride: 2, padding: 3}
  - batch_norm: {name: norm}
  - relu
  - max_pool2d: {name: pool, kernel_size: 2, stride: 2}
  - conv2d: {name: wide, out_channels: 4, kernel_size: 3, padding: 8, dilation: 8}
  - conv_transpose2d: {name: up, out_channels: 4, kernel_size: 2, stride: 2}
  - conv2d: {name: thin, out_channels: 4, kernel_size: 3, stride: 3, padding: 1, groups: 2, bias: false}
  - adaptive_avg_pool2d: 1
  - flatten
  - linear: {name: fc, out_features: 10}
"""
SIZES = {"stem": (18, 13), "up": (13, 12), "thin": (14, 12), "wide": (37, 24)}
"""Of the images that a node is compared on; a kernel of 17 pixels does not fit a small one."""


@pytest.fixture(scope="module")
def network() -> Network:
    graph = compiled(SPEC)
    return Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=True)


def runners(
    network: Network, folder: Path, edit: Callable[[onnx.NodeProto], None] = lambda node: None
) -> Sequence[NodeRunner]:
    path = folder / "net.onnx"
    with path.open("wb") as file:
        ONNX.write(network, file, ONNX.asked())
    model = onnx.load(path)
    for node in model.graph.node:
        edit(node)
    onnx.save(model, path)
    return ONNX.open(path).node_runners(network, replace_weights=False) or ()


def test_a_size_keeps_its_remainder_and_a_small_one_stays() -> None:
    assert [smaller(size) for size in (1, 11, 12, 23, 24, 25, 97, 224)] == [1, 11, 12, 23, 12, 13, 13, 20]


def test_convolutions_whose_kernels_fit_are_compared_on_small_images(network: Network, tmp_path: Path) -> None:
    seen: dict[str, tuple[int, ...]] = {}

    def watched(runner: NodeRunner) -> NodeRunner:
        def open(any_size: bool) -> RunNode:
            run = runner.open(any_size)

            def noted(arrays: Sequence[Array]) -> Array:
                seen[runner.path] = arrays[0].shape[2:]
                return run(arrays)

            return noted

        return replace(runner, open=open)

    nodes = compare_kinds(network, [watched(runner) for runner in runners(network, tmp_path)], seed=0)
    assert nodes.divergence is None
    assert SIZES.items() <= seen.items()


def test_only_convolutions_and_what_is_folded_into_them_are_local(network: Network) -> None:
    nodes: Mapping[str, Node] = {node.path: node for node in network.graph.nodes}
    local = {path for path, node in nodes.items() if is_local([node])}
    assert local == {"stem", "up", "thin"}
    assert is_local([nodes["stem"], nodes["norm"]])
    assert not is_local([nodes["stem"], nodes["pool"]])


def setting(operator: str, name: str, values: list[int]) -> Callable[[onnx.NodeProto], None]:
    def edit(node: onnx.NodeProto) -> None:
        if operator in node.name:
            attribute = next(each for each in node.attribute if each.name == name)
            attribute.ints[:] = values

    return edit


@pytest.mark.parametrize(
    ("path", "edit"),
    [
        ("stem", setting("/stem/", "pads", [2, 3, 4, 3])),
        ("stem", setting("/stem/", "pads", [3, 2, 3, 4])),
        ("thin", setting("/thin/", "pads", [0, 0, 2, 2])),
        ("up", setting("/up/", "strides", [1, 1])),
    ],
)
def test_what_is_wrong_in_one_of_them_is_noticed(
    path: str, edit: Callable[[onnx.NodeProto], None], network: Network, tmp_path: Path
) -> None:
    divergence = compare_kinds(network, runners(network, tmp_path, edit), seed=0).divergence
    assert divergence is not None
    assert divergence.path == path
