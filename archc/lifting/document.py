"""Items -> the data of a spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from archc.ir.graph import Graph
from archc.ir.types import BATCH, Dim, SymbolicDim, TensorType
from archc.lifting.items import Auxiliary, Call, Choice, Data, From, Group, Item, Mark, Output, Share, When
from archc.operators import branch_fields, is_join, is_operator, operator_model
from archc.operators.source import Constant

AXES = {2: ("features",), 3: ("channels", "length"), 4: ("channels", "height", "width")}
AXES[5] = ("channels", "depth", "height", "width")


@dataclass
class Definition:
    """A block of the spec's own: what it is given, and its body. `kind` is `layers`, `sequence` or `inline`.

    `parameters` are texts as a spec writes them (`int = 1`).
    """

    name: str
    kind: str
    items: list[Item]
    parameters: dict[str, str] = field(default_factory=dict)
    let: dict[str, str] = field(default_factory=dict)
    results: list[str] = field(default_factory=list)
    defaults: dict[str, Data] = field(default_factory=dict)  # of its parameters


@dataclass
class Document:
    """A spec in parts."""

    name: str
    inputs: Mapping[str, Data]
    items: list[Item]
    source: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    init: dict[str, Data] = field(default_factory=dict)
    defaults: dict[str, Data] = field(default_factory=dict)
    ramps: dict[str, Data] = field(default_factory=dict)
    blocks: dict[str, Definition] = field(default_factory=dict)

    def data(self) -> dict[str, Data]:
        """The data of the YAML document."""
        only = next(iter(self.inputs)) if len(self.inputs) == 1 else ""
        given = {"input": self.inputs[only]} if only == "input" else {"inputs": dict(self.inputs)}
        parts: dict[str, Data] = {"name": self.name, "source": self.source, **given}
        parts |= {"parameters": self.parameters, "ramps": self.ramps, "init": self.init, "defaults": self.defaults}
        parts["blocks"] = {name: self._definition(block) for name, block in self.blocks.items()}
        parts = {key: value for key, value in parts.items() if value}
        return {**parts, "layers": self._items(self.items)}

    def _definition(self, block: Definition) -> dict[str, Data]:
        parts = {"parameters": block.parameters, "let": block.let, "results": block.results}
        return {**{key: value for key, value in parts.items() if value}, block.kind: self._items(block.items)}

    def _items(self, items: Sequence[Item]) -> list[Data]:
        return [self._item(item) for item in items]

    def _item(self, item: Item) -> Data:
        match item:
            case Call():
                return self._call(item)
            case Group():
                inside = self._items(item.items)
                return {item.name or "sequence": inside if item.numbered else {"layers": inside}}
            case From():
                return {"from": item.gives}
            case Mark():
                return {"mark": item.gives}
            case Share():
                return {"share": item.name}
            case Output():
                return {"output": item.name}
            case Auxiliary():
                return {"aux": self._item(item.item)}
            case Choice():
                return {f"${item.parameter}": {"name": item.name}} if item.name else f"${item.parameter}"
            case When():
                return self._when(item)
        raise AssertionError(item)

    def _when(self, when: When) -> Data:
        arms = {"then": when.then, "else": when.otherwise}
        return {"when": when.condition, **{word: self._branch(arm) for word, arm in arms.items() if arm is not None}}

    def _branch(self, items: Sequence[Item]) -> Data:
        """One item stands alone, but for a `when` in a branch, which would choose the branch; none is the identity."""
        if not items:
            return "identity"
        return self._item(items[0]) if len(items) == 1 else self._items(items)

    def _call(self, call: Call) -> Data:
        fields = dict(call.fields)
        if call.like:
            fields.pop("size", None)
            fields["like"] = call.like
        head = {"name": call.name} if call.name is not None else {}
        if "count" in fields:
            head["count"] = fields.pop("count")
        init: Data = call.init.get("", call.init)
        extra = {"init": init, "keys": call.keys, "results": call.results}
        fields = {**head, **fields, **call.values, **{key: value for key, value in extra.items() if value}}
        word, branches = call.word, [self._alternative(branch) for branch in call.branches]
        if is_operator(word) and issubclass(model := operator_model(word), Constant):
            return {"constant": {"value": model.word, **fields}}
        if is_join(word):
            return {word: {**fields, "branches": branches} if fields else branches}
        fields |= dict(zip(branch_fields(word), branches, strict=False))
        return self._short(word, fields)

    def _alternative(self, items: Sequence[Item]) -> Data:
        """A branch. A `when` alone chooses between branches, so one without an alternative stands in a list."""
        if len(items) != 1 or not isinstance(items[0], When) or items[0].otherwise is not None:
            return self._branch(items)
        return self._items(items) if items[0].then else {**self._when(items[0]), "else": "none"}

    def _short(self, word: str, fields: Mapping[str, Data]) -> Data:
        if not fields:
            return {word: {}} if _is_nothing(word) else word
        first = self._first_field(word)
        value = next(iter(fields.values()))
        short = list(fields) == [first] and not isinstance(value, dict)
        return {word: value if short else dict(fields)}

    def _first_field(self, word: str) -> str | None:
        if word in self.blocks:
            first = next(iter(self.blocks[word].parameters.items()), ("", "value"))
            return None if first[1] == "value" else first[0]
        if not is_operator(word):
            from archc.blocks import block_model

            return next(iter(block_model(word).model_fields), None)
        model = operator_model(word)
        return next(iter(model.model_fields), None) if model.not_short_for is None else None


def _is_nothing(word: str) -> bool:
    """True for the module that does nothing: its bare word is no module."""
    return is_operator(word) and operator_model(word).__name__ == "Identity"


def written_inputs(graph: Graph) -> dict[str, Data]:
    """The inputs as a spec declares them."""
    return {value.name: written_input(value.type) for value in graph.inputs}


def written_input(type: TensorType) -> Data:
    """An input of this type as a spec declares it."""
    sizes = {name: _size(dim) for name, dim in zip(AXES[type.ndim], type.shape[1:], strict=True)}
    batch = type.shape[0]
    assert isinstance(batch, SymbolicDim), "the first axis is the batch"
    return sizes if batch == BATCH else {**sizes, "batch": _range(batch)}


def _size(dim: Dim) -> Data:
    return dim if isinstance(dim, int) else _range(dim)


def _range(dim: SymbolicDim) -> Data:
    given = {"min": dim.at(dim.minimum), "opt": dim.at(dim.optimum), "max": dim.at(dim.maximum)}
    return {**given, "multiple_of": dim.scale} if dim.scale != 1 else given
