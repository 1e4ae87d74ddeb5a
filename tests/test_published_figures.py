"""Bundled specs against the figures that their papers print, and what their auxiliary heads may not touch."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

import archc
from archc.diagnostics import SpecError
from archc.exporting import exporters
from archc.ir.cost import cost
from archc.ir.graph import Graph
from archc.spec.bundled import specs_folder
from archc.weights import InitializedWeights
from archc.weights.network import Network

# (parameters, as published in millions or in words, source)
PUBLISHED = {
    "alexnet_2012": (60_965_224, "60 million", "abstract"),
    "inception_v1": (6_998_552, "6.8 million", "the sum of table 1, without biases and with 2.7K for the first layer"),
    "lenet5": (61_706, "60,000", "section II.B, whose C3 leaves out a third of the connections"),
    "nin_imagenet": (7_595_176, "29 MiB", "the authors' model file"),
    "resnet110_cifar": (1_727_962, "1.7M", "table 6"),
    "resnet20_cifar": (269_722, "0.27M", "table 6"),
    "vgg11": (132_863_336, "133 million", "table 2, A"),
    "vgg13": (133_047_848, "133 million", "table 2, B"),
    "vgg16": (138_357_544, "138 million", "table 2, D"),
    "vgg19": (143_667_240, "144 million", "table 2, E"),
}
UNITS = {"million": 1e6, "M": 1e6, "MiB": 2**20 / 4, "": 1.0}


def published(text: str) -> float:
    number = text.replace(",", "").rstrip("M").split()[0]
    unit = "M" if text.endswith("M") else text.partition(" ")[2]
    return float(number) * UNITS[unit]


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_that_the_paper_counts(name: str) -> None:
    exact, text, _ = PUBLISHED[name]
    graph = archc.compile(name)
    assert cost(graph.at_inference()).parameters == exact
    # Papers round to two or three digits, and some leave out biases.
    assert exact == pytest.approx(published(text), rel=0.03)


@pytest.mark.parametrize("name", ["inception_resnet_v2", "nin_cifar10"])
def test_specs_without_a_published_count_have_that_of_their_authors_code(name: str) -> None:
    assert cost(archc.compile(name)).parameters == {"inception_resnet_v2": 55_843_464, "nin_cifar10": 966_986}[name]


AUXILIARY = {"googlenet": ("aux1", "aux2"), "inception_v1": ("aux1", "aux2"), "inception_v3": ("AuxLogits",)}


@pytest.mark.parametrize("name", AUXILIARY)
def test_auxiliary_heads_answer_in_training_only(name: str) -> None:
    module = archc.build(name)
    channels, height, width = (3, 299, 299) if name == "inception_v3" else (3, 224, 224)
    images = torch.randn(2, channels, height, width)
    with torch.no_grad():
        outputs = module.train()(images)
        assert outputs._fields == ("output", *AUXILIARY[name])
        assert [tuple(output.shape) for output in outputs] == [(2, 1000)] * len(outputs)
        assert isinstance(module.eval()(images), torch.Tensor)


@pytest.mark.parametrize("name", AUXILIARY)
def test_networks_can_be_compiled_without_auxiliary_heads(name: str) -> None:
    with_heads, without = archc.compile(name), archc.compile(name, aux_logits=False)
    assert [output.name for output in without.outputs] == ["output"]
    main = [key.path for key in with_heads.parameters() if not key.path.startswith(AUXILIARY[name])]
    assert [key.path for key in without.parameters()] == main
    assert cost(with_heads).multiply_adds == cost(without).multiply_adds


@pytest.fixture(scope="module")
def googlenet() -> Graph:
    return archc.compile("googlenet")


@pytest.mark.parametrize("exporter", ["onnx", "torchscript", "pt2"])
def test_weights_of_auxiliary_heads_load_and_are_left_out_of_every_export(
    googlenet: Graph, exporter: str, tmp_path: Path
) -> None:
    weights = InitializedWeights(list(googlenet.parameters()), seed=0)
    network = Network(googlenet, weights, fresh=False)
    assert "aux1.fc1.weight" in network.module().state_dict()
    path = tmp_path / f"googlenet{exporters()[exporter].suffix}"
    with path.open("w+b") as file:
        exporters()[exporter].write(network, file, exporters()[exporter].asked())
    keys = stored_keys(exporter, path)
    assert "fc.weight" in keys
    assert not [key for key in keys if key.startswith("aux")]
    assert path.stat().st_size < sum(array.nbytes for array in map(np.asarray, weights.values()))


def stored_keys(exporter: str, path: Path) -> list[str]:
    if exporter == "onnx":
        import onnx

        return [tensor.name for tensor in onnx.load(path).graph.initializer]
    module = "script" if exporter == "torchscript" else "export"
    loaders = importlib.import_module(f"archc.exporters.torch.{module}")
    return list(getattr(loaders, f"load_torch_{module}")(path).state_dict())


def test_alexnet_on_one_device_tells_which_layer_refuses_an_image_of_224_pixels(tmp_path: Path) -> None:
    path = tmp_path / "alexnet_224.yaml"
    text = (specs_folder() / "alexnet_single.yaml").read_text(encoding="utf-8")
    path.write_text(text.replace("227", "224"), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        archc.compile(path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.message == "linear Classifier.1 declares in_features=6400, but receives 4096"
    assert diagnostic.span is not None
    assert "in_features" in diagnostic.span.source.lines[diagnostic.span.line]
    assert [note.message for note in diagnostic.notes] == ["flatten produces float32[batch, 4096] here"]
