"""What a seeded bug is, and the list of all of them: importing a family of bugs registers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx

from archc.verification.report import Report
from tests.campaigns.bugs.draft import Draft

Change = Callable[[Draft, onnx.NodeProto], onnx.NodeProto | str | None]
Named = Callable[[str, tuple[int, ...]], bool]


@dataclass(frozen=True)
class Bug:
    """A mistake in one emitted node of some operator.

    `change` makes it, in place, and returns the node that is then wrong, or its path, where it is not the one that was
    given.
    `folded` tells which of the two exports it is seeded into; `resizes` that values change their shapes.
    """

    name: str
    operators: tuple[str, ...]
    change: Change
    folded: bool = True
    resizes: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class WrongNumbers(Bug):
    """A file whose tensors are the network's and whose numbers are wrong, perhaps for some inputs alone; any operator.

    `named` tells whether a complaint (its text, and the batches that it is about) names the wrong part, where that is
    no node. `harmless` is true of a report that may pass, because it claims nothing that is wrong. With `resizable` the
    bug needs a network of dynamic sizes.
    """

    named: Named | None = None
    harmless: Callable[[Report], bool] = lambda report: False
    resizable: bool = False


BUGS: dict[str, Bug] = {}


def register(bug: Bug) -> Bug:
    """Add a bug to the list. Its name is its own."""
    assert bug.name not in BUGS, f"two bugs are called {bug.name}"
    BUGS[bug.name] = bug
    return bug


def seeded(*operators: str, folded: bool = True, resizes: bool = False) -> Callable[[Change], Change]:
    """Register a change as a bug of these ONNX operators, named after its function."""

    def add(change: Change) -> Change:
        register(Bug(change.__name__, operators, change, folded, resizes))
        return change

    return add
