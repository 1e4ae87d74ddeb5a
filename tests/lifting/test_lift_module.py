"""A module as people write it becomes a spec that reads as recorded, and that was proved equal to the module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import archc
from archc.compare import Verdict
from archc.lifting import Constructors, Lifted, lift
from tests.lifting import networks, readmes

IMAGE = (3, 32, 32)
Shape = Sequence[int] | Mapping[str, Sequence[int]]
NETWORKS: dict[str, tuple[Callable[[], nn.Module], Shape]] = {
    "residual": (networks.Residual, IMAGE),
    "unet": (networks.UNet, IMAGE),
    "unet_of_lists": (networks.UNetOfLists, IMAGE),
    "dense": (networks.Dense, IMAGE),
    "squeezed": (networks.Squeezed, IMAGE),
    "transformer": (networks.Transformer, (3, 24, 24)),
    "windows": (networks.Windows, IMAGE),
    "tuple": (lambda: networks.Several("tuple"), IMAGE),
    "dictionary": (lambda: networks.Several("dict"), IMAGE),
    "named_tuple": (lambda: networks.Several("named"), IMAGE),
    "auxiliary": (networks.Auxiliary, IMAGE),
    "two_inputs": (networks.TwoInputs, {"photo": IMAGE, "area": (1, 32, 32)}),
    "shared": (networks.Shared, IMAGE),
    "rates": (networks.Rates, IMAGE),
    "encoder": (networks.Encoder, IMAGE),
    "up_and_down": (readmes.UpAndDown, IMAGE),
    "trees": (readmes.Trees, IMAGE),
    "class_token": (readmes.ClassToken, IMAGE),
}
ORDER = ("auxiliary", "encoder", "windows")
"""Networks whose keys come in the order in which modules run, which is not that of their constructor."""


def lifted(make: Callable[[], nn.Module], shape: Shape, **options: Any) -> Lifted:
    """A module lifted as the command does it, with what its constructors were given."""
    torch.manual_seed(0)
    constructors = Constructors()
    with constructors.watching():
        module = make()
    return lift(module, shape, known=constructors.known(module), **options)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_module_is_written_as_recorded(name: str, golden: Callable[[str, str], None]) -> None:
    found = lifted(*NETWORKS[name], name=name)
    assert found.comparison.verdict is (Verdict.ORDER if name in ORDER else Verdict.EQUAL)
    assert not found.is_flat
    golden(f"{name}.yaml", found.text)


def test_a_list_that_is_called_twice_is_shared() -> None:
    found = lifted(networks.SharedList, IMAGE)
    assert "  - again:\n      - conv2d: {out_channels: 8, kernel_size: 3, padding: 1}\n      - relu\n" in found.text
    assert "  - share: again\n" in found.text


def test_an_input_that_has_the_name_of_a_module_gets_another_and_a_note_says_so() -> None:
    found = lifted(networks.TwoInputs, {"image": IMAGE, "mask": (1, 32, 32)})
    assert [value.name for value in found.graph.inputs] == ["image_input", "mask_input"]
    assert found.notes[0] == "the input 'image' is called 'image_input', for a module has that name"


def test_a_network_that_is_one_operator_keeps_its_keys() -> None:
    found = lifted(lambda: nn.Linear(4, 2), (4,))
    assert found.text.endswith("  - linear: {out_features: $num_classes, keys: {weight: weight, bias: bias}}\n")


@pytest.mark.parametrize("name", ["residual", "transformer", "rates"])
def test_a_flat_spec_is_the_same_network_without_blocks(name: str) -> None:
    make, shape = NETWORKS[name]
    flat, blocks = lifted(make, shape, flat=True), lifted(make, shape)
    assert flat.is_flat
    assert "\nblocks:" not in flat.text
    keys = [[(each.path, each.shape) for each in found.graph.parameters()] for found in (flat, blocks)]
    assert keys[0] == keys[1] != []


class Named(nn.Module):
    """Blocks of two widths, which their constructor calls `hidden_size`."""

    def __init__(self, sizes: Sequence[int] = (8, 16, 24)) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Narrowed(8, size) for size in sizes))

    def forward(self, x: Any) -> Any:
        return self.blocks(x)


class Narrowed(nn.Module):
    """Two convolutions."""

    def __init__(self, in_size: int, hidden_size: int) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(in_size, hidden_size, 1), nn.Conv2d(hidden_size, in_size, 1)

    def forward(self, x: Any) -> Any:
        return self.last(functional.relu(self.first(x)))


def test_a_parameter_of_a_block_is_called_as_its_constructor_calls_it() -> None:
    found = lifted(Named, (8, 8, 8))
    assert "parameters: {hidden_size: int}" in found.text
    assert "hidden_size" not in lift(Named(), (8, 8, 8)).text  # nobody watched its construction


def test_only_the_size_of_the_example_is_in_the_spec() -> None:
    large, small = (lift(networks.Squeezed(), (3, size, size)) for size in (64, 32))
    assert large.text == small.text.replace("height: 32, width: 32", "height: 64, width: 64")


def test_the_module_stays_as_it_is() -> None:
    call = nn.Module.__call__
    module = networks.Squeezed().train()
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    lift(module, IMAGE)
    assert module.training
    assert all(torch.equal(tensor, before[key]) for key, tensor in module.state_dict().items())
    assert nn.Module.__call__ is call
    assert {tensor.device.type for tensor in module.parameters()} == {"cpu"}


def test_the_weights_of_a_module_load_into_its_spec_and_give_the_same(tmp_path: Any) -> None:
    module = networks.Transformer().eval()
    spec = tmp_path / "net.yaml"
    spec.write_text(lift(module, (3, 24, 24)).text)
    mine = archc.build(spec).eval()
    mine.load_state_dict(module.state_dict())
    images = torch.randn(2, 3, 24, 24)
    with torch.no_grad():
        torch.testing.assert_close(mine(images), module(images), rtol=1e-5, atol=1e-6)


class Constant(nn.Module):
    """Biases that start at zero in one layer, and are drawn in the others."""

    def __init__(self) -> None:
        super().__init__()
        last = nn.Linear(8, 8)
        self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), last)
        nn.init.zeros_(last.bias)

    def forward(self, x: Any) -> Any:
        return self.body(x)


def test_a_bias_that_is_no_constant_does_not_start_as_one() -> None:
    found = lift(Constant(), (4,))
    starts = {each.path: each.initializer.__class__.__name__ for each in found.graph.parameters()}
    assert (starts["body.0.bias"], starts["body.2.bias"]) == ("Uniform", "Zeros")


def test_one_value_is_no_constant() -> None:
    found = lift(nn.Sequential(nn.Linear(4, 1)), (4,))
    assert {each.path: type(each.initializer).__name__ for each in found.graph.parameters()}["0.bias"] == "Uniform"


class Uneven(nn.Module):
    """Three steps, of which the second is shorter than the others."""

    def __init__(self) -> None:
        super().__init__()
        self.long = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.longer = nn.ModuleList([nn.Conv2d(3, 3, 1), nn.Identity(), nn.Conv2d(3, 3, 1)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for index, layer in enumerate(self.long):
            y = layer(x)
            x = x + (y if index == 1 else self.longer[index](y.relu()))
        return x


def test_steps_that_are_not_alike_are_written_one_by_one() -> None:
    found = lifted(Uneven, IMAGE)
    assert found.comparison.verdict is Verdict.ORDER
    assert "count" not in found.text
