"""Random specs that are valid by construction, as hypothesis strategies, so that a failing one is shrunk.

Every name that is made up here ends in a number that occurs once (`item_3`, `block_1`), so that a spec can be renamed
by its text alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from hypothesis import strategies as st

from archc.ir.types import BATCH, TensorType
from archc.spec.format import format_document
from tests.campaigns.random import blocks, operators
from tests.campaigns.random.blocks import ACTIVATIONS
from tests.campaigns.random.operators import MOST_CHANNELS, Draw, Fields, applicable, infer, keep_the_shape, sizes
from tests.campaigns.random.values import FORMS

Item = Any
Items = list[Item]

DEEPEST = 2
LESS_OFTEN = ("flatten", "select", "mean", "adaptive_avg_pool2d")  # what follows them has little to choose from
SAME_SHAPE = keep_the_shape()


@st.composite
def specs(draw: st.DrawFn) -> str:
    """The text of a valid spec."""
    return format_document(_Author(draw).spec())


@cache
def _pairs() -> list[tuple[str, str]]:
    from tests.campaigns.random.coverage import (
        legal_pairs,  # imports torch, which the fuzzer's processes have no room for
    )

    return sorted(legal_pairs())


@dataclass
class _Scope:
    """What the items being written may refer to: parameters with their values, and the block's input, if any."""

    root: bool
    input: TensorType | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    arguments: Fields = field(default_factory=dict)


class _Author:
    """Writes one spec item by item, and follows the type of the value."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.blocks: dict[str, Any] = {}
        self.scope = _Scope(root=True)
        self._count = 0

    def spec(self) -> dict[str, Any]:
        """The whole document."""
        size: dict[str, Any] = {"channels": self.draw(st.integers(1, 8))}
        axes = self.draw(st.sampled_from([*[("height", "width")] * 6, ("length",), ("depth", "height", "width")]))
        size |= {axis: self.draw(st.integers(8, 33) if len(axes) < 3 else st.integers(4, 9)) for axis in axes}
        items, _ = self._network(TensorType((BATCH, *size.values())))
        if self._one_in(4):
            size["batch"] = {"min": 1, "opt": 4, "max": 16}
        document = {"name": self.name("net"), "input": size, "parameters": self.scope.parameters}
        document |= {"defaults": self._defaults(), "init": self._init(), "blocks": self.blocks}
        return {key: value for key, value in document.items() if value} | self._pieces(items)

    def _network(self, x: TensorType) -> tuple[Items, TensorType]:
        """The items at the top level, among which may be outputs and auxiliary heads."""
        items: Items = []
        for _ in range(self.draw(st.integers(1, 9))):
            more, x = self.item(x, 0)
            items += more
            if self._one_in(12):
                items.append({"output": self.name("tap")})
            if x.ndim >= 2 and self._one_in(20):
                items.append({"aux": {"linear": {"name": self.name("item"), "out_features": 3}}})
        if x.ndim in (3, 4, 5) and self._one_in(2):
            fields = {"out_features": self.number(self.draw(st.integers(2, 10)))}
            items += [{f"adaptive_avg_pool{x.ndim - 2}d": {"output_size": 1}}, "flatten", {"linear": fields}]
        return items, x

    def _pieces(self, items: Items) -> dict[str, Any]:
        """One list, or the same items in several pieces."""
        cut = self.draw(st.integers(0, len(items) - 1))
        return {"stem": items[:cut], "head": items[cut:]} if cut else {"layers": items}

    def items(self, x: TensorType, most: int, depth: int) -> tuple[Items, TensorType]:
        """At least one item."""
        items: Items = []
        for _ in range(self.draw(st.integers(1, most))):
            more, x = self.item(x, depth)
            items += more
        return items, x

    def item(self, x: TensorType, depth: int) -> tuple[Items, TensorType]:
        """An item of any form; mostly an operator."""
        forms: list[Callable[[TensorType, int], tuple[Items, TensorType] | None]] = [self._operator, self._pair]
        if self._one_in(6):
            return self.draw(st.sampled_from(FORMS))(self, x, depth) or self._operator(x, depth)
        if self._one_in(3):
            forms = [self._python_block, self._join]
            if depth < DEEPEST:
                forms += [self._sum, self._concat, self._product, self._group, self._when, self._yaml_block]
        written = self.draw(st.sampled_from(forms))(x, depth)
        return written or self._operator(x, depth)

    # Operators

    def _pair(self, x: TensorType, depth: int) -> tuple[Items, TensorType]:
        """Two operators in a row, each pair as likely as any other: by themselves they would meet too seldom."""
        choices = applicable(x)
        producer, consumer = self.draw(st.sampled_from([pair for pair in _pairs() if pair[0] in choices]))
        items, y = self._operator(x, depth, (producer,))
        if consumer in applicable(y):
            more, y = self._operator(y, depth, (consumer,))
            items += more
        return items, y

    def _operator(self, x: TensorType, depth: int, words: tuple[str, ...] = ()) -> tuple[Items, TensorType]:
        choices = [word for word in applicable(x) if not words or word in words]
        common = [word for word in choices if word not in LESS_OFTEN] or choices
        word = self.draw(st.sampled_from(choices if self._one_in(2) else common))
        fields = operators.fields(self.draw, word, x)
        y = infer(word, fields, x)
        if y == x and self._one_in(8):
            fields = {**fields, "count": 2}
        return [self._call(word, fields)], y

    def _call(self, word: str, fields: Fields, *, named: bool = True) -> Item:
        """The call as a word, with its first field alone, or with all fields."""
        fields = {
            name: self.number(value) if name in _COUNTS and type(value) is int else value
            for name, value in fields.items()
        }
        if named and self._one_in(4):
            copies = "-$i" if "count" in fields and self._one_in(2) else ""
            fields = {"name": self.name("item") + copies, **fields}
        if not fields:
            return word
        if list(fields) in _SHORT and not isinstance(next(iter(fields.values())), list) and self._one_in(2):
            return {word: next(iter(fields.values()))}
        return {word: fields}

    def number(self, value: int) -> int | str:
        """A number, written out or as an expression of a parameter or of the block's input."""
        if not self._one_in(5):
            return value
        x = self.scope.input
        if x is not None and x.ndim >= 2 and value % sizes(x)[0] == 0 and self._one_in(2):
            return f"{value // sizes(x)[0]} * $in_channels"
        if x is not None and x.ndim >= 2 and value == sizes(x)[-1] and self._one_in(2):
            return "$in_features"
        added = self.draw(st.integers(0, 3))
        name = self._parameter("int", value + added)
        return f"${name} - {added}" if added else str(self.draw(st.sampled_from([f"${name}", f"min(${name}, 10000)"])))

    def _parameter(self, type: str, value: Any) -> str:
        """A new parameter of the scope with this value: a default, or an argument of every call."""
        name = self.name("value")
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        if self.scope.root or self._one_in(2):
            self.scope.parameters[name] = f"{type} = {shown}"
        else:
            self.scope.parameters[name] = type
            self.scope.arguments[name] = value
        return name

    def _python_block(self, x: TensorType, depth: int) -> tuple[Items, TensorType] | None:
        if x.ndim != 4:
            return None
        word = self.draw(st.sampled_from(blocks.WORDS))
        fields, y = blocks.fields(self.draw, word, x)
        return [self._call(word, fields)], y

    # Composites

    def _branch(self, x: TensorType, depth: int) -> Item:
        """A branch that keeps the shape."""
        if x.ndim == 4 and self._one_in(2):
            kernel = self.draw(st.sampled_from([1, 3, [1, 3], [5, 1]]))
            padding = [size // 2 for size in kernel] if isinstance(kernel, list) else kernel // 2
            fields = {"out_channels": self.number(sizes(x)[0]), "kernel_size": kernel, "padding": padding}
            items = [self._call("conv2d", fields)]
        else:
            items, _ = self._operator(x, depth, SAME_SHAPE)
        for _ in range(self.draw(st.integers(0, 2))):
            items += self._operator(x, depth, SAME_SHAPE)[0]
        return items if len(items) > 1 or self._one_in(2) else items[0]

    def same_shape(self, x: TensorType, depth: int) -> Items:
        """Items that keep the shape."""
        branch = self._branch(x, depth)
        return branch if isinstance(branch, list) else [branch]

    def same_shape_in_a_block(self, x: TensorType, depth: int) -> tuple[Items, dict[str, str], Fields]:
        """Such items of a new block, with its parameters and the arguments of its call."""
        outer, self.scope = self.scope, _Scope(root=False, input=x)
        items = self.same_shape(x, depth)
        own, self.scope = self.scope, outer
        return items, own.parameters, own.arguments

    def _join(self, x: TensorType, depth: int) -> tuple[Items, TensorType]:
        """A join of the value with itself, which puts joins behind every operator."""
        word = self.draw(st.sampled_from(["sum", "product", "concat"]))
        if word == "concat" and (x.ndim < 2 or sizes(x)[0] > MOST_CHANNELS // 2):
            word = "sum"
        other = self._branch(x, depth) if self._one_in(2) else "identity"
        return [{word: ["identity", other]}], infer(word, {}, x, x)

    def _sum(self, x: TensorType, depth: int) -> tuple[Items, TensorType]:
        if x.ndim == 4 and self._one_in(2):
            return self._projected(x)
        branches = [self._branch(x, depth) for _ in range(self.draw(st.integers(1, 2)))]
        return [{"sum": [*branches, self._maybe_absent("identity", x)]}], x

    def _projected(self, x: TensorType) -> tuple[Items, TensorType]:
        """A residual block with a projection of another size on both branches."""
        fields = operators.fields(self.draw, "conv2d", x) | {"bias": False}
        y = infer("conv2d", fields, x)
        main = [self._call("conv2d", fields), *self._operator(y, 0, SAME_SHAPE)[0]]
        return [{"sum": [main, [self._call("conv2d", fields), "batch_norm"]]}], y

    def _maybe_absent(self, branch: Item, x: TensorType) -> Item:
        """The branch, by itself or as an arm of a `when`."""
        if not self._one_in(3):
            return branch
        arms = {"then": branch, "else": "none"} if self._one_in(2) else {"then": branch, "else": ["relu"]}
        return {"when": self._condition(True), **arms}

    def _concat(self, x: TensorType, depth: int) -> tuple[Items, TensorType] | None:
        if x.ndim < 2 or sizes(x)[0] > MOST_CHANNELS // 2:
            return None
        other = x.with_shape(x.shape[0], self.draw(st.integers(1, 4)), *x.shape[2:])
        if x.ndim != 4:
            return [{"concat": [self._branch(x, depth), "identity"]}], infer("concat", {}, x, x)
        conv = self._call("conv2d", {"out_channels": sizes(other)[0], "kernel_size": 1})
        return [{"concat": [self._branch(x, depth), conv]}], infer("concat", {}, x, other)

    def _product(self, x: TensorType, depth: int) -> tuple[Items, TensorType]:
        """A gate: of every pixel, or of whole channels."""
        gate = self.draw(st.sampled_from(["sigmoid", "hardsigmoid", "tanh"]))
        if x.ndim != 4 or self._one_in(2):
            return [{"product": ["identity", [gate]]}], x
        conv = self._call("conv2d", {"out_channels": sizes(x)[0], "kernel_size": 1})
        pool: Item = self.draw(
            st.sampled_from([{"adaptive_avg_pool2d": 1}, {"mean": {"dim": [2, 3], "keepdim": True}}])
        )
        return [{"product": [self._branch(x, depth), [pool, conv, gate]]}], x

    # Sequences, conditions and blocks of the spec

    def _group(self, x: TensorType, depth: int) -> tuple[Items, TensorType]:
        items, y = self.items(x, 3, depth + 1)
        name = "sequence" if self._one_in(3) else self.name("group")
        return [{name: items}], y

    def _condition(self, holds: bool) -> str:
        value = self.draw(st.integers(1, 4))
        texts = [f"{value} < {value + 1}", f"not {value} == {value + 1}"]
        name = self._parameter("int", value)
        flag = self._parameter("bool", holds)
        texts = [f"${name} == {value}", f"${name} <= {value} and true", f"${flag}"] if holds else [
            f"${name} > {value}", f"not ${name} >= 1", f"${flag} or false"]  # fmt: skip
        return str(self.draw(st.sampled_from(texts)))

    def _when(self, x: TensorType, depth: int) -> tuple[Items, TensorType]:
        holds = self.draw(st.booleans())
        chosen, y = self.items(x, 2, depth + 1)
        arms: Fields = {"when": self._condition(holds), "then": chosen if holds else self.items(x, 2, depth + 1)[0]}
        if not holds:
            arms["else"] = chosen
        elif self._one_in(2):
            arms["else"] = self.draw(st.sampled_from(["identity", "none", ["relu"]]))
        return [arms], y

    def _yaml_block(self, x: TensorType, depth: int) -> tuple[Items, TensorType]:
        """A new block of the spec, and its call; twice where it keeps the shape."""
        outer, self.scope = self.scope, _Scope(root=False, input=x)
        items, y = self.items(x, 3, depth + 1)
        items = self._with_layer_parameter(items)
        own, self.scope = self.scope, outer
        word = self.name("block")
        kind = self.draw(st.sampled_from(["layers", "sequence", "inline"]))
        self.blocks[word] = {**({"parameters": own.parameters} if own.parameters else {}), kind: items}
        inner = self._has_names(items)
        fields = {**own.arguments}
        if y == x and self._one_in(2) and not (kind == "inline" and inner):
            fields["count"] = 2
        return [self._call(word, fields, named=kind != "inline")], y

    def _with_layer_parameter(self, items: Items) -> Items:
        if not self._one_in(3):
            return items
        activation = self.draw(st.sampled_from(ACTIVATIONS))
        return [*items, f"${self._parameter('layer', activation)}"]

    def _has_names(self, items: Items) -> bool:
        return any(f"{prefix}_" in format_document(items) for prefix in ("item", "group"))

    # The rest of the document

    def _defaults(self) -> Fields:
        return {"batch_norm": {"eps": 0.001}} if self._one_in(4) else {}

    def _init(self) -> Fields:
        kaiming = {"kaiming_normal": {"mode": "fan_out", "nonlinearity": "relu"}}
        return {"conv2d": {"weight": kaiming, "bias": "zeros"}} if self._one_in(4) else {}

    def name(self, kind: str) -> str:
        """A name that no other has."""
        self._count += 1
        return f"{kind}_{self._count}"

    def _one_in(self, n: int) -> bool:
        return bool(self.draw(st.integers(0, n - 1)) == n - 1)


_COUNTS = ("out_channels", "out_features", "width", "squeeze_channels")
_SHORT = (["out_features"], ["other"], ["output_size"], ["groups"], ["num_groups"], ["negative_slope"])
