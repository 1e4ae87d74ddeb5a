"""Writes each scope's `forward` as Python source and makes a class of it.

A class is made once for each distinct source, so all blocks of one kind share a class (which is what FSDP wraps by),
and a module pickles as its class's source and its state. The source is registered with `linecache`: tracebacks,
debuggers and `inspect.getsource(type(model.layer1[0]).forward)` show it.
"""

from __future__ import annotations

import keyword
import linecache
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from typing import Any, ClassVar, NoReturn

import torch
from torch import nn

from archc.nn.lowering import EXPRESSIONS
from archc.nn.outputs import named_outputs
from archc.nn.regions import Step

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
        "torch": torch,
        "named_outputs": named_outputs,
        **{base.__name__: base for base in (GeneratedModule, GeneratedSequential, FixedSequential)},
    }
    exec(compile(source, filename, "exec"), namespace)
    generated: type[GeneratedModule] = namespace[class_name]
    generated.source = source
    return generated


def forward_source(
    inputs: Sequence[str], steps: Iterable[Step], outputs: Sequence[tuple[str, str]], results: str = ""
) -> Iterator[str]:
    """The lines of a `forward` body. `outputs` pairs the names of the results with their values.

    Several outputs are returned as `results`, the name of a NamedTuple; as a plain tuple if that is empty.

    A variable is used again as soon as its value is no longer needed, so that no intermediate tensor outlives its use.
    """
    steps = list(steps)
    uses = Counter(name for step in steps for name in step.inputs)
    uses.update(value for _, value in outputs)
    variables: dict[str, str] = dict(zip(inputs, _VARIABLES, strict=False))
    for step in steps:
        arguments = [variables[name] for name in step.inputs]
        uses.subtract(step.inputs)
        for name in step.inputs:
            if not uses[name]:
                variables.pop(name, None)
        target = _free_variable(arguments, variables)
        variables[step.output] = target
        yield f"{target} = {_expression(step, arguments)}"
    returned = [variables[value] for _, value in outputs]
    yield f"return {returned[0]}" if len(returned) == 1 else f"return {results}({', '.join(returned)})"


def _free_variable(arguments: Sequence[str], variables: dict[str, str]) -> str:
    """A variable that holds nothing; the first argument's if that has just been used for the last time."""
    taken = set(variables.values())
    spare = (f"x{count}" for count in range(len(taken) + 1))
    return next(name for name in (*arguments, *_VARIABLES, *spare) if name not in taken)


def _expression(step: Step, arguments: Sequence[str]) -> str:
    if step.inline:
        assert step.node is not None, "a scope is a module"
        return EXPRESSIONS[step.node.operator.word](step.node.operator, *arguments)
    return f"{_attribute(step.name)}({', '.join(arguments)})"


def _attribute(path: str) -> str:
    expression = "self"
    for name in path.split("."):
        plain = name.isidentifier() and not keyword.iskeyword(name)
        expression = f"{expression}.{name}" if plain else f"getattr({expression}, {name!r})"
    return expression


def class_source(
    class_name: str,
    bodies: Sequence[Sequence[str]],
    inputs: Sequence[str],
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
    lines.append(f"    def forward(self, {', '.join(_VARIABLES[: len(inputs)])}):")
    if len(bodies) == 2:
        lines += ["        if self.training:", *(f"            {line}" for line in bodies[0])]
    lines += [f"        {line}" for line in bodies[-1]]
    return "\n".join(lines) + "\n"
