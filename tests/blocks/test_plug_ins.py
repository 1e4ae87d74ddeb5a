"""Blocks of other packages: the layers that their fields hold, and how they are called."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest

from archc.blocks import Block, Expansion, Layer, LayerField, _registry
from archc.ir.graph import Value
from archc.ir.printer import print_graph
from archc.operators.activation import Relu
from tests.elaborate.specs import layers, paths, refusal


class Normed(Block):
    """A norm with fields of its own by default."""

    norm: LayerField = Layer("group_norm", {"num_groups": 3, "affine": False})

    def expand(self, g: Expansion, x: Value) -> Value:
        return g(self.norm, x)


class Wrapped(Block):
    """A block whose default holds a layer, which holds another."""

    layer: LayerField = Layer(
        "conv_norm_act",
        {"out_channels": 4, "kernel_size": (1, 3), "norm": Layer("group_norm", {"num_groups": 2}), "activation": None},
    )

    def expand(self, g: Expansion, x: Value) -> Value:
        return g(self.layer, x)


class Joined(Block):
    """A field's layer of two inputs."""

    join: LayerField = Layer("sum")

    def expand(self, g: Expansion, x: Value) -> Value:
        return g(self.join, x, g(Relu(), x))


class Outer(Block):
    """A block in a block."""

    def expand(self, g: Expansion, x: Value) -> Value:
        return g(Normed(), x)


class Careless(Block):
    """An operator, and the identity, of the wrong number of inputs."""

    identity: bool = False

    def expand(self, g: Expansion, x: Value) -> Value:
        return g(None if self.identity else Relu(), x, x)


WORDS = {"normed": Normed, "wrapped": Wrapped, "joined": Joined, "outer": Outer, "careless": Careless}


@pytest.fixture(autouse=True)
def plug_ins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """These blocks, as if a package had them."""
    points = [EntryPoint(word, f"{__name__}:{model.__name__}", "archc.blocks") for word, model in WORDS.items()]
    monkeypatch.setattr(_registry, "plug_ins", lambda group: {point.name: point for point in points})
    _registry.block_word.cache_clear()
    yield
    _registry.block_word.cache_clear()


def test_a_default_layer_keeps_its_fields() -> None:
    assert "group_norm[num_groups=3, affine=false](input)" in print_graph(layers("- normed"))


def test_a_default_layer_may_hold_pairs_and_layers() -> None:
    graph = layers("- wrapped")
    assert paths(graph) == ["wrapped.conv_norm_act.0", "wrapped.conv_norm_act.1"]
    assert "kernel_size=[1, 3]" in print_graph(graph)
    assert "group_norm[num_groups=2]" in print_graph(graph)


def test_a_wrong_field_of_a_default_layer_is_reported_where_the_block_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Normed.model_fields["norm"].default.fields, "groups", 3)
    first = refusal("- normed").splitlines()[0]
    assert first == "net.yaml:4:5: error[unknown-field]: group_norm has no field 'groups'"


def test_a_layer_is_applied_to_all_of_its_inputs() -> None:
    assert "sum(input, joined.relu)" in print_graph(layers("- joined"))


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("joined: {join: tanh}", "20: error[wrong-kind]: tanh takes one input, not 2"),
        ("joined: {join: {basic: {width: 4}}}", "21: error[wrong-kind]: basic takes one input, not 2"),
        ("joined: {join: none}", "5: error[wrong-kind]: none takes one input, not 2"),
        ("careless", "5: error[wrong-kind]: relu takes one input, not 2"),
        ("careless: {identity: true}", "5: error[wrong-kind]: none takes one input, not 2"),
    ],
)  # fmt: skip
def test_an_input_that_a_layer_does_not_take_is_refused(item: str, told: str) -> None:
    assert refusal(f"- {item}").splitlines()[0] == f"net.yaml:4:{told}"


def test_a_nested_block_has_its_own_word() -> None:
    assert paths(layers("- outer")) == ["outer.normed.group_norm"]
