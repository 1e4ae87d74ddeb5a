"""The compiled module is what a person would have written: it trains, copies, pickles, traces and exports."""

import copy
import inspect
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import archc
from tests.nn.modules import module_of


@pytest.fixture(scope="module")
def pristine() -> nn.Module:
    return archc.build("resnet18", num_classes=10).eval()


@pytest.fixture
def model(pristine: nn.Module) -> nn.Module:
    """A copy, so that a test may change it."""
    return copy.deepcopy(pristine)


@pytest.fixture(scope="module")
def image() -> Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_state_dict_keys_are_the_graph_s_parameters_in_order(model: nn.Module) -> None:
    parameters = list(archc.compile("resnet18", num_classes=10).parameters())
    assert list(model.state_dict()) == [parameter.path for parameter in parameters]
    assert {name for name, _ in model.named_buffers()} == {p.path for p in parameters if p.buffer}
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_it_is_printed_as_nested_modules_with_the_blocks_class_names(model: nn.Module) -> None:
    norm = nn.BatchNorm2d(128)  # whose own text changes with PyTorch's version
    assert (
        str(model.get_submodule("layer2"))
        == f"""\
Sequential(
  (0): BasicBlock(
    (conv1): Conv2d(64, 128, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)
    (bn1): {norm}
    (relu): ReLU(inplace=True)
    (conv2): Conv2d(128, 128, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    (bn2): {norm}
    (downsample): Sequential(
      (0): Conv2d(64, 128, kernel_size=(1, 1), stride=(2, 2), bias=False)
      (1): {norm}
    )
    (relu_1): ReLU(inplace=True)
  )
  (1): BasicBlock(
    (conv1): Conv2d(128, 128, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    (bn1): {norm}
    (relu): ReLU(inplace=True)
    (conv2): Conv2d(128, 128, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    (bn2): {norm}
    (relu_1): ReLU(inplace=True)
  )
)"""
    )


def test_a_forward_reads_like_the_one_a_person_writes(model: nn.Module) -> None:
    assert (
        inspect.getsource(type(model.get_submodule("layer2.0")).forward)
        == """\
    def forward(self, x):
        y = self.conv1(x)
        y = self.bn1(y)
        y = self.relu(y)
        y = self.conv2(y)
        y = self.bn2(y)
        x = self.downsample(x)
        y = y + x
        y = self.relu_1(y)
        return y
"""
    )


def test_blocks_of_one_kind_share_a_class(model: nn.Module) -> None:
    blocks = [module for module in model.modules() if type(module).__name__ == "BasicBlock"]
    assert len(blocks) == 8
    first, second = model.get_submodule("layer1.0"), model.get_submodule("layer1.1")
    assert type(first) is type(second)
    assert {type(block) for block in blocks} == {type(first), type(model.get_submodule("layer2.0"))}


def test_each_scope_can_be_called_alone(model: nn.Module, image: Tensor) -> None:
    y = image
    for name in (
        "conv1",
        "bn1",
        "relu",
        "maxpool",
        "layer1.0",
        "layer1.1",
        "layer2",
        "layer3",
        "layer4",
        "avgpool",
        "flatten",
        "fc",
    ):
        y = model.get_submodule(name)(y)
    torch.testing.assert_close(y, model(image), rtol=0, atol=0)


def test_forward_hooks_fire_with_the_block_s_input_and_output(model: nn.Module, image: Tensor) -> None:
    seen: list[tuple[Tensor, Tensor]] = []
    block = model.get_submodule("layer1.0")
    handle = block.register_forward_hook(lambda module, args, output: seen.append((args[0].clone(), output.clone())))
    model(image)
    handle.remove()
    model(image)
    ((x, y),) = seen
    torch.testing.assert_close(block(x), y, rtol=0, atol=0)


def test_a_deep_copy_computes_the_same_and_shares_nothing(model: nn.Module, image: Tensor) -> None:
    expected = model(image)
    copied = copy.deepcopy(model)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    torch.testing.assert_close(copied(image), expected, rtol=0, atol=0)


def test_a_pickled_module_computes_the_same_in_another_process(model: nn.Module, image: Tensor, tmp_path: Path) -> None:
    (tmp_path / "model.pickle").write_bytes(pickle.dumps((model, image, model(image).detach())))
    program = (
        "import pickle, torch; model, image, expected = pickle.load(open('model.pickle', 'rb'));"
        "torch.testing.assert_close(model(image), expected);"
        "print(type(model).__name__, type(model.layer1[0]) is type(model.layer1[1]), model.training)"
    )
    path = str(Path(archc.__file__).parent.parent)
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": path},
    )
    assert (result.stdout, result.stderr) == ("Resnet18 True False\n", "")


def test_torch_compile_takes_it_as_one_graph(model: nn.Module, image: Tensor) -> None:
    """With the backend that runs the captured graph as it is: what is tested is the capture."""
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(image), model(image))


def test_torch_export_takes_it_with_a_dynamic_batch(model: nn.Module, image: Tensor) -> None:
    program = torch.export.export(model, (image,), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=32)},))
    seven = torch.randn(7, 3, 64, 64)
    torch.testing.assert_close(program.module()(seven), model(seven))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_torch_jit_trace_takes_it(model: nn.Module, image: Tensor) -> None:
    traced = torch.jit.trace(model, image)
    five = torch.randn(5, 3, 64, 64)
    assert isinstance(traced, torch.jit.ScriptModule)
    torch.testing.assert_close(traced(five), model(five))


def test_one_optimiser_step_changes_every_parameter_and_statistic(model: nn.Module, image: Tensor) -> None:
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    optimiser = torch.optim.SGD(model.train().parameters(), lr=0.1)
    loss = nn.functional.cross_entropy(model(image), torch.tensor([1, 2]))
    loss.backward()
    optimiser.step()
    unchanged = [key for key, tensor in model.state_dict().items() if torch.equal(tensor, before[key])]
    assert unchanged == []


def test_gradients_are_those_of_a_module_without_overwriting(model: nn.Module, image: Tensor) -> None:
    plain = copy.deepcopy(model)
    for module in plain.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    for network in (model, plain):
        network.train()(image).square().sum().backward()
    assert any(isinstance(module, nn.ReLU) and module.inplace for module in model.modules())
    for (name, mine), theirs in zip(model.named_parameters(), plain.parameters(), strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=0, atol=0, msg=name)


def test_the_weights_it_is_given_are_its_own() -> None:
    given = {p.path: np.ones(p.shape, p.dtype) for p in archc.compile("resnet18").parameters()}
    model = archc.build("resnet18", weights=given)
    with torch.no_grad():
        model.get_parameter("fc.weight").zero_()
    assert given["fc.weight"].min() == 1.0


def test_several_outputs_are_a_named_tuple() -> None:
    model = module_of("- relu: {name: first}\n- output: low\n- tanh\n- output: high")
    x = torch.randn(1, 3, 32, 32)
    outputs = model(x)
    assert (type(outputs).__name__, outputs._fields) == ("Outputs", ("high", "low"))
    torch.testing.assert_close(outputs.low, x.relu())
    torch.testing.assert_close(outputs.high, x.relu().tanh())


AUXILIARY = """\
- conv2d: {name: conv, out_channels: 4, kernel_size: 1}
- aux: {side: [flatten, linear: 2]}
- dropout: {p: 1.0}
- relu
"""


def test_auxiliary_heads_run_in_training_only() -> None:
    model = module_of(AUXILIARY)
    x = torch.randn(2, 3, 32, 32)
    assert "side.1.weight" in model.state_dict()
    called: list[bool] = []
    model.get_submodule("side").register_forward_hook(lambda *_: called.append(True))
    output = model(x)
    torch.testing.assert_close(output, model.get_submodule("conv")(x).relu())
    assert called == []
    trained = model.train()(x)
    assert (type(trained).__name__, trained._fields) == ("TrainingOutputs", ("output", "side"))
    assert trained.side.shape == (2, 2)
    assert trained.output.count_nonzero() == 0


def test_modules_with_named_tuples_and_auxiliary_heads_copy_and_pickle() -> None:
    model = module_of(AUXILIARY).train()
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert again(torch.randn(2, 3, 32, 32))._fields == ("output", "side")


def test_stochastic_depth_drops_whole_images_and_keeps_the_mean() -> None:
    model = module_of("- stochastic_depth: {p: 0.25}").train()
    torch.manual_seed(0)
    y = model(torch.ones(4000, 3, 32, 32)[:, :, :1, :1])
    rows = y.flatten(1)
    assert torch.equal(rows.min(1).values, rows.max(1).values)
    assert sorted(set(rows[:, 0].tolist())) == pytest.approx([0.0, 4 / 3])
    # Five standard deviations of the mean of 4000 draws: 5 * sqrt(p / (1 - p) / 4000).
    assert rows.mean().item() == pytest.approx(1.0, abs=5 * (0.25 / 0.75 / 4000) ** 0.5)


def test_names_that_are_no_python_identifiers_work() -> None:
    model = module_of("- relu: {name: act-1}\n- tanh: {name: stem.inner.class}\n- b: [{sigmoid: {name: 0a}}, relu]")
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(model(x), x.relu().tanh().sigmoid().relu())


def test_a_named_tuple_survives_pickling_even_to_another_process(tmp_path: Path) -> None:
    outputs = module_of("- relu\n- output: low\n- tanh\n- output: high")(torch.ones(1, 3, 32, 32))
    for again in (copy.deepcopy(outputs), pickle.loads(pickle.dumps(outputs))):
        assert type(again) is type(outputs)
        torch.testing.assert_close(again.low, outputs.low)
    torch.save(outputs, tmp_path / "outputs.pt")
    program = (
        "import torch; outputs = torch.load('outputs.pt', weights_only=False);"
        "print(type(outputs).__name__, outputs._fields, outputs.high.shape)"
    )
    environment = {"PYTHONPATH": str(Path(archc.__file__).parent.parent)}
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    assert (result.stdout, result.stderr) == ("Outputs ('high', 'low') torch.Size([1, 3, 32, 32])\n", "")


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_torch_jit_script_tells_the_named_tuples_of_two_networks_apart() -> None:
    x = torch.randn(1, 3, 32, 32)
    for names in (("low", "high"), ("first", "second", "third")):
        model = module_of("".join(f"- tanh\n- output: {name}\n" for name in names))
        script: Any = torch.jit.script(model)
        scripted = script(x)
        assert scripted._fields == model(x)._fields
        torch.testing.assert_close(tuple(scripted), tuple(model(x)))


def test_layers_of_one_kind_share_neither_tensors_nor_hooks_nor_containers(pristine: nn.Module) -> None:
    first, second = (archc.build("resnet18", num_classes=10) for _ in range(2))
    layers = [module for model in (first, second) for module in model.modules()]
    tensors = [tensor for layer in layers for tensor in (*layer._parameters.values(), *layer._buffers.values())]
    owned = [value for layer in layers for value in vars(layer).values() if isinstance(value, dict | set)]
    for things in (owned, [tensor for tensor in tensors if tensor is not None]):
        assert len({id(thing) for thing in things}) == len(things)
    assert {tensor.device.type for tensor in tensors if tensor is not None} == {"cpu"}
    assert str(first) == str(pristine)
