"""What a seeded bug is, and the list of all of them: importing a family of bugs registers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx

from tests.campaigns.bugs.draft import Draft

Change = Callable[[Draft, onnx.NodeProto], onnx.NodeProto | None]


@dataclass(frozen=True)
class Bug:
    """A mistake in one emitted node of some operator.

    `change` makes it, in place, and returns the node that is then wrong where it is not the one that was given.
    `folded` tells which of the two exports it is seeded into; `resizes` that values change their shapes.
    """

    name: str
    operators: tuple[str, ...]
    change: Change
    folded: bool
    resizes: bool

    def __str__(self) -> str:
        return self.name


BUGS: dict[str, Bug] = {}


def seeded(*operators: str, folded: bool = True, resizes: bool = False) -> Callable[[Change], Change]:
    """Register a change as a bug of these ONNX operators, named after its function."""

    def register(change: Change) -> Change:
        name = change.__name__
        assert name not in BUGS, f"two bugs are called {name}"
        BUGS[name] = Bug(name, operators, change, folded, resizes)
        return change

    return register
