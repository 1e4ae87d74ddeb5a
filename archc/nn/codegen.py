"""Writes each scope's `forward` as Python source and makes a class of it.

A class is made once for each distinct source, so all blocks of one kind share a class (which is what FSDP wraps by),
and a module pickles as its class's source and its state. The source is registered with `linecache`: tracebacks,
debuggers and `inspect.getsource(type(model.layer1[0]).forward)` show it.
"""

from __future__ import annotations

import functools
import keyword
import linecache
from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from itertools import count, islice
from typing import Any, ClassVar, NoReturn

import torch
from torch import nn

from archc.ir.graph import Node
from archc.nn.outputs import named_outputs
from archc.nn.regions import Step

NAMESPACE = {"torch": torch, "functools": functools}
"""What an operator's expression may use."""

_VARIABLES = ("x", "y", "z", "u", "v", "w")


class GeneratedModule(nn.Module):
    """A module whose class was made from source; pickles and copies without an importable class."""

    source: ClassVar[str]

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self).__name__, self.source), self.__dict__.copy()


class GeneratedSequential(GeneratedModule, nn.Sequential):
    """A chain of layers under a block's name."""


class FixedSequential(GeneratedSequential):
    """Numbered layers that are no chain: each can be had and replaced by its index, but `forward` says what they do.

    Changing their number would change nothing or break it, so it is refused.
    """

    def __getitem__(self, idx: Any) -> Any:
        return self._refuse() if isinstance(idx, slice) else super().__getitem__(idx)

    def _refuse(self, *_: Any) -> NoReturn:
        name = type(self).__name__
        raise TypeError(f"the layers of this {name} are no chain: they can be replaced, but not added, removed or cut")


for _change in "append extend insert pop __add__ __iadd__ __mul__ __rmul__ __imul__ __delitem__".split():
    setattr(FixedSequential, _change, FixedSequential._refuse)


def _restore(class_name: str, source: str) -> nn.Module:
    module = module_class(class_name, source)
    return module.__new__(module)


def new_module(class_name: str, source: str) -> nn.Module:
    """An instance, without children yet, of the class with this source."""
    return module_class(class_name, source)()


@cache
def module_class(class_name: str, source: str) -> type[GeneratedModule]:
    """The class with this name and `forward` source."""
    filename = f"<archc {class_name} {sha256(source.encode()).hexdigest()[:8]}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {
        "__name__": __name__,
        **NAMESPACE,
        "named_outputs": named_outputs,
        **{base.__name__: base for base in (GeneratedModule, GeneratedSequential, FixedSequential)},
    }
    exec(compile(source, filename, "exec"), namespace)
    generated: type[GeneratedModule] = namespace[class_name]
    generated.source = source
    return generated


class _Variables:
    """Which variable holds which value; one whose value is no longer needed is used again.

    Inputs that are `named` keep their names, which no other value gets.
    """

    def __init__(self, inputs: Sequence[str], *, named: bool) -> None:
        self._named = tuple(inputs) if named else ()
        self._numbers: dict[str, int] = {}
        self._free: list[int] = []  # in order
        self._count = 0
        for name in () if named else inputs:
            self.hold(name)

    def release(self, value: str) -> None:
        """Forget a value."""
        if value not in self._named:
            insort(self._free, self._numbers.pop(value))

    def hold(self, value: str, preferred: Iterable[str] = ()) -> str:
        """A free variable for a value: the first of the preferred ones that is free, else the first of all."""
        if not self._free:
            self._free.append(self._count)
            self._count += 1
        free = {self._variable(number): number for number in self._free}
        number = next((free[name] for name in preferred if name in free), self._free[0])
        self._free.remove(number)
        self._numbers[value] = number
        return self._variable(number)

    def of(self, value: str) -> str:
        """The variable that holds a value."""
        return value if value in self._named else self._variable(self._numbers[value])

    def _variable(self, number: int) -> str:
        if not self._named:
            return variable(number)
        unused = (name for name in map(variable, count()) if name not in self._named)
        return next(islice(unused, number, None))


def parameters(inputs: Sequence[str]) -> list[str]:
    """The parameters of a `forward` whose inputs are not named."""
    return [variable(number) for number in range(len(inputs))]


def variable(number: int) -> str:
    """The name of a local variable: x, y, z, u, v, w, x0, x1, …"""
    return _VARIABLES[number] if number < len(_VARIABLES) else f"x{number - len(_VARIABLES)}"


def forward_source(
    inputs: Sequence[str],
    steps: Iterable[Step],
    outputs: Sequence[tuple[str, str]],
    results: str = "",
    *,
    named: bool = False,
) -> Iterator[str]:
    """The lines of a `forward` body. `outputs` pairs the names of the results with their values.

    The parameters are x, y, …, or have the names of the inputs if those are `named`.

    Several outputs are returned as `results`, the name of a NamedTuple; as a plain tuple if that is empty.

    A variable is used again as soon as its value is no longer needed, so that no intermediate tensor outlives its use.
    """
    steps = list(steps)
    uses = Counter(name for step in steps for name in step.inputs)
    uses.update(value for _, value in outputs)
    variables = _Variables(inputs, named=named)
    for step in steps:
        arguments = [variables.of(name) for name in step.inputs]
        expression = _expression(step, arguments)
        uses.subtract(step.inputs)
        for name in dict.fromkeys(step.inputs):
            if not uses[name]:
                variables.release(name)
        targets = [variables.hold(name, arguments) if uses[name] else "_" for name in step.outputs]
        yield f"{', '.join(targets)} = {expression}"
    returned = [variables.of(value) for _, value in outputs]
    yield f"return {returned[0]}" if len(returned) == 1 else f"return {results}({', '.join(returned)})"


def _expression(step: Step, arguments: Sequence[str]) -> str:
    if step.inline:
        assert step.node is not None, "a scope is a module"
        return node_source(step.node, arguments, lambda key: _attribute(_below(key, step.node)))
    return f"{_attribute(step.name)}({', '.join(arguments)})"


def node_source(node: Node, arguments: Sequence[str], tensor: Callable[[str], str]) -> str:
    """A node as an expression; `tensor` gives what stands for a tensor with this key."""
    types = node.kind[1]
    if not node.keys:
        return node.operator.torch_source(types, arguments, tensor(node.module))
    own = {name: tensor(key) for name in node.operator.tensors if node.parameter(name) for key in [node.key(name)]}
    return node.operator.functional_source(types, arguments, own)


def _below(key: str, node: Node | None) -> str:
    """A key below the scope of a node."""
    return key.removeprefix(f"{node.scope}.") if node and node.scope else key


def _attribute(path: str) -> str:
    expression = "self"
    for name in path.split("."):
        plain = name.isidentifier() and not keyword.iskeyword(name)
        expression = f"{expression}.{name}" if plain else f"getattr({expression}, {name!r})"
    return expression


def class_source(
    class_name: str,
    bodies: Sequence[Sequence[str]],
    parameters: Sequence[str],
    outputs: Sequence[str] = (),
    base: type[GeneratedModule] = GeneratedModule,
) -> str:
    """Source of a class. With two bodies the first is for training, the second for inference; with none it is its base.

    `outputs` defines the NamedTuple that a network with several outputs returns, for each body.
    """
    lines = [*outputs, "", ""] if outputs else []
    lines.append(f"class {class_name}({base.__name__}):")
    if not bodies:
        return "\n".join([*lines, "    pass"]) + "\n"
    lines.append(f"    def forward({', '.join(['self', *parameters])}):")
    if len(bodies) == 2:
        lines += ["        if self.training:", *(f"            {line}" for line in bodies[0])]
    lines += [f"        {line}" for line in bodies[-1]]
    return "\n".join(lines) + "\n"
