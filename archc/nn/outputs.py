"""The NamedTuples of networks with several outputs."""

from __future__ import annotations

import copyreg
from collections import namedtuple
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Any


def named_outputs(name: str, fields: Sequence[str]) -> type[Any]:
    """The NamedTuple with this name and these fields, the same one each time.

    It pickles as its name, fields and values, without an importable class. TorchScript tells classes apart by their
    module and name, so that the module is another for other fields.
    """
    return _named_outputs(name, tuple(fields))


@cache
def _named_outputs(name: str, fields: tuple[str, ...]) -> type[Any]:
    digest = sha256(" ".join(fields).encode()).hexdigest()[:16]
    outputs: type[Any] = namedtuple(name, fields, module=f"{__name__}_{digest}")  # type: ignore[misc]
    copyreg.pickle(outputs, _reduce)
    return outputs


def _reduce(outputs: Any) -> tuple[Any, ...]:
    return _restore, (type(outputs).__name__, outputs._fields, *outputs)


def _restore(name: str, fields: tuple[str, ...], *values: Any) -> Any:
    return _named_outputs(name, fields)(*values)
