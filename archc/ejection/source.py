"""A spec -> the text of a Python file that needs torch alone."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import dataclass
from textwrap import wrap

from archc.ejection import initial, writing
from archc.ejection.expressions import MAKE_DIVISIBLE
from archc.ejection.network import Network
from archc.ejection.notes import comment_at, first_comment
from archc.ejection.plans import Plan, Planner
from archc.ejection.results import Results
from archc.ir.graph import Graph
from archc.nn import layers
from archc.nn.build import ONLY
from archc.spec.language.document import Spec
from archc.version import VERSION

LONGEST = 112  # characters of a line of a docstring
WRITTEN = """Written by archc {version} from {name}.yaml; needs torch alone.
A fresh network starts from the distributions of the spec, as one that archc builds."""


@dataclass(frozen=True)
class Source:
    """A file's text, the name of the network's class in it, and what its constructor takes."""

    text: str
    class_name: str
    arguments: tuple[str, ...] = ()


def write(network: Network, planner: Planner) -> Source:
    """The file with the planned classes of a network."""
    body, plan = _body(network.graph, planner), planner.plans[-1]
    return Source(_head(network.spec, body) + "\n".join(body) + "\n", plan.name, tuple(plan.arguments))


def _body(graph: Graph, planner: Planner) -> list[str]:
    inference = graph.at_inference()
    results = Results([each.name for each in graph.outputs], [each.name for each in inference.outputs])
    named = len(graph.outputs) > 1
    inputs = () if [value.name for value in graph.inputs] == [ONLY] else [value.name for value in graph.inputs]
    classes: list[str] = []
    for plan in planner.plans[:-1]:
        classes += [*writing.class_source(plan, _about(plan, planner)), "", ""]
    last = writing.class_source(planner.plans[-1], "", results if named else None, inputs, initial.initial_lines(graph))
    text = "\n".join([*classes, *last])
    return [*_own_layers(text), *_functions(graph, text), *(results.classes() if named else []), *classes, *last]


def _about(plan: Plan, planner: Planner) -> str:
    """The docstring of a class: the comment beside the definition of its block."""
    definition = planner.notes.definitions.get(plan.template.word)
    if definition is None:
        model = planner.python.get(plan.template.word)
        return _with_values((inspect.getdoc(model) or "").partition("\n")[0], plan) if model else ""
    return _sentence(_with_values(comment_at(definition.span), plan)[:LONGEST])


def _with_values(comment: str, plan: Plan) -> str:
    """A comment with the values of the block's parameters that are no arguments, in place of their names."""

    def value(found: re.Match[str]) -> str:
        values = [row.get(found[1]) for row in plan.template.rows]
        known = found[1] not in plan.arguments and isinstance(values[0], int) and len(set(values)) == 1
        return str(values[0]) if known else found[0]

    return re.sub("`([a-z_0-9]+)`", value, comment)


def _sentence(text: str) -> str:
    """A text with a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if not text or text.endswith(".") else ".")


def _head(spec: Spec, body: list[str]) -> str:
    """The docstring and the imports."""
    text = "\n".join(body)
    summary = wrap(_sentence(" ".join(first_comment(spec)) or spec.name), LONGEST)
    source = wrap(f"Source: {spec.citation}.", LONGEST) if spec.citation else []
    lines = [*summary, "", *source, *([""] if source else []), WRITTEN.format(version=VERSION, name=spec.name)]
    imports = ["import math"] * ("math." in text)
    imports += ["from collections import OrderedDict"] * ("OrderedDict(" in text)
    imports += ["from collections.abc import Callable"] * ("Callable[" in text)
    typing = [name for name in ("Any", "NamedTuple") if any(mark in text for mark in (f": {name}", f"({name})"))]
    imports += [f"from typing import {', '.join(typing)}"] * bool(typing)
    torch = ["import torch"] * ("torch." in text.replace("nn.", "")) + ["from torch import Tensor, nn"]
    docstring = "\n".join(lines).strip()
    return f'"""{docstring}\n"""\n\n' + "\n".join([*imports, *[""] * bool(imports), *torch]) + "\n\n\n"


def _own_layers(text: str) -> list[str]:
    """The classes of archc's own layers that a network has, with those that they extend."""
    found: dict[str, str] = {}

    def add(name: str) -> None:
        cls = vars(layers).get(name)
        if inspect.isclass(cls) and cls.__module__ == layers.__name__ and name not in found:
            for base in cls.__bases__:
                add(base.__name__)
            found[name] = _without_repr(inspect.getsource(cls))

    for call in ast.walk(ast.parse(text)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            add(call.func.id)
    written = "\n\n".join(found.values())
    for before, after in (
        ("torch.Tensor", "Tensor"),
        (" functional.", " nn.functional."),
        ("(functional.", "(nn.functional."),
    ):
        written = written.replace(before, after)
    return [*written.splitlines(), "", ""] if written else []


def _without_repr(source: str) -> str:
    before, found, _ = source.partition("\n    def extra_repr")
    return before.rstrip() + "\n" if found else source


def _functions(graph: Graph, text: str) -> list[str]:
    """The functions that compute constants, and those of expressions."""
    found = {
        node.operator.word: str(getattr(node.operator, "torch_function", ""))
        for node in graph.nodes
        if node.operator.computed()
    }
    sources = [source for source in found.values() if source]
    sources += [MAKE_DIVISIBLE] if "make_divisible(" in text else []
    return [line for source in sources for line in (*source.strip().splitlines(), "", "")]
