"""What modules were constructed with: arguments that name a block's parameters."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from torch import nn

from archc.lifting.blocks import Known
from archc.lifting.items import Data

SIMPLE = (bool, int, float, str)


class Constructors:
    """The arguments of each module that was constructed while this watched."""

    def __init__(self) -> None:
        self._given: dict[int, tuple[nn.Module, dict[str, Data]]] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Side effect: takes the place of the interpreter's profiling function for a while."""
        before = sys.getprofile()
        sys.setprofile(self._called)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _called(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or frame.f_code.co_name != "__init__" or not frame.f_code.co_argcount:
            return
        names = frame.f_code.co_varnames[: frame.f_code.co_argcount + frame.f_code.co_kwonlyargcount]
        module = frame.f_locals.get(names[0])
        if isinstance(module, nn.Module) and id(module) not in self._given:
            given = {name: value for name in names[1:] for name, value in _simple(name, frame.f_locals.get(name))}
            self._given[id(module)] = (module, given)

    def known(self, root: nn.Module) -> Known:
        """The arguments by path, and the defaults of each class's constructor."""
        arguments: dict[str, Mapping[str, Data]] = {}
        defaults: dict[str, Mapping[str, Data]] = {}
        for path, module in root.named_modules():
            if id(module) in self._given:
                arguments[path] = self._given[id(module)][1]
            if type(module).__name__ not in defaults:
                defaults[type(module).__name__] = _defaults(type(module))
        return Known(arguments, defaults)


def _simple(name: str, value: Any) -> Iterator[tuple[str, Data]]:
    """An argument that a spec could hold; those of a configuration object one by one."""
    if isinstance(value, SIMPLE):
        yield name, value
    elif hasattr(value, "__dict__") and not isinstance(value, type | nn.Module) and not callable(value):
        yield from ((key, each) for key, each in vars(value).items() if isinstance(each, SIMPLE) and key[0] != "_")


def _defaults(kind: type) -> dict[str, Data]:
    try:
        parameters = inspect.signature(kind).parameters
    except (TypeError, ValueError):
        return {}
    return {name: each.default for name, each in parameters.items() if isinstance(each.default, SIMPLE)}
