"""Mappings -> Pydantic models; what a model refuses becomes diagnostics that point at the key or value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from archc.diagnostics import Diagnostic, Span, SpecError, nearest
from archc.spec.tree import Mapping, Scalar, Tree, Unreadable, plain

Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], tree: Tree, what: str) -> Model:
    """The model with a mapping's values; `what` names the mapping in messages. Raises SpecError."""
    if not isinstance(tree, Mapping):
        keys = ", ".join(f"{key}: …" for key, field in model.model_fields.items() if field.is_required())
        help = f"such as {{{keys}}}"
        raise SpecError(f"{what} is a mapping", code="wrong-kind", span=tree.span, help=help)
    try:
        return model.model_validate(plain(tree._replace(lost=())))
    except ValidationError as error:
        raise SpecError(_diagnostics(error, tree, what, model)) from None


def _diagnostics(error: ValidationError, tree: Mapping, what: str, model: type[BaseModel]) -> Iterator[Diagnostic]:
    """Everything that is wrong. A key that is missing because it was misspelt is told once."""
    lines = [(line, _written_path(line)) for line in error.errors(include_url=False)]
    missing = dict.fromkeys(path for line, path in lines if line["type"] == "missing")
    for line, path in lines:
        if line["type"] == "extra_forbidden":
            message = f"{_owner(what, path)} has no key '{path[-1]}'"
            yield Diagnostic("unknown-key", message, _find(tree, path)[0], help=_meant_by(path, missing, model))
        elif line["type"] != "missing" and not isinstance(line["input"], Unreadable | Mapping):
            yield _invalid(line, path, tree, what)
    for path in missing:
        if path[:-1] or not tree.lacks_keys:
            message = f"{_owner(what, path)} needs the key '{path[-1]}'"
            yield Diagnostic("missing-key", message, _find(tree, path[:-1])[1].span)


def _meant_by(path: tuple[str, ...], missing: dict[tuple[str, ...], None], model: type[BaseModel]) -> str | None:
    """Help for a key that is not known; the missing key that it is likely to stand for is taken out of `missing`."""
    lacking = [key for *owner, key in missing if owner == [*path[:-1]]]
    meant = nearest(path[-1], lacking) or (lacking[0] if len(lacking) == 1 else None)
    if meant is not None:
        missing.pop((*path[:-1], meant), None)
        return f"did you mean '{meant}'?" if nearest(path[-1], [meant]) else f"the key '{meant}' is missing"
    return f"the keys are {', '.join(model.model_fields)}" if len(path) == 1 else None


def _invalid(line: Any, path: tuple[str, ...], tree: Mapping, what: str) -> Diagnostic:
    value = _find(tree, path)[1]
    shown = ""
    if isinstance(value, Scalar):
        is_text = isinstance(value.value, str) or value.text == ""
        shown = f", not '{value.text}'" if is_text else f", not {value.text}"
    message = f"{'.'.join((what, *path))} {requirement(line)}{shown}"
    return Diagnostic("invalid-value", message, value.span, help=_range_of(line))


def _range_of(line: Any) -> str | None:
    """The range that a single size is likely to mean."""
    size = line["input"]
    if line["type"] != "model_type" or not isinstance(size, int) or size < 1:
        return None
    return f"such as {{min: 1, opt: {int(size)}, max: {int(size)}}}"


def _written_path(line: Any) -> tuple[str, ...]:
    """The keys that lead to the place, without the tags of unions and the indices of lists."""
    return tuple(step for step in line["loc"] if isinstance(step, str) and step not in ("int", "Range"))


def _owner(what: str, path: tuple[str, ...]) -> str:
    return ".".join((what, *path[:-1]))


def requirement(line: Any) -> str:
    """What Pydantic demands in one of its errors, as `must be …`."""
    context = line.get("ctx", {})
    requirements = {
        "int_type": "must be an integer",
        "float_type": "must be a number",
        "bool_type": "must be true or false",
        "string_type": "must be a word",
        "tuple_type": "must be an integer or a list of them",
        "list_type": "must be a list",
        "model_type": "must be a mapping",
        "missing": "must be a pair",
        "greater_than": f"must be greater than {context.get('gt')}",
        "greater_than_equal": f"must be at least {context.get('ge')}",
        "less_than": f"must be less than {context.get('lt')}",
        "less_than_equal": f"must be at most {context.get('le')}",
        "finite_number": "must be finite",
        "literal_error": f"must be {context.get('expected')}",
        "too_long": f"must have at most {context.get('max_length')} entries",
        "too_short": f"must have at least {context.get('min_length')} entries",
        "dataclass_exact_type": "must be an operator or block",
    }
    return requirements.get(line["type"], f"is wrong: {reason(line)}")


def reason(line: Any) -> str:
    """The message of a model's own validator, or of Pydantic."""
    return str(line["msg"]).removeprefix("Value error, ")


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
