"""A module that is its spec is equal to it; a mistake that is planted in it is noticed, and told with both places."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional

from archc.compare import Comparison, Status, Verdict, compare
from tests.compare.networks import SPEC, Small, StochasticDepth, graph


class NoScale(nn.Module):
    """Drops, and does not divide what it keeps."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.bernoulli(torch.full_like(x, 0.7)) if self.training else x


class Mistake(NamedTuple):
    """How it is made, which check notices it, and what the difference says: path, message or details, spec, module."""

    plant: Callable[[Small], object]
    check: str
    path: str
    says: str
    spec: str
    module: str


def _of(net: nn.Module, path: str) -> Any:
    return net.get_submodule(path)


def _set(path: str, **values: object) -> Callable[[Small], object]:
    return lambda net: vars(net.get_submodule(path)).update(values)


def _twice(net: Small) -> None:
    _of(net, "layer.1.conv1").weight = _of(net, "layer.0.conv1").weight


def _reordered(net: Small) -> None:
    net.add_module("conv", net._modules.pop("conv"))


def _as_buffer(net: Small) -> None:
    value = net.fc.bias.detach()
    del net.fc.bias
    net.fc.register_buffer("bias", value)


def _replace(path: str, module: nn.Module) -> Callable[[Small], object]:
    return lambda net: net.set_submodule(path, module)


def _hooked(path: str, change: Callable[[Any], Any]) -> Callable[[Small], object]:
    return lambda net: net.get_submodule(path).register_forward_hook(lambda module, given, y: change(y))


BN = r"batch_norm layer\.0\.bn1 \(small\.yaml:\d+\)"
SUM = r"sum in layer\.1 \(small\.yaml:\d+\)"
MISTAKES = {
    "a wrong eps": Mistake(
        _set("layer.0.bn1", eps=1e-3),
        "outputs",
        "layer.0.bn1",
        "eps is 1e-05 in the spec, and 0.001",
        BN,
        "networks.py",
    ),
    "a wrong momentum": Mistake(
        _set("layer.0.bn1", momentum=0.2), "training", "layer.0.bn1", "momentum is 0.1 in the spec, and 0.2", BN, "bn1"
    ),
    "a wrong padding": Mistake(
        _set("pool", padding=0), "outputs", "pool", "padding is .* in the spec, and 0", "max_pool2d pool", "networks.py"
    ),
    "another activation": Mistake(
        _replace("layer.1.relu", nn.SiLU()),
        "outputs",
        "layer.1.relu",
        "a ReLU in the spec, and a SiLU",
        "relu",
        "silu in",
    ),
    "a lost shortcut": Mistake(
        _set("layer.1", shortcut=False),
        "outputs",
        "",
        "part at the sum in layer.1",
        SUM,
        r"relu in layer\.1, .*forward",
    ),
    "swapped branches": Mistake(
        _set("", swapped=True), "outputs", "", "part at the concat in the network", "concat", r"cat in Small"
    ),
    "another drop rate": Mistake(
        _set("drop", p=0.31), "randomness", "drop", "probability 0.3 in the spec, and 0.31", "dropout drop", "a Dropout"
    ),
    "another rate of stochastic depth": Mistake(
        _set("layer.0.stochastic_depth", p=0.21),
        "randomness",
        "layer.0.stochastic_depth",
        "0.2 in the spec, and 0.21",
        "stochastic_depth",
        "StochasticDepth",
    ),
    "stochastic depth for each channel": Mistake(
        _replace("layer.0.stochastic_depth", StochasticDepth(0.2, 2)),
        "randomness",
        "layer.0.stochastic_depth",
        r"\[3, 1, 1, 1\] numbers in the spec, and \[3, 8, 1, 1\]",
        "stochastic_depth",
        "StochasticDepth",
    ),
    "a lost dropout": Mistake(
        _replace("drop", nn.Identity()), "randomness", "drop", "the module draws nothing there", "dropout drop", ""
    ),
    "a dropout that is always on": Mistake(
        _hooked("fc", lambda y: nn.functional.dropout(y, 0.1)),
        "randomness",
        "fc",
        "outside training, the module",
        "",
        "fc",
    ),
    "a dropout that does not rescale": Mistake(
        _replace("drop", NoScale()), "training", "drop", "it is a Dropout in the spec", "dropout drop", "in drop"
    ),
    "a gradient that is cut": Mistake(
        _set("", detached=True), "training", "point", "the gradient of point.bias", "conv2d point", "a Conv2d"
    ),
    "a frozen parameter": Mistake(
        lambda net: net.fc.bias.requires_grad_(False), "parameters", "fc", "frozen", "linear fc", "a Linear"
    ),
    "a buffer in place of a parameter": Mistake(
        _as_buffer, "parameters", "fc", "a buffer in the module", "linear fc", ""
    ),
    "another type": Mistake(lambda net: net.fc.half(), "parameters", "fc", "float16 in the module", "linear fc", ""),
    "two keys of one tensor": Mistake(_twice, "parameters", "layer.1.conv1", "the same tensor as", "conv", "a Conv"),
    "another order of keys": Mistake(_reordered, "key order", "conv", "in another order", "conv2d conv", "layer.0"),
    "a missing key": Mistake(
        lambda net: net.conv.register_parameter("bias", None), "keys", "conv", "has no conv.bias", "conv2d conv", ""
    ),
    "an additional key": Mistake(
        lambda net: net.register_buffer("mean", torch.zeros(3)), "keys", "", "the spec has no mean", "", "Small"
    ),
    "another shape": Mistake(_replace("fc", nn.Linear(11, 5)), "keys", "fc", r"\[5, 11\]", "linear", ""),
    "an operation behind the last": Mistake(
        _hooked("fc", lambda y: y.softmax(1)), "outputs", "fc", "the module's softmax, after all", "", "softmax in fc"
    ),
    "a module that fails": Mistake(
        _set("point", stride=2), "outputs", "point", "RuntimeError", "conv2d point", "convolution in point"
    ),
}


def test_a_module_that_is_its_spec_is_equal() -> None:
    found = compare(graph(), Small())
    assert found.verdict is Verdict.EQUAL
    assert {check.status for check in found.checks} == {Status.EQUAL}
    assert found.differences == found.notes == ()
    assert found.check("outputs").detail == "sizes 1×3×24×24, 3×3×12×15, 2×3×12×15"
    assert found.check("randomness").detail == "3 draws in a step"


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_noticed_and_told_with_both_places(name: str) -> None:
    mistake = MISTAKES[name]
    net = Small()
    mistake.plant(net)
    found = compare(graph(), net)
    assert found.verdict is (Verdict.ORDER if mistake.check == "key order" else Verdict.DIFFERENT)
    told = next(each for each in found.differences if each.check == mistake.check)
    assert re.search(mistake.says, str(told))
    assert (told.path or mistake.path) == (mistake.path or told.path)
    assert re.search(mistake.spec, told.spec or "")
    assert re.search(mistake.module, told.module or "")


def test_rates_that_differ_by_a_rounding_of_float32_are_equal() -> None:
    net = Small()
    _of(net, "layer.0.stochastic_depth").p = torch.tensor(0.2).item()
    assert _of(net, "layer.0.stochastic_depth").p != 0.2
    assert compare(graph(), net).verdict is Verdict.EQUAL


def test_a_random_layer_may_be_used_twice_where_the_spec_has_two() -> None:
    net = Small()
    del net.layer[1].stochastic_depth
    object.__setattr__(net.layer[1], "stochastic_depth", net.layer[0].stochastic_depth)
    assert compare(graph(), net).verdict is Verdict.EQUAL
    _of(net, "layer.0.stochastic_depth").p = 0.1
    assert [each.check for each in compare(graph(), net).differences] == ["randomness", "randomness"]


class ByThreshold(nn.Module):
    """As timm had it: uniform numbers above or below a threshold."""

    def __init__(self, p: float, below: bool) -> None:
        super().__init__()
        self.keep, self.below = 1 - p, below

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        drawn = torch.rand((x.shape[0], 1, 1, 1), dtype=x.dtype)
        return x / self.keep * ((drawn < self.keep).to(x.dtype) if self.below else (self.keep + drawn).floor())


@pytest.mark.parametrize("below", [False, True])
def test_rates_of_what_drops_by_a_threshold_are_compared_by_what_is_kept(below: bool) -> None:
    net = Small()
    net.set_submodule("layer.1.stochastic_depth", ByThreshold(0.2, below))
    assert compare(graph(), net).verdict is Verdict.EQUAL
    net.set_submodule("layer.1.stochastic_depth", ByThreshold(0.21, below))
    (told,) = compare(graph(), net).differences
    assert (told.check, told.path) == ("training", "layer.1.stochastic_depth")


def test_what_only_rounds_otherwise_is_equal_up_to_rounding() -> None:
    net = Small()
    net.fc.register_forward_hook(lambda module, given, y: y * 3 / 3)
    found = compare(graph(), net)
    assert found.verdict is Verdict.EQUAL
    assert found.check("outputs").status is Status.ROUNDING
    assert re.search(r"outputs: equal up to rounding, at most \de-16", "\n".join(found.notes))


def test_the_given_module_stays_as_it_is() -> None:
    net = Small().eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    compare(graph(), net)
    assert not net.training
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert not any(each._forward_hooks for each in net.modules())


def test_a_size_that_one_side_refuses_is_told() -> None:
    net = Small()
    net.register_forward_pre_hook(_only_24)
    found = compare(graph(), net)
    assert found.verdict is Verdict.EQUAL
    assert found.notes[0].startswith("3×3×12×15 is not declared: the network takes it, and the module does not (")
    assert found.check("outputs").detail == "sizes 1×3×24×24, 2×3×24×24"


def test_what_differs_at_a_size_that_the_spec_does_not_declare_is_told_and_decides_nothing() -> None:
    net = Small()
    doubled: Any = lambda _, given, y: y if given[0].shape[-1] == 24 else y * 2  # noqa: E731
    net.register_forward_hook(doubled)
    found = compare(graph(), net)
    assert found.verdict is Verdict.EQUAL
    assert re.fullmatch("3×3×12×15 is not declared: the output differs by .* at 3×3×12×15", found.notes[0])
    assert found.check("outputs").detail == "sizes 1×3×24×24, 2×3×24×24"


def _only_24(module: nn.Module, given: tuple[torch.Tensor]) -> None:
    if given[0].shape[-1] != 24:
        raise ValueError("wrong size")


def test_a_training_step_is_of_a_size_that_auxiliary_heads_take() -> None:
    spec = SPEC.replace("linear: {name: aux, out_features", "conv2d: {name: aux, kernel_size: 9, out_channels").replace(
        "  - adaptive_avg_pool2d: 1\n  - flatten\n  - aux", "  - aux"
    )
    spec = spec.replace("  - dropout:", "  - adaptive_avg_pool2d: 1\n  - flatten\n  - dropout:")
    found = compare(graph(spec), WithLargeHead())
    assert found.verdict is Verdict.EQUAL
    assert found.check("outputs").detail == "sizes 1×3×24×24, 3×3×12×15, 2×3×12×15"
    assert found.check("training").detail == "size 3×3×24×24"


class WithLargeHead(Small):
    """Its auxiliary head needs 9 x 9 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.aux = nn.Conv2d(12, 5, 9)  # type: ignore[assignment]

    def forward(self, x: torch.Tensor) -> Any:
        x = self.layer(self.conv(x))
        x = torch.cat([self.pool(x), functional.gelu(self.point(x))], 1)
        output = self.fc(self.drop(x.mean((2, 3))))
        return (output, self.aux(x)) if self.training else output


def test_a_module_that_fails_in_training_differs() -> None:
    net = Small()
    net.register_forward_pre_hook(_only_in_evaluation)
    (told,) = compare(graph(), net).differences
    assert told.check == "training"
    assert re.search(r"ValueError: no training \(raised at .*test_comparing.py:\d+ in _only", told.message)


def _only_in_evaluation(module: nn.Module, given: tuple[torch.Tensor]) -> None:
    if module.training:
        raise ValueError("no training")


def test_dynamic_sizes_are_compared_at_both_ends() -> None:
    sizes = "{min: 16, opt: 24, max: 40}"
    spec = SPEC.replace("height: 24, width: 24", f"height: {sizes}, width: {sizes}")
    assert compare(graph(spec), Small()).check("outputs").detail == "sizes 1×3×24×24, 3×3×16×16, 3×3×40×40"


def test_a_comparison_is_the_same_for_the_same_seed() -> None:
    net = Small()
    _of(net, "layer.0.bn1").eps = 1e-4
    first, second, other = (compare(graph(), net, seed=seed) for seed in (3, 3, 4))
    assert first == second
    assert first.differences != other.differences


def test_all_that_differs_is_told_beside_the_first_difference() -> None:
    net = Small()
    _of(net, "layer.0.bn1").eps, _of(net, "layer.1.bn2").momentum, net.drop.p = 1e-3, 0.2, 0.5
    found = compare(graph(), net)
    assert [each.check for each in found.differences] == ["outputs", "randomness"]
    assert found.notes == (
        "layer.1.bn2: momentum is 0.1 in the spec, and 0.2 in the module",
        "drop: p is 0.3 in the spec, and 0.5 in the module",
    )


def test_a_report_can_be_printed_and_is_plain_data() -> None:
    net = Small()
    _of(net, "layer.0.bn1").eps = 1e-3
    found = compare(graph(), net)
    lines = str(found).splitlines()
    assert lines[0] == "small and Small: different"
    assert "  eps is 1e-05 in the spec, and 0.001 in the module" in lines
    data: Any = found.as_json()
    assert data["verdict"] == "different"
    assert data["differences"][0]["path"] == "layer.0.bn1"
    assert isinstance(found, Comparison)
