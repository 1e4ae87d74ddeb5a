"""Bundled specs compute what the networks that they are named after compute."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

import archc
from archc.ir.cost import cost
from archc.spec.bundled import bundled_specs
from tests.reference.networks import images, references, weights

BY_FUNCTION = (".attn.qkv", ".attn.proj", ".self_attention.out_proj")
"""Linear layers that torchvision computes by a function, which the reference's count does not see."""

COVERED = sorted(bundled_specs().keys() & references().keys())


def flat(outputs: Iterable[Any]) -> np.ndarray:
    """All outputs as one vector, one after the other."""
    return np.concatenate([np.asarray(output).ravel() for output in outputs])


def test_the_networks_of_the_founding_documents_their_families_and_networks_of_several_streams_are_bundled() -> None:
    assert set(COVERED) >= {
        "lenet5_sigmoid", "alexnet", "alexnet_single", "vgg11", "vgg16_bn", "vgg11_grey", "vgg13_grey", "vgg16_grey",
        "vgg19_grey", "googlenet", "inception_v3", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
        "resnet18_plain_stem", "resnet34_features", "resnet34_wide", "resnext50_32x4d", "resnext101_32x8d",
        "wide_resnet50_2",
        "fcn_resnet50", "deeplabv3_resnet50", "lraspp_mobilenet_v3_large", "mobilenet_v3_large",
        "timm/res2net50_26w_4s", "timm/hrnet_w18_small",
    }  # fmt: skip


@pytest.mark.parametrize("name", COVERED)
def test_keys_shapes_parameters_and_multiply_adds_are_the_reference_s(name: str) -> None:
    reference = references()[name]
    graph = archc.compile(name)
    total = cost(graph)
    assert {parameter.path: parameter.shape for parameter in graph.parameters()} == reference.state_dict
    counted = total.multiply_adds - sum(
        layer.multiply_adds
        for node, layer in zip(graph.nodes, total.nodes, strict=True)
        if node.operator.word == "attention" or node.keys or node.path.endswith(BY_FUNCTION)
    )
    assert (total.parameters, counted) == (reference.parameters, reference.conv_linear_macs)


@pytest.mark.parametrize("name", COVERED)
def test_the_module_s_float64_outputs_are_the_reference_s(name: str) -> None:
    reference = references()[name]
    module = archc.build(name, weights=weights(reference)).eval().double()
    with torch.no_grad():
        given = module(torch.from_numpy(images(reference)).double())
    output = flat(given if isinstance(given, tuple) else [given])
    first = output[: len(reference.logits)]
    tolerance = 1e-7 if name == "swin_v2_t" else 1e-9  # torchvision makes its table of coordinates in float32
    assert np.abs(first - reference.logits).max() <= tolerance * np.abs(reference.logits).max()
    assert np.sqrt(np.mean(output**2)) == pytest.approx(reference.logits_rms, rel=tolerance)
    assert output.argmax() == reference.argmax


@pytest.mark.parametrize("name", COVERED)
def test_the_onnx_file_s_error_is_that_of_float32(name: str, tmp_path: Path) -> None:
    """Within ten times PyTorch's own float32 error: another order of summation, and folded batch norms."""
    reference = references()[name]
    archc.export(name, tmp_path / "network.onnx", weights=weights(reference), verify=False)
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx", providers=["CPUExecutionProvider"])
    (tmp_path / "network.onnx").unlink()  # half a gigabyte, which pytest would keep
    output = flat(session.run(None, {"input": images(reference)}))
    error = np.abs(output[: len(reference.logits)] - reference.logits).max()
    assert error <= 10 * reference.float32_error * np.abs(reference.logits).max()
