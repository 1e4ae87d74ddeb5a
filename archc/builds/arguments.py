"""The arguments of a Python caller, checked and brought into the form that builds take.

Every function raises UsageError for what it cannot take; the message names the keyword.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any

from archc.builds.options import WeightOptions
from archc.diagnostics import UsageError, option

WeightSource = str | Path | Mapping[str, object] | None
Parameters = Mapping[str, object] | None


def path(name: str, given: object) -> Path:
    """A path."""
    if not isinstance(given, str | PathLike):
        raise _unfit(option(name), given, "give a path, as text or as a pathlib.Path")
    if "\0" in str(given):
        raise UsageError(f"{option(name)} cannot be {str(given)!r}: no path has a null character", code="bad-option")
    return Path(given)


def names(name: str, given: object) -> tuple[str, ...]:
    """Several texts, or one."""
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, Iterable):
        raise _unfit(option(name), given, "give a text, or a list of texts")
    found = tuple(given)
    for each in found:
        if not isinstance(each, str):
            raise _unfit(f"an item of {option(name)}", each, "give a text, or a list of texts")
    return found


def mapping(name: str, given: object) -> dict[str, object]:
    """A mapping with texts as keys; nothing for None."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise _unfit(option(name), given, "give a dict")
    for key in given:
        if not isinstance(key, str):
            raise _unfit(f"a key of {option(name)}", key, "give a text")
    return dict(given)


def module(name: str, given: object) -> Any:
    """A `torch.nn.Module`. PyTorch is imported where somebody has one."""
    torch_nn = sys.modules.get("torch.nn")
    if torch_nn is None or not isinstance(given, torch_nn.Module):
        raise _unfit(option(name), given, "give a path, as text or as a pathlib.Path, or a torch.nn.Module")
    return given


def truth(name: str, given: object) -> bool:
    """True or false; what only counts as one of them, such as None, is likely to be a mistake."""
    if not isinstance(given, bool):
        raise _unfit(option(name), given, "give True or False")
    return given


def whole(name: str, given: object) -> int:
    """A whole number of at least 0."""
    if not isinstance(given, Integral) or isinstance(given, bool) or given < 0:
        raise _unfit(option(name), given, "give a whole number of at least 0")
    return int(given)


def scalar(given: object) -> object:
    """The same value, where a whole number of NumPy has become one of Python."""
    return int(given) if isinstance(given, Integral) and not isinstance(given, bool) else given


def weights(given: object, seed: object, ignore: object, rename: object) -> WeightOptions:
    """Where weights come from, and how they are adapted."""
    pairs = []
    for pattern, text in mapping("rename", rename).items():
        if not isinstance(text, str):
            raise _unfit(f"a value of {option('rename')}", text, "give a text")
        pairs.append((pattern, text))
    file, state_dict = None, None
    if isinstance(given, Mapping):
        state_dict = given
    elif isinstance(given, str | PathLike):
        file = path("weights", given)
    elif given is not None:
        raise _unfit(option("weights"), given, "give a file, or a state_dict such as model.state_dict()")
    return WeightOptions(file, scalar(seed), names("ignore", ignore), pairs, state_dict)  # type: ignore[arg-type]


def settings(parameters: object, keywords: Mapping[str, object]) -> dict[str, str]:
    """The values of a spec's parameters as texts."""
    given = mapping("parameters", parameters)
    if twice := sorted(given.keys() & keywords.keys()):
        message = f"the parameter '{twice[0]}' is given twice: in parameters, and as a keyword"
        raise UsageError(message, code="bad-option")
    return {name: _setting(name, value) for name, value in {**given, **keywords}.items()}


def _setting(name: str, value: object) -> str:
    """A parameter's value as a spec writes it."""
    if isinstance(value, str):
        return value
    try:
        return f"[{', '.join(map(_text, value))}]" if isinstance(value, tuple | list) else _text(value)
    except (TypeError, ValueError, OverflowError) as error:
        help = "a parameter is a number, a boolean, a word, a pair of whole numbers, or None"
        raise UsageError(f"the parameter '{name}' cannot be given: {error}", code="invalid-value", help=help) from None


def _text(value: object) -> str:
    """A number or constant as a spec writes it. Raises TypeError, ValueError, OverflowError: there is no such text."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case Integral():
            return str(int(value))
        case Real():
            return repr(float(value))
    raise TypeError(f"a {type(value).__name__} has no text in a spec")


def _unfit(what: str, given: object, help: str) -> UsageError:
    shown = "None" if given is None else f"of type {type(given).__name__}"
    return UsageError(f"{what} cannot be {shown}", code="bad-option", help=help)
