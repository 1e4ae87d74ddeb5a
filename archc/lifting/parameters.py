"""The parameters of a block: columns that differ between its instances, told by as few names as possible.

A column is told by a constant, by what is known already (`4 * $width`, `$channels`), by an argument of the class's
constructor, or by a parameter of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from archc.ir.types import TensorType
from archc.lifting.document import Definition
from archc.lifting.expressions import condition, expression, is_integer, shortcut, strided
from archc.lifting.items import Call, Choice, Data, Group, Item, When
from archc.lifting.ramps import Ramped, ramp_of
from archc.lifting.templates import Column, Mismatch
from archc.operators import is_operator, operator_model

RESERVED = ("name", "count", "init", "keys", "results", "channels", "features", "in_channels", "in_features", "i", "n")


@dataclass
class Instances:
    """The places of a block: the groups that it replaces, and the arguments of their classes, where these are known."""

    groups: dict[int, Group]
    arguments: dict[str, Column] = field(default_factory=dict)
    defaults: dict[str, Data] = field(default_factory=dict)

    def sizes(self, axis: int) -> Column:
        """The size of an axis of each block's input, where it is fixed."""
        return _sizes({k: group.received for k, group in self.groups.items()}, axis)


def _sizes(types: Mapping[int, TensorType | None], axis: int) -> Column:
    known = {k: type.shape[axis] for k, type in types.items() if type is not None and type.ndim > 1}
    return {k: size for k, size in known.items() if isinstance(size, int)}


@dataclass
class _Parameter:
    column: Column
    type: str
    default: Data = None


class Solver:
    """Finds the parameters of one block; `blocks` are the spec's own, whose defaults count."""

    def __init__(self, instances: Instances, blocks: Mapping[str, Definition], *, ramped: bool = True) -> None:
        self._instances, self._blocks, self._ramped = instances, blocks, ramped
        self._all = list(instances.groups)
        self._gives = _sizes({k: group.gave for k, group in instances.groups.items()}, 1)
        self.parameters: dict[str, _Parameter] = {}

    def solve(self, items: list[Item]) -> None:
        """Replace columns by values and expressions. Raises Mismatch: a column has no value where it is needed."""
        places = list(_places(items, self._all))
        for item, context in sorted(places, key=lambda place: -len(place[1])):
            if isinstance(item, Call):
                self._call(item, context)
        for item, context in places:
            if isinstance(item, When):
                item.condition = self._condition(item, {k: item.holds[k] for k in context})
            elif isinstance(item, Choice):
                item.parameter = self._choice(item, context)

    def definition(self, name: str, kind: str, items: list[Item]) -> Definition:
        """The block, its required parameters first."""
        order = sorted(self.parameters, key=lambda name: self.parameters[name].default is not None)
        known = {name: self.parameters[name] for name in order}
        texts = {name: _declared(each.type, each.default) for name, each in known.items()}
        defaults = {name: each.default for name, each in known.items() if each.default is not None}
        return Definition(name, kind, items, texts, defaults=defaults)

    def arguments(self, definition: Definition, instance: int) -> dict[str, Data]:
        """What one instance is given, without what is the default."""
        given = {
            name: self.parameters[name].column[instance] for name in definition.parameters if name in self.parameters
        }
        return {name: value for name, value in given.items() if value != definition.defaults.get(name)}

    def _call(self, call: Call, context: Sequence[int]) -> None:
        solved: dict[str, Data] = {}
        for name in self._in_order(call):
            column = {k: call.fields[name].get(k, self._default(call.word, name)) for k in context}
            default = self._default(call.word, name)
            if self._is_parameter(name, column) or set(map(repr, column.values())) != {repr(default)}:
                solved[name] = self._value(column, call, name, default)
        call.fields = solved

    def _in_order(self, call: Call) -> list[str]:
        model = operator_model(call.word).model_fields if is_operator(call.word) else {}
        order = {name: index for index, name in enumerate(model)}
        return sorted(call.fields, key=lambda name: order.get(name, -1 if name == "count" else len(order)))

    def _default(self, word: str, name: str) -> Data:
        if word in self._blocks:
            return self._blocks[word].defaults.get(name)
        return default_of(word, name)

    def _value(self, column: Column, call: Call, name: str, default: Data) -> Data:
        """What a field is in the block."""
        if len({repr(value) for value in column.values()}) == 1 and not self._is_parameter(name, column):
            return next(iter(column.values()))
        if any(value is None for value in column.values()):
            raise Mismatch
        if is_operator(call.word) and any(isinstance(value, dict) for value in column.values()):
            raise Mismatch  # no type of a parameter is a mapping but a layer's
        if (ramp := self._ramp(column, call)) is not None:
            return ramp
        told = self._told(column, self._local(call), name)
        if told is None:
            return f"${self._declare(column, self._called(column, call, name), default)}"
        parameter = self.parameters.get(str(told)[1:])
        if (
            parameter is not None
            and parameter.default is None
            and default in column.values()
            and parameter.type != "layer"
        ):
            parameter.default = default if type(default) in map(type, column.values()) else None
        return told

    def _is_parameter(self, name: str, column: Column) -> bool:
        """True for a field of some instances that has the value of the parameter of its own name, which varies."""
        known = self.parameters.get(name)
        return (
            known is not None and len(column) < len(self._all) and all(known.column[k] == v for k, v in column.items())
        )

    def _ramp(self, column: Column, call: Call) -> Ramped | None:
        """The place of a value that is spaced evenly over the instances, for `ramps`."""
        trained = is_operator(call.word) and not operator_model(call.word).inference
        paths = {k: group.path for k, group in self._instances.groups.items()}
        return ramp_of(column, paths) if self._ramped and trained else None

    def _local(self, call: Call) -> dict[str, Column]:
        """The sizes of what an item is applied to."""
        named = {"channels": _sizes(call.receives, 1), "features": _sizes(call.receives, -1)}
        ndim = {type.ndim for type in call.receives.values() if type is not None}
        if ndim and max(ndim) == 2:
            del named["channels"]
        return {name: column for name, column in named.items() if name not in self.parameters}

    def _told(self, column: Column, local: Mapping[str, Column], name: str = "") -> Data:
        """The column by what is known; an argument of the constructor that tells it becomes a parameter."""
        known = {name: each.column for name, each in self.parameters.items()}
        inputs = {"in_channels": self._instances.sizes(1), "in_features": self._instances.sizes(-1)}
        open_arguments = {name: column for name, column in self._usable_arguments() if name not in known}
        if (own := self._own_size(column, {**known, **local, **inputs}, open_arguments)) is not None:
            return f"${self._declare(open_arguments[own], own, self._instances.defaults.get(own))}"
        for sources in (known, {**known, **local, **inputs}, {**known, **open_arguments, **local, **inputs}):
            found = expression(column, sources, field=name)
            if found is not None:
                self._declare_used(found, open_arguments)
                return found
        return None

    def _own_size(self, column: Column, told: Mapping[str, Column], arguments: Mapping[str, Column]) -> str | None:
        """The constructor's argument for the channels that a block gives, where no other name says the same."""
        if column != {k: self._gives.get(k) for k in column} or any(
            column.items() <= each.items() for each in told.values()
        ):
            return None
        return next((name for name, each in arguments.items() if column.items() <= each.items()), None)

    def _usable_arguments(self) -> Iterator[tuple[str, Column]]:
        for name, column in self._instances.arguments.items():
            clean = re.sub(r"\W", "_", name)
            if clean not in RESERVED and set(column) >= set(self._all) and len({*map(repr, column.values())}) > 1:
                yield clean, column

    def _declare_used(self, text: str, arguments: Mapping[str, Column]) -> None:
        for name in re.findall(r"\$(\w+)", str(text)):
            if name in arguments:
                self._declare(arguments[name], name, self._instances.defaults.get(name))

    def _declare(self, column: Column, name: str, default: Data) -> str:
        """A new parameter with these values; instances that do not need it get the usual one."""
        values = list(column.values())
        usual = Counter(map(repr, values)).most_common(1)[0][0]
        fill = next(value for value in values if repr(value) == usual)
        base, number = (f"{name}_" if name in RESERVED else name), 1
        while name in self.parameters or name in RESERVED:
            name, number = (base if number == 1 else f"{base}_{number}"), number + 1
        kind = _type(values)
        is_default = any(value == default and type(value) is type(default) for value in values) and kind != "layer"
        channels = self._instances.sizes(1) if (kind == "int" and "width" in name) or name.startswith("hidden") else {}
        filled = {k: column.get(k, channels.get(k, fill)) for k in self._all}
        self.parameters[name] = _Parameter(filled, kind, default if is_default else None)
        return name

    def _called(self, column: Column, call: Call, name: str) -> str:
        """A name for a parameter that no constructor has."""
        name = {"out_features": "width", "out_channels": "width", "count": "depth"}.get(name, name)
        if name == "width" and (call.name is None or call.name.isdigit()):
            return "width" if column == {k: self._gives.get(k) for k in column} else "hidden"
        if call.name and not call.name.isdigit() and name in ("width", "kernel_size", "groups", "p"):
            return re.sub(r"\W", "_", f"{call.name}_{name}").lower().strip("_0123456789") or name
        return name

    def _condition(self, when: When, column: Column) -> str:
        known = {name: each.column for name, each in self.parameters.items()}
        arguments = {name: values for name, values in self._usable_arguments() if name not in known}
        inputs = {"in_channels": self._instances.sizes(1)}
        for sources in (known, {**known, **arguments}):
            if found := condition(column, sources, inputs, self._gives):
                self._declare_used(found, arguments)
                if when.otherwise != [] or not when.then:
                    return found
                if "stride" in found:
                    return shortcut(found, column, sources, inputs["in_channels"], self._gives)
                return strided(found, column, known) if "in_channels" in found else found
        first = when.then[0] if when.then else None
        named = getattr(first, "name", None) or getattr(first, "word", "") or "shortcut"
        return f"${self._declare(column, f'has_{_word(named)}', None)}"

    def _choice(self, choice: Choice, context: Sequence[int]) -> str:
        column = {k: choice.layers[k] for k in context}
        for name, parameter in self.parameters.items():
            if parameter.type == "layer" and all(parameter.column[k] == value for k, value in column.items()):
                return name
        return self._declare(column, "activation", None)


def _places(items: Sequence[Item], context: list[int]) -> Iterator[tuple[Item, list[int]]]:
    """The items of a template, each with the instances that have it."""
    for item in items:
        yield item, context
        match item:
            case Call():
                for branch in item.branches:
                    yield from _places(branch, context)
            case Group():
                yield from _places(item.items, context)
            case When():
                yield from _places(item.then or [], [k for k in context if item.holds[k]])
                yield from _places(item.otherwise or [], [k for k in context if not item.holds[k]])


def default_of(word: str, name: str) -> Data:
    """The default of a field of an operator or of a block of archc's own, as a spec writes it."""
    from archc.blocks import block_model

    model = operator_model(word) if is_operator(word) else block_model(word)
    info = model.model_fields.get(name)
    if info is None or info.is_required():
        return None
    default = info.default
    if isinstance(default, tuple):
        return default[0] if len(set(default)) == 1 else list(default)
    return getattr(default, "word", default)


def _type(values: Sequence[Data]) -> str:
    if any(isinstance(value, dict) for value in values) or all(_is_layer(value) for value in values):
        return "layer"
    if all(isinstance(value, bool) for value in values):
        return "bool"
    if all(is_integer(value) for value in values):
        return "int"
    if all(is_integer(value) or (isinstance(value, list) and len(value) == 2) for value in values):
        return "size"
    if all(isinstance(value, list) for value in values):
        return "list"
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return "float"
    if all(isinstance(value, str) for value in values):
        return "str"
    raise Mismatch


def _is_layer(value: Data) -> bool:
    return isinstance(value, str) and (is_operator(value) or value == "none")


def _declared(type: str, default: Data) -> str:
    if default is None:
        return type
    return f"{type} = {str(default).lower() if isinstance(default, bool) else default}"


def _word(name: str) -> str:
    return re.sub(r"\W", "_", name).lower()
