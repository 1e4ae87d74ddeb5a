"""Mappings -> Pydantic models; what a model refuses becomes diagnostics that point at the key or value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from archc.diagnostics import Diagnostic, Span, SpecError, did_you_mean
from archc.spec.tree import Mapping, Scalar, Tree, plain

Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], tree: Tree, what: str) -> Model:
    """The model with a mapping's values; `what` names the mapping in messages. Raises SpecError."""
    if not isinstance(tree, Mapping):
        keys = ", ".join(f"{key}: …" for key, field in model.model_fields.items() if field.is_required())
        help = f"such as {{{keys}}}"
        raise SpecError(f"{what} is a mapping", code="wrong-kind", span=tree.span, help=help)
    try:
        return model.model_validate(plain(tree))
    except ValidationError as error:
        lines = error.errors(include_url=False)
        raise SpecError(_diagnostic(line, tree, what, model) for line in lines) from None


def _diagnostic(line: Any, tree: Mapping, what: str, model: type[BaseModel]) -> Diagnostic:
    # Pydantic's location also has the tags of unions and the indices of lists; keys that were written are
    # what counts.
    path = [step for step in line["loc"] if isinstance(step, str) and step not in ("int", "Range")]
    owner = ".".join([what, *path[:-1]])
    if line["type"] == "missing":
        return Diagnostic(
            "missing-key", f"{owner} needs the key '{path[-1]}'", _find(tree, path[:-1])[1].span
        )
    found = _find(tree, path)
    if line["type"] == "extra_forbidden":
        help = did_you_mean(path[-1], model.model_fields) if len(path) == 1 else None
        return Diagnostic("unknown-key", f"{owner} has no key '{path[-1]}'", found[0], help=help)
    message = f"{'.'.join([what, *path])} {_requirement(line)}"
    shown = f", not '{found[1].text}'" if isinstance(found[1], Scalar) else ""
    return Diagnostic("invalid-value", f"{message}{shown}", found[1].span)


def _requirement(line: Any) -> str:
    """What Pydantic demands, as `must be …`."""
    context = line.get("ctx", {})
    requirements = {
        "int_type": "must be an integer",
        "float_type": "must be a number",
        "bool_type": "must be true or false",
        "string_type": "must be a word",
        "list_type": "must be a list",
        "greater_than": f"must be greater than {context.get('gt')}",
        "less_than": f"must be less than {context.get('lt')}",
    }
    return requirements.get(line["type"], str(line["msg"]).removeprefix("Value error, "))


def _find(tree: Mapping, path: Iterable[str]) -> tuple[Span, Tree]:
    """Where the key at this path stands, and its value; what is nearest around it if it is not there."""
    span, current = _first_key(tree), tree
    found: Tree = tree
    for name in path:
        if name not in current.entries:
            break
        entry = current.entries[name]
        span, found = entry.key.span, entry.value
        if not isinstance(found, Mapping):
            break
        current = found
    return span, found


def _first_key(tree: Mapping) -> Span:
    return next((entry.key.span for entry in tree.entries.values()), tree.span)
