"""The first values of tensors tell the initializers that they were drawn by; few explain all tensors of a kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import pytest
import torch
from torch import nn

from archc.ir.initializers import TORCH_DEFAULT, Initializer, KaimingNormal, TruncNormal, XavierNormal
from archc.lifting import lift

FAN_IN, FAN_OUT = KaimingNormal(nonlinearity="relu"), KaimingNormal(mode="fan_out", nonlinearity="relu")
SHAPE = (16, 4, 4)
Draw = Callable[[torch.Tensor], object]
Mode = Literal["fan_in", "fan_out"]


def starts(draw: Draw, layers: Sequence[nn.Conv2d]) -> list[Initializer]:
    """The initializers of the layers' weights, as a lift finds them after they were drawn."""
    torch.manual_seed(0)
    for layer in layers:
        draw(layer.weight)
    parameters = lift(nn.Sequential(*layers), SHAPE).graph.parameters()
    return [each.initializer for each in parameters if each.path.endswith("weight")]


def widths(*sizes: int, kernel_size: int = 3) -> list[nn.Conv2d]:
    """Convolutions that follow one another; their fans are equal where sizes are."""
    return [nn.Conv2d(before, after, kernel_size, padding="same") for before, after in pairwise(sizes)]


def kaiming(mode: Mode) -> Draw:
    """PyTorch's function, for this mode."""
    return lambda weight: nn.init.kaiming_normal_(weight, mode=mode, nonlinearity="relu")


@pytest.mark.parametrize(("mode", "initializer"), [("fan_in", FAN_IN), ("fan_out", FAN_OUT)])
def test_layers_whose_fans_are_equal_start_as_the_others_of_their_kind(mode: Mode, initializer: Initializer) -> None:
    assert starts(kaiming(mode), widths(16, 16, 16, 32, 32)) == [initializer] * 4


def test_layers_whose_fans_are_all_equal_start_as_the_first_that_fits() -> None:
    assert starts(kaiming("fan_in"), widths(16, 16, 16)) == [FAN_OUT] * 2


def test_a_layer_that_also_fits_the_operators_own_starts_as_the_others() -> None:
    # 1/sqrt(3 * 16 * 9) = 0.048, so the first fits both.
    found = starts(lambda weight: nn.init.uniform_(weight, -1 / 12, 1 / 12), widths(16, 16, 16))
    assert found == [TORCH_DEFAULT] * 2


def test_a_tensor_of_few_values_starts_as_most_of_its_kind() -> None:
    assert starts(nn.init.xavier_normal_, widths(16, 4, 16, 48, 96, kernel_size=1)) == [XavierNormal()] * 4


def test_two_initializers_are_told_apart_where_one_does_not_explain_both() -> None:
    def draw(weight: torch.Tensor) -> None:
        nn.init.trunc_normal_(weight, std=0.02) if weight.shape[0] == 48 else kaiming("fan_in")(weight)

    assert starts(draw, widths(16, 32, 48, 32)) == [FAN_IN, TruncNormal(std=0.02), FAN_IN]


def test_grouped_layers_whose_fan_out_was_corrected_leave_the_others_as_they_are() -> None:
    def draw(weight: torch.Tensor) -> None:
        groups = 32 // weight.shape[1] if weight.shape[1] == 8 else 1
        nn.init.normal_(weight, std=(2 * groups / (9 * weight.shape[0])) ** 0.5)

    grouped = [nn.Conv2d(32, 32, 3, padding=1, groups=4) for _ in range(3)]
    found = starts(draw, [*widths(16, 32), *grouped, *widths(32, 32, 32)])
    assert found == [FAN_OUT, *[FAN_IN] * 3, *[FAN_OUT] * 2]


def test_a_bias_of_few_values_starts_by_the_fan_of_its_own_layer() -> None:
    network = nn.Sequential(nn.Linear(8, 1024), nn.Linear(1024, 4))
    biases = [each.initializer for each in lift(network, (8,)).graph.parameters() if each.path.endswith("bias")]
    assert [each.model_dump()["b"] for each in biases] == pytest.approx([8**-0.5, 1024**-0.5])


def text(*drawn: bool) -> str:
    """The spec of convolutions, of which some were drawn by Kaiming's function and the others by their own."""
    layers = widths(*[16] * (len(drawn) + 1))
    chosen = iter(drawn)
    torch.manual_seed(0)
    for layer in layers:
        if next(chosen):
            kaiming("fan_in")(layer.weight)
    return lift(nn.Sequential(*layers), SHAPE).text


def test_the_initializer_of_most_is_written_once_and_others_say_that_they_have_their_own() -> None:
    found = text(True, True, False)
    assert "\ninit:\n  conv2d: {weight: {kaiming_normal: {mode: fan_out, nonlinearity: relu}}}\n" in found
    assert found.count("init: {") == found.count("init: {weight: {kaiming_uniform: 2.23606797749979}}") == 1


def test_an_initializer_that_few_have_is_written_where_it_is() -> None:
    found = text(True, False, False)
    assert "\ninit:" not in found
    assert found.count("init: {") == found.count("init: {weight: {kaiming_normal: ") == 1
