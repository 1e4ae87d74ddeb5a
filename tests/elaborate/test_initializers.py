"""Initializers that cannot draw their tensor are refused where they are written."""

import numpy as np
import pytest
import torch

from archc.diagnostics import SpecError
from archc.ir.initializers import INITIALIZERS
from archc.weights import InitializedWeights, read_all
from tests.elaborate.specs import layers, refusal

CONV = "- conv2d: {out_channels: 4, kernel_size: 1}"
INIT = "init: {conv2d: {weight: {%s: {%s}}}}"


def first_line(text: str, head: str = "") -> str:
    return refusal(text, head).splitlines()[0]


@pytest.mark.parametrize("word", [word for word, model in INITIALIZERS.items() if model.uses_fan])
@pytest.mark.parametrize(("operator", "fields"), [("batch_norm", ""), ("prelu", ""), ("group_norm", "num_groups: 1, ")])
def test_fans_need_two_dimensions_whatever_the_tensor_is_called(word: str, operator: str, fields: str) -> None:
    told = f"error[invalid-value]: {word} needs a tensor of two or more dimensions, and 'weight' has one"
    item = f"- {operator}: {{{fields}init: {{weight: {word}}}}}"
    assert first_line(item) == f"net.yaml:4:{item.index(word, 10) + 3}: {told}"
    document = f"init: {{{operator}: {{weight: {word}}}}}"
    call = f"- {operator}: {{{fields.rstrip(', ')}}}" if fields else f"- {operator}"
    assert first_line(call, document) == f"net.yaml:3:{document.index(word) + 1}: {told}"


def test_a_fan_is_taken_by_a_tensor_of_two_dimensions_whatever_it_is_called() -> None:
    graph = layers(CONV, "init: {conv2d: {weight: orthogonal}}")
    assert next(graph.parameters()).initializer.word == "orthogonal"


def test_an_initializer_sees_what_its_item_sees() -> None:
    head = """
        parameters: {std: float = 0.5}
        init: {conv2d: {bias: {constant: 2 * $std}}}
        blocks:
          scale:
            parameters: {gamma: float = 1e-5}
            layers:
              - product: [identity, parameter: {shape: [$channels, 1, 1], init: {constant: $gamma}}]
              - prelu: {init: {weight: {constant: $n / $channels}}}
    """
    items = """
        - conv2d: {out_channels: 4, kernel_size: 1, init: {weight: {normal: {std: $std / $channels}}}}
        - scale: {name: a$n, count: 2, gamma: $std / 10}
    """
    drawn = {each.path: each.initializer.model_dump() for each in layers(items, head, std="0.75").parameters()}
    assert drawn == {
        "conv2d.weight": {"mean": 0.0, "std": 0.25},
        "conv2d.bias": {"val": 1.5},
        "a1.parameter": {"val": 0.75 / 10},
        "a1.prelu.weight": {"val": 0.25},
        "a2.parameter": {"val": 0.75 / 10},
        "a2.prelu.weight": {"val": 0.5},
    }


REFUSED = [
    ("uniform", {"a": 1, "b": -1}, "uniform needs a <= b, and they are a=1.0 and b=-1.0"),
    ("uniform", {"a": 2}, "uniform needs a <= b, and they are a=2.0 and b=1.0"),
    ("trunc_normal", {"a": 1, "b": -1}, "trunc_normal needs a <= b, and they are a=1.0 and b=-1.0"),
    ("uniform", {"b": 1e300}, "uniform needs numbers of at most 2e+37, and b is 1e+300"),
    (
        "uniform",
        {"a": -3e38, "b": 3e38},
        "uniform needs numbers of at most 2e+37, and a is -3e+38",
    ),
    ("constant", {"val": 1e300}, "constant needs numbers of at most 2e+37, and val is 1e+300"),
    ("kaiming_uniform", {"a": 1e200}, "kaiming_uniform needs numbers of at most 2e+37, and a is 1e+200"),
    ("kaiming_normal", {"a": 1e200}, "kaiming_normal needs numbers of at most 2e+37, and a is 1e+200"),
    ("xavier_uniform", {"gain": 1e300}, "xavier_uniform needs numbers of at most 2e+37, and gain is 1e+300"),
    ("xavier_uniform", {"gain": -1}, "xavier_uniform.gain must be at least 0.0, not -1"),
    ("xavier_normal", {"gain": -1}, "xavier_normal.gain must be at least 0.0, not -1"),
    ("normal", {"std": -1}, "normal.std must be at least 0.0, not -1"),
]


@pytest.mark.parametrize(("word", "fields", "message"), REFUSED)
def test_numbers_that_pytorch_refuses_are_refused_with_their_line(
    word: str, fields: dict[str, float], message: str
) -> None:
    with pytest.raises((RuntimeError, OverflowError)):
        getattr(torch.nn.init, f"{word}_")(torch.empty(1, 1), **fields)
    written = ", ".join(f"{name}: {value}" for name, value in fields.items())
    text = first_line(
        "- conv2d: {out_channels: 4, kernel_size: 1}", f"init: {{conv2d: {{weight: {{{word}: {{{written}}}}}}}}}"
    )
    position, _, told = text.partition(": error[invalid-value]: ")
    assert (position.rpartition(":")[0], told) == ("net.yaml:3", message)


def is_drawn(head: str) -> bool:
    """Whether a spec is accepted; if so, its weights can be drawn, and are finite."""
    try:
        graph = layers(CONV, head)
    except SpecError:
        return False
    weights = InitializedWeights(graph.parameters(), 0)
    assert all(np.isfinite(tensor).all() for tensor in read_all(weights, list(weights)).values()), head
    return True


@pytest.mark.parametrize("word", INITIALIZERS)
def test_what_is_accepted_can_be_drawn(word: str) -> None:
    for name in INITIALIZERS[word].model_fields:
        if name not in ("mode", "nonlinearity"):
            accepted = [is_drawn(INIT % (word, f"{name}: {value}")) for value in (-1e300, -2e37, -1, 0, 1, 2e37, 1e300)]
            assert accepted[4], name
            assert not accepted[0], name
            assert not accepted[-1], name
