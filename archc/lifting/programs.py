"""The calls that a file holds, one after the other -> an nn.Module that runs them, with a submodule for each scope."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map

Values = dict[str, Any]
BATCH = "the batch's size"


@dataclass(frozen=True)
class Ref:
    """Stands for a value or a tensor, by its name or key."""

    name: str


@dataclass(frozen=True)
class Step:
    """One call: `function`, or the module of this path, gives what `outputs` name.

    `scope` is the path of the module that makes the call. Several names are names of one value.
    """

    function: Callable[..., Any] | str
    args: tuple[Any, ...]
    outputs: tuple[str, ...]
    scope: str = ""
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def run(self, values: Values) -> None:
        """Side effect: the values have what the call gives."""
        args, kwargs = tree_map(
            lambda each: values[each.name] if isinstance(each, Ref) else each, (self.args, dict(self.kwargs))
        )
        function = values[self.function] if isinstance(self.function, str) else self.function
        result = function(*args, **kwargs)
        values.update(dict.fromkeys(self.outputs, result))


@dataclass
class Reading:
    """What a file says: its calls, tensors by key, modules by path, and what its inputs and outputs are called.

    `classes` are the names of classes by path; `notes` are for the reader.
    """

    inputs: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    parameters: set[str] = field(default_factory=set)
    modules: dict[str, nn.Module] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def module(self) -> Program:
        """The module."""
        return Program(self)


class Scope(nn.Module):
    """A module that makes some of the calls: `items` are these, and names of modules inside that make others."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[Step | str] = []

    def forward(self, values: Values) -> None:
        """Make the calls in order."""
        for item in self.items:
            if isinstance(item, Step):
                item.run(values)
            else:
                self.get_submodule(item)(values)


class Program(nn.Module):
    """The whole of a file as a module. Its keys and the paths of its modules are the file's."""

    def __init__(self, reading: Reading) -> None:
        super().__init__()
        self._inputs, self._outputs, self._paths = reading.inputs, reading.outputs, list(reading.modules)
        for key, tensor in reading.tensors.items():
            self._register(key, tensor, reading)
        self.items: list[Step | str] = []
        self._arrange(whole_scopes(reading.steps), "", reading.classes)

    def _register(self, key: str, tensor: torch.Tensor, reading: Reading) -> None:
        path, _, name = key.rpartition(".")
        owner = _place(self, path, reading.modules.get(path), reading.classes) if path else self
        if path in reading.modules:  # it has them
            return
        if key in reading.parameters:
            owner.register_parameter(name, nn.Parameter(tensor))
        else:
            owner.register_buffer(name, tensor)

    def _arrange(self, steps: Sequence[Step], scope: str, classes: Mapping[str, str]) -> None:
        """Give the calls to the module of this scope, and those inside others to modules inside."""
        owner = self.get_submodule(scope)
        for inner, group in groupby(steps, lambda step: _inside(step.scope, scope)):
            if not inner:
                owner.items += group  # type: ignore[operator]
                continue
            _place(self, inner, None, classes)
            owner.items.append(inner.removeprefix(f"{scope}.") if scope else inner)  # type: ignore[union-attr, operator]
            self._arrange(list(group), inner, classes)

    def forward(self, *inputs: torch.Tensor) -> Any:
        """The outputs: one tensor, or several by name."""
        values: Values = dict(zip(self._inputs, inputs, strict=True))
        values |= {**dict(self.named_parameters()), **dict(self.named_buffers())}
        values |= {path: self.get_submodule(path) for path in self._paths}
        values[BATCH] = inputs[0].shape[0]
        for item in self.items:
            if isinstance(item, Step):
                item.run(values)
            else:
                self.get_submodule(item)(values)
        results = {name: values[value] for name, value in self._outputs.items()}
        return results if len(results) > 1 else next(iter(results.values()))


def whole_scopes(steps: Sequence[Step]) -> list[Step]:
    """The same calls, without scopes that would be entered twice: their calls are those of the scope around."""
    while torn := _torn(steps):
        steps = [replace(step, scope=_without(step.scope, torn)) for step in steps]
    return list(steps)


def _torn(steps: Sequence[Step]) -> set[str]:
    """The outermost scopes whose calls do not follow one another."""
    entered: set[str] = set()
    open_now: list[str] = []
    found: set[str] = set()
    for step in steps:
        scopes = list(_lineage(step.scope))
        found |= {scope for scope in scopes if scope in entered and scope not in open_now}
        entered.update(scopes)
        open_now = scopes
    return found


def _without(scope: str, torn: set[str]) -> str:
    while scope in torn:
        scope = scope.rpartition(".")[0]
    return scope


def _lineage(scope: str) -> Iterator[str]:
    while scope:
        yield scope
        scope = scope.rpartition(".")[0]


def _inside(path: str, scope: str) -> str:
    """The scope directly inside a scope in which a path lies; empty for the scope itself."""
    if path == scope:
        return ""
    start = len(scope) + 1 if scope else 0
    return path[: start + len(path[start:].partition(".")[0])]


def _place(root: nn.Module, path: str, module: nn.Module | None, classes: Mapping[str, str]) -> nn.Module:
    """The module at a path, which is made if there is none, and so are those around it."""
    owner, parts = root, path.split(".")
    for index, name in enumerate(parts):
        if name not in owner._modules:
            here = ".".join(parts[: index + 1])
            given = module if index == len(parts) - 1 else None
            owner.add_module(name, given or _scope(classes.get(here, "ModuleList")))
        owner = owner.get_submodule(name)
    return owner


def _scope(class_name: str) -> Scope:
    """A scope whose class has this name."""
    kind: type[Scope] = type(class_name, (Scope,), {"__module__": __name__})
    return kind()
