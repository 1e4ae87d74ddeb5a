"""One edit of a valid spec that makes it wrong.

An edit is wrong wherever the edited item takes part in the network. Where it does not (an arm of a `when` that is not
taken), the edited spec may be accepted, but then its graph has to be the same.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from archc.diagnostics import Source
from archc.operators import OPERATORS
from archc.spec.format import format_document
from archc.spec.tree import Mapping, plain
from archc.spec.yaml.loader import load
from tests.campaigns.random.networks import specs
from tests.campaigns.random.operators import Draw

TOO_MANY = 10_007  # a prime that no size here is a multiple of
BLOCKS = ("conv_norm_act", "squeeze_excitation", "basic", "bottleneck")
REQUIRED = {
    "conv2d": ("out_channels", "kernel_size"), "linear": ("out_features",), "mul": ("other",),
    "max_pool2d": ("kernel_size",), "avg_pool2d": ("kernel_size",), "adaptive_avg_pool2d": ("output_size",),
    "group_norm": ("num_groups",), "local_response_norm": ("size",), "permute": ("dims",), "pad": ("pad",),
    "narrow": ("dim", "start", "length"), "select": ("dim", "index"), "mean": ("dim",), "channel_shuffle": ("groups",),
    "stochastic_depth": ("p",), "conv_norm_act": ("out_channels",), "squeeze_excitation": ("squeeze_channels",),
    "basic": ("width",), "bottleneck": ("width",),
}  # fmt: skip
IMPOSSIBLE: dict[str, dict[str, tuple[Any, ...]]] = {
    "conv2d": {
        "groups": (TOO_MANY, 0), "in_channels": (TOO_MANY,), "out_channels": (0, -3, 2.5, "eight", True, [4, 4]),
        "stride": (0, [1, 2, 3]), "padding": (-1,), "dilation": (0,), "bias": (1, "yes"),
    },
    "linear": {"out_features": (0, 1.5, None), "in_features": (TOO_MANY,), "bias": ("false?",)},
    "max_pool2d": {"kernel_size": (0,), "padding": (TOO_MANY,), "ceil_mode": (1,)},
    "avg_pool2d": {"kernel_size": ([2],), "padding": (TOO_MANY,), "divisor_override": (0,)},
    "adaptive_avg_pool2d": {"output_size": (0, [1, 0], "one")},
    "batch_norm": {"eps": (0, -1.0), "momentum": (1.5,), "num_features": (TOO_MANY,)},
    "group_norm": {"num_groups": (TOO_MANY, 0), "eps": (0,)},
    "layer_norm": {"normalized_shape": (TOO_MANY,), "bias": (3,)},
    "local_response_norm": {"size": (0,)},
    "softmax": {"dim": (0, 9, -5)}, "log_softmax": {"dim": (0, 4)},
    "mean": {"dim": (0, 7, [1, 1], [])}, "permute": {"dims": ([0], [1, 0], [0, 1, 1, 1], "all")},
    "narrow": {"length": (TOO_MANY, 0), "start": (TOO_MANY, -TOO_MANY), "dim": (0, 6)},
    "select": {"index": (TOO_MANY, -TOO_MANY), "dim": (0, 5)}, "pad": {"pad": ([1], [1, -1], [1, 1, 1], [1] * 8)},
    "channel_shuffle": {"groups": (TOO_MANY, 0)}, "flatten": {"start_dim": (0, 8), "end_dim": (11,)},
    "dropout": {"p": (1.5, "half")}, "stochastic_depth": {"p": (-0.1,), "mode": ("column",)},
    "gelu": {"approximate": ("erf",)}, "hardtanh": {"min_val": (1e9,)}, "mul": {"other": ("two", [1, 2])},
    "conv_norm_act": {"groups": (TOO_MANY,), "norm": ("batchnorm",), "activation": (7, "rellu")},
    "squeeze_excitation": {"squeeze_channels": (0,), "scale_activation": ("sigmod",)},
    "basic": {"width": (0, "wide"), "stride": ([1, 1], 0), "norm": ({"group_norm": TOO_MANY},)},
    "bottleneck": {"expansion": (0,), "groups": (TOO_MANY,), "stride_at": ("conv3",), "shortcut": ("none",)},
}  # fmt: skip
WRONG_ITEMS: tuple[Any, ...] = (
    7, None, True, [], ["relu"], {}, "identty", {"sum": ["identity"]}, {"concat": "identity"}, {"group_0": []},
    {"sum": [[], "identity"]}, {"sum": ["identity", {"concat": ["identity", "identity"]}]}, {"relu": {"slope": 1}},
    {"sum": ["identity", {"pad": {"pad": [0, 1]}}]}, {"relu": ["relu"]}, {"relu": 1}, {"relu": {}, "tanh": {}},
    {"when": 1, "then": ["relu"]}, {"when": "1 < ", "then": ["relu"]}, {"when": "true"},
    {"when": "$nowhere", "then": []},
    {"sum": ["identity", {"when": "true", "then": "relu"}]}, {"linear": "$nowhere"}, {"linear": "1 // 0 + $nowhere"},
    {"conv2d": {"out_channels": 1, "kernel_size": 1001}}, {"relu": {"count": 0}}, {"relu": {"name": "a b"}},
    {"relu": {"name": "forward"}}, {"relu": {"init": {"weight": "zeros"}}},
    {"linear": {"out_features": 2, "init": {"w": "ones"}}},
    {"sequence": [{"output": "inner"}]}, {"sequence": [{"aux": "relu"}]}, "$nowhere", "sum", {"mark": "relu"},
    {"linear": {"out_features": "8 ** 2 * $i"}}, {"linear": {"out_features": {"a": 1}}}, {"sum": ["none", "none"]},
    {"batch_norm": 8}, {"layer_norm": 1e-6},
    {"output": "input"}, {"output": "a b"}, {"aux": "relu"}, {"linear": {"out_features": 10**30}},
    {"from": "nowhere"}, {"mark": "unused"}, {"share": "nobody"}, {"rearrange": "b c -> c"},
    {"parameter": {"shape": 0}},
    {"rearrange": {"pattern": "b c d -> b d c", "e": 2}}, {"sum": ["identity", {"parameter": {"shape": [3, 997]}}]},
    {"concat": {"dim": 0, "branches": ["identity", "relu"]}}, {"concat": {"dim": 1}}, {"parameter": {"shape": [1, 3]}},
    {"attention": {"query": "identity", "key": "identity"}}, {"gather": 0}, {"constant": {"value": "relu"}},
    {"gather": {"index": {"parameter": {"shape": 2}}}}, {"relu": {"keys": {"weight": "a"}}},
    {"relu": {"results": ["a"]}},
    {"linear": {"out_features": 2, "keys": {"w": "a"}}}, {"gather": {"dim": 9, "index": "identity"}},
    {"attention": {"query": {"linear": 3}, "key": {"linear": 4}, "value": "identity"}},
)  # fmt: skip
WRONG_HEADS: tuple[dict[str, Any], ...] = (
    {"name": "9 lives"}, {"name": ["net"]}, {"layer": ["relu"]}, {"layers": []}, {"input": 3},
    {"input": {"channels": 3, "height": 8}},
    {"input": {"length": 8, "height": 8}}, {"input": {"channels": 0, "height": 8, "width": 8}}, {"inputs": {}},
    {"input": {"channels": 3, "height": "8px", "width": 8}}, {"defaults": {"batchnorm": {"eps": 0.1}}},
    {"input": {"channels": 3, "height": {"min": 9, "opt": 8, "max": 10}, "width": 8}}, {"init": {"relu6x": {}}},
    {"parameters": {"a-b": "int = 1"}}, {"parameters": {"a": "integer = 1"}}, {"parameters": {"a": "int = x"}},
    {"blocks": {"lonely": {}}}, {"blocks": {"sum": {"layers": ["relu"]}}}, {"blocks": {"b": {"layers": []}}},
    {"blocks": {"b": {"layers": ["relu"], "inline": ["relu"]}}}, {"init": {"conv2d": {"weight": "kaiming"}}},
    {"ramps": {"r": {"blocks": ["nobody"], "start": 0.0, "stop": 1.0}}}, {"use": ["../../secrets.yaml"]},
    {"use": "blocks"}, {"source": [1]}, {"parameters": {"needed": "int"}}, {"ramps": {"r": {"start": 0.0}}},
)  # fmt: skip
WRONG_TEXT: tuple[Callable[[str], str], ...] = (
    lambda text: text + "\t- relu\n",
    lambda text: text + "name: again\n",
    lambda text: text + "---\nname: two\n",
    lambda text: text + "<<: {}\n",
    lambda text: text.replace("input:", "input: !!python/object", 1),
    lambda text: text.replace("{", "[", 1) if "{" in text else text + "}",
    lambda text: text.replace("- ", "-", 1),
    lambda text: text.replace(":", "", 1),
    lambda text: text + "? [a]\n: b\n",
    lambda text: text + "source: *nothing\n",
)


@dataclass(frozen=True)
class NearMiss:
    """A valid spec, what was done to it, and the result."""

    valid: str
    edit: str
    text: str


@st.composite
def near_misses(draw: st.DrawFn) -> NearMiss:
    """A valid spec with one edit."""
    text = draw(specs())
    kind = draw(st.sampled_from(["call", "call", "call", "item", "document", "text", "twins"]))
    if kind == "text":
        index = draw(st.integers(0, len(WRONG_TEXT) - 1))
        return NearMiss(text, f"text {index}", WRONG_TEXT[index](text))
    document = _data(text)
    edit = {"call": _edit_call, "item": _insert_item, "document": _edit_document, "twins": _insert_twins}[kind]
    described = edit(draw, document)
    return NearMiss(text, described, format_document(document))


def _data(text: str) -> dict[str, Any]:
    tree = load(Source("random.yaml", text))
    assert isinstance(tree, Mapping)
    return {key: copy.deepcopy(plain(entry.value)) for key, entry in tree.entries.items()}


def _edit_call(draw: Draw, document: dict[str, Any]) -> str:
    """A misspelt word, a field that is missing, unknown, or has an impossible value."""
    calls = [(items, index) for items in _lists(document) for index in range(len(items)) if _word(items[index])]
    if not calls:
        return _insert_item(draw, document)
    items, index = draw(st.sampled_from(calls))
    word, written = _word(items[index]), items[index]
    fields = written[word] if isinstance(written, dict) else {}
    edits = ["misspelt", "unknown field"]
    edits += ["missing field"] if word in REQUIRED else []
    edits += ["impossible"] * 3 if word in IMPOSSIBLE else []
    kind = draw(st.sampled_from(edits))
    if kind == "misspelt":
        items[index] = {word + "x": fields} if fields else word + "x"
        return f"{word} is misspelt"
    fields = dict(fields) if isinstance(fields, dict) else {REQUIRED.get(word, ("groups",))[0]: fields}
    if kind == "missing field":
        gone = draw(st.sampled_from(REQUIRED[word]))
        fields.pop(gone, None)
        items[index] = {word: fields} if fields else word
        return f"{word} lacks {gone}"
    field = "kernal" if kind == "unknown field" else draw(st.sampled_from(list(IMPOSSIBLE[word])))
    value = 3 if kind == "unknown field" else draw(st.sampled_from(IMPOSSIBLE[word][field]))
    items[index] = {word: {**fields, field: value}}
    return f"{word}.{field} = {value}"


def _insert_item(draw: Draw, document: dict[str, Any]) -> str:
    item = draw(st.sampled_from(WRONG_ITEMS))
    items = draw(st.sampled_from(list(_lists(document))))
    items.insert(draw(st.integers(0, len(items))), item)
    return f"the item {item} is inserted"


def _edit_document(draw: Draw, document: dict[str, Any]) -> str:
    edit = draw(st.sampled_from(WRONG_HEADS))
    if edit == {"layers": []}:
        for piece in ("stem", "head"):
            document.pop(piece, None)
    document.update(edit)
    return f"the document has {edit}"


def _insert_twins(draw: Draw, document: dict[str, Any]) -> str:
    """Two siblings of one name, or one that lies within another."""
    items = draw(st.sampled_from(list(_lists(document))))
    names = draw(st.sampled_from([("twin", "twin"), ("twin.a", "twin"), ("twin", "twin.a")]))
    items.extend({word: {"name": name}} for word, name in zip(("relu", "tanh"), names, strict=True))
    return f"two items are called {names}"


def _lists(document: dict[str, Any]) -> Iterator[list[Any]]:
    """Every list of items, outermost first."""
    for piece in ("layers", "stem", "head"):
        yield from _nested(document.get(piece, ()))
    for block in document.get("blocks", {}).values():
        for kind in ("layers", "sequence", "inline"):
            yield from _nested(block.get(kind, ()))


def _nested(items: Any) -> Iterator[list[Any]]:
    if not isinstance(items, list):
        return
    yield items
    for item in items:
        for key, value in item.items() if isinstance(item, dict) else ():
            if key in ("sum", "product", "quotient", "concat"):
                for branch in value["branches"] if isinstance(value, dict) else value:
                    yield from _nested(branch)
            elif not _word(item):
                yield from _nested(value)


def _word(item: Any) -> str:
    """The operator or Python block that an item calls; empty for anything else."""
    word = next(iter(item), "") if isinstance(item, dict) and len(item) == 1 else item
    return word if isinstance(word, str) and word in (*OPERATORS, *BLOCKS) and word not in _JOINS else ""


_JOINS = ("sum", "product", "concat")
