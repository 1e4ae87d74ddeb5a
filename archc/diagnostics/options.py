"""How a message names an option: as who reads it would write it.

Messages name options by their names in Python. The command line has a spelling of its own while it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Spelling = Callable[[str, str], str]


def _in_python(name: str, value: str) -> str:
    """`seed=`, `seed=3`; a parameter of a spec is a keyword of its own."""
    return value if name == "parameters" and value else f"{name}={value}"


_SPELLING: ContextVar[Spelling] = ContextVar("spelling", default=_in_python)


def option(name: str, value: str = "") -> str:
    """An option, perhaps with a value, in a message: `seed=` for a Python caller, `--seed` on the command line."""
    return _SPELLING.get()(name, value)


@contextmanager
def options_spelled(spelling: Spelling) -> Iterator[None]:
    """Options are named in this spelling inside the block."""
    token = _SPELLING.set(spelling)
    try:
        yield
    finally:
        _SPELLING.reset(token)
