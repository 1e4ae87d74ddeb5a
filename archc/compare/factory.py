"""Imports a person's Python and calls the function that gives their module. What goes wrong in it is told as theirs."""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from archc.diagnostics import Note, UsageError, did_you_mean


def load_factory(reference: str, arguments: Mapping[str, object] | None = None) -> nn.Module:
    """The module that `package.module:factory` gives when it is called with these arguments.

    The current directory is on the path, as `python -m` has it. A factory is a function, a class, or a module itself.
    Side effect: runs the person's Python, whose output goes to standard error.
    Raises: UsageError: there is no such thing, it fails, or it gives no `torch.nn.Module`.
    """
    name, _, path = reference.partition(":")
    if not all(part.isidentifier() for part in (*name.split("."), *path.split("."))):
        raise UsageError(f"'{reference}' is not of the form package.module:factory", code="bad-option")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    with foreign(f"importing {name}"):
        found = reduce(_member, path.split("."), _imported(name))
    with foreign(f"calling {reference}"):
        module = found if isinstance(found, nn.Module) and not arguments else _called(found, arguments or {})
    if not isinstance(module, nn.Module):
        kind = type(module).__name__
        raise UsageError(f"{reference} gives no torch.nn.Module but an object of type {kind}", code="bad-python")
    return module


@contextmanager
def foreign(doing: str) -> Iterator[None]:
    """Has errors of a person's own Python told as such; what it prints goes to standard error."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise failure(doing, error) from error


def failure(doing: str, error: BaseException) -> UsageError:
    """An error of a person's own Python, with the last line of its traceback and the last place in their code."""
    last = traceback.format_exception_only(error)[-1].strip()
    where = place(error)
    notes = (Note(f"raised at {where}"),) if where else ()
    return UsageError(f"{doing} failed: {last}", code="bad-python", notes=notes)


def reason(error: UsageError) -> str:
    """What a failure says, and where it was raised, in one line."""
    (problem,) = error.diagnostics
    return " ".join((problem.message, *(f"({note.message})" for note in problem.notes)))


def place(error: BaseException) -> str | None:
    """`file:line in function` of the last frame of a traceback in a person's own code."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{shown(error.filename)}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_own(frame.filename)]
    return f"{shown(frames[-1].filename)}:{frames[-1].lineno} in {frames[-1].name}" if frames else None


_OTHERS = (
    str(Path(__file__).parent.parent) + os.sep,
    str(Path(nn.__file__).parent.parent) + os.sep,
    sysconfig.get_paths()["stdlib"] + os.sep,
)


def is_own(file: str) -> bool:
    """True for a file that is part of neither archc, PyTorch nor Python."""
    installed = "site-packages" in file
    return (
        not file.startswith("<") and (installed or not file.startswith(_OTHERS[2])) and not file.startswith(_OTHERS[:2])
    )


def shown(file: str) -> str:
    """A path, from the current directory if it lies below that."""
    return str(Path(file).relative_to(Path.cwd())) if Path(file).is_relative_to(Path.cwd()) else file


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        help = "it is looked for in the current directory and where Python finds packages"
        raise UsageError(f"there is no Python module '{error.name}'", code="bad-python", help=help) from None


def _member(owner: Any, name: str) -> Any:
    if not hasattr(owner, name):
        message = f"{getattr(owner, '__name__', owner)} has no '{name}'"
        raise UsageError(message, code="bad-python", help=did_you_mean(name, dir(owner)))
    return getattr(owner, name)


def _called(found: Any, arguments: Mapping[str, object]) -> Any:
    factory: Callable[..., Any] = found
    return factory(**arguments)
