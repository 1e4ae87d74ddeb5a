"""Whatever the grammar takes for a name becomes a class, a module or a field that works."""

import builtins
import keyword
import pickle
from typing import Any

import pytest
import torch

from archc.diagnostics import SpecError
from archc.nn import build_module
from archc.spec.format import format_document
from archc.weights import InitializedWeights, read_all
from tests.elaborate.specs import compiled

GENERATED = (
    *("torch", "nn", "self", "x", "getattr", "named_outputs", "Outputs", "TrainingOutputs", "Network", "Sequential"),
    *("GeneratedModule", "GeneratedSequential", "FixedSequential"),
)
SNAKE = ("outputs", "training_outputs", "generated_module", "generated_sequential", "fixed_sequential", "sequential")
WORDS = dict.fromkeys((*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *GENERATED, *SNAKE, "none", "true"))


def works(word: str, **parts: Any) -> bool:
    """Whether a spec with these parts is accepted; if so, its module computes, and pickles."""
    head: dict[str, Any] = {"name": "net", "input": {"channels": 2, "height": 4, "width": 4}}
    marks = [{"aux": {"sigmoid": {"name": "side"}}}, {"output": parts.pop("output", "first")}, "relu"]
    layers = [*parts.pop("layers", ["relu"]), *marks]
    try:
        graph = compiled(format_document({**head, **parts, "layers": layers}))
    except SpecError as error:
        if {problem.code for problem in error.diagnostics} <= REFUSALS:
            return False
        raise
    weights = InitializedWeights(graph.parameters(), 0)
    module = build_module(graph, read_all(weights, list(weights)))
    image = torch.ones(1, 2, 4, 4)
    assert len(module(image)) == 3, word
    restored = pickle.loads(pickle.dumps(module)).eval()
    assert all(map(torch.equal, restored(image), module.eval()(image))), word
    return True


REFUSALS = {"bad-name", "name-taken", "reserved-word", "unknown-block", "wrong-kind"}
JOIN = [{"sum": ["sigmoid", "identity"]}]


@pytest.mark.parametrize(
    ("place", "fewest"),
    [("network", 150), ("block", 140), ("sequence", 100), ("scope", 100), ("output", 90), ("parameter", 150)],
)
def test_a_name_that_is_accepted_works(place: str, fewest: int) -> None:
    accepted = 0
    for word in WORDS:
        parts: dict[str, dict[str, Any]] = {
            "network": {"name": word},
            "block": {"blocks": {word: {"layers": JOIN}}, "layers": [word, {word: {"name": "again"}}]},
            "sequence": {"layers": [{word: [*JOIN, "tanh"]}, {f"a.{word}": ["tanh"]}]},
            "scope": {"layers": [{word: {"layers": [*JOIN, "tanh"]}}, {f"a.{word}": {"layers": ["tanh"]}}]},
            "output": {"output": word},
            "parameter": {
                "parameters": {word: "int = 2"},
                "layers": [{"conv2d": {"out_channels": f"${word}", "kernel_size": 1}}],
            },
        }
        accepted += works(word, **parts[place])
    assert accepted > fewest
