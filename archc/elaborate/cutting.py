"""Cuts a network: values that are named become its outputs, and what they do not need is left out.

A name is a mark or output of the top level, or a module's path. That of a scope (a block, `layer3`, `layer3.0`) names
the value that the scope gives, whichever of its items comes last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from archc.diagnostics import Diagnostic, SpecError, UsageError
from archc.diagnostics.codes import Code
from archc.ir.graph import Graph, Output, Value
from archc.spec.language.document import Wanted
from archc.spec.language.names import is_output_name

MOST_SUGGESTED = 3
MOST_LISTED = 10


def cut(graph: Graph, wanted: Sequence[Wanted], marks: Mapping[str, Value], scopes: Mapping[str, Value]) -> Graph:
    """The graph that computes these values alone, in this order; parameters that they do not need are left out.

    `marks` are the values that have a name at the top level, and `scopes` those that scopes give, by path.
    Raises: SpecError, or UsageError if the spec does not say it: a name is unknown, twice there, or of an input.
    """
    named = {**_by_path(graph), **scopes, **{output.name: output.value for output in graph.outputs}, **marks}
    inputs = {value.name for value in graph.inputs}
    outputs: dict[str, Output] = {}
    problems: list[Diagnostic] = []
    for each in wanted:
        value, name = named.get(each.path), output_name(each.path)
        if value is None:
            problems.append(_unknown(graph, each, [path for path in named if named[path].name not in inputs]))
        elif value.name in inputs:
            problems.append(_problem("empty", f"'{each.path}' gives the input '{value.name}' unchanged", each))
        elif name in outputs or name in inputs:
            problems.append(_problem("name-taken", f"there is already an input or output '{name}'", each))
        else:
            outputs[name] = Output(name, value)
    if problems:
        raise _error(problems)
    kept = _without_unused_inputs(graph.only(tuple(outputs.values())))
    _refuse_orphans(kept, wanted[0])
    return kept


def output_name(path: str) -> str:
    """What the output at a path is called: `layer3_2` for `layer3.2`."""
    name = "".join(character if character.isalnum() else "_" for character in path).strip("_")
    return name if is_output_name(name) else f"output_{name}"


def _by_path(graph: Graph) -> dict[str, Value]:
    """The values of nodes, and of scopes what the last node inside them gives."""
    found: dict[str, Value] = {}
    parents = {scope.path: scope.parent for scope in graph.scopes}
    for node in graph.nodes:
        scope = node.scope
        while scope:
            found[scope] = node.outputs[-1]
            scope = parents[scope]
    for node in graph.nodes:
        found |= {value.name: value for value in node.outputs}
    return found


def _without_unused_inputs(graph: Graph) -> Graph:
    """Without the inputs that no node uses, unless that would be all."""
    used = {value.name for node in graph.nodes for value in node.inputs}
    inputs = tuple([value for value in graph.inputs if value.name in used])
    return replace(graph, inputs=inputs or graph.inputs[:1])


def _refuse_orphans(graph: Graph, first: Wanted) -> None:
    """Refuse a network in which an item is used again whose first use is left out: there its tensors are."""
    owners = {node.path for node in graph.nodes}
    for node in graph.nodes:
        if node.shares and node.shares not in owners:
            message = f"{node.path} has the tensors of {node.shares}, which is left out"
            raise _error([_problem("empty", message, first, f"name {node.shares} as an output too")])


def _unknown(graph: Graph, each: Wanted, named: Sequence[str]) -> Diagnostic:
    near = [f"'{path}'" for path in get_close_matches(each.path, named, MOST_SUGGESTED)]
    top = [path for path in named if "." not in path and ":" not in path]
    more = f" and {len(top) - MOST_LISTED} more" if len(top) > MOST_LISTED else ""
    listed = f"at the top level there are {', '.join(top[:MOST_LISTED])}{more}"
    help = f"did you mean {_listed(near)}?" if near else listed
    return _problem("unknown-name", f"{graph.name} has no module or mark '{each.path}'", each, help)


def _listed(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _problem(code: Code, message: str, each: Wanted, help: str | None = None) -> Diagnostic:
    return Diagnostic(code, message, each.span, help=help)


def _error(problems: Sequence[Diagnostic]) -> SpecError | UsageError:
    return SpecError(problems) if problems[0].span else UsageError(problems)
