"""Reads what a file's own library gives: the calls in it, as a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archc.diagnostics import LiftError
from archc.lifting.exported import read_exported
from archc.lifting.modules import NoWord
from archc.lifting.onnx_graph import read_onnx
from archc.lifting.programs import Reading

READERS: dict[str, Callable[[Any], Reading]] = {"ExportedProgram": read_exported, "ModelProto": read_onnx}
"""Class of what a library gives → what reads it."""


def read_program(program: object) -> Reading:
    """The calls in a file. Raises LiftError: they cannot be read, or the language has no word for one."""
    kind = type(program).__name__
    if kind not in READERS:
        help = "export the network anew from where it was made, as .pt2 or ONNX"
        raise LiftError("the file keeps no spec, and its calls cannot be read", code="no-word", help=help)
    try:
        return READERS[kind](program)
    except NoWord as error:
        raise LiftError(f"the language has no word for {error}", code="no-word") from None
