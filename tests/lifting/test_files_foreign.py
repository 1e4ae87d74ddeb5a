"""Files that archc did not write: `.pt2` and ONNX, lifted from the calls in them and proved."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import helper
from torch import nn

import archc
from archc import cli
from archc.builds.lifting import READ, lift_file
from archc.diagnostics import LiftError, UsageError
from archc.weights import open_weights


class Block(nn.Module):
    def __init__(self, inside: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out, eps=1e-3)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        changes = stride != 1 or inside != out
        self.downsample = nn.Conv2d(inside, out, 1, stride) if changes else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)  # type: ignore[no-any-return]


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU6())
        self.layer1 = nn.Sequential(Block(8, 8), Block(8, 8))
        self.layer2 = nn.Sequential(Block(8, 16, 2), Block(16, 16))
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer2(self.layer1(self.stem(x)))
        return self.fc(self.drop(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1)))  # type: ignore[no-any-return]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(16)
        self.qkv = nn.Linear(16, 48)
        self.proj = nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(b, n, 3, 4, 4).permute(2, 0, 3, 1, 4).unbind(0)
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        return x + self.proj(y.transpose(1, 2).reshape(b, n, c))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, 4)
        self.position = nn.Parameter(torch.randn(1, 64, 16))
        self.blocks = nn.Sequential(Attention(), Attention())
        self.head = nn.Linear(16, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.blocks(x)[:, 0])  # type: ignore[no-any-return]


def made(kind: Callable[[], nn.Module]) -> nn.Module:
    """A module in eval mode, whose batch norms have seen something."""
    torch.manual_seed(0)
    module = kind()
    with torch.no_grad():
        module(torch.randn(4, 3, 32, 32) * 2 + 1)
    return module.eval()


def as_pt2(module: nn.Module, path: Path, *, dynamic: bool) -> Path:
    shapes = ({0: torch.export.Dim("batch", min=1)},) if dynamic else None
    torch.export.save(torch.export.export(module, (torch.randn(2, 3, 32, 32),), dynamic_shapes=shapes), path)
    return path


def as_onnx(module: nn.Module, path: Path, *, folded: bool) -> Path:
    training = torch.onnx.TrainingMode.EVAL if folded else torch.onnx.TrainingMode.PRESERVE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (torch.randn(2, 3, 32, 32),), str(path), input_names=["x"], dynamic_axes={"x": {0: "n"}},
            opset_version=17, dynamo=False, training=training, do_constant_folding=folded,
        )  # fmt: skip
    return path


@pytest.mark.parametrize("kind", [Residual, Transformer])
@pytest.mark.parametrize("dynamic", [True, False], ids=["any batch", "one batch"])
def test_a_pt2_file_is_lifted_with_the_keys_and_weights_of_its_module(
    tmp_path: Path, kind: Callable[[], nn.Module], dynamic: bool
) -> None:
    module = made(kind)
    found = lift_file(as_pt2(module, tmp_path / "net.pt2", dynamic=dynamic))
    assert found.how == READ
    assert found.report is not None
    assert found.report.verdict.value == "passed"
    state = module.state_dict()
    again = archc.build(_written(found.text, tmp_path), weights=dict(found.weights()))
    assert list(again.state_dict()) == list(state)
    x = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(again.eval()(x), module(x), atol=1e-5)


def _written(text: str, folder: Path) -> Path:
    (folder / "net.yaml").write_text(text)
    return folder / "net.yaml"


def test_a_pt2_file_has_the_blocks_of_its_module(tmp_path: Path) -> None:
    text = lift_file(as_pt2(made(Residual), tmp_path / "net.pt2", dynamic=True)).text
    layers = text[text.index("layers:\n  - conv_norm_act") :]
    assert layers.splitlines() == [
        "layers:",
        "  - conv_norm_act: {name: stem, bias: true, out_channels: 8, stride: 2, activation: relu6}",
        "  - block: {name: layer1, count: 2, conv1_width: 8}",
        "  - block: {name: layer2, count: 2, conv1_width: 16, stride: 2}",
        "  - adaptive_avg_pool2d: 1",
        "  - flatten",
        "  - linear: {name: fc, out_features: $num_classes}",
    ]


def test_an_onnx_file_whose_batch_norms_were_kept_has_the_keys_of_its_module(tmp_path: Path) -> None:
    module = made(Residual)
    found = lift_file(as_onnx(module, tmp_path / "net.onnx", folded=False))
    weights = found.weights()
    for key, tensor in module.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(torch.from_numpy(weights[key]), tensor), key
    assert "- block" in found.text
    assert not any("folded" in note for note in found.notes)


def test_folded_batch_norms_of_an_onnx_file_are_told(tmp_path: Path) -> None:
    path = as_onnx(made(Residual), tmp_path / "net.onnx", folded=True)
    assert (
        cli.run(["lift", str(path), "-o", str(tmp_path / "a.yaml"), "--weights", str(tmp_path / "a.safetensors")]) == 0
    )
    found = lift_file(path)
    # The 9 of 10 convolutions that a batch norm follows.
    assert "batch norms are folded into 9 convolutions, and are not in the spec" in found.notes
    assert "batch_norm" not in found.text
    assert set(open_weights(tmp_path / "a.safetensors")) == {each.path for each in found.graph.parameters()}
    verified = archc.verify(path, tmp_path / "a.yaml", weights=tmp_path / "a.safetensors", inputs_seed=0)
    assert verified.verdict.value == "passed"


def test_attention_of_an_onnx_file_is_one_operator(tmp_path: Path) -> None:
    found = lift_file(as_onnx(made(Transformer), tmp_path / "net.onnx", folded=True))
    assert found.text.count("attention:") == 1
    assert found.report is not None
    assert found.report.verdict.value == "passed"


def graph(op_type: str, *tensors: onnx.TensorProto, size: int | str = 8, **attributes: Any) -> onnx.ModelProto:
    """One node."""
    info = helper.make_tensor_value_info
    node = helper.make_node(op_type, ["x", *[each.name for each in tensors]], ["y"], name="the_node", **attributes)
    inputs = [info("x", onnx.TensorProto.FLOAT, ["n", 4, size, size])]
    outputs = [info("y", onnx.TensorProto.FLOAT, None)]
    made = helper.make_graph([node], "g", inputs, outputs, list(tensors))
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("op_type", "attributes", "line"),
    [
        ("Relu", {}, "- relu"),
        ("HardSwish", {}, "- hardswish"),
        ("LeakyRelu", {"alpha": 0.2}, "- leaky_relu: 0.2\n"),
        ("GlobalAveragePool", {}, "- adaptive_avg_pool2d: 1"),
        ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}, "- max_pool2d: 2"),
        ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, "count_include_pad: false"),
        ("ReduceMean", {"axes": [2, 3], "keepdims": 0}, "- mean: [2, 3]"),
        ("Transpose", {"perm": [0, 2, 3, 1]}, "- permute: [0, 2, 3, 1]"),
        ("Softmax", {"axis": 1}, "- softmax\n"),
        ("Flatten", {}, "- flatten"),
    ],
)
def test_a_node_without_weights_is_its_operator(
    tmp_path: Path, op_type: str, attributes: dict[str, Any], line: str
) -> None:
    onnx.save(graph(op_type, **attributes), tmp_path / "one.onnx")
    assert line in lift_file(tmp_path / "one.onnx").text


def test_a_node_that_the_language_cannot_say_is_named(tmp_path: Path) -> None:
    onnx.save(graph("Det"), tmp_path / "one.onnx")
    with pytest.raises(LiftError, match="no word for ONNX's Det, in node the_node"):
        lift_file(tmp_path / "one.onnx")


def test_open_sizes_are_asked_for(tmp_path: Path) -> None:
    onnx.save(graph("Relu", size="side"), tmp_path / "one.onnx")
    with pytest.raises(UsageError, match="leaves sizes of its input open"):
        lift_file(tmp_path / "one.onnx")
    assert "height: 12" in lift_file(tmp_path / "one.onnx", {"input": [4, 12, 12]}).text


def test_torch_script_of_others_is_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(made(Residual), torch.randn(2, 3, 32, 32)), str(tmp_path / "net.pt"))
    with pytest.raises(LiftError, match="keeps no spec, and its calls cannot be read"):
        lift_file(tmp_path / "net.pt")


def test_arguments_of_a_factory_mean_nothing_for_a_file(tmp_path: Path) -> None:
    onnx.save(graph("Relu"), tmp_path / "one.onnx")
    assert cli.run(["lift", str(tmp_path / "one.onnx"), "--arg", "a=1"]) == UsageError.exit_status
